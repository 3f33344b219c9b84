//! The captures in README.md are what the screen shows. `INSTA_UPDATE=always` writes them anew.

use crossterm::event::KeyCode;
use directory::cache::Sample;
use directory::clock::UnixTime;
use directory::wire::{Node, NodeState};
use tui::media::Progress;
use tui::{Event, Glyphs, View};

use crate::support::{Driver, WALL, settings};
use crate::testing;

/// A small farm as one meets them.
fn farm() -> Vec<Node> {
    let machines = [
        ("ghent-rack1-01", 32, 127.5, 1863.0, 7452.0, 90),
        ("ghent-rack1-02", 32, 127.5, 1863.0, 7452.0, 90),
        ("ghent-rack1-03", 32, 63.5, 1863.0, 0.0, 90),
        ("ghent-rack2-01", 64, 255.5, 476.0, 22356.0, 45),
        ("ghent-rack2-02", 64, 255.5, 3726.0, 22356.0, 45),
        ("attic-nuc", 8, 31.2, 931.5, 0.0, 12),
        ("attic-new", 16, 62.7, 1863.0, 0.0, 0),
    ];
    let node = |(n, (name, cru, mru, sru, hru, days)): (u8, (&str, _, _, _, _, i64))| {
        let mut node = testing::node(n);
        node.hostname = name.into();
        node.created = UnixTime::from_secs(WALL - days * 86_400 - 120).into();
        node.uptime = days * 43_000 + 75;
        node.updated = UnixTime::from_secs(WALL - 40 * i64::from(n)).into();
        node.total_resources.cru = cru;
        node.total_resources.mru = mru;
        node.total_resources.sru = sru;
        node.total_resources.hru = hru;
        match name {
            "ghent-rack1-02" => node.updated = UnixTime::from_secs(WALL - 20 * 3600).into(),
            "attic-new" => node.state = Some(NodeState::Pending),
            _ => {}
        }
        node
    };
    (1..).zip(machines).map(node).collect()
}

fn capture(view: View, size: (u16, u16), keys: &str) -> String {
    let mut driver = Driver::new(settings(false, Glyphs::Unicode, view), size);
    driver.load(1, farm(), Some(WALL));
    driver.refreshed(1, None);
    driver.load(2, farm(), Some(WALL));
    driver.keys(keys);
    if keys.contains('/') {
        driver.press(KeyCode::Enter);
    }
    text(&driver)
}

/// The screen as the README shows it.
fn text(driver: &Driver) -> String {
    let (width, height) = driver.size;
    let screen = driver.screen();
    let buffer = screen.backend().buffer();
    let lines = (0..height).map(|y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        format!("    {}", line.trim_end()).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Four days in which one node went down and a larger one came.
fn overview() -> String {
    let mut driver = Driver::new(settings(false, Glyphs::Unicode, View::Overview), (106, 18));
    driver.load(1, farm(), Some(WALL));
    driver.refreshed(1, None);
    driver.load(2, farm(), Some(WALL));
    let now = WALL / 600 * 600;
    let samples = (0..576).map(|step: i64| {
        let (is_late, is_down) = (step >= 260, step >= 456);
        Sample {
            at: now - (576 - step) * 600,
            nodes: if is_late { 6 } else { 5 },
            up: if is_late && !is_down { 6 } else { 5 },
            cu_micro: if is_late { 159_570_000 } else { 127_000_000 },
            su_micro: 92_570_000,
            reward: if is_late {
                59_442_200_000
            } else {
                36_163_000_000
            },
        }
    });
    let answer = Ok(samples.collect());
    driver.state.update(Event::History { place: 0, answer });
    driver.tick_to(3);
    text(&driver)
}

/// An image that is being made.
fn media() -> String {
    let mut driver = Driver::new(settings(false, Glyphs::Unicode, View::Nodes), (106, 13));
    driver.load(1, farm(), Some(WALL));
    driver.refreshed(1, None);
    driver.load(2, farm(), Some(WALL));
    driver.keys("6");
    driver.state.update(Event::Surveyed {
        place: 0,
        answer: Ok(crate::media::survey()),
    });
    let job = crate::media::begun(&mut driver);
    driver.tick_to(7);
    driver.refreshed(2, None);
    for progress in [
        Progress::Stage("compressing kernel modules".to_owned()),
        Progress::Bytes {
            done: 41 << 20,
            total: 64 << 20,
        },
    ] {
        driver.state.update(Event::Working { job, progress });
    }
    text(&driver)
}

#[test]
fn readme_shows_what_the_screen_shows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let before = std::fs::read_to_string(path).unwrap();
    let mut after = before.clone();
    for (name, picture) in [
        ("media", media()),
        ("overview", overview()),
        ("rewards", capture(View::Rewards, (106, 20), "/state:up")),
        ("nodes", capture(View::Nodes, (106, 13), " j ")),
    ] {
        let begin = format!("<!-- capture: {name} -->\n");
        let (head, rest) = after.split_once(&begin).expect("the place of the capture");
        let (_, tail) = rest.split_once("<!-- end -->").expect("its end");
        after = format!("{head}{begin}\n{picture}\n\n<!-- end -->{tail}");
    }
    #[expect(clippy::disallowed_methods, reason = "as insta is told")]
    let update = std::env::var("INSTA_UPDATE");
    if update.is_ok_and(|value| value == "always") {
        std::fs::write(path, &after).unwrap();
    } else {
        assert_eq!(
            before, after,
            "INSTA_UPDATE=always writes the captures anew"
        );
    }
}
