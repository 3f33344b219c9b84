//! The whole state of the UI and the one function that changes it.
//!
//! [`State::update`] is pure: time comes in with events, and what has to be done outside comes out
//! as effects. Answers carry the number of their request; one that is older than what is shown is
//! dropped.

mod actions;
mod keys;
mod media;
mod mouse;
mod order;
mod overview;
mod places;
mod prompt;

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};
use directory::cache::{NodeEvent, Sample};
use directory::clock::UnixTime;
use directory::identity::NodeId;
use directory::wire::{Farm, Node};

use crate::arrange::Scope;
use crate::columns::Column;
use crate::command::View;
use crate::event::{Effect, Event, NodeAnswer, Refreshed, Snapshot};
use crate::health::Health;
use crate::jobs::{Entry, Job, Toast, keep};
use crate::media::Survey;
use crate::prefs::{Preferences, TablePreferences};
use crate::row::NodeRow;
use crate::rows::{Marks, Rows};
use crate::summary::Summary;
use crate::table::Table;
use crate::theme::Theme;
use crate::trouble::Trouble;

use order::Arranging;
pub use places::Place;
pub(crate) use places::Visit;
pub(crate) use prompt::{Confirm, Consent, Deed, Palette, Prompt};

/// A request without an answer for this long counts as failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// A directory that does not answer is asked at least this often.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Of the time that passes at most one part in so many goes into reading the cache again: with a
/// hundred thousand nodes something changes always, and reading them takes a second.
const READING_SHARE: u32 = 20;
/// States that follow from time are looked at again this often.
const RECOUNT: Duration = Duration::from_secs(30);

/// Why nothing can be changed at first.
const NOT_ANSWERED: &str = "the directory has not answered yet";

/// How the state is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the directory, for the title.
    pub directory: String,
    /// The farm, if the view is of one.
    pub farm_id: Option<u64>,
    /// Time between two looks at the directory.
    pub interval: Duration,
    /// Colours and shapes.
    pub theme: Theme,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// Why nodes can be neither approved nor blocked in this directory, if they cannot.
    pub no_decisions: Option<String>,
    /// What is looked at first.
    pub first: View,
    /// The farms and directories of this session, the first of which is looked at first; empty if
    /// there is only one.
    pub places: Vec<Place>,
}

/// A node that is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub id: NodeId,
    pub node: Option<Box<Node>>,
    pub health: Health,
    /// What happened to it while somebody looked, the newest first.
    pub events: Vec<NodeEvent>,
    /// Lines scrolled.
    pub top: usize,
    generation: u64,
}

/// The state of the UI.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) settings: Settings,
    pub(crate) wall: UnixTime,
    pub(crate) now: Duration,
    pub(crate) size: (u16, u16),
    pub(crate) rows: Rows,
    pub(crate) total: u64,
    pub(crate) summary: Summary,
    pub(crate) farm: Option<Box<Farm>>,
    pub(crate) farms: Vec<Farm>,
    /// Farms that have nodes but are not in the directory, in order.
    pub(crate) missing: Vec<u64>,
    /// When the directory last said what is shown, Unix seconds.
    pub(crate) as_of: Option<i64>,
    pub(crate) health: Health,
    pub(crate) progress: Option<(u64, Option<u64>)>,
    pub(crate) view: View,
    pub(crate) nodes: Table,
    pub(crate) registrations: Table,
    pub(crate) rewards: Table,
    pub(crate) marks: Marks,
    pub(crate) open: Option<Open>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) toast: Option<Toast>,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) log: VecDeque<Entry>,
    /// What passed, the oldest first.
    pub(crate) samples: Vec<Sample>,
    /// What there is to make media from; `None` until somebody has looked.
    pub(crate) survey: Option<Result<Survey, String>>,
    /// Lines scrolled in views without a table.
    pub(crate) top: usize,
    /// The alert of the overview that is selected.
    pub(crate) alert: usize,
    /// Whether the mouse is listened to.
    pub(crate) mouse: bool,
    pub(crate) places: Vec<Visit>,
    /// Which of them is looked at.
    pub(crate) at: usize,
    no_changes: Option<String>,
    has_history: bool,
    last_job: u64,
    last_check: u64,
    last_open: u64,
    asked_load: u64,
    shown_load: u64,
    is_loading: bool,
    /// Whether the cache has something that was not read.
    is_behind: bool,
    /// Whether it is read at once: somebody changed something and wants to see it.
    is_awaited: bool,
    load_begun: Duration,
    load_took: Duration,
    /// Of the last question to the directory that is looked at.
    generation: u64,
    /// Of the last question to any.
    last_refresh: u64,
    refresh_now: bool,
    quit_asked: bool,
    counted_at: Duration,
    last_arrange: u64,
    arranging: Option<Arranging>,
    last_find: u64,
    /// The letters of the name that is looked for.
    finding: Option<String>,
    /// Keys that wait for the listing they were meant for.
    held: VecDeque<KeyEvent>,
}

