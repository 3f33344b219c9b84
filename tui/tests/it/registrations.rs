//! What is wrong with registrations, and what can be done about it.

use crossterm::event::KeyCode;
use directory::clock::UnixTime;
use directory::wire::{Node, NodeState};
use tui::event::{Action, Snapshot};
use tui::row::NodeRow;
use tui::{Effect, Event, Glyphs, View};

use crate::support::{Driver, WALL, settings};
use crate::testing;

fn node(n: u8, farm_id: u64, mac: &str) -> Node {
    let mut node = testing::node(n);
    node.farm_id = farm_id;
    node.node_id_v1 = mac.into();
    node.created = UnixTime::from_secs(WALL - 9 * 86_400).into();
    node.updated = UnixTime::from_secs(WALL - 60 * i64::from(n)).into();
    node
}

/// All farms of a directory: one machine in two farms, one under two ids, one whose farm is gone,
/// one that never reported, one that waits, and one with nothing wrong.
fn directory(size: (u16, u16), glyphs: Glyphs) -> Driver {
    let mut settings = settings(false, glyphs, View::Registrations);
    settings.farm_id = None;
    let mut driver = Driver::new(settings, size);
    let mut never = node(6, 1, "");
    never.uptime = 0;
    never.total_resources = Default::default();
    let mut waits = node(7, 1, "525400000007");
    waits.state = Some(NodeState::Pending);
    let nodes = [
        node(1, 1, "525400000001"),
        node(2, 2, "525400000001"),
        node(3, 1, "525400000003"),
        node(4, 1, "525400000003"),
        node(5, 9, "525400000005"),
        never,
        waits,
        node(8, 1, "525400000008"),
    ];
    driver.update(Event::Loaded {
        generation: 1,
        answer: Ok(Snapshot {
            rows: nodes.iter().map(NodeRow::from).collect(),
            total: 8,
            missing: vec![9],
            as_of: Some(WALL),
            ..Snapshot::default()
        }),
    });
    driver.refreshed(1, None);
    driver
}

#[test]
fn what_is_wrong_is_listed_with_what_to_do() {
    let mut driver = directory((150, 24), Glyphs::Unicode);
    for text in [
        "also in farm 2",
        "also in farm 1",
        "no such farm",
        "never reported",
        "twin of ",
        "pending  ",
    ] {
        driver.shows(text);
    }
    driver.hides("node-8");
    for (host, advice) in [
        (
            "node-2",
            "node-1 in farm 1 has the same network card, and reported later",
        ),
        ("node-1", "is it meant for farm 2? M moves it back"),
        ("node-4", "the other one reported later: D removes this one"),
        ("node-5", "farm 9 is not in the directory"),
        ("node-6", "registered 9d 00h ago and has never reported"),
        ("node-7", "no other node has its network card"),
    ] {
        driver.keys(&format!("/host:{host}"));
        driver.press(KeyCode::Enter);
        driver.shows(&format!("about {host}"));
        driver.shows(advice);
        driver.press(KeyCode::Esc);
    }
    // In any table, and sorted by it: the worst first.
    driver.keys("2/problem");
    driver.press(KeyCode::Enter);
    driver.shows("6 of 8 nodes");
    driver.press(KeyCode::Esc);
    driver.keys("3ssss");
    driver.shows("PROBLEM▲");
    let screen = driver.text();
    let first = screen.lines().nth(3).unwrap();
    assert!(first.contains("no such farm"), "{screen}");
}

