//! `farmer tui`, `farmer dash`

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use ::tui::history::History as _;
use ::tui::node::duration_text;
use ::tui::summary::{Alert, Summary};
use ::tui::{
    DirectorySource, Glyphs, Preferences, RunError, Session, Settings as ViewSettings, Source as _,
    Theme, View,
};
use directory::cache::Cache;
use directory::clock::{Clock as _, SystemClock};
use directory::sign::{SignatureMode, Signer};
use serde::Serialize;

use super::image::MediaMaker;
use super::{Context, connect};
use crate::args::{ConnectionArgs, DashArgs, TuiArgs};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;
use crate::settings::Settings;

impl Classify for RunError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Runs the terminal UI.
pub async fn run(context: &Context<'_>, args: TuiArgs) -> Outcome<ExitStatus> {
    needs_terminal()?;
    let view = ViewSettings {
        directory: String::new(),
        farm_id: args.farm.map(u64::from),
        interval: Duration::from_secs(args.interval),
        theme: theme(context),
        read_only: args.read_only,
        no_decisions: None,
        first: View::Nodes,
    };
    if let Some(path) = &args.replay {
        ::tui::replay(path, &view).await?;
        return Ok(ExitStatus::Ok);
    }
    let maker = MediaMaker::new(context, &args.connection, args.node, args.bootkit);
    session(context, &args.connection, view, args.record, maker).await
}

/// `farmer dash`
pub async fn dash(context: &Context<'_>, args: DashArgs) -> Outcome<ExitStatus> {
    let farm_id = args.farm.map(u64::from);
    if !args.once {
        needs_terminal()?;
        let view = ViewSettings {
            directory: String::new(),
            farm_id,
            interval: Duration::from_secs(5),
            theme: theme(context),
            read_only: false,
            no_decisions: None,
            first: View::Overview,
        };
        let maker = MediaMaker::new(context, &args.connection, None, None);
        return session(context, &args.connection, view, None, maker).await;
    }
    let settings = context.settings(&args.connection)?;
    let source = source(context, &settings, farm_id).await?;
    let refreshed = source.refresh(Box::new(|_, _| {})).await;
    let snapshot = source.all().await.map_err(cache_failure)?;
    if let Err(error) = &refreshed {
        if snapshot.as_of.is_none() {
            return Err(Failure::new(ExitStatus::NotFound, error.clone()));
        }
        context.printer.warning(error);
    }
    let now = SystemClock.now();
    let summary = Summary::of(&snapshot.rows, now);
    if refreshed.is_ok() && summary.nodes > 0 {
        // For the sparklines of a session; a cache that refuses keeps nobody from the answer.
        let kept = source.record(::tui::history::sample(&summary, now)).await;
        if let Err(error) = kept {
            context.printer.warning(&error);
        }
    }
    let overview = Overview {
        directory: connect::anonymous(&settings)?.server().to_owned(),
        farm_id,
        farm_name: snapshot.farm.map(|farm| farm.name.to_string()),
        live: refreshed.is_ok(),
        age_seconds: snapshot
            .as_of
            .map(|then| now.secs.saturating_sub(then).max(0)),
        alerts: summary.alerts(),
        lines: summary.text(now),
        summary,
    };
    context.printer.data(&overview)?;
    Ok(ExitStatus::Ok)
}

fn cache_failure(error: String) -> Failure {
    Failure::new(ExitStatus::Failed, error)
}

/// The overview as `farmer dash --once` prints it.
#[derive(Serialize)]
struct Overview {
    directory: String,
    farm_id: Option<u64>,
    farm_name: Option<String>,
    /// Whether the directory answered now.
    live: bool,
    age_seconds: Option<i64>,
    #[serde(flatten)]
    summary: Summary,
    alerts: Vec<Alert>,
    #[serde(skip)]
    lines: Vec<(&'static str, String)>,
}

impl Show for Overview {
    fn show(&self, page: &mut Page) {
        match (self.farm_id, &self.farm_name) {
            (Some(id), Some(name)) => page.field("farm", format!("{id} {name}")),
            (Some(id), None) => page.field("farm", id),
            (None, _) => page.field("directory", &self.directory),
        };
        let age = self.age_seconds.map_or("unknown".to_owned(), duration_text);
        if self.live {
            page.field("data", "live");
        } else {
            page.field("data", format!("no response, {age} old"));
        }
        for (label, text) in &self.lines {
            page.field(label, text);
        }
        page.heading("Needs attention");
        for alert in &self.alerts {
            page.line(&alert.text);
        }
        if self.alerts.is_empty() {
            page.line("nothing");
        }
    }
}

fn needs_terminal() -> Outcome<()> {
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(
        Failure::new(ExitStatus::Usage, "the terminal UI needs a terminal")
            .with_hint("`farmer dash --once` and `farmer node list` say the same anywhere"),
    )
}

fn theme(context: &Context<'_>) -> Theme {
    Theme {
        color: context.printer.stdout_has_color(),
        glyphs: if context.environment.terminal_is_unicode() {
            Glyphs::Unicode
        } else {
            Glyphs::Ascii
        },
    }
}

async fn session(
    context: &Context<'_>,
    flags: &ConnectionArgs,
    view: ViewSettings,
    record: Option<std::path::PathBuf>,
    maker: MediaMaker,
) -> Outcome<ExitStatus> {
    let settings = context.settings(flags)?;
    let source = source(context, &settings, view.farm_id).await?;
    let preferences_file = context.environment.state_dir()?.join("tui.json");
    let preferences = std::fs::read_to_string(&preferences_file)
        .map(|text| Preferences::from_json(&text))
        .unwrap_or_default();
    let client = connect::anonymous(&settings)?;
    let is_old = client.signature_mode() == SignatureMode::Compat;
    let session = Session {
        settings: ViewSettings {
            directory: client.server().to_owned(),
            no_decisions: is_old.then(|| "directories of 2020 know no approval".to_owned()),
            ..view
        },
        preferences,
        preferences_file: Some(preferences_file),
        record,
        maker: Arc::new(maker),
    };
    ::tui::run(session, Arc::new(source), Arc::new(SystemClock)).await?;
    Ok(ExitStatus::Ok)
}

/// The directory with its cache; nothing is sent yet.
async fn source(
    context: &Context<'_>,
    settings: &Settings,
    farm_id: Option<u64>,
) -> Outcome<DirectorySource> {
    let client = connect::anonymous(settings)?;
    let opened = Cache::open(&context.environment.cache_dir()?).await?;
    if let Some(path) = opened.set_aside {
        tracing::warn!(path = %path.display(), "the cache could not be used and was set aside");
    }
    let cache = opened.cache.source(client.base_url(), farm_id).await?;
    let find_owner = {
        let (settings, client) = (settings.clone(), client.clone());
        Arc::new(move || -> ::tui::source::Answer<Result<Signer, String>> {
            let (settings, client) = (settings.clone(), client.clone());
            Box::pin(async move {
                match connect::known_owner(&settings, &client).await {
                    Ok(Some(signer)) => Ok(Ok(signer)),
                    Ok(None) => Ok(Err(format!(
                        "no identity of yours is known to {}",
                        client.server()
                    ))),
                    Err(failure) if failure.is_passing() => Err(failure.chain().join(": ")),
                    Err(failure) => Ok(Err(failure.chain().join(": "))),
                }
            })
        })
    };
    Ok(DirectorySource::new(
        client,
        cache,
        farm_id,
        find_owner,
        Arc::new(SystemClock),
    ))
}
