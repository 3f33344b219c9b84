//! Work on boot media that is asked to stop.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;

use rustix::process::{Pid, Signal, kill_process};

use crate::build::build;
use crate::support::Home;

/// A build with a cache of its own that has a bootkit and no layers yet, in the middle of them.
fn busy(home: &Home, out: &Path) -> (Child, BufReader<std::process::ChildStderr>) {
    let kit = home.path().join("kit.tar");
    home.farmer(&["bootkit", "export"]).arg(&kit).run();
    let cache = home.path().join("cache");
    let imported = home
        .farmer(&["-o", "json", "bootkit", "import"])
        .arg(&kit)
        .env("XDG_CACHE_HOME", &cache)
        .run();
    let imported: Value = serde_json::from_slice(&imported.stdout).expect("JSON");
    let id = imported["id"].as_str().expect("an id");
    let mut child = build(home, out)
        .args(&["--bootkit", id, "--compression-level", "19"])
        .env("XDG_CACHE_HOME", &cache)
        .spawn_heard();
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("compressing kernel modules") {
        line.clear();
        let read = said.read_line(&mut line).expect("a line");
        assert_ne!(read, 0, "it ended before its longest stage");
    }
    (child, said)
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("a signal");
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn a_signal_is_answered_at_once_and_leaves_nothing_half_made() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    let (mut child, mut said) = busy(&home, &out);
    // Twice, as `timeout` and closed terminals do.
    signal(&child, Signal::TERM);
    signal(&child, Signal::TERM);
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    assert!(line.contains("cleaning up"), "{line}");
    let status = child.wait().expect("an end");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert_eq!(status.code(), Some(130), "{rest}");
    assert!(rest.contains("interrupted"), "{rest}");
    assert!(!out.exists());
    let layers = files_in(&home.path().join("cache/farmer/layers"));
    let is_half = |path: &&PathBuf| path.to_string_lossy().contains("/.tmp-");
    let half = layers.iter().find(is_half);
    assert_eq!(half, None);
}

#[test]
fn a_second_signal_ends_it_there_and_then() {
    let home = Home::new();
    let (mut child, mut said) = busy(&home, &home.path().join("node.iso"));
    signal(&child, Signal::INT);
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    signal(&child, Signal::INT);
    let status = child.wait().expect("an end");
    assert_eq!(status.code(), Some(130));
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "nobody was left to say that");
}