impl State {
    /// An empty view that remembers `preferences`; [`State::start`] asks for data.
    #[must_use]
    pub fn new(mut settings: Settings, preferences: &Preferences, size: (u16, u16)) -> Self {
        if let Some(first) = settings.places.first().cloned() {
            settings.directory = first.directory;
            settings.farm_id = first.farm_id;
            settings.no_decisions = first.no_decisions;
        }
        let mut nodes = Table::new(Scope::All, &Column::NODES, Column::State);
        let mut registrations = Table::new(Scope::Doubtful, &Column::REGISTRATIONS, Column::State);
        let mut rewards = Table::new(Scope::All, &Column::REWARDS, Column::Reward);
        preferences.nodes.apply(&mut nodes);
        preferences.registrations.apply(&mut registrations);
        preferences.rewards.apply(&mut rewards);
        let places = settings.places.iter().cloned().map(Visit::new).collect();
        Self {
            view: settings.first,
            settings,
            wall: UnixTime::default(),
            now: Duration::ZERO,
            size,
            rows: Rows::default(),
            total: 0,
            summary: Summary::default(),
            farm: None,
            farms: Vec::new(),
            missing: Vec::new(),
            as_of: None,
            health: Health::default(),
            progress: None,
            nodes,
            registrations,
            rewards,
            marks: Marks::default(),
            open: None,
            prompt: None,
            toast: None,
            jobs: VecDeque::new(),
            log: VecDeque::new(),
            samples: Vec::new(),
            survey: None,
            top: 0,
            alert: 0,
            mouse: preferences.mouse,
            has_history: false,
            places,
            at: 0,
            no_changes: Some(NOT_ANSWERED.to_owned()),
            last_job: 0,
            last_check: 0,
            last_open: 0,
            asked_load: 0,
            shown_load: 0,
            is_loading: false,
            is_behind: false,
            is_awaited: false,
            load_begun: Duration::ZERO,
            load_took: Duration::ZERO,
            generation: 0,
            last_refresh: 0,
            refresh_now: false,
            quit_asked: false,
            counted_at: Duration::ZERO,
            last_arrange: 0,
            arranging: None,
            last_find: 0,
            finding: None,
            held: VecDeque::new(),
        }
    }

    /// Asks for the first page of what the cache holds.
    pub fn start(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.load_first(&mut effects);
        effects
    }

    fn load_first(&mut self, effects: &mut Vec<Effect>) {
        let lines = u32::from(self.size.1).max(24);
        let first = (lines, self.nodes.sort, self.nodes.descending);
        self.load(Some(first), effects);
    }

