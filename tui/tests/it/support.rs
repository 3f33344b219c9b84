//! A state machine with a clock, fed by hand.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use directory::clock::UnixTime;
use directory::wire::{Farm, Location, Node, NodeState, WalletAddress};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tui::arrange::{Arrange, Find};
use tui::event::{NodeAnswer, Refreshed, Snapshot};
use tui::row::NodeRow;
use tui::{Effect, Event, Glyphs, Preferences, Settings, State, Theme, View, view};

use crate::testing;

/// In the middle of a minting period.
pub const WALL: i64 = 1_800_000_000;

pub struct Driver {
    pub state: State,
    /// All that happened.
    pub past: Vec<Event>,
    pub seconds: u64,
    pub size: (u16, u16),
}

pub fn settings(color: bool, glyphs: Glyphs, first: View) -> Settings {
    Settings {
        directory: "dir.example:443".to_owned(),
        farm_id: Some(1),
        interval: Duration::from_secs(5),
        theme: Theme { color, glyphs },
        read_only: false,
        no_decisions: None,
        first,
        places: Vec::new(),
    }
}

/// What the worker answers.
pub fn arranged(task: &Arrange) -> Event {
    Event::Arranged {
        generation: task.generation,
        arranged: task.answer(&|| true).expect("it is wanted"),
    }
}

/// What the worker answers.
pub fn found(task: &Find) -> Event {
    Event::Found {
        generation: task.generation,
        line: task.answer(),
    }
}

impl Driver {
    pub fn new(settings: Settings, size: (u16, u16)) -> Self {
        let mut state = State::new(settings, &Preferences::default(), size);
        state.start();
        let mut driver = Self {
            state,
            past: Vec::new(),
            seconds: 0,
            size,
        };
        driver.tick_to(0);
        driver
    }

    /// A farm of twelve nodes that a directory has just told about.
    pub fn filled(settings: Settings, size: (u16, u16)) -> Self {
        let mut driver = Self::new(settings, size);
        driver.load(1, nodes(), Some(WALL));
        driver.refreshed(1, None);
        driver.load(2, nodes(), Some(WALL));
        driver.tick_to(2);
        driver
    }

    /// Takes in an event. What the worker is asked for is answered at once; the other effects are
    /// returned.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        let mut wanted = Vec::new();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.past.push(event.clone());
            for effect in self.state.update(event) {
                match effect {
                    Effect::Arrange(task) => events.push_back(arranged(&task)),
                    Effect::Find(task) => events.push_back(found(&task)),
                    Effect::Release(_) => {}
                    other => wanted.push(other),
                }
            }
        }
        wanted
    }

    pub fn tick_to(&mut self, seconds: u64) -> Vec<Effect> {
        self.seconds = seconds;
        self.update(Event::Tick {
            wall: WALL + i64::try_from(seconds).unwrap(),
            now: Duration::from_secs(seconds),
        })
    }

    pub fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.press_with(code, KeyModifiers::NONE)
    }

    pub fn press_with(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        self.update(Event::Key(KeyEvent::new(code, modifiers)))
    }

    pub fn keys(&mut self, text: &str) -> Vec<Effect> {
        text.chars()
            .flat_map(|c| self.press(KeyCode::Char(c)))
            .collect()
    }

    pub fn load(&mut self, generation: u64, nodes: Vec<Node>, as_of: Option<i64>) -> Vec<Effect> {
        let total = nodes.len() as u64;
        self.load_part(generation, nodes, total, as_of)
    }

    pub fn load_part(
        &mut self,
        generation: u64,
        nodes: Vec<Node>,
        total: u64,
        as_of: Option<i64>,
    ) -> Vec<Effect> {
        self.update(Event::Loaded {
            generation,
            answer: Ok(Snapshot {
                rows: nodes.iter().map(NodeRow::from).collect(),
                total,
                farm: Some(Box::new(farm())),
                as_of,
                ..Snapshot::default()
            }),
        })
    }

    /// The directory answered; something changed.
    pub fn refreshed(&mut self, generation: u64, no_changes: Option<&str>) -> Vec<Effect> {
        let as_of = WALL + i64::try_from(self.seconds).unwrap();
        self.update(Event::Refreshed {
            generation,
            answer: Ok(Refreshed {
                changed: true,
                as_of,
                no_changes: no_changes.map(str::to_owned),
            }),
        })
    }

    pub fn refused(&mut self, generation: u64, error: &str) -> Vec<Effect> {
        self.update(Event::Refreshed {
            generation,
            answer: Err(error.to_owned()),
        })
    }

    /// Answers the request for one node among `effects`.
    pub fn answer_node(&mut self, effects: &[Effect], node: Node) {
        let generation = effects
            .iter()
            .find_map(|effect| match effect {
                Effect::FetchNode { generation, .. } => Some(*generation),
                _ => None,
            })
            .expect("a node was asked for");
        self.update(Event::Node {
            generation,
            answer: Ok(NodeAnswer {
                node: Box::new(node),
                live: true,
            }),
        });
    }

    pub fn screen(&self) -> Terminal<TestBackend> {
        let (width, height) = self.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| view::draw(&self.state, frame))
            .unwrap();
        terminal
    }

    pub fn text(&self) -> String {
        self.screen().backend().to_string()
    }

    pub fn shows(&self, text: &str) {
        let screen = self.text();
        assert!(screen.contains(text), "{text:?} is not on\n{screen}");
    }

    pub fn hides(&self, text: &str) {
        let screen = self.text();
        assert!(!screen.contains(text), "{text:?} is on\n{screen}");
    }
}

pub fn farm() -> Farm {
    Farm {
        id: 1,
        threebot_id: 7,
        name: "ghent-1".into(),
        email: "farmer@example.org".into(),
        wallet_addresses: vec![WalletAddress {
            asset: "TFT".into(),
            address: "GEXAMPLE".into(),
        }],
        location: Location {
            country: "BE".into(),
            city: "Ghent".into(),
            continent: "Europe".into(),
            latitude: 51.05,
            longitude: 3.72,
        },
        ..Farm::default()
    }
}

/// Twelve nodes in every state, one with a hostile host name.
pub fn nodes() -> Vec<Node> {
    (1..=12)
        .map(|n: u8| {
            let mut node = testing::node(n);
            node.created = UnixTime::from_secs(WALL - 90 * 86_400).into();
            node.updated = UnixTime::from_secs(WALL - 60 * i64::from(n)).into();
            node.total_resources.cru = u64::from(n) * 4;
            match n {
                2 => node.location.country = "NL".into(),
                3 => node.updated = UnixTime::from_secs(WALL - 30 * 60).into(),
                4 => node.updated = UnixTime::from_secs(WALL - 5 * 3600).into(),
                5 => node.state = Some(NodeState::Pending),
                6 => node.state = Some(NodeState::Blocked),
                7 => {
                    node.uptime = 0;
                    node.total_resources = Default::default();
                }
                8 => node.hostname = "evil\u{1b}[31m\u{202e}name".into(),
                9 => node.updated = UnixTime::from_secs(WALL - 50 * 3600).into(),
                10 => node.hardware = Some(testing::hardware(true)),
                11 => node.hardware = Some(testing::hardware(false)),
                _ => {}
            }
            node
        })
        .collect()
}
