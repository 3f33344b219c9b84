//! The whole state of the UI and the one function that changes it.
//!
//! [`State::update`] is pure: time comes in with events, and what has to be done outside comes out
//! as effects. Answers carry the generation of their request; late ones are dropped.

use std::cmp::Ordering;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use directory::clock::UnixTime;
use directory::identity::NodeId;
use directory::wire::{Farm, Node};

use crate::columns::Column;
use crate::health::Health;
use crate::theme::Theme;

/// A request without an answer for this long counts as failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// A directory that does not answer is asked at least this often.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed.
    Tick {
        /// Wall clock, for ages of what the directory dates.
        wall: UnixTime,
        /// Monotonic clock, for everything else.
        now: Duration,
    },
    /// A key.
    Key(KeyEvent),
    /// The terminal has another size.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The answer about the farm and its nodes.
    Nodes {
        /// Of the request.
        generation: u64,
        /// Farm (if the view is of one) and nodes, or a line about what went wrong.
        answer: Result<(Option<Box<Farm>>, Vec<Node>), String>,
    },
    /// The answer about one node.
    Node {
        /// Of the request.
        generation: u64,
        /// The node, or a line about what went wrong.
        answer: Result<Box<Node>, String>,
    },
    /// The process was asked to stop.
    Stop,
}

/// Something to do outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask for the farm and its nodes.
    FetchNodes {
        /// To be sent back with the answer.
        generation: u64,
    },
    /// Ask for one node.
    FetchNode {
        /// To be sent back with the answer.
        generation: u64,
        /// Which.
        id: NodeId,
    },
    /// Give the terminal back and stop this process until the shell continues it.
    Suspend,
    /// Draw everything anew.
    Repaint,
    /// End.
    Quit,
}

/// What lies over or beside the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The selected node's details.
    Detail,
    /// Help.
    Help,
}

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
}

/// The state of the UI.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) settings: Settings,
    pub(crate) wall: UnixTime,
    pub(crate) now: Duration,
    pub(crate) size: (u16, u16),
    pub(crate) farm: Option<Box<Farm>>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) selected: Option<NodeId>,
    pub(crate) top: usize,
    pub(crate) sort: Column,
    pub(crate) descending: bool,
    pub(crate) overlay: Overlay,
    pub(crate) detail_top: usize,
    pub(crate) list_health: Health,
    pub(crate) detail: Option<Box<Node>>,
    pub(crate) detail_health: Health,
    list_generation: u64,
    detail_generation: u64,
}

impl State {
    /// An empty view; the first tick asks for data.
    #[must_use]
    pub fn new(settings: Settings, size: (u16, u16)) -> Self {
        Self {
            settings,
            wall: UnixTime::default(),
            now: Duration::ZERO,
            size,
            farm: None,
            nodes: Vec::new(),
            selected: None,
            top: 0,
            sort: Column::State,
            descending: false,
            overlay: Overlay::None,
            detail_top: 0,
            list_health: Health::default(),
            detail: None,
            detail_health: Health::default(),
            list_generation: 0,
            detail_generation: 0,
        }
    }

