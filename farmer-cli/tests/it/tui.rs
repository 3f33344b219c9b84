//! The terminal UI on a real terminal, that of tmux, with a real directory.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::nodes::{register, register_with};
use crate::support::{Directory, Home, farm_node};

const PATIENCE: Duration = Duration::from_secs(30);

/// A tmux server of its own with one window; killed when dropped.
struct Terminal {
    socket: std::path::PathBuf,
}

impl Terminal {
    fn start(home: &Home, size: (u16, u16)) -> Self {
        let socket = home.path().join("tmux");
        let terminal = Self { socket };
        let (width, height) = (size.0.to_string(), size.1.to_string());
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "-u",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "env",
            "PS1=$ ",
            "sh",
        ]);
        terminal.send(&[&format!("cd {}", home.path().display()), "Enter"]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(arguments)
            .output()
            .expect("tmux (Debian: apt-get install tmux)");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn send(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    fn listens_to_mouse(&self) -> String {
        let flag = self.tmux(&["display-message", "-p", "#{mouse_standard_flag}"]);
        flag.trim().to_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn waits_for(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return;
            }
            assert!(Instant::now() < until, "{what} on\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn shows(&self, text: &str) {
        self.waits_for(&format!("{text:?} does not appear"), |screen| {
            screen.contains(text)
        });
    }

    /// As [`Self::shows`], for what takes a while: compressing, and packages that were never fetched.
    fn waits_long_for(&self, text: &str) {
        let until = Instant::now() + 20 * PATIENCE;
        while !self.screen().contains(text) {
            assert!(Instant::now() < until, "{text:?} on\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn hides(&self, text: &str) {
        self.waits_for(&format!("{text:?} stays"), |screen| !screen.contains(text));
    }

    /// Runs `farmer tui` between two looks at the terminal's settings.
    fn tui(&self, home: &Home, directory: &Directory, arguments: &str) {
        self.command(
            home,
            directory,
            &format!("{} tui {arguments}", env!("CARGO_BIN_EXE_farmer")),
        );
    }

    fn command(&self, home: &Home, directory: &Directory, command: &str) {
        let base = home.path().display();
        let line = format!(
            "clear; stty -a >before; XDG_CONFIG_HOME={base}/config XDG_CACHE_HOME={base}/cache \
             XDG_STATE_HOME={base}/state FARMER_DIRECTORY={} FARMER_PIN={} {command}; \
             echo ended with $?; stty -a >after; cmp before after && echo as before",
            directory.url, directory.pin,
        );
        self.send(&[&line, "Enter"]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// A home with a directory and farm 1 in it.
fn farm() -> (Home, Directory) {
    let home = Home::new();
    let directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    (home, directory)
}

fn named(directory: &Directory, seed: u8, name: &'static str) -> String {
    register_with(directory, 1, [seed; 32], true, |registration| {
        registration.hostname = name.into();
    })
}

#[test]
fn it_runs_survives_a_lost_directory_and_gives_the_terminal_back() {
    let (home, mut directory) = farm();
    let terminal = Terminal::start(&home, (100, 24));
    terminal.tui(&home, &directory, "--farm 1 --interval 1");
    terminal.shows("farm 1 mine   0 nodes");
    terminal.shows("live");
    directory.stop();
    terminal.shows("cannot connect to");
    terminal.shows("farm 1 mine");
    directory.start_again(&home);
    terminal.shows("live");
    terminal.send(&["?"]);
    terminal.shows("all about the selected node");
    terminal.send(&["Escape"]);
    terminal.shows("no node has registered");
    terminal.send(&["C-z"]);
    terminal.shows("topped");
    terminal.send(&["fg", "Enter"]);
    terminal.shows("no node has registered");
    terminal.send(&["C-l"]);
    // The mouse is the terminal's until it is asked for, and again at the end.
    assert_eq!(terminal.listens_to_mouse(), "0");
    terminal.types("m");
    terminal.shows("the mouse is on");
    assert_eq!(terminal.listens_to_mouse(), "1");
    terminal.types("\u{1b}[<0;3;2M");
    terminal.shows("6 then n builds a boot medium");
    terminal.types("2");
    // Sizes change in bursts when a window is dragged.
    for width in [40, 60, 200, 20, 90, 120, 41, 100] {
        let (width, height) = (width.to_string(), (5 + width % 40).to_string());
        terminal.tmux(&["resize-window", "-x", &width, "-y", &height]);
    }
    terminal.tmux(&["resize-window", "-x", "100", "-y", "24"]);
    terminal.shows("5 Farm 6 Media");
    terminal.send(&["q"]);
    // The shell went on with its line when the program stopped.
    terminal.hides("no node has registered");
    terminal.send(&[
        "clear; stty -a >after; cmp before after && echo equal $((1 + 1))",
        "Enter",
    ]);
    terminal.shows("equal 2");
    assert_eq!(terminal.listens_to_mouse(), "0");
}

#[test]
fn signals_and_a_panic_give_the_terminal_back() {
    let (home, directory) = farm();
    let terminal = Terminal::start(&home, (100, 24));
    let farmer = env!("CARGO_BIN_EXE_farmer");
    for signal in ["TERM", "HUP", "INT"] {
        let command =
            format!("timeout --foreground -s {signal} 3 {farmer} tui --record ./{signal}");
        terminal.command(&home, &directory, &command);
        terminal.shows("no node has registered");
        terminal.shows("ended with 124");
        terminal.shows("as before");
    }
    // A recorded session with a panic at its end.
    let recorded = std::fs::read_to_string(home.path().join("TERM")).expect("the recording");
    let fault = home.path().join("fault");
    std::fs::write(&fault, format!("{recorded}\"Fault\"\n")).expect("another recording");
    terminal.tui(&home, &directory, "--replay ./fault");
    terminal.shows("the recording asks for a panic");
    terminal.shows("ended with");
    terminal.shows("as before");
    // And without: it stays until q.
    terminal.tui(&home, &directory, "--replay ./TERM");
    terminal.shows("no node has registered");
    terminal.send(&["q"]);
    terminal.shows("ended with 0");
    terminal.shows("as before");
}

#[test]
fn nodes_are_seen_approved_and_removed_and_the_farm_is_edited() {
    let (home, directory) = farm();
    let terminal = Terminal::start(&home, (120, 30));
    terminal.tui(&home, &directory, "--farm 1 --interval 1");
    terminal.shows("no node has registered");
    // A node registers while somebody looks.
    let ghent = named(&directory, 1, "ghent-rack-1");
    terminal.shows("1 node: 1 pending");
    terminal.types("3");
    terminal.shows("pending");
    terminal.types("a");
    terminal.shows("approved 1 node   u undoes it");
    terminal.shows("1 node: 1 up");
    terminal.types("u");
    terminal.shows("1 node: 1 pending");
    terminal.types("a");
    terminal.shows("1 node: 1 up");
    let state = |id: &str| {
        let shown = home.json(&directory, &["node", "show", id]);
        shown["state"].as_str().map(str::to_owned)
    };
    assert_eq!(state(&ghent).as_deref(), Some("approved"));
    // Another one, which is removed: found by its name among two.
    let dead = named(&directory, 2, "ghent-rack-2");
    terminal.shows("2 nodes: 1 up, 1 pending");
    terminal.types("2");
    terminal.types("/host:rack-2");
    terminal.send(&["Enter"]);
    terminal.shows("1 of 2 nodes");
    terminal.types("D");
    terminal.shows("Delete ghent-rack-2?");
    terminal.send(&["Enter"]);
    terminal.types("ghent-rack-2");
    terminal.send(&["Enter"]);
    terminal.shows("deleted 1 node");
    terminal.shows("no node passes");
    terminal.send(&["Escape"]);
    terminal.shows("1 node: 1 up");
    let gone = home
        .farmer(&["node", "show", &dead])
        .at(&directory)
        .output();
    assert_eq!(gone.status.code(), Some(6));
    // All about the other one.
    terminal.send(&["Enter"]);
    terminal.shows("Fast Disk");
    terminal.shows("best upgrade");
    terminal.shows("approved, was pending");
    // Together, as over a slow line.
    terminal.send(&["Escape", "b"]);
    terminal.shows("Block ghent-rack-1?");
    terminal.send(&["Escape"]);
    terminal.hides("Block ghent-rack-1?");
    terminal.hides("best upgrade");
    // Block it: the focus is on Cancel.
    terminal.types("b");
    terminal.shows("Block ghent-rack-1?");
    terminal.send(&["Enter"]);
    terminal.hides("Block ghent-rack-1?");
    terminal.types("by");
    terminal.shows("1 node: 1 blocked");
    // The farm.
    terminal.types("5e");
    terminal.shows("edit the farm");
    terminal.send(&["Down", "Down"]);
    terminal.types(",nonsense");
    terminal.shows("is no wallet");
    for _ in 0..",nonsense".len() {
        terminal.send(&["BSpace"]);
    }
    terminal.send(&["Down", "Down"]);
    terminal.types("Ghent");
    terminal.send(&["Enter"]);
    terminal.shows("city: (nothing) -> Ghent");
    terminal.types("y");
    terminal.shows("farm 1 is changed");
    terminal.shows("BE Ghent");
    let farm = home.json(&directory, &["farm", "show", "1"]);
    assert_eq!(farm["location"]["city"], "Ghent");
    // Its public addresses and prices, and back.
    terminal.types("e");
    terminal.send(&["Up", "Up", "Up"]);
    terminal.types("185.206.122.10/24 gw 185.206.123.1");
    terminal.shows("gateway is not in the network");
    for _ in 0.."3.1".len() {
        terminal.send(&["BSpace"]);
    }
    terminal.types("2.1");
    terminal.send(&["Down"]);
    terminal.types("USD:cru=1.5,mru=0.5");
    terminal.send(&["Enter"]);
    terminal.shows("ip_addresses: (nothing) -> 185.206.122.10/24 gateway 185.206.122.1");
    terminal.shows("prices: (nothing) -> USD cru=1.5 mru=0.5");
    terminal.types("y");
    terminal.shows("185.206.122.10/24 gateway 185.206.122.1, free");
    let farm = home.json(&directory, &["farm", "show", "1"]);
    assert_eq!(farm["ipaddresses"][0]["address"], "185.206.122.10/24");
    assert_eq!(farm["resource_prices"][0]["cru"], 1.5);
    terminal.types("u");
    terminal.hides("185.206.122.10");
    let farm = home.json(&directory, &["farm", "show", "1"]);
    assert_eq!(farm["ipaddresses"].as_array().map(Vec::len), Some(0));
    terminal.types("7");
    terminal.shows("change farm mine: city: (nothing) -> Ghent");
    terminal.types("q");
    terminal.shows("as before");
}

#[test]
fn what_was_seen_last_is_there_without_a_directory_and_nothing_is_lost() {
    let (home, mut directory) = farm();
    named(&directory, 1, "ghent-rack-1");
    let terminal = Terminal::start(&home, (120, 24));
    terminal.tui(&home, &directory, "--farm 1 --interval 1");
    terminal.shows("ghent-rack-1");
    terminal.types("ssr/rack");
    terminal.send(&["Enter"]);
    terminal.shows("/rack   1 of 1 nodes");
    terminal.types("q");
    terminal.shows("as before");
    directory.stop();
    terminal.tui(&home, &directory, "--farm 1 --interval 1 --read-only");
    terminal.shows("ghent-rack-1");
    terminal.shows("no response, data");
    terminal.shows("cannot connect to");
    // Columns and filters are as they were left.
    terminal.shows("HOST▼");
    terminal.types("a");
    terminal.shows("started with --read-only");
    terminal.types("q");
    terminal.shows("as before");
    // As plain text too.
    let cache = home.path().join("cache");
    let dash = home
        .farmer(&["dash", "--farm", "1", "--once"])
        .at(&directory)
        .env("XDG_CACHE_HOME", &cache)
        .run();
    let text = String::from_utf8_lossy(&dash.stdout).into_owned();
    assert!(text.contains("1 node: 1 pending"), "{text}");
    assert!(text.contains("no response"), "{text}");
    directory.start_again(&home);
    let dash = home
        .farmer(&["-o", "json", "dash", "--farm", "1", "--once"])
        .at(&directory)
        .env("XDG_CACHE_HOME", &cache)
        .run();
    let value: serde_json::Value = serde_json::from_slice(&dash.stdout).expect("JSON");
    assert_eq!(value["pending"], 1);
    assert_eq!(value["live"], true);
    assert_eq!(value["farm_name"], "mine");
}

#[test]
fn who_is_not_the_owner_is_told_so() {
    let (home, directory) = farm();
    register(&directory, 1, [1; 32], true);
    let terminal = Terminal::start(&home, (120, 24));
    let farmer = env!("CARGO_BIN_EXE_farmer");
    let command = format!("env XDG_CONFIG_HOME=./nobody {farmer} tui --farm 1 --interval 1");
    terminal.command(&home, &directory, &command);
    terminal.shows("1 node: 1 pending");
    terminal.shows("(approve)");
    terminal.types("a");
    terminal.shows("no identity of yours is known to");
    terminal.types("q");
    terminal.shows("as before");
}

#[test]
fn a_medium_is_built_and_given_to_another_farm() {
    let (home, directory) = farm();
    let terminal = Terminal::start(&home, (120, 36));
    let farmer = env!("CARGO_BIN_EXE_farmer");
    let node = farm_node().display();
    // Packages are the user's own cache's, so that they are not fetched again.
    let cache = std::env::var("XDG_CACHE_HOME").map_or_else(
        |_| "-u XDG_CACHE_HOME".to_owned(),
        |path| format!("XDG_CACHE_HOME={path}"),
    );
    let command = format!("env {cache} {farmer} tui --farm 1 --interval 1 --node {node}");
    terminal.command(&home, &directory, &command);
    terminal.shows("no node has registered");
    terminal.types("6");
    terminal.shows(&format!("farm-node     {node}"));
    terminal.types("n");
    terminal.shows("build a boot medium");
    terminal.send(&["Tab", "Tab"]);
    terminal.types("x");
    terminal.send(&["C-u"]);
    terminal.types("no/such/node.iso");
    terminal.send(&["Enter"]);
    terminal.shows("no/such");
    terminal.shows("! ");
    terminal.send(&["C-u"]);
    terminal.types("mine.iso");
    terminal.send(&["Enter"]);
    // A fast machine is done before anybody could look.
    terminal.waits_for("nothing is made", |screen| {
        screen.contains("being made") || screen.contains("sha256")
    });
    terminal.waits_long_for("sha256");
    let image = home.path().join("mine.iso");
    let line = format!("{}/mine.iso", home.path().display());
    terminal.shows(&line);
    // The same bytes as at the command line, with the digest that the screen shows.
    let twin = home.path().join("twin.iso");
    let built = home
        .farmer(&["-o", "json", "image", "build", "--farm-id", "1"])
        .args(&["--node", &node.to_string()])
        .arg("--out")
        .arg(&twin)
        .at(&directory)
        .run();
    let built: serde_json::Value = serde_json::from_slice(&built.stdout).expect("JSON");
    terminal.shows(built["sha256"].as_str().expect("a digest"));
    let same = std::fs::read(&image).expect("ours") == std::fs::read(&twin).expect("theirs");
    assert!(
        same,
        "the screen and the command line build different images"
    );
    // Again: it is there already, and the focus is on Cancel.
    terminal.types("n");
    terminal.send(&["Tab", "Tab", "C-u"]);
    terminal.types("mine.iso");
    terminal.send(&["Enter"]);
    terminal.shows("is there already and would be lost");
    terminal.send(&["Enter"]);
    terminal.hides("would be lost");
    terminal.send(&["Escape"]);
    terminal.hides("build a boot medium");
    // For another farm, in place: what changes is shown first.
    terminal.types("t");
    terminal.shows("customize a boot medium");
    terminal.send(&["Tab", "C-u"]);
    terminal.types("2");
    terminal.send(&["Enter"]);
    terminal.shows("+ farm_id = 2");
    terminal.types("y");
    terminal.shows("change ");
    terminal.shows("changed     config");
    let shown = home
        .farmer(&["image", "show"])
        .arg(&image)
        .at(&directory)
        .run();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("2 (image)"), "{shown}");
    // One that is stopped leaves nothing behind.
    terminal.types("n");
    terminal.send(&["Tab", "Right", "Tab", "C-u"]);
    terminal.types("stopped.qcow2");
    terminal.send(&["Enter"]);
    terminal.hides("build a boot medium");
    terminal.types("X");
    terminal.waits_long_for("stopped.qcow2 in ");
    terminal.types("q");
    terminal.shows("as before");
    let left: Vec<String> = std::fs::read_dir(home.path())
        .expect("the home")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("stopped"))
        .collect();
    // It may have been faster than the key.
    assert!(left.iter().all(|name| name == "stopped.qcow2"), "{left:?}");
}

#[test]
fn several_directories_are_looked_at_in_one_session() {
    let (home, directory) = farm();
    let (other, mut hall) = farm();
    let ghent = named(&directory, 1, "ghent-rack-1");
    named(&hall, 2, "hall-rack-1");
    let config = home.path().join("config/farmer/config.toml");
    let identity = other.path().join("config/farmer/identity.seed");
    let profile = |name: &str, directory: &Directory| {
        format!(
            "[profiles.{name}]\nfarm = 1\ndirectory.url = \"{}\"\ndirectory.pin = \"{}\"\n",
            directory.url, directory.pin
        )
    };
    let hall_profile = profile("hall", &hall) + &format!("identity = \"{}\"\n", identity.display());
    std::fs::write(&config, profile("ghent", &directory) + &hall_profile).expect("settings");
    let terminal = Terminal::start(&home, (120, 24));
    terminal.tui(&home, &directory, "--profile all --interval 1");
    terminal.shows("ghent: farm 1 mine   1 node: 1 pending");
    terminal.shows("ghent-rack-1");
    terminal.types("P");
    terminal.shows(&hall.url.replace("https://", ""));
    terminal.types("2");
    terminal.shows("hall: farm 1 mine   1 node: 1 pending");
    terminal.hides("ghent-rack-1");
    // Media are for the directory that is looked at, whatever flags and environment say.
    terminal.types("6");
    terminal.shows(&format!("directory     {}", hall.url));
    // Each directory is asked as who its profile says.
    terminal.shows("live");
    terminal.types("3a");
    terminal.shows("approved 1 node");
    terminal.shows("1 node: 1 up");
    terminal.types("P1");
    terminal.shows("ghent: farm 1 mine   1 node: 1 pending");
    let seen = home.json(&directory, &["node", "show", &ghent]);
    assert_eq!(seen["state"], "pending");
    terminal.types("6");
    terminal.shows(&format!("directory     {}", directory.url));
    terminal.types("2");
    hall.stop();
    terminal.shows("hall: no response");
    terminal.types("P3");
    terminal.shows("all nodes of");
    terminal.shows("ghent-rack-1");
    terminal.types("q");
    terminal.shows("as before");
    // A name that is not there is told with those that are.
    let said = home
        .farmer(&["tui", "--profile", "attic"])
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .fails_with(2);
    assert!(
        said.contains("terminal") || said.contains("attic"),
        "{said}"
    );
}

#[test]
fn one_machine_in_two_farms_is_found_moved_and_removed() {
    let (home, directory) = farm();
    home.farmer(&["farm", "create", "other", "--country", "BE"])
        .at(&directory)
        .run();
    let machine = |farm, seed, name: &'static str| {
        register_with(&directory, farm, [seed; 32], true, |registration| {
            registration.hostname = name.into();
            registration.node_id_v1 = "525400000001".into();
        })
    };
    let left = machine(1, 1, "left-behind");
    machine(2, 2, "new-identity");
    let terminal = Terminal::start(&home, (130, 24));
    terminal.tui(&home, &directory, "--interval 1");
    terminal.types("3");
    terminal.shows("also in farm 2");
    terminal.shows("also in farm 1");
    terminal.types("/host:new");
    terminal.send(&["Enter"]);
    terminal.shows("about new-identity");
    terminal.shows("in farm 1 has the same network card");
    terminal.types("M1");
    terminal.send(&["Enter"]);
    terminal.shows("Prepare the move of new-identity to farm 1 mine?");
    terminal.types("y");
    terminal.shows("copied what goes into the farm.toml");
    terminal.types("7");
    terminal.shows("farm_id = 1   enrolment_token = ");
    let tokens = home.json(&directory, &["farm", "token", "list", "1"]);
    assert_eq!(tokens[0]["note"], "move from farm 2");
    terminal.types("3");
    terminal.send(&["Escape"]);
    terminal.shows("left-behind");
    terminal.types("/host:left");
    terminal.send(&["Enter"]);
    terminal.types("D");
    terminal.shows("Delete left-behind?");
    terminal.types("left-behind");
    terminal.send(&["Enter"]);
    terminal.shows("deleted 1 node");
    terminal.send(&["Escape"]);
    terminal.hides("also in farm");
    let gone = home
        .farmer(&["node", "show", &left])
        .at(&directory)
        .output();
    assert_eq!(gone.status.code(), Some(6));
    terminal.types("q");
    terminal.shows("as before");
}
