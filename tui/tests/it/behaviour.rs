//! What it keeps and what it asks for.

use crossterm::event::{KeyCode, KeyModifiers};
use tui::{Effect, Event, Glyphs, View};

use crate::support::{Driver, WALL, nodes, settings};
use crate::testing;

fn filled(view: View) -> Driver {
    Driver::filled(settings(false, Glyphs::Unicode, view), (120, 30))
}

#[test]
fn the_cache_is_shown_before_the_directory_answers() {
    let mut driver = Driver::new(settings(false, Glyphs::Unicode, View::Nodes), (120, 30));
    driver.shows("waiting for the directory");
    let effects = driver.load_part(1, nodes(), 5000, Some(WALL - 7200));
    // The first page is there; the rest is asked for.
    assert!(
        matches!(
            effects[..],
            [Effect::Load {
                generation: 2,
                first: None
            }]
        ),
        "{effects:?}"
    );
    driver.shows("5000 nodes");
    driver.shows("connecting, data 2h 00m old");
    driver.shows("AKnL4N");
    driver.load(2, nodes(), Some(WALL - 7200));
    driver.shows("12 nodes: ");
    driver.refused(1, "connection refused");
    driver.shows("no response, data 2h 00m old");
    driver.shows("! connection refused");
}

#[test]
fn a_lost_directory_keeps_the_data_and_is_asked_again_ever_more_rarely() {
    let mut driver = filled(View::Nodes);
    let mut asked_at = Vec::new();
    for second in 3..600 {
        let effects = driver.tick_to(second);
        if let Some(Effect::Refresh { generation }) = effects.first() {
            asked_at.push(second);
            let effects = driver.refused(*generation, "connection refused");
            assert_eq!(effects, []);
        }
    }
    assert_eq!(asked_at[..4], [5, 15, 35, 75]);
    assert!(
        asked_at.windows(2).all(|pair| pair[1] - pair[0] <= 60),
        "{asked_at:?}"
    );
    driver.shows("no response, data 9m 59s old");
    driver.shows("! connection refused");
    driver.shows("12 nodes");
    // And it recovers by itself.
    let generation = loop {
        let effects = driver.tick_to(driver.seconds + 1);
        if let Some(Effect::Refresh { generation }) = effects.first() {
            break *generation;
        }
    };
    driver.refreshed(generation, None);
    driver.shows("live");
    driver.hides("refused");
    driver.press(KeyCode::Char('8'));
    driver.shows("dir.example:443 answers");
}

#[test]
fn late_answers_never_overwrite_newer_ones() {
    let mut driver = filled(View::Nodes);
    let mut old = nodes();
    old.truncate(3);
    // An answer to a request that was made before the one that is shown.
    driver.load(1, old.clone(), Some(WALL - 50));
    driver.shows("12 nodes");
    driver.load(3, old, Some(WALL + 2));
    driver.shows("3 nodes");
    // A refresh that was given up on.
    let effects = driver.tick_to(10);
    let [Effect::Refresh { generation }] = effects[..] else {
        panic!("{effects:?}")
    };
    driver.tick_to(60);
    driver.shows("no answer in time");
    driver.refreshed(generation, None);
    driver.shows("no answer in time");
}

#[test]
fn a_cache_that_refuses_is_asked_again() {
    let mut driver = Driver::new(settings(false, Glyphs::Unicode, View::Nodes), (120, 30));
    let refuse = |driver: &mut Driver, generation| {
        driver.update(Event::Loaded {
            generation,
            answer: Err("database is locked".to_owned()),
        })
    };
    assert_eq!(refuse(&mut driver, 1), []);
    // The directory may never answer.
    let effects = driver.tick_to(2);
    let asks = |effect: &Effect| matches!(effect, Effect::Load { generation: 2, .. });
    assert!(effects.iter().any(asks), "{effects:?}");
    refuse(&mut driver, 2);
    driver.tick_to(4);
    driver.load(3, nodes(), Some(WALL));
    driver.shows("12 nodes");
    driver.keys("8");
    let told = driver.text().matches("database is locked").count();
    assert_eq!(told, 1);
}