#[test]
fn two_machines_with_one_identity_stay_listed_until_the_node_is_approved_again() {
    let settings = settings(false, Glyphs::Unicode, View::Registrations);
    let mut driver = Driver::new(settings, (80, 24));
    let mut copied = node(1, 1, "525400000001");
    copied.two_boards = Some(UnixTime::from_secs(WALL - 3 * 3600).into());
    let id = copied.node_id;
    let fine = node(2, 1, "525400000002");
    driver.load(1, vec![copied.clone(), fine.clone()], Some(WALL));
    driver.refreshed(1, None);
    let screen = driver.text();
    let listed = screen.lines().find(|line| line.contains("● up"));
    assert!(
        listed.is_some_and(|line| line.contains("two machines")),
        "{screen}"
    );
    driver.shows("two machines use this identity: it came from two boards within an hour");
    driver.shows("make a new medium for one, or delete its node-identity.toml; then a approves");
    driver.hides("node-2");
    let effects = driver.press(KeyCode::Enter);
    driver.answer_node(&effects, copied);
    driver.shows("problem       two machines use this identity: from two boards, 3h 00m ago");
    driver.shows("make a new medium for one, or delete its node-identity.toml");
    driver.shows("then, or if its medium only moved, a approves it again");

    // It is approved already: the word is sent even so, and there is nothing to take back.
    let effects = driver.keys("a");
    let Some(Effect::Act { job, action }) = effects.first() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        *action,
        Action::Decide(vec![(id, NodeState::Approved)]),
        "{effects:?}"
    );
    let answer = Ok("approved 1 node".to_owned());
    driver.update(Event::Done { job: *job, answer });
    driver.shows("approved 1 node");
    driver.hides("u undoes it");
    driver.press(KeyCode::Esc);
    driver.load(2, vec![node(1, 1, "525400000001"), fine], Some(WALL));
    driver.hides("two machines");
}

#[test]
fn problems_are_exported_with_the_rest() {
    let mut driver = directory((150, 24), Glyphs::Unicode);
    driver.keys("x");
    let effects = driver.press(KeyCode::Enter);
    let [Effect::Export { export, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    let text = export.contents();
    assert!(text.contains(",9,no such farm,"), "{text}");
}

#[test]
fn a_move_is_prepared_and_what_the_stick_has_to_say_is_copied() {
    let mut driver = directory((150, 24), Glyphs::Unicode);
    driver.keys("/host:node-5");
    driver.press(KeyCode::Enter);
    driver.keys("M");
    driver.shows("move node-5 to farm number: ");
    driver.keys("x");
    driver.press(KeyCode::Enter);
    driver.press(KeyCode::Backspace);
    driver.keys("9");
    driver.press(KeyCode::Enter);
    driver.press(KeyCode::Backspace);
    driver.keys("1");
    driver.press(KeyCode::Enter);
    driver.shows("Prepare the move of node-5 to farm 1?");
    driver.shows("only its key can sign");
    let effects = driver.keys("y");
    let id = testing::node(5).node_id;
    let [Effect::Act { job, action }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*action, Action::Move(id, 1));
    let lines = "farm_id = 1\nenrolment_token = \"secret\"\n";
    let effects = driver.update(Event::Done {
        job: *job,
        answer: Ok(lines.to_owned()),
    });
    assert!(
        effects.contains(&Effect::Copy(lines.to_owned())),
        "{effects:?}"
    );
    driver.keys("7");
    driver.shows("farm_id = 1   enrolment_token = \"secret\"");
    // One at a time.
    driver.keys("3");
    driver.press(KeyCode::Esc);
    driver.keys("*M");
    driver.shows("one node at a time");
}

#[test]
fn looks() {
    let parts = [
        ((200, 60), Glyphs::Unicode),
        ((80, 24), Glyphs::Unicode),
        ((50, 15), Glyphs::Ascii),
    ];
    let shown: String = parts
        .into_iter()
        .map(|(size, glyphs)| {
            let text = directory(size, glyphs).text();
            let lines: Vec<&str> = text
                .lines()
                .map(|line| line.trim_matches('"').trim_end())
                .collect();
            format!("=== {}x{}\n{}\n", size.0, size.1, lines.join("\n"))
        })
        .collect();
    insta::assert_snapshot!("registrations_in_doubt", shown);
}