    /// Whether a request is on its way; tests wait for that to end.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.list_health.asked.is_some() || self.detail_health.asked.is_some()
    }

    /// Takes in one event and tells what to do about it.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Tick { wall, now } => {
                self.wall = wall;
                self.now = now;
                self.give_up_on_the_overdue();
                self.ask_if_due(&mut effects);
            }
            Event::Key(key) if key.kind == KeyEventKind::Press => self.key(key, &mut effects),
            Event::Key(_) => {}
            Event::Resize { width, height } => self.size = (width, height),
            Event::Nodes { generation, answer } => {
                if generation == self.list_generation {
                    self.take_nodes(answer);
                    self.ask_if_due(&mut effects);
                }
            }
            Event::Node { generation, answer } => {
                if generation == self.detail_generation {
                    match answer {
                        Ok(node) => {
                            self.detail_health.succeed(self.now);
                            self.detail = Some(node);
                        }
                        Err(error) => self.detail_health.fail(self.now, error),
                    }
                }
            }
            Event::Stop => effects.push(Effect::Quit),
        }
        self.scroll_to_selection();
        effects
    }

    fn take_nodes(&mut self, answer: Result<(Option<Box<Farm>>, Vec<Node>), String>) {
        let (farm, nodes) = match answer {
            Ok(answer) => answer,
            Err(error) => return self.list_health.fail(self.now, error),
        };
        self.list_health.succeed(self.now);
        let before = self.selected_index();
        self.farm = farm;
        self.nodes = nodes;
        self.sort_nodes();
        // The same node if it is still there, else whoever took its place.
        if self.selected_index().is_none() {
            let index = before.unwrap_or(0).min(self.nodes.len().saturating_sub(1));
            self.selected = self.nodes.get(index).map(|node| node.node_id);
            self.forget_detail();
        }
    }

    fn give_up_on_the_overdue(&mut self) {
        let overdue = |health: &Health| {
            health
                .asked
                .is_some_and(|then| self.now.saturating_sub(then) > ANSWER_TIMEOUT)
        };
        if overdue(&self.list_health) {
            self.list_generation += 1;
            self.list_health
                .fail(self.now, "no answer in time".to_owned());
        }
        if overdue(&self.detail_health) {
            self.detail_generation += 1;
            self.detail_health
                .fail(self.now, "no answer in time".to_owned());
        }
    }

    fn ask_if_due(&mut self, effects: &mut Vec<Effect>) {
        let interval = self.settings.interval;
        if is_due(&self.list_health, self.now, interval) {
            self.ask_for_nodes(effects);
        }
        if self.overlay == Overlay::Detail && is_due(&self.detail_health, self.now, interval) {
            self.ask_for_detail(effects);
        }
    }

    fn ask_for_nodes(&mut self, effects: &mut Vec<Effect>) {
        self.list_generation += 1;
        self.list_health.ask(self.now);
        effects.push(Effect::FetchNodes {
            generation: self.list_generation,
        });
    }

    fn ask_for_detail(&mut self, effects: &mut Vec<Effect>) {
        let Some(id) = self.selected else { return };
        self.detail_generation += 1;
        self.detail_health.ask(self.now);
        effects.push(Effect::FetchNode {
            generation: self.detail_generation,
            id,
        });
    }

    fn forget_detail(&mut self) {
        self.detail = None;
        self.detail_health = Health::default();
        self.detail_generation += 1;
        self.detail_top = 0;
    }

    fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => effects.push(Effect::Quit),
                KeyCode::Char('z') => effects.push(Effect::Suspend),
                KeyCode::Char('l') => effects.push(Effect::Repaint),
                _ => {}
            }
            return;
        }
        match (self.overlay, key.code) {
            (Overlay::None, KeyCode::Char('q')) => effects.push(Effect::Quit),
            (Overlay::Help, KeyCode::Char('q' | '?') | KeyCode::Esc | KeyCode::Enter) => {
                self.overlay = Overlay::None;
            }
            (Overlay::Help, _) => {}
            (Overlay::Detail, KeyCode::Char('q') | KeyCode::Esc | KeyCode::Enter) => {
                self.overlay = Overlay::None;
            }
            (_, KeyCode::Char('?')) => self.overlay = Overlay::Help,
            (Overlay::None, KeyCode::Enter) if self.selected.is_some() => {
                self.overlay = Overlay::Detail;
                self.forget_detail();
                self.ask_for_detail(effects);
            }
            (_, KeyCode::Down | KeyCode::Char('j')) => self.select_by(1, effects),
            (_, KeyCode::Up | KeyCode::Char('k')) => self.select_by(-1, effects),
            (Overlay::Detail, KeyCode::PageDown | KeyCode::Char(' ')) => {
                self.detail_top = self.detail_top.saturating_add(5);
            }
            (Overlay::Detail, KeyCode::PageUp) => {
                self.detail_top = self.detail_top.saturating_sub(5);
            }
            (_, KeyCode::PageDown | KeyCode::Char(' ')) => self.select_by(self.page(), effects),
            (_, KeyCode::PageUp) => self.select_by(-self.page(), effects),
            (_, KeyCode::Home | KeyCode::Char('g')) => self.select_by(isize::MIN, effects),
            (_, KeyCode::End | KeyCode::Char('G')) => self.select_by(isize::MAX, effects),
            (_, KeyCode::Char('s' | '>') | KeyCode::Right) => self.sort_by_neighbour(1),
            (_, KeyCode::Char('<') | KeyCode::Left) => self.sort_by_neighbour(-1),
            (_, KeyCode::Char('r')) => {
                self.descending = !self.descending;
                self.sort_nodes();
            }
            (_, KeyCode::Char('R')) => self.refresh(effects),
            _ => {}
        }
    }

    fn refresh(&mut self, effects: &mut Vec<Effect>) {
        if self.list_health.asked.is_none() {
            self.ask_for_nodes(effects);
        }
        if self.overlay == Overlay::Detail && self.detail_health.asked.is_none() {
            self.ask_for_detail(effects);
        }
    }

    fn page(&self) -> isize {
        isize::try_from(self.visible_rows().saturating_sub(1).max(1)).unwrap_or(1)
    }

    fn select_by(&mut self, step: isize, effects: &mut Vec<Effect>) {
        let last = self.nodes.len().saturating_sub(1);
        let index = self.selected_index().unwrap_or(0);
        let index = index.saturating_add_signed(step).min(last);
        let selected = self.nodes.get(index).map(|node| node.node_id);
        if selected != self.selected {
            self.selected = selected;
            self.forget_detail();
            if self.overlay == Overlay::Detail {
                self.ask_for_detail(effects);
            }
        }
    }

    fn sort_by_neighbour(&mut self, step: isize) {
        let columns = self.columns();
        let at = columns
            .iter()
            .position(|column| *column == self.sort)
            .unwrap_or(0);
        let count = isize::try_from(columns.len()).unwrap_or(1);
        let next = (isize::try_from(at).unwrap_or(0) + step).rem_euclid(count.max(1));
        if let Some(column) = columns.get(usize::try_from(next).unwrap_or(0)) {
            self.sort = *column;
            // Big numbers are what people sort for.
            self.descending = column.is_number();
        }
        self.sort_nodes();
    }

    fn sort_nodes(&mut self) {
        let (column, wall, descending) = (self.sort, self.wall, self.descending);
        self.nodes
            .sort_by(|a, b| match (column.compare(a, b, wall), descending) {
                (order, false) => order,
                (order, true) => Ordering::reverse(order),
            });
    }

    /// The columns that fit now.
    pub(crate) fn columns(&self) -> Vec<Column> {
        Column::that_fit(self.size.0)
    }

    /// Index of the selected node in the sorted list.
    pub(crate) fn selected_index(&self) -> Option<usize> {
        let id = self.selected?;
        self.nodes.iter().position(|node| node.node_id == id)
    }

    /// Rows of the table that are visible now.
    pub(crate) fn visible_rows(&self) -> usize {
        usize::from(crate::view::areas(self).rows)
    }

    fn scroll_to_selection(&mut self) {
        let rows = self.visible_rows().max(1);
        let selected = self.selected_index().unwrap_or(0);
        if selected < self.top {
            self.top = selected;
        } else if selected >= self.top + rows {
            self.top = selected + 1 - rows;
        }
        self.top = self.top.min(self.nodes.len().saturating_sub(rows));
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
