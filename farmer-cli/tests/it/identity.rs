//! The farmer's identity: made, shown, backed up, restored. `age` is the other reader and writer of
//! the backups, tmux the terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use directory::identity::{Seed, UserIdentity};
use serde_json::Value;

use crate::support::{Directory, Home};
use crate::terminal::Terminal;

const PASSPHRASE: &str = "five words nobody will guess";

fn seed_file(home: &Home) -> PathBuf {
    home.path().join("config/farmer/identity.seed")
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    let output = home.farmer(&["-o", "json"]).args(arguments).run();
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> String {
    fs::write(path, bytes).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn scripts_make_show_export_and_restore_an_identity() {
    let home = Home::new();
    let said = home.farmer(&["identity", "new"]).fails_with(2);
    assert!(said.contains("--no-backup-check"), "{said}");
    let said = home.farmer(&["identity", "show"]).fails_with(6);
    assert!(said.contains("farmer identity new"), "{said}");

    let made = json(&home, &["identity", "new", "--no-backup-check"]);
    let path = seed_file(&home);
    let mode = fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let seed = UserIdentity::read(&path).expect("an identity").seed;
    assert_eq!(made["public_key"], seed.public_key().to_hex());
    // Never over one that is there, from wherever.
    home.farmer(&["identity", "new", "--no-backup-check"])
        .fails_with(1);

    let shown = home.farmer(&["identity", "show"]).run();
    let text = String::from_utf8([shown.stdout, shown.stderr].concat()).expect("UTF-8");
    assert!(text.contains("not registered yet"), "{text}");
    for word in seed.mnemonic().split(' ').take(4) {
        assert!(
            !text.split_whitespace().any(|shown| shown == word),
            "{text}"
        );
    }
    assert!(!text.contains(&seed.expose().map(|byte| format!("{byte:02x}")).concat()));

    let pass = write(&home.path().join("pass"), format!("{PASSPHRASE}\n"));
    let backup = home.path().join("backup.age");
    let backup = backup.to_str().expect("UTF-8");
    let export = ["identity", "export", "--out", backup];
    let said = home.farmer(&export).fails_with(2);
    assert!(said.contains("FARMER_PASSPHRASE"), "{said}");
    let said = home
        .farmer(&export)
        .env("FARMER_PASSPHRASE", "short")
        .fails_with(2);
    assert!(said.contains("5 characters"), "{said}");
    assert!(!Path::new(backup).exists());
    home.farmer(&export)
        .args(&["--passphrase-file", &pass])
        .run();
    let said = home
        .farmer(&export)
        .args(&["--passphrase-file", &pass])
        .fails_with(5);
    assert!(said.contains("another backup"), "{said}");

    let check = ["identity", "backup-check", backup];
    home.farmer(&check)
        .args(&["--passphrase-file", &pass])
        .run();
    let said = home
        .farmer(&check)
        .env("FARMER_PASSPHRASE", "another passphrase")
        .fails_with(3);
    assert!(said.contains("passphrase is wrong"), "{said}");

    let said = home
        .farmer(&["identity", "import", backup, "--passphrase-file", &pass])
        .fails_with(1);
    assert!(said.contains("exists already"), "{said}");
    let other = Home::new();
    let restored = other
        .farmer(&["-o", "json", "identity", "import", backup])
        .env("FARMER_PASSPHRASE", PASSPHRASE)
        .run();
    let restored: Value = serde_json::from_slice(&restored.stdout).expect("JSON");
    assert_eq!(restored["public_key"], made["public_key"]);

    // The words of somebody else are told apart.
    let words = write(&home.path().join("words"), &*Seed::from([3; 32]).mnemonic());
    let said = home
        .farmer(&["identity", "backup-check", &words])
        .fails_with(3);
    assert!(said.contains("another identity's"), "{said}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
    let warned = home.farmer(&["identity", "show"]).run().stderr;
    assert!(String::from_utf8_lossy(&warned).contains("chmod 600"));
}

#[test]
fn identities_of_tffarmer_and_words_go_on_working() {
    let home = Home::new();
    let seed = Seed::from(*b"helloworldhelloworldhelloworld12");
    let payload = serde_json::json!({ "mnemonic": *seed.mnemonic(), "threebotid": 12 });
    let user_seed = write(
        &home.path().join("user.seed"),
        format!("\"1.1.0\"{payload}"),
    );
    let shown = json(&home, &["identity", "import", &user_seed]);
    assert_eq!(
        shown["public_key"],
        "db26de5be5a0bd95b775170db6d80f0461d2f7c33742726fd9c6c35d39eeb9de"
    );
    assert_eq!(shown["user_id"], 12);

    let words = write(&home.path().join("words"), &*seed.mnemonic());
    home.farmer(&["identity", "backup-check", &words]).run();
    let other = home.path().join("other.seed");
    let shown = home
        .farmer(&[
            "-o",
            "json",
            "identity",
            "import",
            "-",
            "--user-id",
            "7",
            "--identity",
        ])
        .arg(&other)
        .reads(&words)
        .run();
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["user_id"], 7);
    assert_eq!(
        UserIdentity::read(&other).expect("identity").seed.expose(),
        seed.expose()
    );
    let wrong = write(&home.path().join("wrong"), "abandon abandon secretword");
    let said = home
        .farmer(&["identity", "import", &wrong, "--identity", "x.seed"])
        .fails_with(1);
    assert!(
        said.contains("24 BIP39 words") && !said.contains("secretword"),
        "{said}"
    );
    assert!(!Path::new("x.seed").exists());
}

/// Whoever has lost our program has not lost the farm.
#[test]
fn age_opens_our_exports_and_we_open_its() {
    let home = Home::new();
    home.farmer(&["identity", "new", "--no-backup-check"]).run();
    let backup = home.path().join("backup.age");
    home.farmer(&["identity", "export", "--out"])
        .arg(&backup)
        .env("FARMER_PASSPHRASE", PASSPHRASE)
        .run();
    let terminal = Terminal::start(&home, "tmux");
    terminal.types(&format!("cd {}; clear", home.path().display()));
    terminal.types("age --decrypt -o back.seed backup.age; echo age ended with $?");
    terminal.shows("Enter passphrase");
    terminal.types(PASSPHRASE);
    terminal.shows("age ended with 0");
    let ours = UserIdentity::read(&seed_file(&home)).expect("identity");
    let back = UserIdentity::read(&home.path().join("back.seed")).expect("identity");
    assert_eq!(ours.seed.expose(), back.seed.expose());

    for (flags, name) in [("--armor", "theirs.age"), ("", "theirs.bin")] {
        terminal.types(&format!(
            "clear; age --passphrase {flags} -o {name} back.seed; echo age ended with $?"
        ));
        terminal.shows("Enter passphrase");
        terminal.types(PASSPHRASE);
        terminal.shows("Confirm passphrase");
        terminal.types(PASSPHRASE);
        terminal.shows("age ended with 0");
        home.farmer(&["identity", "backup-check"])
            .arg(home.path().join(name))
            .env("FARMER_PASSPHRASE", PASSPHRASE)
            .run();
    }
}

/// The 24 words of the screen, in order.
fn words_on(screen: &str) -> Vec<String> {
    let mut words = vec![String::new(); 24];
    let mut tokens = screen.split_whitespace().peekable();
    while let Some(token) = tokens.next() {
        let number = token
            .strip_suffix('.')
            .and_then(|n| n.parse::<usize>().ok());
        if let (Some(number @ 1..=24), Some(word)) = (number, tokens.peek()) {
            words[number - 1] = (*word).to_owned();
        }
    }
    words
}

fn asked(screen: &str) -> usize {
    let line = screen.trim_end().lines().last().expect("a line");
    let number = line
        .strip_prefix("Word ")
        .and_then(|rest| rest.split(':').next());
    number.expect(line).parse().expect("a number")
}

#[test]
fn words_are_shown_once_asked_back_and_gone_from_the_screen() {
    let home = Home::new();
    let terminal = Terminal::start(&home, "tmux");
    terminal.types(&format!(
        "cd {}; export NO_COLOR=1 XDG_CONFIG_HOME={}; alias farmer={}; clear",
        home.path().display(),
        home.path().join("config").display(),
        env!("CARGO_BIN_EXE_farmer"),
    ));
    terminal.types("stty -a >before; farmer identity new; echo new ended with $?");
    terminal.shows("Press Enter");
    let words = words_on(&terminal.screen());
    assert!(
        !seed_file(&home).exists(),
        "only when the words are on paper"
    );
    terminal.send(&["Enter"]);
    // Wrong ones first: they are asked again, about others.
    for count in 0..3 {
        terminal.shows("Word ");
        terminal.types(if count == 1 { "nonsense" } else { "zoo" });
        if count < 2 {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }
    terminal.shows("Look at your paper again");
    for count in 0..3 {
        let screen = terminal.screen();
        terminal.types(&words[asked(&screen) - 1]);
        if count < 2 {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    }
    terminal.shows("new ended with 0");
    let identity = UserIdentity::read(&seed_file(&home)).expect("identity");
    assert_eq!(identity.seed.mnemonic().as_str(), words.join(" "));
    let history = terminal.history();
    assert!(!history.contains(&format!(" {} ", words[0])), "{history}");

    // Typed passphrases do not show, and the terminal is as before, also after Ctrl-C.
    terminal.types("clear; farmer identity export --out a.age; echo export ended with $?");
    terminal.shows("Passphrase:");
    terminal.types(PASSPHRASE);
    terminal.shows("The same again:");
    terminal.send(&["x", "C-c"]);
    terminal.shows("export ended with 130");
    assert!(!terminal.screen().contains("nobody will guess"));
    terminal.types("stty -a >after; cmp before after && echo as before");
    terminal.shows("as before");

    terminal.types("clear; farmer identity backup-check; echo check ended with $?");
    terminal.shows("The 24 words");
    terminal.types(&words.join(" "));
    terminal.shows("check ended with 0");
}

#[test]
fn a_farm_belongs_to_whoever_restores_the_identity() {
    let home = Home::new();
    let directory = Directory::start(&home);
    home.farmer(&["identity", "new", "--no-backup-check"]).run();
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    assert_eq!(json(&home, &["identity", "show"])["user_id"], 1);
    let seed = UserIdentity::read(&seed_file(&home))
        .expect("identity")
        .seed;
    let other = Home::new();
    let words = write(&other.path().join("words"), &*seed.mnemonic());
    other.farmer(&["identity", "import", &words]).run();
    let mine = other.json(&directory, &["farm", "list", "--mine"]);
    assert_eq!(mine[0]["name"], "mine");
}
