//! `farmer probe` and `farmer estimate`

use std::path::PathBuf;

use hw_probe::args::{EstimateArgs, MachineError, SnapshotTaken};
use hw_probe::planning::Estimate;
use hw_probe::report::{Report, render_estimate, render_table};
use hw_probe::settle::Settling;
use serde::Serialize;

use super::Context;
use crate::args::{ConnectionArgs, ProbeArgs, ProbeCommand};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Outcome};
use crate::page::Page;
use crate::printer::Show;

/// Pages for people are as wide as the help.
const WIDTH: usize = 80;

impl Classify for MachineError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::AnonymousSnapshot | Self::SnapshotOfTable => ExitStatus::Usage,
            _ if self.is_absent() => ExitStatus::NotFound,
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

impl Show for Report {
    fn show(&self, page: &mut Page) {
        // Styled always: the printer takes colour away where it is not wanted.
        page.text(&render_table(self, WIDTH, true));
    }
}

impl Show for Estimate {
    fn show(&self, page: &mut Page) {
        page.text(&render_estimate(self, WIDTH, true));
    }
}

/// A snapshot that was written.
#[derive(Serialize)]
struct Taken {
    path: PathBuf,
    #[serde(flatten)]
    taken: SnapshotTaken,
}

impl Show for Taken {
    fn show(&self, page: &mut Page) {
        page.field("snapshot", self.path.display())
            .field("files", self.taken.entries)
            .field("warnings", self.taken.warnings);
    }
}

/// `farmer probe`
pub fn probe(context: &Context<'_>, args: &ProbeArgs) -> Outcome<ExitStatus> {
    let waiting = |now: &Settling| {
        context.printer.message(&format!(
            "waiting for drivers: {} block devices, {} network interfaces",
            now.block.len(),
            now.net.len()
        ));
    };
    if let Some(ProbeCommand::Snapshot(snapshot)) = &args.command {
        let taken = args.machine.snapshot(snapshot, waiting)?;
        let path = snapshot.archive.clone();
        context.printer.data(&Taken { path, taken })?;
        return Ok(ExitStatus::Ok);
    }
    let settings = context.settings(&ConnectionArgs::default())?;
    let inventory = args.machine.inventory(settings.disks().clone(), waiting)?;
    let options = args.reward.report_options();
    context.printer.data(&Report::of(&inventory, &options))?;
    Ok(ExitStatus::Ok)
}

/// `farmer estimate`
pub fn estimate(context: &Context<'_>, args: &EstimateArgs) -> Outcome<ExitStatus> {
    let estimate = hw_probe::planning::estimate(&args.inputs());
    context.printer.data(&estimate)?;
    Ok(ExitStatus::Ok)
}
