//! The UI driven by scripted events: what it asks for, what it keeps, and what it looks like.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

#[path = "../src/testing.rs"]
mod testing;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use directory::clock::UnixTime;
use directory::wire::{Farm, Node, NodeState};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use tui::{Effect, Event, Glyphs, Settings, State, Theme, view};

const WALL: i64 = 1_800_000_000;

fn settings(color: bool, glyphs: Glyphs) -> Settings {
    Settings {
        directory: "dir.example:443".to_owned(),
        farm_id: Some(1),
        interval: Duration::from_secs(5),
        theme: Theme { color, glyphs },
    }
}

/// A state machine with a clock, fed by hand.
struct Driver {
    state: State,
    seconds: u64,
}

impl Driver {
    fn new(width: u16, height: u16, color: bool, glyphs: Glyphs) -> Self {
        Self {
            state: State::new(settings(color, glyphs), (width, height)),
            seconds: 0,
        }
    }

    fn tick_to(&mut self, seconds: u64) -> Vec<Effect> {
        self.seconds = seconds;
        let wall = UnixTime::from_secs(WALL + i64::try_from(seconds).unwrap());
        self.state.update(Event::Tick {
            wall,
            now: Duration::from_secs(seconds),
        })
    }

    fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.state
            .update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    /// Answers the request for nodes among `effects`.
    fn answer(&mut self, effects: &[Effect], answer: Result<Vec<Node>, &str>) -> Vec<Effect> {
        let generation = effects
            .iter()
            .find_map(|effect| match effect {
                Effect::FetchNodes { generation } => Some(*generation),
                _ => None,
            })
            .expect("nodes were asked for");
        let answer = answer
            .map(|nodes| (Some(Box::new(farm())), nodes))
            .map_err(str::to_owned);
        self.state.update(Event::Nodes { generation, answer })
    }

    fn screen(&self, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| view::draw(&self.state, frame))
            .unwrap();
        terminal
    }

    fn text(&self, width: u16, height: u16) -> String {
        self.screen(width, height).backend().to_string()
    }
}

fn farm() -> Farm {
    Farm {
        id: 1,
        name: "ghent-1".into(),
        ..Farm::default()
    }
}

/// Twelve nodes in every state, one with a hostile host name.
fn nodes() -> Vec<Node> {
    (1..=12)
        .map(|n: u8| {
            let mut node = testing::node(n);
            node.updated = UnixTime::from_secs(WALL - 60 * i64::from(n)).into();
            node.total_resources.cru = u64::from(n) * 4;
            match n {
                3 => node.updated = UnixTime::from_secs(WALL - 30 * 60).into(),
                4 => node.updated = UnixTime::from_secs(WALL - 5 * 3600).into(),
                5 => node.state = Some(NodeState::Pending),
                6 => node.state = Some(NodeState::Blocked),
                7 => {
                    node.uptime = 0;
                    node.total_resources = Default::default();
                }
                8 => node.hostname = "evil\u{1b}[31m\u{202e}name".into(),
                _ => {}
            }
            node
        })
        .collect()
}

fn filled(width: u16, height: u16, color: bool, glyphs: Glyphs) -> Driver {
    let mut driver = Driver::new(width, height, color, glyphs);
    let effects = driver.tick_to(0);
    driver.answer(&effects, Ok(nodes()));
    driver.tick_to(2);
    driver
}

#[test]
fn looks_at_three_sizes() {
    for (width, height) in [(80, 24), (50, 15), (200, 60)] {
        let driver = filled(width, height, true, Glyphs::Unicode);
        insta::assert_snapshot!(
            format!("table_{width}x{height}"),
            driver.text(width, height)
        );
        let driver = filled(width, height, false, Glyphs::Ascii);
        let text = driver.text(width, height);
        assert!(text.is_ascii(), "{text}");
        insta::assert_snapshot!(format!("table_{width}x{height}_ascii"), text);
    }
}

