//! `farmer node`

pub mod configure;
pub mod decide;
mod seen;

use std::time::Duration;

use ::tui::columns::place;
use ::tui::node::{
    Assessment, Liveness, TWO_BOARDS, TWO_BOARDS_TODO, capacity, decision, duration_text,
    has_reported, inventory, report_age_seconds, uptime_seconds,
};
use directory::client::NodeFilter;
use directory::clock::{Clock as _, SystemClock, UnixTime};
use directory::identity::NodeId;
use directory::wire::Node;
use serde::Serialize;

use super::{Context, connect};
use crate::args::{NodeListArgs, NodeShowArgs, NodeWaitArgs, StateFilter};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// How often `wait` looks.
const WAIT_INTERVAL: Duration = Duration::from_secs(1);

/// A node of a list.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    node: Node,
    liveness: Liveness,
    /// Since the last uptime report.
    reported_seconds_ago: Option<i64>,
    /// Since it booted, the time since its last report included while it is up.
    up_for_seconds: Option<i64>,
}

impl Listed {
    fn new(node: Node, now: UnixTime) -> Self {
        Self {
            liveness: Liveness::of(&node, now),
            reported_seconds_ago: report_age_seconds(&node, now),
            up_for_seconds: uptime_seconds(&node, now),
            node,
        }
    }