#[test]
fn many_nodes_are_not_read_again_and_again() {
    let mut driver = filled(View::Nodes);
    let mut reads = Vec::new();
    let mut generation = 2;
    for second in 3..200 {
        let mut effects = driver.tick_to(second);
        for effect in effects.clone() {
            // Something changed, as always among many.
            if let Effect::Refresh { generation } = effect {
                effects.extend(driver.refreshed(generation, None));
            }
        }
        for effect in effects {
            if let Effect::Load { generation: of, .. } = effect {
                reads.push(second);
                generation = of;
                // It takes two seconds.
                driver.tick_to(second + 2);
                driver.load(of, nodes(), Some(WALL));
            }
        }
    }
    assert!((4..6).contains(&reads.len()), "{reads:?}");
    // What was done is seen at once.
    let [Effect::Act { job, .. }, ..] = driver.keys("F")[..] else {
        panic!("nothing is done")
    };
    let done = driver.update(Event::Done {
        job,
        answer: Ok("done".to_owned()),
    });
    let effects = match done[..] {
        [Effect::Refresh { generation }, ..] => driver.refreshed(generation, None),
        _ => driver.refreshed(1000, None),
    };
    let asks =
        |effect: &Effect| matches!(effect, Effect::Load { generation: of, .. } if *of > generation);
    assert!(effects.iter().any(asks), "{done:?} {effects:?}");
}

#[test]
fn a_long_refresh_that_goes_on_is_not_given_up() {
    let mut driver = filled(View::Nodes);
    let effects = driver.tick_to(10);
    let [Effect::Refresh { generation }] = effects[..] else {
        panic!("{effects:?}")
    };
    for second in [40, 80, 120] {
        driver.tick_to(second);
        driver.update(Event::Progress {
            generation,
            entries: second * 100,
            of: Some(100_000),
        });
    }
    driver.shows("reading 12000 of 100000");
    driver.hides("no answer in time");
}

#[test]
fn selection_survives_sorting_filtering_and_refresh() {
    let mut driver = filled(View::Nodes);
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
    driver.keys("jjj");
    let id = selected(&mut driver);
    driver.keys("sr");
    assert_eq!(selected(&mut driver), id);
    let mut fewer: Vec<_> = nodes().into_iter().rev().collect();
    driver.load(3, fewer.clone(), Some(WALL));
    assert_eq!(selected(&mut driver), id);
    // When the node is gone, a neighbour takes over instead of nothing.
    fewer.retain(|node| node.node_id != id);
    driver.load(4, fewer, Some(WALL));
    assert_ne!(selected(&mut driver), id);
}

#[test]
fn details_follow_the_selection_and_the_cache_does_not_replace_the_directory() {
    let mut driver = filled(View::Nodes);
    let first = driver.press(KeyCode::Enter);
    let second = driver.press(KeyCode::Down);
    let mut node = testing::node(99);
    node.hostname = "late-answer".into();
    driver.answer_node(&first, node.clone());
    driver.hides("late-answer");
    node.hostname = "right-answer".into();
    driver.answer_node(&second, node.clone());
    driver.shows("right-answer");
    let Some(Effect::FetchNode { generation, .. }) = second.first() else {
        panic!("{second:?}")
    };
    node.hostname = "from-the-cache".into();
    driver.update(Event::Node {
        generation: *generation,
        answer: Ok(tui::event::NodeAnswer {
            node: Box::new(node),
            live: false,
        }),
    });
    driver.shows("right-answer");
}

#[test]
fn filters_narrow_as_they_are_typed_and_esc_takes_them_back() {
    let mut driver = filled(View::Nodes);
    driver.keys("/country:nl");
    driver.shows("node-2 ");
    driver.hides("node-1 ");
    let effects = driver.press(KeyCode::Enter);
    assert!(matches!(effects[..], [Effect::Remember(_)]), "{effects:?}");
    driver.shows("/country:nl   1 of 12 nodes; Esc shows all");
    driver.keys("/x");
    driver.shows("no node passes");
    driver.press(KeyCode::Esc);
    driver.shows("1 of 12 nodes");
    driver.press(KeyCode::Esc);
    driver.shows("node-1 ");
    // What cannot be read changes nothing, and says what can.
    driver.keys("/state:down colour:red");
    driver.shows("no field \"colour\"; there are country");
    assert_eq!(driver.press(KeyCode::Enter), []);
    driver.shows("no field \"colour\"");
}

