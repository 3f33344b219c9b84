//! What it looks like: every view in every size, with and without colour and Unicode.

use crossterm::event::KeyCode;
use directory::wire::NodeState;
use ratatui::style::{Color, Modifier};
use tui::{Glyphs, View};

use crate::support::{Driver, WALL, nodes, settings};
use crate::testing;

const SIZES: [(u16, u16); 4] = [(200, 60), (80, 24), (50, 15), (40, 10)];

/// The screen, and a digest of its styles: what is bold, reversed, dim or underlined.
pub fn picture(driver: &Driver) -> String {
    let screen = driver.screen();
    let buffer = screen.backend().buffer();
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut runs: Vec<(u16, Modifier, Color)> = Vec::new();
        for x in 0..area.width {
            let cell = &buffer[(x, y)];
            line.push_str(cell.symbol());
            let style = (cell.modifier, cell.fg);
            if runs.last().map(|(_, modifier, fg)| (*modifier, *fg)) != Some(style) {
                runs.push((x, style.0, style.1));
            }
        }
        let styles: Vec<String> = runs
            .iter()
            .filter(|(_, modifier, fg)| !modifier.is_empty() || *fg != Color::Reset)
            .map(|(x, modifier, fg)| {
                let letters: String = [
                    (Modifier::BOLD, 'b'),
                    (Modifier::DIM, 'd'),
                    (Modifier::UNDERLINED, 'u'),
                    (Modifier::REVERSED, 'r'),
                ]
                .into_iter()
                .filter(|(one, _)| modifier.contains(*one))
                .map(|(_, letter)| letter)
                .collect();
                match fg {
                    Color::Reset => format!("{x}{letters}"),
                    fg => format!("{x}{letters}{fg}"),
                }
            })
            .collect();
        out.push_str(line.trim_end());
        if !styles.is_empty() {
            out.push_str(&format!("   <{}>", styles.join(" ")));
        }
        out.push('\n');
    }
    out
}

pub fn titled(parts: impl IntoIterator<Item = (String, String)>) -> String {
    parts
        .into_iter()
        .map(|(title, text)| format!("=== {title}\n{text}\n"))
        .collect()
}

/// A view with data, with some of its nodes marked.
fn full(view: View, size: (u16, u16), color: bool, glyphs: Glyphs) -> Driver {
    let mut driver = Driver::filled(settings(color, glyphs, view), size);
    if view.is_table() {
        driver.keys("  ");
    }
    driver
}

fn each_size(view: View) -> String {
    let variants = [
        ("colour, Unicode", true, Glyphs::Unicode),
        ("NO_COLOR, ASCII", false, Glyphs::Ascii),
    ];
    titled(SIZES.into_iter().flat_map(|size| {
        variants.map(|(name, color, glyphs)| {
            let driver = full(view, size, color, glyphs);
            if glyphs == Glyphs::Ascii {
                let text = driver.text();
                assert!(text.is_ascii(), "{text}");
            }
            (format!("{}x{} {name}", size.0, size.1), picture(&driver))
        })
    }))
}

#[test]
fn every_view_in_every_size() {
    for view in View::ALL {
        insta::assert_snapshot!(view.name().to_lowercase(), each_size(view));
    }
}

#[test]
fn empty_loading_stale_and_failing() {
    let size = (80, 14);
    let new = |view| Driver::new(settings(false, Glyphs::Unicode, view), size);
    let mut parts = Vec::new();
    let views = [
        View::Nodes,
        View::Overview,
        View::Registrations,
        View::Rewards,
        View::Farm,
    ];
    for view in views {
        let loading = new(view);
        parts.push((format!("{} loading", view.name()), picture(&loading)));
        let mut empty = new(view);
        empty.load(1, Vec::new(), Some(WALL));
        empty.refreshed(1, None);
        parts.push((format!("{} empty", view.name()), picture(&empty)));
        let mut partial = new(view);
        partial.load_part(1, nodes(), 100_000, Some(WALL - 86_400));
        parts.push((format!("{} first page", view.name()), picture(&partial)));
        let mut stale = Driver::filled(settings(false, Glyphs::Unicode, view), size);
        stale.tick_to(42);
        parts.push((format!("{} delayed", view.name()), picture(&stale)));
        let mut offline = new(view);
        offline.load(1, nodes(), Some(WALL - 3 * 3600));
        offline.refused(1, "cannot connect to dir.example:443: connection refused");
        parts.push((format!("{} offline", view.name()), picture(&offline)));
    }
    insta::assert_snapshot!("conditions", titled(parts));
}

#[test]
fn a_node_before_and_after_the_directory_falls_silent() {
    let mut parts = Vec::new();
    let mut driver = Driver::filled(settings(false, Glyphs::Unicode, View::Nodes), (80, 14));
    let effects = driver.press(KeyCode::Enter);
    parts.push(("loading".to_owned(), picture(&driver)));
    let asked = effects.iter().find_map(|effect| match effect {
        tui::Effect::FetchNode { generation, .. } => Some(*generation),
        _ => None,
    });
    driver.answer_node(&effects, nodes().remove(4));
    driver.tick_to(50);
    parts.push(("delayed".to_owned(), picture(&driver)));
    driver.update(tui::Event::Node {
        generation: asked.unwrap(),
        answer: Err("cannot connect to dir.example:443: connection refused".to_owned()),
    });
    parts.push(("failing".to_owned(), picture(&driver)));
    insta::assert_snapshot!("node_conditions", titled(parts));
}

