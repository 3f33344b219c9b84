//! Filtering and sorting happen elsewhere: what is shown meanwhile, and what late answers do.

use std::cmp::Ordering;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use tui::arrange::{Arrange, Find};
use tui::event::Snapshot;
use tui::row::NodeRow;
use tui::{Effect, Event, Glyphs, View};

use crate::support::{Driver, WALL, arranged, found, nodes, settings};

fn filled() -> Driver {
    Driver::filled(settings(false, Glyphs::Unicode, View::Nodes), (140, 30))
}

fn key(c: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
}

/// Presses keys; what the worker is asked for is left to the test.
fn press(driver: &mut Driver, keys: &str) -> Vec<Effect> {
    let effects = keys.chars().flat_map(|c| driver.state.update(key(c)));
    effects.collect()
}

fn orders(effects: &[Effect]) -> Vec<Arrange> {
    let order = |effect: &Effect| match effect {
        Effect::Arrange(task) => Some((**task).clone()),
        _ => None,
    };
    effects.iter().filter_map(order).collect()
}

fn finds(effects: &[Effect]) -> Vec<Find> {
    let find = |effect: &Effect| match effect {
        Effect::Find(task) => Some(task.clone()),
        _ => None,
    };
    effects.iter().filter_map(find).collect()
}

