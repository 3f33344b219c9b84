//! Where the data comes from. The state machine never sees this; the runner asks it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use directory::cache::{self, NodeEvent, Sample};
use directory::client::{Client, Error, MOVE_LIFETIME_SECONDS};
use directory::clock::Clock;
use directory::desired::{self, DesiredFarms};
use directory::identity::NodeId;
use directory::sign::Signer;
use directory::wire::{Node, NodeState};

use crate::columns::Column;
use crate::event::{Action, Refreshed, Snapshot};
use crate::history::History;
use crate::row::{NodeRow, SharedTexts};
use crate::rows::Rows;

/// Farms listed when the view is of a whole directory.
const FARMS: u32 = 500;

/// An answer that is on its way. The error is one line for the status bar.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// Told how far a refresh has come: entries read, and how many there will be if that is known.
pub type Progress = Box<dyn FnMut(u64, Option<u64>) + Send>;

/// Finds out who may change things. An error of the answer itself means that nobody could tell now.
pub type FindOwner = Arc<dyn Fn() -> Answer<Result<Signer, String>> + Send + Sync>;

/// A directory as the terminal UI needs it: a cache that answers at once, and what goes out.
pub trait Source: History {
    /// The first nodes of the cache in some order, and how many there are.
    fn first(&self, limit: u32, sort: Column, descending: bool) -> Answer<Snapshot>;
    /// All nodes of the cache.
    fn all(&self) -> Answer<Snapshot>;
    /// Brings the cache up to date with the directory.
    fn refresh(&self, progress: Progress) -> Answer<Refreshed>;
    /// One node as the cache has it.
    fn cached_node(&self, id: NodeId) -> Answer<Option<Node>>;
    /// One node with all that the viewer may see, from the directory.
    fn node(&self, id: NodeId) -> Answer<Node>;
    /// Changes something, and tells in a line what was done.
    fn act(&self, action: Action) -> Answer<String>;
}

/// A directory reached by a client, with its cache.
#[derive(Clone)]
pub struct DirectorySource {
    client: Client,
    pub(crate) cache: cache::Source,
    farm_id: Option<u64>,
    find_owner: FindOwner,
    owner: Arc<tokio::sync::Mutex<Option<Result<Signer, String>>>>,
    clock: Arc<dyn Clock>,
}

impl DirectorySource {
    /// The nodes of one farm, or of the whole directory.
    #[must_use]
    pub fn new(
        client: Client,
        cache: cache::Source,
        farm_id: Option<u64>,
        find_owner: FindOwner,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            cache,
            farm_id,
            find_owner,
            owner: Arc::default(),
            clock,
        }
    }

    /// Who may change things; asked until somebody could tell.
    async fn owner(&self) -> Result<Result<Signer, String>, String> {
        let mut owner = self.owner.lock().await;
        if let Some(known) = &*owner {
            return Ok(known.clone());
        }
        let found = (self.find_owner)().await?;
        *owner = Some(found.clone());
        Ok(found)
    }

    async fn snapshot(&self, rows: Rows, total: Option<u64>) -> Result<Snapshot, String> {
        let cache = &self.cache;
        let total = match total {
            Some(total) => total,
            None => cache.totals(self.farm_id).await.map_err(text)?.nodes,
        };
        let farm = match self.farm_id {
            Some(id) => cache.farm(id).await.map_err(text)?.map(Box::new),
            None => None,
        };
        let farms = match self.farm_id {
            Some(_) => Vec::new(),
            None => cache.farms(0, FARMS).await.map_err(text)?,
        };
        let as_of = cache.refreshed().await.map_err(text)?;
        // Before everything was read once, nobody can tell.
        let missing = match as_of {
            Some(_) => cache.missing_farms().await.map_err(text)?,
            None => Vec::new(),
        };
        Ok(Snapshot {
            rows,
            total,
            farm,
            farms,
            missing,
            as_of: as_of.map(|time| time.secs),
        })
    }
}

/// A place that cannot be asked at all; every answer says why.
pub struct Unusable(pub String);

impl Unusable {
    fn why<T: Send + 'static>(&self) -> Answer<T> {
        let why = self.0.clone();
        Box::pin(async move { Err(why) })
    }
}

impl History for Unusable {
    fn samples(&self) -> Answer<Vec<Sample>> {
        self.why()
    }

    fn record(&self, _: Sample) -> Answer<()> {
        self.why()
    }

    fn events(&self, _: NodeId) -> Answer<Vec<NodeEvent>> {
        self.why()
    }
}

impl Source for Unusable {
    fn first(&self, _: u32, _: Column, _: bool) -> Answer<Snapshot> {
        self.why()
    }

    fn all(&self) -> Answer<Snapshot> {
        self.why()
    }

    fn refresh(&self, _: Progress) -> Answer<Refreshed> {
        self.why()
    }

    fn cached_node(&self, _: NodeId) -> Answer<Option<Node>> {
        self.why()
    }

    fn node(&self, _: NodeId) -> Answer<Node> {
        self.why()
    }

    fn act(&self, _: Action) -> Answer<String> {
        self.why()
    }
}

/// The cache's order that comes nearest.
fn order(sort: Column, descending: bool) -> cache::Sort {
    let by = match sort {
        Column::Farm => cache::SortBy::Farm,
        Column::Host => cache::SortBy::Hostname,
        Column::Place => cache::SortBy::Place,
        Column::Cru => cache::SortBy::Cru,
        Column::Mru => cache::SortBy::Mru,
        Column::Sru => cache::SortBy::Sru,
        Column::Hru => cache::SortBy::Hru,
        // Seen longest ago is reported first.
        Column::Seen => {
            return cache::Sort {
                by: cache::SortBy::Reported,
                descending: !descending,
            };
        }
        _ => cache::SortBy::Id,
    };
    cache::Sort { by, descending }
}

