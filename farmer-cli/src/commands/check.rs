//! `farmer check`: the state of farms as monitoring systems want it.

use ::tui::node::{Liveness, decision, duration_text, report_age_seconds};
use ::tui::uptime::{MissedUptime, UptimeRisk};
use directory::client::{FarmFilter, NodeFilter};
use directory::clock::{Clock as _, SystemClock, UnixTime};
use directory::identity::NodeId;
use directory::sign::Signer;
use directory::wire::{Node, NodeState, Untrusted};
use hw_probe::reward::Certification;
use serde::Serialize;

use super::{Context, connect};
use crate::args::CheckArgs;
use crate::exit::{ExitStatus, Health};
use crate::failure::{Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;

/// What was found.
#[derive(Serialize)]
struct Report {
    health: Health,
    /// What stands behind the health on the first line.
    summary: String,
    counts: Counts,
    problems: Vec<Problem>,
}

#[derive(Default, Serialize)]
struct Counts {
    farms: usize,
    /// Approved nodes.
    nodes: usize,
    up: usize,
    late: usize,
    down: usize,
    /// Approved nodes that have never reported.
    new: usize,
    pending: usize,
    blocked: usize,
    /// Nodes whose period is lost, or near that.
    uptime_at_risk: usize,
    /// Nodes whose identity two machines use.
    two_boards: usize,
}

/// One node that is not as it should be.
#[derive(Serialize)]
struct Problem {
    health: Health,
    farm_id: u64,
    node_id: NodeId,
    hostname: Untrusted,
    text: String,
    uptime: Option<MissedUptime>,
}

impl Show for Report {
    fn show(&self, page: &mut Page) {
        let counts = &self.counts;
        // Performance data, as https://www.monitoring-plugins.org/doc/guidelines.html has it.
        page.line(format!(
            "FARM {} - {} | nodes={} up={} late={} down={} new={} pending={} at_risk={}",
            self.health.word(),
            self.summary,
            counts.nodes,
            counts.up,
            counts.late,
            counts.down,
            counts.new,
            counts.pending,
            counts.uptime_at_risk,
        ));
        for problem in &self.problems {
            let host = match problem.hostname.is_blank() {
                true => String::new(),
                false => format!(" ({})", problem.hostname.to_string().replace('|', "/")),
            };
            page.line(format!(
                "{}: farm {} node {}{host}: {}",
                problem.health.word(),
                problem.farm_id,
                problem.node_id,
                problem.text
            ));
        }
    }
}

/// `farmer check`. Whatever goes wrong is an answer too.
pub async fn check(context: &Context<'_>, args: CheckArgs) -> Outcome<ExitStatus> {
    let report = match look(context, &args).await {
        Ok(report) => report,
        Err(failure) if failure.status == ExitStatus::Interrupted => return Err(failure),
        Err(failure) => unknown(&failure),
    };
    context.printer.data(&report)?;
    Ok(ExitStatus::Checked(report.health))
}

fn unknown(failure: &Failure) -> Report {
    let mut summary = failure.chain().join(": ");
    if let Some(hint) = &failure.hint {
        summary.push_str(&format!(" ({hint})"));
    }
    Report {
        health: Health::Unknown,
        // One line, and `|` begins the performance data.
        summary: summary.replace(['\n', '|'], " "),
        counts: Counts::default(),
        problems: Vec::new(),
    }
}

async fn look(context: &Context<'_>, args: &CheckArgs) -> Outcome<Report> {
    let settings = context.settings(&args.connection)?;
    let (client, signer, farms) = if args.farms.is_empty() {
        let (client, signer) = connect::writing(&settings).await?;
        let owner = match &signer {
            Signer::User { id, .. } => Some(*id),
            _ => None,
        };
        let filter = FarmFilter {
            owner,
            ..FarmFilter::default()
        };
        let mine = client.all_farms(&filter, Some(&signer)).await?;
        let ids = mine.iter().map(|farm| farm.id).collect();
        (client, Some(signer), ids)
    } else {
        let connection = connect::reading(&settings).await?;
        let ids: Vec<u64> = args.farms.iter().map(|id| u64::from(*id)).collect();
        (connection.client, connection.signer, ids)
    };
    if farms.is_empty() {
        return Err(Failure::new(ExitStatus::NotFound, "you have no farm here"));
    }
    let certification = match args.certified {
        true => Certification::Certified,
        false => Certification::Diy,
    };
    let mut counts = Counts::default();
    let mut problems = Vec::new();
    for id in farms {
        counts.farms += 1;
        let nodes = client
            .all_nodes(&NodeFilter::of_farm(id), signer.as_ref())
            .await?;
        if nodes.is_empty() {
            // An empty farm and one that does not exist look the same in a list of nodes.
            client.farm(id, signer.as_ref()).await?;
        }
        let now = SystemClock.now();
        for node in &nodes {
            problems.extend(judge(node, now, certification, &mut counts));
        }
    }
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.health));
    let health = problems.first().map_or(Health::Ok, |worst| worst.health);
    Ok(Report {
        health,
        summary: summary(&counts),
        counts,
        problems,
    })
}