#[test]
fn looks_of_details_help_and_silence() {
    let mut driver = filled(80, 30, true, Glyphs::Unicode);
    let effects = driver.press(KeyCode::Enter);
    let [Effect::FetchNode { generation, id }] = effects[..] else {
        panic!("{effects:?}")
    };
    let mut node = nodes().into_iter().find(|node| node.node_id == id).unwrap();
    node.hardware = Some(testing::hardware(true));
    driver.state.update(Event::Node {
        generation,
        answer: Ok(Box::new(node)),
    });
    insta::assert_snapshot!("detail_80x30", driver.text(80, 30));
    driver.press(KeyCode::Char('?'));
    insta::assert_snapshot!("help_80x30", driver.text(80, 30));

    let mut driver = Driver::new(80, 24, false, Glyphs::Unicode);
    let effects = driver.tick_to(0);
    insta::assert_snapshot!("connecting_80x24", driver.text(80, 24));
    driver.answer(
        &effects,
        Err("cannot connect to dir.example:443: connection refused"),
    );
    insta::assert_snapshot!("silent_80x24", driver.text(80, 24));
}

#[test]
fn a_tiny_terminal_says_what_it_needs_and_still_quits() {
    let mut driver = filled(19, 4, true, Glyphs::Unicode);
    assert!(driver.text(19, 4).contains("20x5 needed"));
    assert_eq!(driver.press(KeyCode::Char('q')), [Effect::Quit]);
}

#[test]
fn without_colour_no_cell_has_one_and_states_still_differ() {
    let driver = filled(80, 24, false, Glyphs::Unicode);
    let screen = driver.screen(80, 24);
    let buffer = screen.backend().buffer();
    for cell in buffer.content() {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
    }
    // The selected row is told by a modifier, which survives.
    let reversed = |y: u16| {
        buffer[(0, y)]
            .modifier
            .contains(ratatui::style::Modifier::REVERSED)
    };
    assert_eq!((2..20).filter(|y| reversed(*y)).count(), 1);
    let colored = filled(80, 24, true, Glyphs::Unicode);
    let screen = colored.screen(80, 24);
    assert!(
        screen
            .backend()
            .buffer()
            .content()
            .iter()
            .any(|cell| cell.fg != Color::Reset)
    );
}

#[test]
fn hostile_names_reach_no_cell() {
    let driver = filled(200, 60, true, Glyphs::Unicode);
    let text = driver.text(200, 60);
    assert!(text.contains("evilname"));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
}

#[test]
fn selection_survives_refresh_and_sorting() {
    let mut driver = filled(120, 24, true, Glyphs::Unicode);
    for _ in 0..3 {
        driver.press(KeyCode::Down);
    }
    let selected = |driver: &mut Driver| {
        let effects = driver.press(KeyCode::Enter);
        driver.press(KeyCode::Esc);
        effects
            .iter()
            .find_map(|effect| match effect {
                Effect::FetchNode { id, .. } => Some(*id),
                _ => None,
            })
            .expect("details are asked for")
    };
    let id = selected(&mut driver);
    driver.press(KeyCode::Char('s'));
    driver.press(KeyCode::Char('r'));
    assert_eq!(selected(&mut driver), id);
    let effects = driver.tick_to(60);
    let mut fewer: Vec<Node> = nodes().into_iter().rev().collect();
    driver.answer(&effects, Ok(fewer.clone()));
    assert_eq!(selected(&mut driver), id);
    // When the node is gone, a neighbour takes over instead of nothing.
    fewer.retain(|node| node.node_id != id);
    let effects = driver.tick_to(120);
    driver.answer(&effects, Ok(fewer));
    assert_ne!(selected(&mut driver), id);
}

