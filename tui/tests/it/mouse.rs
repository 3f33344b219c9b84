//! The mouse: off at first, then rows, views and headings.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use tui::{Effect, Event, Glyphs, Preferences, State, View};

use crate::support::{Driver, settings};

const LEFT: MouseEventKind = MouseEventKind::Down(MouseButton::Left);

fn mouse(driver: &mut Driver, kind: MouseEventKind, column: u16, row: u16) -> Vec<Effect> {
    driver.state.update(Event::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }))
}

/// Where a text begins on the screen.
fn find(driver: &Driver, text: &str) -> (u16, u16) {
    let screen = driver.screen();
    let buffer = screen.backend().buffer();
    for y in 0..driver.size.1 {
        let cells: Vec<&str> = (0..driver.size.0)
            .map(|x| buffer[(x, y)].symbol())
            .collect();
        for x in 0..cells.len() {
            if cells[x..].concat().starts_with(text) {
                return (u16::try_from(x).unwrap(), y);
            }
        }
    }
    panic!("{text:?} is not on\n{}", driver.text())
}

fn on(size: (u16, u16)) -> Driver {
    let mut driver = Driver::filled(settings(false, Glyphs::Unicode, View::Nodes), size);
    assert!(driver.keys("m").contains(&Effect::Mouse(true)));
    driver.tick_to(60);
    driver
}

#[test]
fn it_is_off_until_asked_for_and_that_is_remembered() {
    let settings = settings(false, Glyphs::Unicode, View::Nodes);
    let mut driver = Driver::filled(settings.clone(), (100, 30));
    mouse(&mut driver, LEFT, 2, 1);
    driver.hides("needs attention");
    let effects = driver.keys("m");
    let remembered = effects.iter().find_map(|effect| match effect {
        Effect::Remember(preferences) => Some(preferences.to_json()),
        _ => None,
    });
    let preferences = Preferences::from_json(&remembered.unwrap());
    assert!(preferences.mouse);
    let state = State::new(settings, &preferences, (100, 30));
    driver.state = state;
    assert!(driver.keys("m").contains(&Effect::Mouse(false)));
}

#[test]
fn clicks_choose_views_rows_and_the_order() {
    for size in [(120, 30), (60, 20)] {
        let mut driver = on(size);
        let (x, y) = find(&driver, "node-11");
        mouse(&mut driver, LEFT, x, y);
        assert!(
            driver
                .keys("c")
                .iter()
                .any(|e| matches!(e, Effect::Copy(_)))
        );
        let effects = mouse(&mut driver, LEFT, x, y);
        assert!(
            effects
                .iter()
                .any(|e| matches!(e, Effect::FetchNode { .. }))
        );
        driver.press(KeyCode::Esc);
        let (x, y) = find(&driver, "HOST");
        mouse(&mut driver, LEFT, x + 1, y);
        driver.shows("HOST▲");
        mouse(&mut driver, LEFT, x + 1, y);
        driver.shows("HOST▼");
        let (x, y) = find(&driver, "5 ");
        mouse(&mut driver, LEFT, x, y);
        driver.shows("farmer@example.org");
        // Nothing is below the last tab, nor on the title.
        assert_eq!(mouse(&mut driver, LEFT, size.0 - 1, 0), []);
    }
}

#[test]
fn the_wheel_moves_and_a_question_is_not_clicked_away() {
    let mut driver = on((100, 30));
    let first = driver.keys("c");
    mouse(&mut driver, MouseEventKind::ScrollDown, 0, 5);
    assert_ne!(driver.keys("c"), first);
    mouse(&mut driver, MouseEventKind::ScrollUp, 0, 5);
    assert_eq!(driver.keys("c"), first);
    driver.keys("b");
    driver.shows("Block ");
    mouse(&mut driver, LEFT, 2, 1);
    driver.shows("Block ");
}
