//! Several farms and directories in one session.

use crossterm::event::KeyCode;
use tui::event::{Refreshed, Snapshot};
use tui::row::NodeRow;
use tui::{Effect, Event, Glyphs, Place, Settings, View};

use crate::support::{Driver, WALL, nodes, settings};

fn place(name: &str, directory: &str, farm_id: Option<u64>, is_watched: bool) -> Place {
    Place {
        name: name.to_owned(),
        directory: directory.to_owned(),
        farm_id,
        no_decisions: None,
        is_watched,
    }
}

/// At home, with a hall in another directory, and all farms of the first.
fn session_settings(view: View) -> Settings {
    let mut settings = settings(false, Glyphs::Unicode, view);
    settings.places = vec![
        place("home", "dir.example:443", Some(1), true),
        place("hall", "hall.example:443", Some(8), true),
        place("", "dir.example:443", None, false),
    ];
    settings
}

fn session(view: View, size: (u16, u16)) -> Driver {
    Driver::filled(session_settings(view), size)
}

fn generation_of_other(effects: &[Effect]) -> (u64, usize) {
    let other = |effect: &Effect| match effect {
        Effect::RefreshOther { generation, place } => Some((*generation, *place)),
        _ => None,
    };
    effects
        .iter()
        .find_map(other)
        .expect("another place is asked")
}

fn first_load(effects: &[Effect]) -> u64 {
    let load = |effect: &Effect| match effect {
        Effect::Load {
            generation,
            first: Some(_),
        } => Some(*generation),
        _ => None,
    };
    effects
        .iter()
        .find_map(load)
        .expect("its first page is asked for")
}

fn loaded(generation: u64, count: usize) -> Event {
    Event::Loaded {
        generation,
        answer: Ok(Snapshot {
            rows: nodes().iter().take(count).map(NodeRow::from).collect(),
            total: count as u64,
            as_of: Some(WALL),
            ..Snapshot::default()
        }),
    }
}

#[test]
fn another_place_is_looked_at_and_nothing_of_the_first_stays() {
    let mut driver = session(View::Nodes, (140, 24));
    driver.shows("home: farm 1 ghent-1   12 nodes");
    driver.keys("  ");
    driver.press(KeyCode::Enter);
    driver.press(KeyCode::Esc);
    driver.keys("P");
    driver.shows("hall.example:443");
    driver.shows("asked when looked at");
    driver.press(KeyCode::Down);
    let effects = driver.press(KeyCode::Enter);
    assert_eq!(effects[0], Effect::Switch(1));
    driver.shows("hall: farm 8");
    driver.hides("node-1");
    driver.hides("marked");
    driver.hides("ghent-1");
    // What the first place answers now is no answer of the second.
    let load = first_load(&effects);
    driver.update(loaded(load - 1, 12));
    driver.hides("node-1");
    driver.update(loaded(load, 3));
    driver.shows("3 nodes");
    // And back, to marks that are gone: they were of that listing.
    driver.keys("P1");
    driver.shows("home: farm 1");
    driver.hides("3 nodes");
}

#[test]
fn the_others_are_asked_now_and_then_and_their_silence_is_told() {
    let mut driver = Driver::new(session_settings(View::Nodes), (140, 24));
    driver.load(1, nodes(), Some(WALL));
    // The one that is looked at comes first.
    let effects = driver.refreshed(1, None);
    let (generation, place) = generation_of_other(&effects);
    // All farms of a directory are many; they are asked when somebody looks.
    assert_eq!(place, 1);
    driver.update(Event::Refreshed {
        generation,
        answer: Err("connection refused".to_owned()),
    });
    driver.shows("hall: no response");
    driver.keys("P");
    driver.shows("hall.example:443: connection refused");
    driver.press(KeyCode::Esc);
    let mut again = None;
    for seconds in 3..200 {
        for effect in driver.tick_to(seconds) {
            match effect {
                Effect::RefreshOther { generation, .. } => again = Some(generation),
                Effect::Refresh { generation } => {
                    driver.refreshed(generation, None);
                }
                _ => {}
            }
        }
        if again.is_some() {
            break;
        }
    }
    driver.update(Event::Refreshed {
        generation: again.expect("it is asked again"),
        answer: Ok(Refreshed {
            changed: true,
            as_of: WALL,
            no_changes: None,
        }),
    });
    driver.hides("no response");
    driver.press(KeyCode::Char('8'));
    driver.shows("hall answers again");
}

#[test]
fn a_session_with_one_place_says_how_to_have_more() {
    let settings = settings(false, Glyphs::Unicode, View::Nodes);
    let mut driver = Driver::filled(settings, (140, 24));
    driver.keys("P");
    driver.shows("--profile all");
}

#[test]
fn an_undo_is_of_the_place_it_was_done_in() {
    let mut driver = session(View::Registrations, (140, 24));
    let effects = driver.keys("a");
    let [Effect::Act { job, .. }] = effects[..] else {
        panic!("{effects:?}")
    };
    driver.update(Event::Done {
        job,
        answer: Ok("approved 1 node".to_owned()),
    });
    driver.shows("u undoes it");
    driver.keys("P2");
    driver.hides("u undoes it");
    let effects = driver.keys("u");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Act { .. })));
}
