//! `farmer tui`, `farmer dash`

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use ::tui::history::History as _;
use ::tui::media::Maker;
use ::tui::node::duration_text;
use ::tui::summary::{Alert, Summary};
use ::tui::{
    DirectorySource, Glyphs, Place, Preferences, RunError, Session, Settings as ViewSettings,
    Source, Theme, Unusable, View,
};
use directory::cache::Cache;
use directory::client::Client;
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
use crate::settings::{Profile, Settings};

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
        places: Vec::new(),
    };
    if let Some(path) = &args.replay {
        ::tui::replay(path, &view).await?;
        return Ok(ExitStatus::Ok);
    }
    let visits = if args.profiles.is_empty() {
        visits_of_flags(context, &args.connection, view.farm_id)?
    } else {
        let config = context.global.config.as_deref();
        visits_of_profiles(Settings::load_profiles(
            context.environment,
            config,
            &args.profiles,
        )?)
    };
    session(
        context,
        visits,
        view,
        args.record,
        (args.node, args.bootkit),
    )
    .await
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
            places: Vec::new(),
        };
        let visits = visits_of_flags(context, &args.connection, farm_id)?;
        return session(context, visits, view, None, (None, None)).await;
    }
    let settings = context.settings(&args.connection)?;
    let (source, client) = source(&open_cache(context).await?, &settings, farm_id).await?;
    let refreshed = source.refresh(Box::new(|_, _| {})).await;
    let snapshot = source.all().await.map_err(cache_failure)?;
    if let Err(error) = &refreshed {
        if snapshot.as_of.is_none() {
            return Err(Failure::new(ExitStatus::NotFound, error.clone()));
        }
        context.printer.warning(error);
    }
    let now = SystemClock.now();
    let summary = Summary::with_problems(&snapshot.rows, now, &snapshot.missing);
    if refreshed.is_ok() && summary.nodes > 0 {
        // For the sparklines of a session; a cache that refuses keeps nobody from the answer.
        let kept = source.record(::tui::history::sample(&summary, now)).await;
        if let Err(error) = kept {
            context.printer.warning(&error);
        }
    }
    let overview = Overview {
        directory: client.server().to_owned(),
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

/// A farm or directory of a session.
struct Visit {
    /// As the user calls it; empty if the user gave it no name.
    name: String,
    farm_id: Option<u64>,
    settings: Settings,
    /// Whether it is asked also while another one is looked at.
    is_watched: bool,
}

/// The farm that is named by flags, and all farms beside it.
fn visits_of_flags(
    context: &Context<'_>,
    flags: &ConnectionArgs,
    farm_id: Option<u64>,
) -> Outcome<Vec<Visit>> {
    let settings = context.settings(flags)?;
    let visit = |farm_id, is_watched| Visit {
        name: String::new(),
        farm_id,
        settings: settings.clone(),
        is_watched,
    };
    Ok(match farm_id {
        Some(_) => vec![visit(farm_id, true), visit(None, false)],
        None => vec![visit(None, true)],
    })
}

/// The profiles, and all farms of each directory that no profile is about.
fn visits_of_profiles(profiles: Vec<Profile>) -> Vec<Visit> {
    let mut visits: Vec<Visit> = profiles
        .into_iter()
        .map(|profile| Visit {
            name: profile.name,
            farm_id: profile.farm.map(u64::from),
            settings: profile.settings,
            is_watched: true,
        })
        .collect();
    let url = |visit: &Visit| visit.settings.directory().ok().map(|found| found.url);
    let mut whole: Vec<_> = visits
        .iter()
        .filter(|visit| visit.farm_id.is_none())
        .filter_map(url)
        .collect();
    let mut others = Vec::new();
    for visit in &visits {
        if let Some(url) = url(visit).filter(|url| !whole.contains(url)) {
            whole.push(url);
            others.push(Visit {
                name: String::new(),
                farm_id: None,
                settings: visit.settings.clone(),
                is_watched: false,
            });
        }
    }
    visits.extend(others);
    visits
}

async fn session(
    context: &Context<'_>,
    visits: Vec<Visit>,
    view: ViewSettings,
    record: Option<std::path::PathBuf>,
    (node, bootkit): (Option<std::path::PathBuf>, Option<String>),
) -> Outcome<ExitStatus> {
    let preferences_file = context.environment.state_dir()?.join("tui.json");
    let preferences = std::fs::read_to_string(&preferences_file)
        .map(|text| Preferences::from_json(&text))
        .unwrap_or_default();
    let is_only_one = visits.iter().filter(|visit| visit.is_watched).count() < 2;
    let cache = open_cache(context).await?;
    let mut places = Vec::with_capacity(visits.len());
    let mut sources: Vec<Arc<dyn Source>> = Vec::with_capacity(visits.len());
    let mut makers: Vec<Arc<dyn Maker>> = Vec::with_capacity(visits.len());
    for visit in visits {
        let mut place = Place {
            name: visit.name,
            directory: String::new(),
            farm_id: visit.farm_id,
            no_decisions: None,
            is_watched: visit.is_watched,
        };
        match source(&cache, &visit.settings, visit.farm_id).await {
            Ok((source, client)) => {
                client.server().clone_into(&mut place.directory);
                let is_old = client.signature_mode() == SignatureMode::Compat;
                place.no_decisions =
                    is_old.then(|| "directories of 2020 know no approval".to_owned());
                sources.push(Arc::new(source));
            }
            Err(failure) if is_only_one => return Err(failure),
            // The other farms can be looked at.
            Err(failure) => sources.push(Arc::new(Unusable(failure.chain().join(": ")))),
        }
        places.push(place);
        let (node, bootkit) = (node.clone(), bootkit.clone());
        let maker = MediaMaker::new(context, visit.settings, node, bootkit);
        makers.push(Arc::new(maker));
    }
    let session = Session {
        settings: ViewSettings { places, ..view },
        preferences,
        preferences_file: Some(preferences_file),
        record,
        makers,
    };
    ::tui::run(session, sources, Arc::new(SystemClock)).await?;
    Ok(ExitStatus::Ok)
}

async fn open_cache(context: &Context<'_>) -> Outcome<Cache> {
    let opened = Cache::open(&context.environment.cache_dir()?).await?;
    if let Some(path) = opened.set_aside {
        tracing::warn!(path = %path.display(), "the cache could not be used and was set aside");
    }
    Ok(opened.cache)
}

/// The directory with its cache; nothing is sent yet.
async fn source(
    cache: &Cache,
    settings: &Settings,
    farm_id: Option<u64>,
) -> Outcome<(DirectorySource, Client)> {
    let client = connect::anonymous(settings)?;
    let cache = cache.source(client.base_url(), farm_id).await?;
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
    let source = DirectorySource::new(
        client.clone(),
        cache,
        farm_id,
        find_owner,
        Arc::new(SystemClock),
    );
    Ok((source, client))
}