impl Source for DirectorySource {
    fn first(&self, limit: u32, sort: Column, descending: bool) -> Answer<Snapshot> {
        let this = self.clone();
        Box::pin(async move {
            let found = this.cache.first_summaries(order(sort, descending), limit);
            let rows = found.await.map_err(text)?;
            this.snapshot(rows.into_iter().map(NodeRow::from).collect(), None)
                .await
        })
    }

    fn all(&self) -> Answer<Snapshot> {
        let this = self.clone();
        Box::pin(async move {
            let total = this.cache.totals(this.farm_id).await.map_err(text)?.nodes;
            let mut texts = SharedTexts::default();
            let mut rows = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
            this.cache
                .each_summary(&mut |summary| rows.push(texts.share(NodeRow::from(summary))))
                .await
                .map_err(text)?;
            // The loop goes on meanwhile.
            let rows = tokio::task::spawn_blocking(move || Rows::prepared(rows)).await;
            let rows = rows.map_err(text)?;
            let total = rows.len() as u64;
            this.snapshot(rows, Some(total)).await
        })
    }

    fn refresh(&self, mut progress: Progress) -> Answer<Refreshed> {
        let this = self.clone();
        Box::pin(async move {
            let owner = this.owner().await?;
            let signer = owner.as_ref().ok();
            let mut tell = |so_far: cache::Progress| progress(so_far.entries, so_far.of);
            let done = this
                .cache
                .refresh(&this.client, signer, &*this.clock, &mut tell)
                .await
                .map_err(text)?;
            Ok(Refreshed {
                changed: !matches!(done, cache::Refreshed::Changes(0)),
                as_of: this.clock.now().secs,
                no_changes: owner.err(),
            })
        })
    }

    fn cached_node(&self, id: NodeId) -> Answer<Option<Node>> {
        let this = self.clone();
        Box::pin(async move { this.cache.node(id).await.map_err(text) })
    }

    fn node(&self, id: NodeId) -> Answer<Node> {
        let this = self.clone();
        Box::pin(async move {
            let owner = this.owner().await?;
            let answer = this.client.node(id, false, owner.as_ref().ok()).await;
            Ok(answer.map_err(text)?.value)
        })
    }

    fn act(&self, action: Action) -> Answer<String> {
        let this = self.clone();
        Box::pin(async move {
            let owner = this.owner().await??;
            let client = &this.client;
            let mut tally = Tally::default();
            let done = match &action {
                Action::Decide(nodes) => {
                    for (id, state) in nodes {
                        let answer = client.set_node_state(*id, *state, None, &owner).await;
                        tally.add(*id, answer.map(drop));
                    }
                    decided(nodes)
                }
                Action::Delete(nodes) => {
                    for (farm, id) in nodes {
                        let answer = client.delete_node(*farm, *id, &owner).await;
                        tally.add(*id, answer.map(drop));
                    }
                    "deleted"
                }
                Action::FreeToUse(nodes) => {
                    for (id, free) in nodes {
                        let answer = client.configure_free(*id, *free, &owner).await;
                        tally.add(*id, answer.map(drop));
                    }
                    match nodes.first() {
                        Some((_, true)) => "FreeTFT is accepted on",
                        _ => "FreeTFT is no longer accepted on",
                    }
                }
                Action::ChangeFarm(wish) => {
                    let label = wish.label();
                    let wish = DesiredFarms {
                        farms: vec![(**wish).clone()],
                    };
                    let plan = desired::plan(&wish, client, &owner).await.map_err(text)?;
                    for (done, step) in plan.steps.iter().enumerate() {
                        step.run(client, &owner).await.map_err(|error| match done {
                            0 => text(error),
                            _ => format!("only a part was changed; {}", text(error)),
                        })?;
                    }
                    return Ok(format!("{label} is changed"));
                }
                Action::Move(id, to) => {
                    let node = client.node(*id, false, Some(&owner)).await.map_err(text)?;
                    let farm = client.farm(*to, Some(&owner)).await.map_err(text)?;
                    let prepared = client
                        .prepare_move(&node.value, &farm.value, MOVE_LIFETIME_SECONDS, &owner)
                        .await
                        .map_err(text)?;
                    return Ok(prepared.farm_toml);
                }
            };
            tally.outcome(done)
        })
    }
}

fn decided(nodes: &[(NodeId, NodeState)]) -> &'static str {
    let all = |state| nodes.iter().all(|(_, to)| *to == state);
    match () {
        () if all(NodeState::Approved) => "approved",
        () if all(NodeState::Blocked) => "blocked",
        () if all(NodeState::Pending) => "waiting for a word again:",
        () => "as before:",
    }
}

/// How a change of several nodes went.
#[derive(Default)]
struct Tally {
    good: usize,
    bad: usize,
    first_error: Option<String>,
}

impl Tally {
    fn add(&mut self, id: NodeId, answer: Result<(), Error>) {
        match answer {
            Ok(()) => self.good += 1,
            Err(error) => {
                self.bad += 1;
                self.first_error
                    .get_or_insert_with(|| format!("{id}: {}", text(error)));
            }
        }
    }

    fn outcome(self, done: &str) -> Result<String, String> {
        let noun = if self.good == 1 { "node" } else { "nodes" };
        match self.first_error {
            None => Ok(format!("{done} {} {noun}", self.good)),
            Some(error) => Err(format!(
                "{} of {} failed; {error}",
                self.bad,
                self.good + self.bad
            )),
        }
    }
}

/// The error and its root cause in one line.
pub(crate) fn text(error: impl std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        // Transparent errors repeat themselves.
        if !line.ends_with(&more) {
            line = format!("{line}: {more}");
        }
        cause = inner.source();
    }
    line
}