fn judge(
    node: &Node,
    now: UnixTime,
    certification: Certification,
    counts: &mut Counts,
) -> Option<Problem> {
    let is_refused = decision(node) == NodeState::Blocked;
    let two_boards = node.two_boards.is_some() && !is_refused;
    counts.two_boards += usize::from(two_boards);
    let problem = |health, mut text: String, uptime| {
        if two_boards {
            text.push_str("; two machines use its identity, `farmer node show` says what to do");
        }
        Some(Problem {
            health,
            farm_id: node.farm_id,
            node_id: node.node_id,
            hostname: node.hostname.clone(),
            text,
            uptime,
        })
    };
    match decision(node) {
        NodeState::Blocked => {
            counts.blocked += 1;
            return None;
        }
        NodeState::Pending => {
            counts.pending += 1;
            let text = "waits for your word; `farmer node approve` or `farmer node block`";
            return problem(Health::Warning, text.to_owned(), None);
        }
        NodeState::Approved => counts.nodes += 1,
    }
    let missed = MissedUptime::of(node, now, certification);
    let liveness = Liveness::of(node, now);
    let (count, health) = match liveness {
        Liveness::Up => (&mut counts.up, Health::Ok),
        Liveness::Late => (&mut counts.late, Health::Warning),
        Liveness::Down => (&mut counts.down, Health::Critical),
        Liveness::New => (&mut counts.new, Health::Warning),
    };
    *count += 1;
    let risk = missed.risk();
    counts.uptime_at_risk += usize::from(risk != UptimeRisk::None);
    let health = health.max(match risk {
        UptimeRisk::None => Health::Ok,
        UptimeRisk::Near => Health::Warning,
        UptimeRisk::Lost => Health::Critical,
    });
    let health = health.max(match two_boards {
        true => Health::Warning,
        false => Health::Ok,
    });
    if health == Health::Ok {
        return None;
    }
    let mut text = match report_age_seconds(node, now) {
        None => "has never reported".to_owned(),
        Some(age) => format!("{}, silent for {}", liveness.word(), duration_text(age)),
    };
    let time = |seconds: u64| duration_text(i64::try_from(seconds).unwrap_or(i64::MAX));
    let (off, allowed) = (time(missed.off_seconds), time(missed.allowed_seconds));
    match risk {
        UptimeRisk::None => {}
        UptimeRisk::Near => text.push_str(&format!(
            "; off for {off} of the {allowed} allowed in this minting period"
        )),
        UptimeRisk::Lost => text.push_str(&format!(
            "; off for {off}, more than the {allowed} allowed: this minting period is not paid"
        )),
    }
    problem(health, text, Some(missed))
}

fn summary(counts: &Counts) -> String {
    let mut parts = vec![format!("{} of {} nodes up", counts.up, counts.nodes)];
    let bad = [
        (counts.down, "down"),
        (counts.late, "late"),
        (counts.new, "never reported"),
        (counts.pending, "pending"),
        (counts.uptime_at_risk, "with uptime at risk"),
        (counts.two_boards, "on two machines"),
    ];
    let bad = bad.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(bad.map(|(count, word)| format!("{count} {word}")));
    parts.join(", ")
}