#[test]
fn a_lost_directory_keeps_the_data_and_is_asked_again_ever_more_rarely() {
    let mut driver = filled(80, 24, true, Glyphs::Unicode);
    let mut asked_at = Vec::new();
    for second in 3..600 {
        let effects = driver.tick_to(second);
        if !effects.is_empty() {
            asked_at.push(second);
            let effects = driver.answer(&effects, Err("connection refused"));
            assert_eq!(effects, []);
        }
    }
    assert_eq!(asked_at[..4], [5, 15, 35, 75]);
    assert!(
        asked_at.windows(2).all(|pair| pair[1] - pair[0] <= 60),
        "{asked_at:?}"
    );
    let text = driver.text(80, 24);
    assert!(text.contains("no response, data 9m 59s old"), "{text}");
    assert!(
        text.contains("connection refused") && text.contains("CRU"),
        "{text}"
    );
    assert!(text.contains("12 nodes"), "the last data stays: {text}");
    // And it recovers by itself.
    let effects = loop {
        let effects = driver.tick_to(driver.seconds + 1);
        if !effects.is_empty() {
            break effects;
        }
    };
    driver.answer(&effects, Ok(nodes()));
    let text = driver.text(80, 24);
    assert!(text.contains("live") && !text.contains("refused"), "{text}");
}

#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let mut driver = Driver::new(80, 24, true, Glyphs::Unicode);
    let first = driver.tick_to(0);
    assert_eq!(driver.tick_to(30), [], "one request at a time");
    driver.tick_to(46);
    driver.answer(&first, Ok(nodes()));
    assert!(driver.text(80, 24).contains("no answer in time"));
    let second = driver.tick_to(120);
    driver.answer(&second, Ok(nodes()));
    assert!(driver.text(80, 24).contains("12 nodes"));
}

#[test]
fn details_follow_the_selection() {
    let mut driver = filled(80, 40, true, Glyphs::Unicode);
    let first = driver.press(KeyCode::Enter);
    let second = driver.press(KeyCode::Down);
    let (
        [
            Effect::FetchNode {
                generation: old,
                id: a,
            },
        ],
        [Effect::FetchNode { id: b, .. }],
    ) = (&first[..], &second[..])
    else {
        panic!("{first:?} {second:?}")
    };
    assert_ne!(a, b);
    let mut node = testing::node(99);
    node.hostname = "late-answer".into();
    driver.state.update(Event::Node {
        generation: *old,
        answer: Ok(Box::new(node)),
    });
    assert!(!driver.text(80, 40).contains("late-answer"));
}

fn any_event() -> impl Strategy<Value = (u8, u16, u16)> {
    (0..20_u8, 0..260_u16, 0..90_u16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order: no panic, and the screen can always be drawn.
    #[test]
    fn no_sequence_of_events_breaks_it(events in prop::collection::vec(any_event(), 1..60)) {
        let mut driver = filled(80, 24, true, Glyphs::Unicode);
        let mut size = (80, 24);
        for (what, a, b) in events {
            let keys = ['q', 's', 'r', 'R', 'j', 'k', '<', '?', 'G', 'g'];
            match what {
                0 => {
                    size = (a.max(1), b.max(1));
                    driver.state.update(Event::Resize { width: size.0, height: size.1 });
                }
                1 => { let at = driver.seconds + u64::from(a); driver.tick_to(at); }
                2 => { driver.press(KeyCode::Enter); }
                3 => { driver.press(KeyCode::Esc); }
                4 => { driver.press(KeyCode::PageDown); }
                5 => { driver.press(KeyCode::PageUp); }
                6 => {
                    let at = driver.seconds + 100;
                    let effects = driver.tick_to(at);
                    if effects.iter().any(|e| matches!(e, Effect::FetchNodes { .. })) {
                        let all = nodes();
                        let some = all[..usize::from(a) % (all.len() + 1)].to_vec();
                        driver.answer(&effects, Ok(some));
                    }
                }
                n => { driver.press(KeyCode::Char(keys[usize::from(n) % keys.len()])); }
            }
            driver.screen(size.0, size.1);
        }
    }
}
