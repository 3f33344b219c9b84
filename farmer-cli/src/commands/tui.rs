//! `farmer tui`

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use ::tui::{DirectorySource, Glyphs, RunError, Settings, Theme};
use directory::clock::SystemClock;

use super::{Context, connect};
use crate::args::TuiArgs;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};

impl Classify for RunError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Runs the terminal UI.
pub async fn run(context: &Context<'_>, args: TuiArgs) -> Outcome<ExitStatus> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(
            Failure::new(ExitStatus::Usage, "the terminal UI needs a terminal")
                .with_hint("`farmer node list` says the same anywhere"),
        );
    }
    let settings = context.settings(&args.connection)?;
    let connection = connect::patient_reading(&settings).await?;
    let glyphs = if context.environment.terminal_is_unicode() {
        Glyphs::Unicode
    } else {
        Glyphs::Ascii
    };
    let farm_id = args.farm.map(u64::from);
    let view = Settings {
        directory: connection.client.server().to_owned(),
        farm_id,
        interval: Duration::from_secs(args.interval),
        theme: Theme {
            color: context.printer.stdout_has_color(),
            glyphs,
        },
    };
    let source = DirectorySource::new(connection.client, farm_id, connection.signer);
    ::tui::run(view, Arc::new(source), Arc::new(SystemClock)).await?;
    Ok(ExitStatus::Ok)
}