#[test]
fn what_was_chosen_is_remembered() {
    let mut driver = filled(View::Nodes);
    driver.keys("C");
    for _ in 0..3 {
        driver.press(KeyCode::Down);
    }
    driver.keys(" ");
    let effects = driver.press(KeyCode::Esc);
    let [Effect::Remember(preferences)] = &effects[..] else {
        panic!("{effects:?}")
    };
    driver.shows("FARM");
    let again = tui::Preferences::from_json(&preferences.to_json());
    assert_eq!(again, **preferences);
    let settings = settings(false, Glyphs::Unicode, View::Nodes);
    let mut later = Driver::filled(settings.clone(), (200, 30));
    later.hides("FARM ");
    later.state = tui::State::new(settings, &again, (200, 30));
    later.shows("FARM");
    // Nonsense is forgotten.
    assert_eq!(
        tui::Preferences::from_json("[1"),
        tui::Preferences::default()
    );
}

#[test]
fn what_is_listed_is_exported() {
    let mut driver = filled(View::Nodes);
    driver.keys("/host:evil");
    driver.press(KeyCode::Enter);
    driver.keys("x");
    let effects = driver.press(KeyCode::Enter);
    let [Effect::Export { export, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    let contents = export.contents();
    assert_eq!(export.path.to_str(), Some("nodes.csv"));
    let lines: Vec<&str> = contents.lines().collect();
    assert_eq!(lines.len(), 2, "{contents}");
    assert!(lines[0].starts_with("STATE,NODE,HOST,"), "{contents}");
    assert!(lines[1].contains(",evilname,"), "{contents}");
    driver.keys("x");
    driver.press_with(KeyCode::Char('u'), KeyModifiers::CONTROL);
    driver.keys("all.json");
    let effects = driver.press(KeyCode::Enter);
    let [Effect::Export { export, job }] = &effects[..] else {
        panic!("{effects:?}")
    };
    let value: serde_json::Value = serde_json::from_str(&export.contents()).unwrap();
    assert_eq!(value[0]["host"], "evilname");
    assert_eq!(value[0]["liveness"], "up");
    let (job, answer) = (*job, Err("disk full".to_owned()));
    driver.update(Event::Done { job, answer });
    driver.shows("! cannot write 1 node to all.json: disk full");
}

#[test]
fn ids_are_copied() {
    let mut driver = filled(View::Nodes);
    let effects = driver.keys("c");
    let [Effect::Copy(id)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(nodes().iter().any(|node| node.node_id.to_string() == *id));
    let effects = driver.keys("y");
    let [Effect::Copy(json)] = &effects[..] else {
        panic!("{effects:?}")
    };
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(value["node_id"], id.as_str());
}

#[test]
fn the_palette_does_what_keys_do_and_says_what_it_cannot() {
    let mut driver = filled(View::Nodes);
    driver.keys(":rewards");
    driver.press(KeyCode::Enter);
    driver.shows("TFT/PERIOD");
    driver.keys(":edit");
    driver.shows("not in this view");
    driver.press(KeyCode::Esc);
    driver.hides("not in this view");
}

#[test]
fn find_jumps_and_esc_comes_back() {
    let mut driver = filled(View::Nodes);
    driver.keys("fnode-11");
    driver.press(KeyCode::Enter);
    let effects = driver.keys("c");
    let [Effect::Copy(id)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*id, testing::node(11).node_id.to_string());
    driver.keys("fzzz");
    driver.shows("nothing fits");
}

#[test]
fn the_rewards_begin_with_who_earns_least_and_say_why() {
    let mut driver = filled(View::Rewards);
    driver.keys("/state:up");
    driver.press(KeyCode::Enter);
    driver.shows("it is a virtual machine: not paid at all");
    driver.keys("j");
    driver.shows("best upgrade");
    driver.shows("still to be had in this one");
}