    fn has_two_boards(&self) -> bool {
        self.node.two_boards.is_some()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Nodes(Vec<Listed>);

impl Show for Nodes {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self.0.iter().map(row).collect();
        page.table(
            &[
                ("NODE", Align::Left),
                ("STATE", Align::Left),
                ("OWNER SAYS", Align::Left),
                ("FARM", Align::Right),
                ("CRU", Align::Right),
                ("MEMORY", Align::Right),
                ("SSD", Align::Right),
                ("HDD", Align::Right),
                ("UPTIME", Align::Right),
                ("SEEN", Align::Right),
                ("PLACE", Align::Left),
            ],
            &rows,
        );
        for listed in self.0.iter().filter(|listed| listed.has_two_boards()) {
            let id = listed.node.node_id;
            page.line(format!(
                "! two machines use the identity of {id}: `farmer node show {id}`"
            ));
        }
    }
}

fn row(listed: &Listed) -> Vec<String> {
    let node = &listed.node;
    let resources = capacity(node);
    let uptime = listed.up_for_seconds.map_or("-".to_owned(), duration_text);
    let mark = if listed.has_two_boards() { " !" } else { "" };
    vec![
        node.node_id.to_string(),
        format!("{}{mark}", listed.liveness.word()),
        decision(node).to_string(),
        node.farm_id.to_string(),
        resources.cru.to_string(),
        resources.mru_bytes.to_string(),
        resources.sru_bytes.to_string(),
        resources.hru_bytes.to_string(),
        uptime,
        listed
            .reported_seconds_ago
            .map_or("never".to_owned(), duration_text),
        place(node),
    ]
}

/// `farmer node list`
pub async fn list(context: &Context<'_>, args: NodeListArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    if args.offline {
        let client = connect::anonymous(&settings)?;
        let (nodes, when) = seen::recall(context, client.base_url(), &args).await?;
        let now = SystemClock.now();
        let age = duration_text(now.seconds_since(when));
        context.printer.message(&format!(
            "as seen {age} ago, without asking {}",
            client.server()
        ));
        context.printer.data(&listed(nodes, args.state, now))?;
        return Ok(ExitStatus::Ok);
    }
    let Some(seconds) = args.watch else {
        let connection = connect::reading(&settings).await?;
        let nodes = ask(context, &connection, &args).await?;
        let now = SystemClock.now();
        let is_whole = args.country.is_none() && args.city.is_none();
        let kept = is_whole.then(|| nodes.clone());
        context.printer.data(&listed(nodes, args.state, now))?;
        if let Some(nodes) = kept {
            let (address, farm_id) = (connection.client.base_url(), args.farm.map(u64::from));
            seen::remember(context, address, farm_id, &nodes, now).await;
        }
        return Ok(ExitStatus::Ok);
    };
    let connection = connect::patient_reading(&settings).await?;
    loop {
        match ask(context, &connection, &args).await {
            Ok(nodes) => {
                let nodes = listed(nodes, args.state, SystemClock.now());
                context.printer.refresh(&nodes)?;
            }
            Err(failure) if failure.is_passing() => context.printer.failure(&failure),
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

async fn ask(
    context: &Context<'_>,
    connection: &connect::Connection,
    args: &NodeListArgs,
) -> Outcome<Vec<Node>> {
    let (client, signer) = (&connection.client, connection.signer.as_ref());
    let farm_id = args.farm.map(u64::from);
    let filter = NodeFilter {
        farm_id,
        country: args.country.clone(),
        city: args.city.clone(),
        ..NodeFilter::default()
    };
    let nodes = client.all_nodes(&filter, signer).await?;
    if let (true, Some(id)) = (nodes.is_empty(), farm_id) {
        // An empty farm and one that does not exist look the same in a list of nodes.
        client.farm(id, signer).await?;
        context
            .printer
            .message(&format!("no node has registered in farm {id} yet"));
    }
    Ok(nodes)
}

fn listed(nodes: Vec<Node>, state: Option<StateFilter>, now: UnixTime) -> Nodes {
    let nodes = nodes.into_iter().map(|node| Listed::new(node, now));
    let nodes = nodes.filter(|listed| match state {
        None => true,
        Some(StateFilter::Up) => listed.liveness == Liveness::Up,
        Some(StateFilter::Late) => listed.liveness == Liveness::Late,
        Some(StateFilter::Down) => listed.liveness == Liveness::Down,
    });
    Nodes(nodes.collect())
}

/// One node and what follows from its hardware.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    listed: Listed,
    assessment: Assessment,
    #[serde(skip)]
    now: UnixTime,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        let node = &self.listed.node;
        let seen = self
            .listed
            .reported_seconds_ago
            .map_or("never reported".to_owned(), |age| {
                format!("reported {} ago", duration_text(age))
            });
        page.field("node", node.node_id)
            .field("state", format!("{}, {seen}", self.listed.liveness.word()))
            .field("owner says", decision(node))
            .field("farm", node.farm_id)
            .field("host", &node.hostname)
            .field("place", place(node))
            .field("system", &node.os_version);
        if let Some(seconds) = self.listed.up_for_seconds {
            page.field("up for", duration_text(seconds));
        }
        if let Some(when) = node.two_boards {
            let age = duration_text(self.now.seconds_since(when.into()).max(0));
            page.field(
                "problem",
                format!(
                    "{TWO_BOARDS}: it came from two boards within an hour, {age} ago\n\
                     {TWO_BOARDS_TODO} on FARMCFG;\n\
                     then, or if its medium only moved: `farmer node approve {}`",
                    node.node_id
                ),
            );
        }
        if node.total_resources.cru == 0 {
            page.field("capacity", "not reported yet");
            return;
        }
        show_assessment(page, &self.assessment);
        show_hardware(page, node);
    }
}

/// Capacity and rewards, each reward with the case it is for.
fn show_assessment(page: &mut Page, assessment: &Assessment) {
    let capacity = assessment.capacity;
    let units = assessment.cloud_units;
    page.heading("Capacity, as the grid counts it")
        .field("threads (CRU)", capacity.cru)
        .field("memory (MRU)", capacity.mru_bytes)
        .field("SSD (SRU)", capacity.sru_bytes)
        .field("HDD (HRU)", capacity.hru_bytes)
        .field("compute units", units.cu())
        .field("storage units", units.su());
    page.heading("Reward per month (grid v3, full uptime unless said otherwise)");
    match (&assessment.as_measured, assessment.virtualised) {
        (Some(reward), Some(true)) => {
            let why = reward.zero_because.map_or("", |why| why.text());
            page.field("this machine", format!("{} TFT ({why})", reward.tft()));
            page.field("same on bare metal", amount(&assessment.as_bare_metal));
        }
        (Some(reward), _) => {
            page.field("this machine", amount(reward));
        }
        (None, _) => {
            page.field("on bare metal", amount(&assessment.as_bare_metal));
            page.field(
                "",
                "(whether this machine is virtual is shown to its owner only)",
            );
        }
    }
}

fn amount(reward: &hw_probe::reward::Reward) -> String {
    match reward.zero_because {
        Some(why) => format!("{} TFT ({})", reward.tft(), why.text()),
        None => format!("{} TFT ({} USD)", reward.tft(), reward.usd()),
    }
}

fn show_hardware(page: &mut Page, node: &Node) {
    let Some(hardware) = inventory(node) else {
        page.heading("Hardware")
            .line("shown to the farm's owner only");
        return;
    };
    page.heading("Hardware");
    let parts = [&hardware.system.vendor, &hardware.system.product];
    let machine: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    if !machine.is_empty() {
        page.field("machine", machine.join(" "));
    }
    if let Some(model) = &hardware.cpu.model {
        page.field("processor", model);
    }
    if let Some(installed) = hardware.memory.installed_bytes {
        page.field("installed memory", installed);
    }
    let virtual_text = match (
        hardware.virtualisation.is_virtual,
        &hardware.virtualisation.kind,
    ) {
        (Some(true), Some(kind)) => format!("yes ({kind})"),
        (Some(true), None) => "yes".to_owned(),
        (Some(false), _) => "no".to_owned(),
        (None, _) => "unknown".to_owned(),
    };
    page.field("virtual", virtual_text);
    let text = |value: &Option<hw_probe::text::Untrusted>| {
        value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let disks: Vec<Vec<String>> = hardware
        .disks
        .iter()
        .map(|disk| {
            let size = disk
                .size_bytes
                .map_or("?".to_owned(), |size| format!("{size:#}"));
            let counted = match (disk.counted, disk.reason) {
                (true, _) => "yes".to_owned(),
                (false, Some(reason)) => format!("no: {}", reason.text()),
                (false, None) => "no".to_owned(),
            };
            vec![
                disk.name.to_string(),
                size,
                kind_text(disk.kind),
                counted,
                text(&disk.model),
            ]
        })
        .collect();
    if !disks.is_empty() {
        page.line("").table(
            &[
                ("DISK", Align::Left),
                ("SIZE", Align::Right),
                ("KIND", Align::Left),
                ("COUNTS", Align::Left),
                ("MODEL", Align::Left),
            ],
            &disks,
        );
    }
    for warning in &hardware.warnings {
        page.line(format!("warning: {}: {}", warning.section, warning.message));
    }
}

fn kind_text(kind: hw_probe::inventory::DiskKind) -> String {
    use hw_probe::inventory::DiskKind as K;
    match kind {
        K::Ssd => "SSD",
        K::Hdd => "HDD",
        K::Unknown => "unknown",
        K::UnknownVm => "virtual disk",
        K::Virtual => "virtual",
        K::Optical => "optical",
        K::Mmc => "card",
        K::Pmem => "persistent memory",
    }
    .to_owned()
}

/// `farmer node show`
pub async fn show(context: &Context<'_>, args: NodeShowArgs) -> Outcome<ExitStatus> {
    let id = node_id(&args.node_id)?;
    let settings = context.settings(&args.connection)?;
    let connection = connect::reading(&settings).await?;
    let node = connection
        .client
        .node(id, false, connection.signer.as_ref())
        .await?
        .value;
    let assessment = Assessment::of_node(&node);
    let now = SystemClock.now();
    let listed = Listed::new(node, now);
    context.printer.data(&Shown {
        listed,
        assessment,
        now,
    })?;
    Ok(ExitStatus::Ok)
}

pub fn node_id(text: &str) -> Outcome<NodeId> {
    text.parse().map_err(|error| {
        Failure::new(
            ExitStatus::Usage,
            format!("{text:?} is no node id: {error}"),
        )
        .with_hint("`farmer node list` shows the ids")
    })
}

/// `farmer node wait`
pub async fn wait(context: &Context<'_>, args: NodeWaitArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let connection = connect::patient_reading(&settings).await?;
    let (client, signer) = (&connection.client, connection.signer.as_ref());
    let id = u64::from(args.farm);
    let clock = SystemClock;
    let deadline = clock
        .monotonic()
        .saturating_add(Duration::from_secs(args.timeout));
    let filter = NodeFilter::of_farm(id);
    let mut seen = usize::MAX;
    let last_error = loop {
        let silence = match client.all_nodes(&filter, signer).await {
            Ok(nodes) => {
                let ready: Vec<Node> = nodes.into_iter().filter(has_reported).collect();
                if ready.len() >= args.count {
                    let now = clock.now();
                    let nodes = ready
                        .into_iter()
                        .map(|node| Listed::new(node, now))
                        .collect();
                    context.printer.data(&Nodes(nodes))?;
                    return Ok(ExitStatus::Ok);
                }
                if seen != ready.len() {
                    seen = ready.len();
                    context.printer.message(&format!(
                        "{seen} of {} nodes have reported in farm {id}",
                        args.count
                    ));
                }
                None
            }
            Err(error) if error.is_retryable() => Some(error),
            Err(error) => return Err(error.into()),
        };
        if clock.monotonic() >= deadline {
            break silence;
        }
        tokio::time::sleep(WAIT_INTERVAL).await;
    };
    let missing = format!(
        "farm {id}: fewer than {} nodes have reported within {} s",
        args.count, args.timeout
    );
    let hint = "look at the node's console; it says which step it is at";
    let mut failure = match last_error {
        Some(error) => Failure::from(error).context(missing),
        None => Failure::new(ExitStatus::Pending, missing).with_hint(hint),
    };
    failure.status = ExitStatus::Pending;
    Err(failure)
}
