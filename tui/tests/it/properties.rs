//! Whatever happens in whatever order.

use crossterm::event::{KeyCode, KeyModifiers};
use proptest::prelude::*;
use tui::{Effect, Event, Glyphs, View};

use crate::support::{Driver, WALL, nodes, settings};

fn any_event() -> impl Strategy<Value = (u8, u16, u16)> {
    (0..24_u8, 0..260_u16, 0..90_u16)
}

/// Does one thing; returns what the UI wanted.
fn happen(driver: &mut Driver, (what, a, b): (u8, u16, u16), loads: &mut u64) -> Vec<Effect> {
    let keys: Vec<char> = "qsrRjk<?GgfC/x:eabDFu*\\ cy12345678nyaeiou"
        .chars()
        .collect();
    match what {
        0 => {
            driver.size = (a.max(1), b.max(1));
            let (width, height) = driver.size;
            driver.update(Event::Resize { width, height })
        }
        1 => driver.tick_to(driver.seconds + u64::from(a)),
        2 => driver.press(KeyCode::Enter),
        3 => driver.press(KeyCode::Esc),
        4 => driver.press(KeyCode::PageDown),
        5 => driver.press(KeyCode::PageUp),
        6 => driver.press(KeyCode::Tab),
        7 => driver.press(KeyCode::Backspace),
        8 => {
            *loads += 1;
            let mut all = nodes();
            let keep = usize::from(a) % (all.len() + 1);
            all.rotate_left(usize::from(b) % 12);
            all.truncate(keep);
            driver.load(*loads, all, Some(WALL))
        }
        9 => driver.refused(u64::from(a % 8), "refused"),
        10 => driver.refreshed(u64::from(a % 8), None),
        11 => {
            let answer = if b % 2 == 0 {
                Ok("done".to_owned())
            } else {
                Err("no".to_owned())
            };
            driver.update(Event::Done {
                job: u64::from(a % 8),
                answer,
            })
        }
        _ => driver.press(KeyCode::Char(keys[usize::from(a) % keys.len()])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// No panic, and the screen can always be drawn.
    #[test]
    fn no_sequence_of_events_breaks_it(events in prop::collection::vec(any_event(), 1..80)) {
        let mut driver = Driver::filled(settings(true, Glyphs::Unicode, View::Nodes), (80, 24));
        let mut loads = 10;
        for event in events {
            happen(&mut driver, event, &mut loads);
            driver.screen();
        }
    }

    /// Read-only sessions ask for no change, whatever is pressed.
    #[test]
    fn read_only_changes_nothing(events in prop::collection::vec(any_event(), 1..80)) {
        let mut settings = settings(false, Glyphs::Ascii, View::Nodes);
        settings.read_only = true;
        let mut driver = Driver::filled(settings, (80, 24));
        let mut loads = 10;
        for event in events {
            let effects = happen(&mut driver, event, &mut loads);
            let acts = effects.iter().any(|e| matches!(e, Effect::Act { .. }));
            prop_assert!(!acts, "{effects:?}");
        }
    }

    /// Marks and selection stay on their nodes through sorting, filtering and refreshes that keep
    /// those nodes.
    #[test]
    fn marks_and_selection_survive(
        marked in prop::collection::vec(0..12_usize, 1..5),
        selected in 0..12_usize,
        steps in prop::collection::vec((0..6_u8, 0..12_usize), 1..30),
    ) {
        let mut driver = Driver::filled(settings(false, Glyphs::Ascii, View::Nodes), (120, 30));
        let at = |driver: &mut Driver, line: usize| {
            driver.press(KeyCode::Home);
            for _ in 0..line {
                driver.press(KeyCode::Down);
            }
        };
        let copied = |driver: &mut Driver| match driver.keys("c").pop() {
            Some(Effect::Copy(id)) => id,
            other => panic!("{other:?}"),
        };
        let mut lines = marked.clone();
        lines.sort_unstable();
        lines.dedup();
        let mut ids = Vec::new();
        for line in &lines {
            at(&mut driver, *line);
            ids.push(copied(&mut driver));
            driver.keys(" ");
        }
        at(&mut driver, selected);
        let id = copied(&mut driver);
        let mut loads = 10;
        for (what, n) in steps {
            match what {
                0 => { driver.keys("s"); }
                1 => { driver.keys("<"); }
                2 => { driver.keys("r"); }
                3 => {
                    loads += 1;
                    let mut all = nodes();
                    all.rotate_left(n);
                    driver.load(loads, all, Some(WALL));
                }
                4 => { driver.tick_to(driver.seconds + 40); }
                _ => {
                    // A filter that the selected node passes, taken away again.
                    driver.keys("/node:");
                    driver.keys(&id);
                    driver.press(KeyCode::Enter);
                    driver.press(KeyCode::Esc);
                    driver.tick_to(driver.seconds + 20);
                }
            }
        }
        // A filter may have left another prompt or message: none of them is open now.
        prop_assert_eq!(copied(&mut driver), id);
        driver.tick_to(driver.seconds + 20);
        driver.shows(&format!("{} marked", ids.len()));
        driver.keys("/marked");
        driver.press(KeyCode::Enter);
        let mut found = Vec::new();
        for line in 0..ids.len() {
            at(&mut driver, line);
            found.push(copied(&mut driver));
        }
        found.sort();
        ids.sort();
        prop_assert_eq!(found, ids);
        let quits = driver.press_with(KeyCode::Char('c'), KeyModifiers::CONTROL);
        prop_assert_eq!(quits, vec![Effect::Quit]);
    }
}
