//! Boot media: ordered in a form, made outside, told about while they are made.

use crossterm::event::{KeyCode, KeyModifiers};
use tui::media::{Checked, Lack, Made, Order, Progress, Survey};
use tui::{Effect, Event, Glyphs, View};

use crate::looks::{picture, titled};
use crate::support::{Driver, settings};

pub fn survey() -> Survey {
    let part = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    Survey {
        parts: vec![
            part("directory", "https://dir.example"),
            part("kernel", "6.12.48 of bootkit 4f2a91c0, in the cache"),
            part("farm-node", "/usr/libexec/farmer/farm-node"),
        ],
        no_build: None,
    }
}

fn media(size: (u16, u16), glyphs: Glyphs) -> Driver {
    let mut driver = Driver::filled(settings(false, glyphs, View::Nodes), size);
    assert!(driver.keys("6").contains(&Effect::Survey { place: 0 }));
    driver.state.update(Event::Surveyed {
        place: 0,
        answer: Ok(survey()),
    });
    driver
}

/// The question or the order among effects.
fn asked(effects: &[Effect]) -> (u64, Order) {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Check { asked, order } => Some((*asked, order.clone())),
        Effect::Make { job, order } => Some((*job, order.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing was asked for: {effects:?}"))
}

fn answer(driver: &mut Driver, asked: u64, order: &Order, replaces: bool) -> Vec<Effect> {
    let answer = Ok(Checked {
        order: order.clone(),
        replaces,
        changes: Vec::new(),
    });
    driver.state.update(Event::Checked { asked, answer })
}

/// An image is ordered; nothing is in the way.
pub fn begun(driver: &mut Driver) -> u64 {
    driver.keys("n");
    let (number, order) = asked(&driver.press(KeyCode::Enter));
    asked(&answer(driver, number, &order, false)).0
}

fn working(driver: &mut Driver, job: u64, progress: Progress) {
    driver.state.update(Event::Working { job, progress });
}

fn made() -> Made {
    Made {
        file: "/home/me/node.iso".into(),
        size_bytes: Some(65_011_712),
        sha256: Some("4f2a91c0d5".repeat(6) + "abcd"),
        facts: vec![("kernel".to_owned(), "6.12.48".to_owned())],
    }
}

#[test]
fn an_image_is_ordered_made_and_told_about() {
    let mut driver = media((100, 30), Glyphs::Unicode);
    driver.keys("n");
    driver.shows("build a boot medium");
    let (number, order) = asked(&driver.press(KeyCode::Enter));
    let Order::Build(build) = &order else {
        panic!("{order:?}")
    };
    assert_eq!((build.farm_id, build.format.as_str()), (1, "iso"));
    driver.shows("looking whether that can be done");
    let (job, _) = asked(&answer(&mut driver, number, &order, false));
    driver.shows("being made");
    working(
        &mut driver,
        job,
        Progress::Stage("unpacking 3/9".to_owned()),
    );
    driver.shows("unpacking 3/9");
    let bytes = Progress::Bytes {
        done: 32 << 20,
        total: 64 << 20,
    };
    working(&mut driver, job, bytes);
    driver.shows("50 % of 64.0 MiB");
    driver.keys("n");
    driver.shows("one at a time");
    let answer = Ok(made());
    let effects = driver.state.update(Event::Made { job, answer });
    assert!(effects.contains(&Effect::Survey { place: 0 }));
    driver.shows("/home/me/node.iso  62.0 MiB");
    driver.shows(&made().sha256.unwrap());
    driver.hides("being made");
    // What was made is what one wants to change next.
    driver.keys("t");
    driver.shows("/home/me/node.iso");
}

#[test]
fn what_is_there_is_replaced_only_on_a_yes() {
    let mut driver = media((100, 30), Glyphs::Unicode);
    driver.keys("n");
    let (number, order) = asked(&driver.press(KeyCode::Enter));
    assert_eq!(answer(&mut driver, number, &order, true), []);
    driver.shows("node.iso is there already and would be lost");
    assert_eq!(driver.press(KeyCode::Enter), [], "the focus is on Cancel");
    driver.hides("would be lost");
    driver.shows("build a boot medium");
    let (number, order) = asked(&driver.press(KeyCode::Enter));
    answer(&mut driver, number, &order, true);
    let (_, order) = asked(&driver.keys("y"));
    assert!(order.command_line().contains("--force"));
}

#[test]
fn a_refusal_stays_in_the_form_and_late_answers_are_dropped() {
    let mut driver = media((100, 30), Glyphs::Unicode);
    driver.keys("n");
    let (first, order) = asked(&driver.press(KeyCode::Enter));
    // The form changes while the answer is on its way.
    driver.press(KeyCode::Right);
    driver.press(KeyCode::Tab);
    driver.keys("x");
    assert_eq!(answer(&mut driver, first, &order, false), []);
    driver.shows("build a boot medium");
    let (second, _) = asked(&driver.press(KeyCode::Enter));
    let answer = Err("there is no directory /nowhere; create it first".to_owned());
    let event = Event::Checked {
        asked: second,
        answer,
    };
    assert_eq!(driver.state.update(event), []);
    driver.shows("! there is no directory /nowhere; create it first");
    driver.press(KeyCode::Esc);
    driver.hides("build a boot medium");
}

#[test]
fn work_can_be_stopped_and_quitting_says_what_is_lost() {
    let mut driver = media((100, 30), Glyphs::Unicode);
    let job = begun(&mut driver);
    assert_eq!(driver.keys("q"), []);
    driver.shows("q again leaves it unfinished");
    assert_eq!(driver.keys("X"), [Effect::Cancel { job }]);
    driver.shows("stopping");
    let answer = Err("stopped; nothing of it is left".to_owned());
    driver.state.update(Event::Made { job, answer });
    driver.shows("stopped; nothing of it is left");
    driver.tick_to(60);
    assert_eq!(driver.keys("q"), [Effect::Quit]);
}

#[test]
fn what_cannot_be_made_is_greyed_with_the_reason() {
    let mut driver = media((100, 30), Glyphs::Unicode);
    let lack = Lack {
        why: "there is no kernel".to_owned(),
        advice: "`farmer bootkit import FILE` brings one".to_owned(),
    };
    let survey = Survey {
        no_build: Some(lack),
        ..survey()
    };
    driver.state.update(Event::Surveyed {
        place: 0,
        answer: Ok(survey),
    });
    driver.shows("(n) a boot medium");
    driver.shows("there is no kernel; `farmer bootkit import FILE` brings one");
    assert_eq!(driver.keys("n"), []);
    driver.hides("build a boot medium");
    // A finished one needs no kernel.
    driver.keys("t");
    driver.shows("customize a boot medium");
    let mut read_only = settings(false, Glyphs::Unicode, View::Media);
    read_only.read_only = true;
    let mut driver = Driver::filled(read_only, (100, 30));
    driver.keys("t");
    driver.shows("! started with --read-only");
}

#[test]
fn media_in_every_state_and_size() {
    let mut parts = Vec::new();
    for (size, glyphs) in [
        ((120, 30), Glyphs::Unicode),
        ((80, 24), Glyphs::Unicode),
        ((50, 15), Glyphs::Ascii),
    ] {
        let mut driver = media(size, glyphs);
        let mut take = |name: &str, driver: &Driver| {
            parts.push((format!("{}x{} {name}", size.0, size.1), picture(driver)));
        };
        take("before", &driver);
        driver.keys("n");
        driver.press(KeyCode::Tab);
        take("form", &driver);
        driver.press(KeyCode::Tab);
        driver.press_with(KeyCode::Char('u'), KeyModifiers::CONTROL);
        driver.press(KeyCode::Enter);
        take("refused", &driver);
        driver.press(KeyCode::Esc);
        let job = begun(&mut driver);
        driver.tick_to(9);
        let stage = Progress::Stage("compressing kernel modules".to_owned());
        working(&mut driver, job, stage);
        let (done, total) = (12 << 20, 64 << 20);
        working(&mut driver, job, Progress::Bytes { done, total });
        let warning =
            "firmware of 3 drivers is not in the image; devices that need it will not work";
        working(&mut driver, job, Progress::Warning(warning.to_owned()));
        take("being made", &driver);
        driver.tick_to(12);
        let answer = Ok(made());
        driver.state.update(Event::Made { job, answer });
        driver.tick_to(30);
        take("made", &driver);
    }
    insta::assert_snapshot!("media_work", titled(parts));
}

#[test]
fn what_there_is_belongs_to_the_place_that_is_looked_at() {
    let mut driver = media((100, 30), Glyphs::Unicode);
    let other = Survey {
        parts: vec![("directory".to_owned(), "https://other.example".to_owned())],
        ..survey()
    };
    let late = Event::Surveyed {
        place: 1,
        answer: Ok(other),
    };
    driver.state.update(late);
    driver.shows("https://dir.example");
    driver.hides("https://other.example");
}
