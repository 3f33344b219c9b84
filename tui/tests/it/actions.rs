//! Changes: how much agreement each needs, what is sent, and how it is taken back.

use crossterm::event::{KeyCode, KeyModifiers};
use directory::identity::NodeId;
use directory::wire::NodeState;
use tui::{Action, Effect, Event, Glyphs, View};

use crate::support::{Driver, settings};
use crate::testing;

fn filled(view: View) -> Driver {
    Driver::filled(settings(false, Glyphs::Unicode, view), (100, 30))
}

fn id(n: u8) -> NodeId {
    testing::node(n).node_id
}

/// The one action among effects.
fn action(effects: &[Effect]) -> Option<(u64, Action)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Act { job, action } => Some((*job, action.clone())),
        _ => None,
    })
}

#[test]
fn approving_is_done_at_once_and_can_be_taken_back() {
    let mut driver = filled(View::Registrations);
    let (job, done) = action(&driver.keys("a")).unwrap();
    assert_eq!(done, Action::Decide(vec![(id(5), NodeState::Approved)]));
    let answer = Ok("approved 1 node".to_owned());
    let effects = driver.update(Event::Done { job, answer });
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Refresh { .. })),
        "what changed is looked at: {effects:?}"
    );
    driver.shows("approved 1 node   u undoes it");
    let (_, back) = action(&driver.keys("u")).unwrap();
    assert_eq!(back, Action::Decide(vec![(id(5), NodeState::Pending)]));
    driver.keys("u");
    driver.press(KeyCode::Char('7'));
    driver.shows("approve node-5: approved 1 node");
    driver.shows("undo: running");
}

#[test]
fn an_offer_to_undo_ends() {
    let mut driver = filled(View::Registrations);
    let (job, _) = action(&driver.keys("a")).unwrap();
    let answer = Ok("approved 1 node".to_owned());
    driver.update(Event::Done { job, answer });
    driver.tick_to(30);
    driver.hides("u undoes it");
    assert_eq!(driver.keys("u"), []);
}

#[test]
fn blocking_asks_and_the_focus_is_on_cancel() {
    let mut driver = filled(View::Nodes);
    driver.keys("/host:node-12");
    driver.press(KeyCode::Enter);
    for (keys, does_it) in [
        (vec![KeyCode::Enter], false),
        (vec![KeyCode::Esc], false),
        (vec![KeyCode::Char('n')], false),
        (vec![KeyCode::Char('b'), KeyCode::Enter], false),
        (vec![KeyCode::Char('y')], true),
        (vec![KeyCode::Tab, KeyCode::Enter], true),
        (vec![KeyCode::Tab, KeyCode::Tab, KeyCode::Enter], false),
    ] {
        assert_eq!(driver.keys("b"), []);
        driver.shows("Block node-12?");
        let effects: Vec<Effect> = keys.iter().flat_map(|key| driver.press(*key)).collect();
        let expected = does_it.then(|| Action::Decide(vec![(id(12), NodeState::Blocked)]));
        assert_eq!(
            action(&effects).map(|(_, action)| action),
            expected,
            "{keys:?}"
        );
        driver.hides("Block node-12?");
    }
}

#[test]
fn deleting_wants_the_name_typed() {
    let mut driver = filled(View::Nodes);
    driver.keys("/host:node-4");
    driver.press(KeyCode::Enter);
    driver.keys("D");
    driver.shows("This cannot be undone");
    driver.hides("is alive");
    assert_eq!(driver.press(KeyCode::Enter), []);
    driver.keys("node-");
    assert_eq!(driver.press(KeyCode::Enter), []);
    // A name that has to be typed is not pasted.
    driver.update(Event::Paste("4".to_owned()));
    assert_eq!(driver.press(KeyCode::Enter), []);
    driver.keys("4");
    let (_, done) = action(&driver.press(KeyCode::Enter)).unwrap();
    assert_eq!(done, Action::Delete(vec![(1, id(4))]));
    driver.press(KeyCode::Esc);
    driver.keys("/host:node-12");
    driver.press(KeyCode::Enter);
    driver.keys("D");
    driver.shows("is alive: it will register again as pending");
}

#[test]
fn many_want_the_farm_typed_and_hidden_ones_are_counted() {
    let mut driver = filled(View::Nodes);
    driver.keys("*/country:BE");
    driver.press(KeyCode::Enter);
    driver.shows("12 marked");
    driver.keys("D");
    driver.shows("Delete 12 nodes, 1 of them not listed?");
    driver.shows("type ghent-1");
    driver.keys("ghent-1");
    let (_, done) = action(&driver.press(KeyCode::Enter)).unwrap();
    let Action::Delete(nodes) = done else {
        panic!("{done:?}")
    };
    assert_eq!(nodes.len(), 12);
    driver.keys("\\");
    driver.hides("marked");
}