/// Colour says nothing that words and shapes do not.
#[test]
fn the_text_is_the_same_with_and_without_colour() {
    for view in View::ALL {
        for size in SIZES {
            for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
                let [with, without] =
                    [true, false].map(|color| full(view, size, color, glyphs).text());
                assert_eq!(with, without);
            }
        }
    }
}

#[test]
fn a_node_with_all_that_is_known() {
    let mut parts = Vec::new();
    for (size, glyphs) in [
        ((120, 50), Glyphs::Unicode),
        ((80, 24), Glyphs::Unicode),
        ((50, 15), Glyphs::Ascii),
    ] {
        let color = glyphs == Glyphs::Unicode;
        let mut driver = Driver::filled(settings(color, glyphs, View::Nodes), size);
        let effects = driver.press(KeyCode::Enter);
        let mut node = nodes().remove(4);
        node.hardware = Some(testing::hardware(true));
        node.state = Some(NodeState::Pending);
        node.reserved_resources.mru = 8.0;
        node.reserved_resources.cru = 5;
        driver.answer_node(&effects, node);
        parts.push((format!("{}x{}", size.0, size.1), picture(&driver)));
    }
    insta::assert_snapshot!("node", titled(parts));
}

#[test]
fn prompts() {
    let mut parts = Vec::new();
    for (name, view, keys) in [
        ("help", View::Nodes, "?"),
        ("palette", View::Nodes, ":appr"),
        ("filter", View::Nodes, "/country:BE -state:up"),
        ("filter that cannot be read", View::Nodes, "/colour:red"),
        ("find", View::Nodes, "fnd11"),
        ("columns", View::Nodes, "C"),
        ("export", View::Nodes, "x"),
        ("undo offered", View::Registrations, "a"),
        ("block", View::Nodes, "jjb"),
        ("delete", View::Nodes, "D"),
        ("delete several", View::Nodes, "*D"),
        ("edit the farm", View::Farm, "e"),
    ] {
        let settings = settings(false, Glyphs::Unicode, view);
        let mut driver = Driver::filled(settings, (80, 24));
        let effects = driver.keys(keys);
        if let Some(tui::Effect::Act { job, .. }) = effects.first() {
            let answer = Ok("approved 1 node".to_owned());
            driver.update(tui::Event::Done { job: *job, answer });
        }
        parts.push((name.to_owned(), picture(&driver)));
    }
    insta::assert_snapshot!("prompts", titled(parts));
}

#[test]
fn places() {
    let place = |name: &str, directory: &str, farm_id| tui::Place {
        name: name.to_owned(),
        directory: directory.to_owned(),
        farm_id,
        no_decisions: None,
        is_watched: !name.is_empty(),
    };
    let mut parts = Vec::new();
    for (size, glyphs) in [((120, 16), Glyphs::Unicode), ((50, 15), Glyphs::Ascii)] {
        let mut settings = settings(false, glyphs, View::Nodes);
        settings.places = vec![
            place("home", "dir.example:443", Some(1)),
            place("hall", "hall.example:443", Some(8)),
            place("", "dir.example:443", None),
        ];
        let mut driver = Driver::filled(settings, size);
        let asked = driver
            .tick_to(40)
            .into_iter()
            .find_map(|effect| match effect {
                tui::Effect::RefreshOther { generation, .. } => Some(generation),
                _ => None,
            });
        driver.refused(asked.unwrap_or(2), "cannot connect to hall.example:443");
        driver.keys("Pj");
        parts.push((format!("{}x{}", size.0, size.1), picture(&driver)));
    }
    insta::assert_snapshot!("places", titled(parts));
}

#[test]
fn a_tiny_terminal_says_what_it_needs_and_still_quits() {
    let settings = settings(true, Glyphs::Unicode, View::Nodes);
    let mut driver = Driver::filled(settings, (19, 4));
    driver.shows("20x5 needed");
    assert_eq!(driver.press(KeyCode::Char('q')), [tui::Effect::Quit]);
}

#[test]
fn without_colour_no_cell_has_one_and_states_still_differ() {
    for view in View::ALL {
        let driver = full(view, (80, 24), false, Glyphs::Unicode);
        let screen = driver.screen();
        let buffer = screen.backend().buffer();
        for cell in buffer.content() {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
        if view.is_table() {
            // The selected row is told by a modifier, which survives, and marks by a shape.
            let reversed = |y: u16| buffer[(0, y)].modifier.contains(Modifier::REVERSED);
            assert_eq!((3..20).filter(|y| reversed(*y)).count(), 1);
            driver.shows("▸");
        }
    }
    let driver = full(View::Nodes, (80, 24), true, Glyphs::Unicode);
    let screen = driver.screen();
    let cells = screen.backend().buffer().content();
    assert!(cells.iter().any(|cell| cell.fg != Color::Reset));
}

#[test]
fn hostile_names_reach_no_cell() {
    let settings = settings(true, Glyphs::Unicode, View::Nodes);
    let driver = Driver::filled(settings, (200, 60));
    let text = driver.text();
    assert!(text.contains("evilname"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
}
