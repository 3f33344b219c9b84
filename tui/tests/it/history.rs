//! What passed: sparklines of the overview, events of a node.

use crossterm::event::KeyCode;
use directory::cache::{NodeEvent, NodeEventKind, Sample};
use tui::{Effect, Event, Glyphs, View};

use crate::looks::{picture, titled};
use crate::support::{Driver, WALL, nodes, settings};

/// Two days in which a node went away and another came.
fn samples() -> Vec<Sample> {
    (0..=288)
        .map(|step| Sample {
            at: WALL / 600 * 600 - (288 - step) * 600,
            nodes: if step > 200 { 10 } else { 9 },
            up: match step {
                0..=90 => 9,
                91..=140 => 8,
                141..=200 => 9,
                _ => 6,
            },
            cu_micro: if step > 200 { 159_570_000 } else { 140_000_000 },
            su_micro: 92_570_000,
            reward: 50_000_000_000 + 40_000_000 * u64::try_from(step).unwrap(),
        })
        .collect()
}

fn overview(size: (u16, u16), glyphs: Glyphs) -> Driver {
    Driver::filled(settings(false, glyphs, View::Overview), size)
}

fn recorded(effects: &[Effect]) -> Vec<Sample> {
    let sample = |effect: &Effect| match effect {
        Effect::Record(sample) => Some(*sample),
        _ => None,
    };
    effects.iter().filter_map(sample).collect()
}

#[test]
fn a_sample_is_kept_every_ten_minutes_of_what_is_true_now() {
    let settings = settings(false, Glyphs::Unicode, View::Overview);
    let mut driver = Driver::new(settings, (100, 30));
    driver.load(1, nodes(), Some(WALL - 3_600));
    assert_eq!(
        recorded(&driver.tick_to(1)),
        [],
        "this is from an earlier session"
    );
    driver.refreshed(1, None);
    assert_eq!(
        recorded(&driver.tick_to(2)),
        [],
        "what is new is not read yet"
    );
    driver.load(2, nodes(), Some(WALL));
    let kept = recorded(&driver.tick_to(3));
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].at % 600, kept[0].up, kept[0].nodes), (0, 6, 10));
    for seconds in 4..9 {
        assert_eq!(recorded(&driver.tick_to(seconds)), []);
    }
    driver.refreshed(2, None);
    // The machine slept: what was true then is not known to be true now.
    assert_eq!(recorded(&driver.tick_to(700)), []);
    driver.load(3, nodes(), Some(WALL + 8));
    driver.refreshed(3, None);
    driver.load(4, nodes(), Some(WALL + 700));
    assert_eq!(recorded(&driver.tick_to(701)).len(), 1);
    driver.tick_to(706);
    driver.refused(4, "cannot connect");
    assert_eq!(recorded(&driver.tick_to(1_300)), []);
}

#[test]
fn what_passed_is_asked_for_once_and_shown() {
    let settings = settings(false, Glyphs::Unicode, View::Nodes);
    let mut driver = Driver::filled(settings, (100, 30));
    assert!(driver.keys("1").contains(&Effect::History { place: 0 }));
    driver.shows("kept from now on");
    // Of a place that was left meanwhile.
    driver.state.update(Event::History {
        place: 1,
        answer: Ok(samples()),
    });
    driver.shows("kept from now on");
    assert!(!driver.tick_to(3).contains(&Effect::History { place: 0 }));
    driver.state.update(Event::History {
        place: 0,
        answer: Ok(samples()),
    });
    driver.shows("the last 2d 00h");
    driver.shows("6 of 10");
    assert!(!driver.tick_to(4).contains(&Effect::History { place: 0 }));
}

#[test]
fn an_alert_leads_to_its_nodes() {
    let mut driver = overview((100, 30), Glyphs::Unicode);
    driver.keys("j");
    driver.press(KeyCode::Enter);
    driver.shows("/state:down   2 of 12 nodes; Esc shows all");
    driver.keys("1jj");
    driver.press(KeyCode::Enter);
    driver.shows("about node-5");
    driver.hides("node-1 ");
}

#[test]
fn sparklines_in_every_size() {
    let mut parts = Vec::new();
    for (size, glyphs) in [
        ((120, 30), Glyphs::Unicode),
        ((80, 24), Glyphs::Ascii),
        ((50, 30), Glyphs::Unicode),
    ] {
        let mut driver = overview(size, glyphs);
        driver.state.update(Event::History {
            place: 0,
            answer: Ok(samples()),
        });
        parts.push((format!("{}x{}", size.0, size.1), picture(&driver)));
    }
    insta::assert_snapshot!("sparklines", titled(parts));
}

#[test]
fn events_of_a_node_are_told_newest_first() {
    let settings = settings(false, Glyphs::Unicode, View::Nodes);
    let mut driver = Driver::filled(settings, (100, 60));
    driver.keys("/host:node-12");
    driver.press(KeyCode::Enter);
    let effects = driver.press(KeyCode::Enter);
    let node = nodes().pop().unwrap();
    let event = |ago: i64, kind, before: &str, after: &str| NodeEvent {
        at: WALL - ago,
        kind,
        before: before.into(),
        after: after.into(),
    };
    let generation = effects.iter().find_map(|effect| match effect {
        Effect::FetchNode { generation, .. } => Some(*generation),
        _ => None,
    });
    let generation = generation.unwrap();
    driver.answer_node(&effects, node);
    driver.shows("registered in farm 1");
    let answer = Ok(vec![
        event(
            600,
            NodeEventKind::Resized,
            "8 threads",
            "16 threads\u{1b}[2J",
        ),
        event(7_200, NodeEventKind::Back, "1000", "19000"),
        event(90_000, NodeEventKind::Decided, "pending", "approved"),
    ]);
    // That of another node comes too late.
    driver.state.update(Event::NodeHistory {
        generation: generation + 1,
        answer: Ok(Vec::new()),
    });
    driver
        .state
        .update(Event::NodeHistory { generation, answer });
    driver.shows("10m 02s ago    has 16 threads; had 8 threads");
    driver.shows("came back after 5h 00m of silence");
    driver.shows("approved, was pending");
}