#[test]
fn what_cannot_be_changed_says_why() {
    let mut read_only = settings(false, Glyphs::Unicode, View::Nodes);
    read_only.read_only = true;
    let mut driver = Driver::filled(read_only, (100, 30));
    driver.shows("read-only");
    driver.shows("a (approve)");
    for keys in ["a", "b", "D", "F", "5e"] {
        assert_eq!(driver.keys(keys), [], "{keys}");
        driver.shows("! started with --read-only");
        driver.tick_to(driver.seconds + 6);
        driver.keys("2");
    }
    let mut old = settings(false, Glyphs::Unicode, View::Nodes);
    old.no_decisions = Some("directories of 2020 know no approval".to_owned());
    let mut driver = Driver::filled(old, (100, 30));
    assert_eq!(driver.keys("ab"), []);
    driver.shows("! directories of 2020 know no approval");
    driver.keys("D");
    driver.shows("This cannot be undone");
    let mut driver = filled(View::Nodes);
    let effects = driver.tick_to(20);
    let Some(Effect::Refresh { generation }) = effects.first() else {
        panic!("{effects:?}")
    };
    let why = "no identity of yours is known to dir.example:443";
    driver.refreshed(*generation, Some(why));
    driver.keys("a");
    driver.shows(why);
}

#[test]
fn the_farm_is_edited_in_a_form_that_checks() {
    let mut driver = filled(View::Farm);
    driver.keys("e");
    driver.shows("edit the farm");
    for _ in 0.."ghent-1".len() {
        driver.press(KeyCode::Backspace);
    }
    driver.keys("g 1");
    driver.shows("! 3 to 40 letters");
    assert_eq!(driver.press(KeyCode::Enter), []);
    driver.shows("edit the farm");
    for _ in 0..2 {
        driver.press(KeyCode::Backspace);
    }
    driver.keys("ent-2");
    driver.press(KeyCode::Enter);
    driver.shows("Change farm ghent-1?");
    driver.shows("name: ghent-1 -> gent-2");
    driver.press(KeyCode::Esc);
    driver.shows("edit the farm");
    driver.press(KeyCode::Enter);
    driver.shows("name: ghent-1 -> gent-2");
    let (_, done) = action(&driver.keys("y")).unwrap();
    let Action::ChangeFarm(wish) = done else {
        panic!("{done:?}")
    };
    assert_eq!((wish.id, wish.name.as_deref()), (Some(1), Some("gent-2")));
    assert_eq!(wish.email, None, "what was not touched is not wished");
    driver.keys("e");
    driver.press(KeyCode::Enter);
    driver.shows("nothing was changed");
}

#[test]
fn addresses_and_prices_are_checked_shown_and_taken_back() {
    let mut driver = filled(View::Farm);
    driver.keys("e");
    for _ in 0..8 {
        driver.press(KeyCode::Down);
    }
    driver.keys("192.0.2.10/24 gw 198.51.100.1");
    driver.shows("gateway is not in the network");
    for _ in 0.."198.51.100.1".len() {
        driver.press(KeyCode::Backspace);
    }
    driver.keys("192.0.2.1");
    driver.press(KeyCode::Down);
    driver.keys("USD:gold=1");
    assert_eq!(driver.press(KeyCode::Enter), []);
    driver.shows("\"gold\" is none of cru, mru");
    for _ in 0.."gold=1".len() {
        driver.press(KeyCode::Backspace);
    }
    driver.keys("cru=1.5");
    driver.press(KeyCode::Enter);
    driver.shows("ip_addresses: (nothing) -> 192.0.2.10/24 gateway 192.0.2.1");
    driver.shows("prices: (nothing) -> USD cru=1.5");
    let (job, done) = action(&driver.keys("y")).unwrap();
    let Action::ChangeFarm(wish) = done else {
        panic!("{done:?}")
    };
    assert_eq!(wish.ip_addresses.map(|list| list.len()), Some(1));
    let answer = Ok("farm 1 is changed".to_owned());
    driver.state.update(Event::Done { job, answer });
    let (_, back) = action(&driver.keys("u")).unwrap();
    let Action::ChangeFarm(back) = back else {
        panic!("{back:?}")
    };
    assert_eq!(back.ip_addresses, Some(Vec::new()));
    assert_eq!(back.prices, Some(Vec::new()));
    assert_eq!(back.name, None);
}

#[test]
fn esc_and_a_key_that_come_together_are_both_heard() {
    let mut driver = filled(View::Nodes);
    driver.press(KeyCode::Enter);
    driver.shows("─ node ");
    driver.press_with(KeyCode::Char('b'), KeyModifiers::ALT);
    driver.shows("Block ");
    driver.hides("─ node ");
    // In a form it is somebody's way to move by words, and loses nothing.
    let mut driver = filled(View::Farm);
    driver.keys("e");
    driver.press_with(KeyCode::Char('b'), KeyModifiers::ALT);
    driver.shows("edit the farm");
}

#[test]
fn a_failure_is_told_and_stays_in_the_log() {
    let mut driver = filled(View::Registrations);
    let (job, _) = action(&driver.keys("a")).unwrap();
    let answer = Err("forbidden".to_owned());
    driver.update(Event::Done { job, answer });
    driver.shows("! cannot approve node-5: forbidden");
    driver.hides("undoes");
    driver.keys("8");
    driver.shows("approve node-5: forbidden");
}

#[test]
fn quitting_warns_once_of_a_change_on_its_way() {
    let mut driver = filled(View::Registrations);
    driver.keys("a");
    assert_eq!(driver.keys("q"), []);
    driver.shows("a change is still on its way");
    assert_eq!(driver.keys("q"), [Effect::Quit]);
}