    /// Whether something was asked for that has not been answered; tests wait for that to end.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.is_loading
            || self.is_arranging()
            || self.health.asked.is_some()
            || self
                .open
                .as_ref()
                .is_some_and(|open| open.health.asked.is_some())
            || self.jobs.iter().any(|job| job.outcome.is_none())
    }

    /// Whether time matters to the second: a message goes soon, something is under way, or the
    /// directory is to be asked often.
    pub(crate) fn is_busy(&self) -> bool {
        self.toast.is_some()
            || self.progress.is_some()
            || self.settings.interval < Duration::from_secs(2)
            || self.jobs.iter().any(|job| job.outcome.is_none())
    }

    /// Takes in one event and tells what to do about it.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Tick { wall, now } => self.tick(wall, now, &mut effects),
            Event::Key(key) if key.kind == KeyEventKind::Press => self.key(key, &mut effects),
            Event::Key(_) => {}
            Event::Mouse(mouse) => self.mouse(mouse, &mut effects),
            Event::Paste(text) => self.paste(&text),
            Event::Resize { width, height } => self.size = (width, height),
            Event::Loaded { generation, answer } => {
                self.take_loaded(generation, answer, &mut effects);
            }
            Event::Arranged {
                generation,
                arranged,
            } => self.take_arranged(generation, arranged, &mut effects),
            Event::Found { generation, line } => {
                self.take_found(generation, line, &mut effects);
            }
            Event::Refreshed { generation, answer } => {
                if generation == self.generation {
                    self.take_refreshed(answer, &mut effects);
                    self.ask_if_due(&mut effects);
                } else {
                    self.take_refreshed_other(generation, answer);
                }
            }
            Event::Progress {
                generation,
                entries,
                of,
            } => {
                if generation == self.generation {
                    self.health.ask(self.now);
                    self.progress = Some((entries, of));
                } else {
                    self.other_goes_on(generation);
                }
            }
            Event::Node { generation, answer } => self.take_node(generation, answer),
            Event::Done { job, answer } => self.take_done(job, answer, &mut effects),
            // Answers about a place that was left are dropped.
            Event::History { place, answer } if place == self.at => self.take_history(answer),
            Event::Surveyed { place, answer } if place == self.at => self.survey = Some(answer),
            Event::History { .. } | Event::Surveyed { .. } => {}
            Event::NodeHistory { generation, answer } => {
                self.take_node_history(generation, answer);
            }
            Event::Checked { asked, answer } => self.take_checked(asked, answer, &mut effects),
            Event::Working { job, progress } => self.take_working(job, progress),
            Event::Made { job, answer } => self.take_made(job, answer, &mut effects),
            Event::Suspend => effects.push(Effect::Suspend),
            Event::Stop => effects.push(Effect::Quit),
            Event::Fault => effects.push(Effect::Fault),
        }
        self.scroll();
        effects
    }

    fn tick(&mut self, wall: i64, now: Duration, effects: &mut Vec<Effect>) {
        self.wall = UnixTime::from_secs(wall);
        self.now = now;
        if self.toast.as_ref().is_some_and(|toast| toast.until <= now) {
            self.toast = None;
        }
        if now.saturating_sub(self.counted_at) >= RECOUNT {
            self.counted_at = now;
            self.arrange_later(true, effects);
        }
        self.give_up_on_the_overdue();
        self.load_if_due(effects);
        self.ask_if_due(effects);
        self.look_back(effects);
    }

    fn take_loaded(
        &mut self,
        generation: u64,
        answer: Result<Snapshot, String>,
        effects: &mut Vec<Effect>,
    ) {
        if generation <= self.shown_load {
            return;
        }
        if generation == self.asked_load {
            self.is_loading = false;
            self.load_took = self.now.saturating_sub(self.load_begun);
        }
        match answer {
            Ok(snapshot) => {
                self.shown_load = generation;
                self.arrange_incoming(snapshot, effects);
            }
            Err(error) => {
                // With the next step of time it is tried again: nobody else would ask.
                self.is_behind = true;
                let text = format!("the cache: {error}");
                if self.log.back().is_none_or(|last| last.text != text) {
                    self.note(text, true);
                }
                return;
            }
        }
        self.load_if_due(effects);
    }

    fn take_refreshed(&mut self, answer: Result<Refreshed, String>, effects: &mut Vec<Effect>) {
        self.progress = None;
        match answer {
            Ok(refreshed) => {
                // What an earlier session saw is old.
                self.is_awaited |= self.health.last_ok.is_none();
                if self.health.failures > 0 || self.health.last_ok.is_none() {
                    self.note(format!("{} answers", self.settings.directory), false);
                }
                self.health.succeed(self.now);
                self.as_of = Some(refreshed.as_of);
                self.no_changes = refreshed.no_changes;
                self.is_behind |= refreshed.changed || self.shown_load == 0;
                self.load_if_due(effects);
            }
            Err(error) => {
                if self.health.last_error.as_ref() != Some(&error) {
                    self.note(error.clone(), true);
                }
                self.health.fail(self.now, error);
            }
        }
    }

    fn take_node(&mut self, generation: u64, answer: Result<NodeAnswer, String>) {
        let now = self.now;
        let Some(open) = self
            .open
            .as_mut()
            .filter(|open| open.generation == generation)
        else {
            return;
        };
        match answer {
            Ok(answer) if answer.live => {
                open.health.succeed(now);
                open.node = Some(answer.node);
            }
            // What the cache says does not replace what the directory said.
            Ok(answer) => {
                if open.health.last_ok.is_none() {
                    open.node = Some(answer.node);
                }
            }
            Err(error) => open.health.fail(now, error),
        }
    }

    fn give_up_on_the_overdue(&mut self) {
        let now = self.now;
        let overdue = |health: &Health| {
            health
                .asked
                .is_some_and(|then| now.saturating_sub(then) > ANSWER_TIMEOUT)
        };
        self.give_up_on_others(ANSWER_TIMEOUT);
        if overdue(&self.health) {
            self.last_refresh += 1;
            self.generation = self.last_refresh;
            self.health.fail(now, "no answer in time".to_owned());
            self.note("no answer in time".to_owned(), true);
        }
        if let Some(open) = self.open.as_mut().filter(|open| overdue(&open.health)) {
            open.health.fail(now, "no answer in time".to_owned());
        }
    }

    fn ask_if_due(&mut self, effects: &mut Vec<Effect>) {
        let (now, interval) = (self.now, self.settings.interval);
        if is_due(&self.health, now, interval) || (self.refresh_now && self.health.asked.is_none())
        {
            self.refresh_now = false;
            self.last_refresh += 1;
            self.generation = self.last_refresh;
            self.health.ask(now);
            effects.push(Effect::Refresh {
                generation: self.generation,
            });
        }
        // One node is asked for more rarely than all of them: the table already follows it.
        let due = |open: &Open| is_due(&open.health, now, interval * 2);
        if let Some(open) = self.open.as_mut().filter(|open| due(open)) {
            open.health.ask(now);
            effects.push(Effect::FetchNode {
                generation: open.generation,
                id: open.id,
            });
        }
        self.ask_others(effects);
    }

    /// Reads the cache again if there is something new, and if that was not done just now.
    fn load_if_due(&mut self, effects: &mut Vec<Effect>) {
        let since = self.now.saturating_sub(self.load_begun);
        let is_due = self.is_awaited || since >= self.load_took * READING_SHARE;
        if self.is_behind && is_due && !self.is_loading {
            self.load(None, effects);
        }
    }

    fn load(&mut self, first: Option<(u32, Column, bool)>, effects: &mut Vec<Effect>) {
        self.is_behind &= first.is_some();
        self.is_awaited &= first.is_some();
        self.is_loading = true;
        self.load_begun = self.now;
        self.asked_load += 1;
        effects.push(Effect::Load {
            generation: self.asked_load,
            first,
        });
    }

    fn open(&mut self, id: NodeId, effects: &mut Vec<Effect>) {
        self.last_open += 1;
        self.open = Some(Open {
            id,
            node: None,
            health: Health::default(),
            events: Vec::new(),
            top: 0,
            generation: self.last_open,
        });
        self.ask_if_due(effects);
    }

    fn note(&mut self, text: String, is_bad: bool) {
        let at = self.wall.secs;
        keep(&mut self.log, Entry { at, text, is_bad });
    }

    /// The node that is looked at or selected.
    pub(crate) fn node_at_hand(&self) -> Option<&NodeRow> {
        if let Some(open) = &self.open {
            return self.row_of(open.id);
        }
        self.table_shown()?.selected(&self.rows)
    }

    /// The row of a node.
    pub(crate) fn row_of(&self, id: NodeId) -> Option<&NodeRow> {
        self.rows.get(self.rows.position(id)? as usize)
    }

    /// What is wrong with the registration of a row.
    pub(crate) fn trouble(&self, at: u32) -> Option<Trouble> {
        Trouble::of(&self.rows, at, self.wall, &self.missing)
    }

    /// Nothing if changes can be made, else why not.
    pub(crate) fn may_change(&self) -> Result<(), String> {
        if self.settings.read_only {
            return Err("started with --read-only".to_owned());
        }
        self.no_changes.clone().map_or(Ok(()), Err)
    }

    /// Whether the first nodes are there and the others still come.
    pub(crate) fn is_partial(&self) -> bool {
        self.total > self.rows.len() as u64
    }

    fn preferences(&self) -> Preferences {
        Preferences {
            nodes: TablePreferences::of(&self.nodes),
            registrations: TablePreferences::of(&self.registrations),
            rewards: TablePreferences::of(&self.rewards),
            mouse: self.mouse,
        }
    }

    fn scroll(&mut self) {
        let height = usize::from(crate::view::areas(self).body.saturating_sub(1));
        if let Some(table) = self.table_mut() {
            table.scroll(height);
        }
    }
}

fn is_due(health: &Health, now: Duration, interval: Duration) -> bool {
    if health.asked.is_some() {
        return false;
    }
    let Some(since) = health.settled(now) else {
        return true;
    };
    let patience = interval.saturating_mul(1 << health.failures.min(5));
    since
        >= if health.failures > 0 {
            patience.min(LONGEST_RETRY.max(interval))
        } else {
            interval
        }
}