/// What the worker and the cache answer; the cache has forgotten the first `gone` nodes.
fn answers(effects: &[Effect], gone: usize) -> Vec<Event> {
    let answer = |effect: &Effect| match effect {
        Effect::Arrange(task) => Some(arranged(task)),
        Effect::Find(task) => Some(found(task)),
        Effect::Load { generation, .. } => Some(Event::Loaded {
            generation: *generation,
            answer: Ok(Snapshot {
                rows: nodes().iter().skip(gone).map(NodeRow::from).collect(),
                total: (nodes().len() - gone) as u64,
                ..Snapshot::default()
            }),
        }),
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

/// The first node listed.
fn top(driver: &Driver) -> String {
    let screen = driver.text();
    let line = screen.lines().nth(3).unwrap_or_default().to_owned();
    line.split_whitespace()
        .nth(4)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_old_listing_stays_with_a_word_until_the_new_one_is_there() {
    let mut driver = filled();
    let before = top(&driver);
    let effects = press(&mut driver, "ss");
    let tasks = orders(&effects);
    assert_eq!(tasks.len(), 2);
    driver.shows("HOST▲");
    driver.shows(" sorting… ");
    assert_eq!(top(&driver), before);
    // The answer to the first question is no answer to the second.
    driver.state.update(arranged(&tasks[0]));
    driver.shows(" sorting… ");
    assert_eq!(top(&driver), before);
    driver.state.update(arranged(&tasks[1]));
    driver.hides("sorting");
    assert_eq!(top(&driver), "evilname");
    // And never comes after it.
    driver.state.update(arranged(&tasks[0]));
    assert_eq!(top(&driver), "evilname");
    let effects = press(&mut driver, "/host:2");
    driver.shows(" filtering… ");
    driver.shows("node-1 ");
    driver
        .state
        .update(arranged(orders(&effects).last().expect("it is asked for")));
    driver.hides("filtering");
    driver.hides("node-1 ");
}

#[test]
fn keys_about_the_listing_wait_for_it_and_others_do_not() {
    let mut driver = filled();
    let mut effects = press(&mut driver, "/node-12");
    effects.extend(driver.state.update(Event::Key(KeyCode::Enter.into())));
    // Who types ahead means what was filtered, not what happens to be on the screen.
    effects.extend(press(&mut driver, "*?"));
    driver.shows(" filtering, 2 keys wait… ");
    driver.hides("marked");
    let tasks = orders(&effects);
    driver.update(arranged(tasks.last().expect("it is asked for")));
    driver.shows("1 marked");
    driver.shows("all about the selected node");
    driver.press(KeyCode::Esc);
    // Help is about no listing.
    press(&mut driver, "r?");
    driver.shows("all about the selected node");
    let quits = driver.press_with(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(quits, [Effect::Quit]);
}

#[test]
fn a_name_is_looked_for_in_the_listing_that_is_shown_then() {
    let mut driver = filled();
    let mut effects = press(&mut driver, "fnode-3");
    let asked = finds(&effects);
    assert_eq!(asked.len(), 6);
    driver.shows(" finding… ");
    // A key that takes the selected node waits.
    effects = driver.state.update(Event::Key(KeyCode::Enter.into()));
    effects.extend(press(&mut driver, "c"));
    assert!(effects.is_empty(), "{effects:?}");
    driver.state.update(found(&asked[0]));
    driver.shows(" finding, 1 key waits… ");
    let effects = driver.update(found(&asked[5]));
    let [Effect::Copy(id)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*id, nodes()[2].node_id.to_string());
    // Asked for while the order changes: it is looked for again.
    press(&mut driver, "f");
    let sorted = orders(&driver.state.update(Event::Tick {
        wall: WALL + 60,
        now: std::time::Duration::from_secs(60),
    }));
    assert!(finds(&press(&mut driver, "evil")).is_empty());
    let effects = driver.state.update(arranged(&sorted[0]));
    let again = finds(&effects);
    assert_eq!(again.len(), 1);
    driver.update(found(&again[0]));
    driver.press(KeyCode::Esc);
    driver.hides("finding");
}

#[test]
fn rows_that_arrive_are_shown_when_they_are_in_order() {
    let mut driver = filled();
    driver.keys("  ");
    driver.shows("2 marked");
    let fewer: Vec<_> = nodes().into_iter().take(3).collect();
    let loaded = Event::Loaded {
        generation: 3,
        answer: Ok(Snapshot {
            rows: fewer.iter().map(NodeRow::from).collect(),
            total: 3,
            as_of: Some(WALL),
            ..Default::default()
        }),
    };
    let effects = driver.state.update(loaded);
    driver.shows("12 nodes");
    // Keys go on meanwhile; what they ask for comes with the new rows.
    let effects = [effects, press(&mut driver, "r")].concat();
    let tasks = orders(&effects);
    assert_eq!(tasks[1].tables.len(), 3);
    let effects = driver.state.update(arranged(&tasks[1]));
    assert!(matches!(effects[..], [Effect::Release(_)]), "{effects:?}");
    driver.shows("3 nodes");
}

/// What a person would expect of a sorted column, worked out without any of what makes it fast.
fn naive(task: &Arrange, compare: impl Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut all: Vec<usize> = (0..task.rows.len()).collect();
    all.sort_by(|a, b| {
        let ids = || task.rows[*a].node_id.cmp(&task.rows[*b].node_id);
        compare(*a, *b).then_with(ids)
    });
    all.into_iter()
        .map(|at| u32::try_from(at).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Answers come late, early, twice or never: what is shown in the end is what was asked last,
    /// and selection and marks are on their nodes.
    #[test]
    fn late_answers_never_overwrite_newer(
        keys in prop::collection::vec((0..4_u8, 0..6_usize), 1..40),
    ) {
        let mut driver = filled();
        driver.keys("jj j ");
        let mut asked: Vec<Arrange> = Vec::new();
        for (what, n) in keys {
            let key = ["s", "<", "r", "R"][usize::from(what)];
            asked.extend(orders(&press(&mut driver, key)));
            if let Some(task) = asked.get(n) {
                let answer = arranged(task);
                asked.extend(orders(&driver.state.update(answer)));
            }
        }
        if let Some(task) = asked.last() {
            driver.update(arranged(task));
        }
        prop_assert!(!driver.text().contains("sorting"));
        let shown = driver.text();
        // The same keys with every answer at once.
        driver.keys("rr");
        prop_assert_eq!(driver.text(), shown);
        driver.shows("2 marked");
    }

    /// Whatever is pressed while answers are on their way, in whatever order they come: it can always
    /// be drawn, and when the last one is there nothing waits any more.
    #[test]
    fn keys_and_late_answers_in_any_order(
        steps in prop::collection::vec((0..10_u8, 0..64_usize), 1..80),
    ) {
        let mut settings = settings(false, Glyphs::Ascii, View::Nodes);
        settings.places = ["one", "two"]
            .map(|name| tui::Place {
                name: name.to_owned(),
                directory: "dir.example:443".to_owned(),
                farm_id: None,
                no_decisions: None,
                is_watched: true,
            })
            .to_vec();
        let mut driver = Driver::filled(settings, (100, 24));
        let keys: Vec<char> = "srjkGg*/f<xcP12342ab D\\nde-".chars().collect();
        let mut waiting: Vec<Event> = Vec::new();
        for (what, n) in steps {
            let effects = match what {
                0 if !waiting.is_empty() => {
                    let answer = waiting.remove(n % waiting.len());
                    driver.state.update(answer)
                }
                1 => driver.state.update(Event::Key(KeyCode::Enter.into())),
                2 => driver.state.update(Event::Key(KeyCode::Esc.into())),
                3 => driver.state.update(Event::Tick {
                    wall: WALL + 40,
                    now: std::time::Duration::from_secs(40 + n as u64),
                }),
                _ => driver.state.update(key(keys[n % keys.len()])),
            };
            waiting.extend(answers(&effects, n % 9));
            driver.screen();
        }
        // All that was asked for is answered.
        let mut rounds = 0;
        while !waiting.is_empty() {
            let effects = driver.state.update(waiting.remove(0));
            waiting.extend(answers(&effects, 0));
            rounds += 1;
            prop_assert!(rounds < 1000);
        }
        let screen = driver.text();
        for word in ["sorting", "filtering", "finding", " key waits", " keys wait"] {
            prop_assert!(!screen.contains(word), "{}", screen);
        }
    }

    /// Sorting by ranks and numbers is sorting by what they stand for.
    #[test]
    fn fast_order_is_the_true_order(hosts in prop::collection::vec("[a-c]{0,10}", 12), down in any::<bool>()) {
        let mut all = nodes();
        for (node, host) in all.iter_mut().zip(&hosts) {
            node.hostname = host.as_str().into();
            node.location.city = host.get(..1).unwrap_or_default().into();
        }
        let mut driver = Driver::new(settings(false, Glyphs::Unicode, View::Nodes), (140, 30));
        driver.load(1, all, Some(WALL));
        for _ in 0..20 {
            let effects = press(&mut driver, if down { "sr" } else { "s" });
            let task = orders(&effects).pop().expect("it is asked for");
            let answer = task.answer(&|| true).expect("it is wanted");
            let order = answer.orders[0].1.to_vec();
            let screen = driver.text();
            let rows = task.rows.clone();
            let direction = |order: Ordering| if screen.contains('▼') { order.reverse() } else { order };
            let expected = if screen.contains("HOST▲") || screen.contains("HOST▼") {
                naive(&task, |a, b| direction(rows[a].host.cmp(&rows[b].host)))
            } else if screen.contains("CRU▲") || screen.contains("CRU▼") {
                naive(&task, |a, b| direction(rows[a].capacity.cru.cmp(&rows[b].capacity.cru)))
            } else if screen.contains("PLACE▲") || screen.contains("PLACE▼") {
                naive(&task, |a, b| direction(rows[a].place().cmp(&rows[b].place())))
            } else {
                order.clone()
            };
            prop_assert_eq!(order, expected, "{}", screen);
        }
    }
}
