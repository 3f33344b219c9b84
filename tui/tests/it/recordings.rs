//! A recorded session shows again what its user saw.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui::event::{Refreshed, Snapshot};
use tui::record::{Head, Recorder, Replay, ReplayError};
use tui::row::NodeRow;
use tui::{Event, Glyphs, Preferences, State, View};

use crate::support::{Driver, WALL, farm, nodes, settings};

#[test]
fn a_replay_shows_what_the_session_showed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session");
    let settings = settings(true, Glyphs::Unicode, View::Nodes);
    let head = Head::new(&settings, &Preferences::default(), (100, 30));
    let key = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    let mut events = vec![
        Event::Tick {
            wall: WALL,
            now: std::time::Duration::from_secs(1),
        },
        Event::Loaded {
            generation: 1,
            answer: Ok(Snapshot {
                rows: nodes().iter().map(NodeRow::from).collect(),
                total: 12,
                farm: Some(Box::new(farm())),
                as_of: Some(WALL),
                ..Snapshot::default()
            }),
        },
        Event::Refreshed {
            generation: 1,
            answer: Ok(Refreshed {
                changed: false,
                as_of: WALL,
                no_changes: None,
            }),
        },
        Event::Paste("x".to_owned()),
    ];
    events.extend("jj sr/state:up".chars().map(key));
    let mut seen = Driver::new(settings.clone(), (100, 30));
    let mut recorder = Recorder::create(&path, &head).unwrap();
    seen.past.clear();
    for event in events {
        seen.update(event);
    }
    // What the worker answered is part of it.
    for event in &seen.past {
        recorder.event(event).unwrap();
    }
    let recording = Replay::open(&path).unwrap();
    let head = recording.head.clone();
    let mut shown = Driver::new(settings.clone(), (100, 30));
    shown.state = State::new(head.settings(&settings), &head.preferences, head.size);
    shown.state.start();
    for event in recording {
        shown.state.update(event.unwrap());
    }
    assert_eq!(shown.text(), seen.text());
    shown.shows("/state:up");
    // What is typed may be private.
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Nothing is overwritten.
    assert!(Recorder::create(&path, &head).is_err());
}

#[test]
fn what_is_no_recording_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session");
    for text in ["", "{}", "hello\n", "{\"version\":99}"] {
        std::fs::write(&path, text).unwrap();
        let error = Replay::open(&path).err().unwrap();
        assert!(
            matches!(error, ReplayError::Line { line: 1, .. }),
            "{text:?}: {error:?}"
        );
    }
}
