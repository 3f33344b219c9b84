//! Help, manual and completions: complete, narrow enough, with examples.

use std::process::Command;

use crate::support::Home;

/// Every command, as words behind `farmer`.
const COMMANDS: [&str; 76] = [
    "",
    "identity",
    "identity new",
    "identity show",
    "identity import",
    "identity export",
    "identity backup-check",
    "farm",
    "farm create",
    "farm list",
    "farm show",
    "farm update",
    "farm ip",
    "farm ip list",
    "farm ip add",
    "farm ip remove",
    "farm token",
    "farm token new",
    "farm token list",
    "farm token revoke",
    "node",
    "node list",
    "node show",
    "node approve",
    "node block",
    "node delete",
    "node move",
    "node configure-public",
    "node free-to-use",
    "node wait",
    "apply",
    "export",
    "check",
    "capacity",
    "capacity find",
    "image",
    "image build",
    "image show",
    "image customize",
    "image reset",
    "image verify",
    "image extract",
    "image sources",
    "image serve",
    "image keys",
    "image keys new",
    "image keys show",
    "bootkit",
    "bootkit fetch",
    "bootkit show",
    "bootkit export",
    "bootkit import",
    "bootkit verify",
    "kernel",
    "kernel check",
    "ipxe",
    "ipxe lint",
    "ipxe trace",
    "ipxe show",
    "probe",
    "probe snapshot",
    "estimate",
    "tui",
    "dash",
    "directory",
    "directory serve",
    "directory backup",
    "directory restore",
    "directory check",
    "directory unit",
    "config",
    "config show",
    "completions",
    "man",
    "help",
    "help exit-codes",
];

fn help(home: &Home, command: &str) -> String {
    let mut words: Vec<&str> = command.split_whitespace().collect();
    if words != ["help", "exit-codes"] {
        words.push("--help");
    }
    String::from_utf8(home.farmer(&words).run().stdout).expect("UTF-8")
}

#[test]
fn every_help_is_narrow_and_leaf_commands_have_an_example() {
    let home = Home::new();
    for command in COMMANDS {
        let text = help(&home, command);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "farmer {command}: {line:?}");
        }
        let is_group = text.contains("\nCommands:");
        let has_example = text.contains("Example");
        assert!(
            is_group || has_example || command == "help exit-codes",
            "{command}:\n{text}"
        );
        insta::assert_snapshot!(format!("help_{}", command.replace(' ', "_")), text);
    }
}

/// A command that is missing above would escape the other test.
#[test]
fn the_list_of_commands_is_complete() {
    let home = Home::new();
    let dir = home.path().join("man");
    home.farmer(&["man"]).arg("--out").arg(&dir).run();
    let mut pages: Vec<String> = std::fs::read_dir(&dir)
        .expect("pages")
        .map(|entry| {
            entry
                .expect("page")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    pages.sort();
    let mut expected: Vec<String> = COMMANDS
        .iter()
        .filter(|command| **command != "help exit-codes")
        .map(|command| format!("farmer {command}").trim().replace(' ', "-") + ".1")
        .collect();
    expected.sort();
    assert_eq!(pages, expected);
}

#[test]
fn the_exit_code_table_is_one_table() {
    let home = Home::new();
    let output = home.farmer(&["help", "exit-codes", "-o", "json"]).run();
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let codes: Vec<u64> = table
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["code"].as_u64().expect("code"))
        .collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);
    let text = home.farmer(&["help", "no-such-topic"]).fails_with(2);
    assert!(text.contains("hint: "), "{text}");
    home.farmer(&["help", "environment"]).run();
    home.farmer(&["help", "image", "build"]).run();
    home.farmer(&["no-such-command"]).fails_with(2);
    home.farmer(&[]).fails_with(2);
}

#[test]
fn completions_are_valid_shell() {
    let home = Home::new();
    let script = home.path().join("farmer.bash");
    home.farmer(&["completions", "bash", "--out"])
        .arg(&script)
        .run();
    let status = Command::new("bash")
        .arg("-n")
        .arg(&script)
        .status()
        .expect("bash");
    assert!(status.success());
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(!home.farmer(&["completions", shell]).run().stdout.is_empty());
    }
}
