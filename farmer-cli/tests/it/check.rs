//! `farmer check` and `farmer capacity find`, asked of a directory whose clock the test turns.

use std::sync::Arc;

use directory::client::{Client, ClientOptions};
use directory::clock::{Clock as _, ManualClock, SystemClock, UnixTime};
use directory::identity::Seed;
use directory::server::{RunningServer, ServerConfig, start};
use directory::wire::{CapacityPost, Location, Registration, ResourceAmount};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::{Farmer, Home};

/// A directory in this process, and a farm of a home in it.
struct Grid {
    home: Home,
    clock: Arc<ManualClock>,
    runtime: Runtime,
    server: RunningServer,
}

impl Grid {
    fn new() -> Self {
        let home = Home::new();
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let runtime = Runtime::new().expect("a runtime");
        let config = ServerConfig {
            clock: clock.clone(),
            ..ServerConfig::new(([127, 0, 0, 1], 0).into(), home.path().join("data"))
        };
        let server = runtime.block_on(start(config)).expect("a server");
        let grid = Self {
            home,
            clock,
            runtime,
            server,
        };
        grid.farmer(&["farm", "create", "mine", "--country", "BE"])
            .run();
        grid
    }

    fn farmer(&self, arguments: &[&str]) -> Farmer {
        // The clock stands still; the commands' signatures must be fresh.
        self.clock.set(SystemClock.now());
        self.home
            .farmer(arguments)
            .env("FARMER_DIRECTORY", self.server.url())
    }

    /// A node of farm 1 that reported last so many seconds ago; 0 GiB never did.
    fn node(&self, key: u8, ago: i64, mru_gib: f64) -> String {
        self.node_on(None, key, ago, mru_gib)
    }

    /// The same, on a board that it tells of.
    fn node_on(&self, board: Option<&str>, key: u8, ago: i64, mru_gib: f64) -> String {
        let seed = Seed::from([key; 32]);
        let then = UnixTime::from_secs(SystemClock.now().secs - ago);
        self.clock.set(then);
        let options = ClientOptions {
            clock: self.clock.clone(),
            ..ClientOptions::new(self.server.url())
        };
        let client = Client::new(&options).expect("a client");
        let location = Location {
            country: "BE".into(),
            ..Location::default()
        };
        let registration = Registration {
            board_sha256: board.map(Into::into),
            ..Registration::new(&seed, 1, "farm-node/0.1.0", location)
        };
        let capacity = CapacityPost {
            capacity: ResourceAmount {
                cru: 8,
                mru: mru_gib,
                sru: 1000.0,
                hru: 0.0,
            },
            ..CapacityPost::default()
        };
        self.runtime.block_on(async {
            client
                .register(&registration, &seed)
                .await
                .expect("registers");
            if mru_gib > 0.0 {
                client.post_capacity(&capacity, &seed).await.expect("posts");
                client.post_uptime(3600, &seed).await.expect("reports");
            }
        });
        seed.node_id().to_string()
    }

    fn approve(&self, node: &str) {
        self.farmer(&["node", "approve", node, "--yes"]).run();
    }

    /// First line and exit code of `farmer check`.
    fn check(&self, arguments: &[&str]) -> (String, i32, String) {
        let output = self.farmer(&["check"]).args(arguments).output();
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let code = output.status.code().expect("a code");
        (
            text.lines().next().unwrap_or_default().to_owned(),
            code,
            text,
        )
    }
}

#[test]
fn check_answers_as_a_monitoring_plugin() {
    let grid = Grid::new();
    assert_eq!(grid.check(&[]).1, 0, "an empty farm is no trouble");
    let up = grid.node(1, 60, 16.0);
    let (line, code, text) = grid.check(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(
        line.starts_with("FARM WARNING - 0 of 0 nodes up, 1 pending | nodes=0"),
        "{line}"
    );
    assert!(text.contains(&up), "{text}");
    grid.approve(&up);
    let (line, code, text) = grid.check(&["--farm", "1"]);
    assert_eq!(
        (line.as_str(), code),
        (
            "FARM OK - 1 of 1 nodes up | nodes=1 up=1 late=0 down=0 new=0 pending=0 at_risk=0",
            0
        )
    );
    assert_eq!(text.lines().count(), 1);

    let late = grid.node(2, 40 * 60, 16.0);
    grid.approve(&late);
    assert_eq!(grid.check(&[]).1, 1);
    let down = grid.node(3, 2 * 3600, 16.0);
    grid.approve(&down);
    let (line, code, text) = grid.check(&[]);
    assert!(
        line.starts_with("FARM CRITICAL - 1 of 3 nodes up, 1 down, 1 late"),
        "{line}"
    );
    assert_eq!(code, 2);
    let worst = text.lines().nth(1).expect("a detail");
    assert!(
        worst.starts_with("CRITICAL: ") && worst.contains(&down),
        "the worst first: {text}"
    );
    let json = grid.farmer(&["check", "-o", "json"]).output();
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(
        (&json["health"], &json["counts"]["down"]),
        (&"critical".into(), &1.into())
    );
}

/// One identity on two boards: everything that shows nodes says so until it is approved again.
#[test]
fn two_machines_with_one_identity_are_told_until_it_is_approved_again() {
    let grid = Grid::new();
    let boards = ["a".repeat(64), "b".repeat(64)];
    let node = grid.node_on(Some(&boards[0]), 1, 600, 16.0);
    grid.approve(&node);
    let text = |home: &Home, arguments: &[&str]| {
        let farmer = home.farmer(arguments);
        let output = farmer.env("FARMER_DIRECTORY", grid.server.url()).run();
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let (list, show) = (["node", "list", "--farm", "1"], ["node", "show", &node]);
    let is_told = |home: &Home| {
        let (listed, shown) = (text(home, &list), text(home, &show));
        let notice =
            format!("! two machines use the identity of {node}: `farmer node show {node}`");
        let told = [
            listed.contains("up !"),
            listed.contains(&notice),
            shown
                .contains("two machines use this identity: it came from two boards within an hour"),
            shown.contains("make a new medium for one, or delete its node-identity.toml"),
            shown.contains(&format!("`farmer node approve {node}`")),
        ];
        assert!(
            told.iter().all(|part| *part == told[0]),
            "{told:?}\n{listed}\n{shown}"
        );
        told[0]
    };
    assert!(!is_told(&grid.home));
    assert_eq!(grid.check(&[]).1, 0);

    assert_eq!(grid.node_on(Some(&boards[1]), 1, 60, 16.0), node);
    grid.clock.set(SystemClock.now());
    assert!(!is_told(&Home::new()) && is_told(&grid.home));
    // What was seen is told without the directory too.
    let seen = text(&grid.home, &["node", "list", "--farm", "1", "--offline"]);
    assert!(seen.contains("up !"), "{seen}");
    let (line, code, checked) = grid.check(&[]);
    assert!(
        line.starts_with("FARM WARNING - 1 of 1 nodes up, 1 on two machines | nodes=1 up=1"),
        "{line}"
    );
    assert!(
        code == 1 && checked.contains("; two machines use its identity, `farmer node show`"),
        "{checked}"
    );
    let json: Value =
        serde_json::from_str(&text(&grid.home, &["-o", "json", "node", "show", &node]))
            .expect("JSON");
    assert!(json["two_boards"].is_i64(), "{json}");

    grid.approve(&node);
    assert!(!is_told(&grid.home));
    assert_eq!(grid.check(&[]).1, 0);
}

#[test]
fn what_check_cannot_find_out_is_unknown() {
    let grid = Grid::new();
    let (line, code, _) = grid.check(&["--farm", "9"]);
    assert!(
        line.starts_with("FARM UNKNOWN - farm 9 does not exist"),
        "{line}"
    );
    assert_eq!(code, 3);
    let output = Home::new()
        .farmer(&["check", "--directory", "http://127.0.0.1:9"])
        .output();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text.starts_with("FARM UNKNOWN - ") && text.lines().count() == 1,
        "{text}"
    );
}

/// The period's reward is lost by silence; more than that nobody can know.
#[test]
fn uptime_at_risk_is_told_with_the_time_that_is_left() {
    let grid = Grid::new();
    let now = u64::try_from(SystemClock.now().secs).expect("after 1970");
    let period = hw_probe::reward::period_at(now);
    let into = now - hw_probe::reward::period_start(period);
    let silent = 38 * 3600;
    let node = grid.node(1, i64::try_from(silent).expect("small"), 16.0);
    grid.approve(&node);
    let (line, code, text) = grid.check(&[]);
    assert_eq!(code, 2);
    // 36.54 hours may be missed. It depends on the day of the period whether the node has missed
    // more by its silence, or had registered too late anyway.
    let allowed = 131_544;
    let joined_late = into.saturating_sub(silent) > allowed;
    let at_risk = !joined_late && silent.min(into) > allowed / 2;
    assert_eq!(line.contains("1 with uptime at risk"), at_risk, "{text}");
}

#[test]
fn capacity_is_found_best_fit_first() {
    let grid = Grid::new();
    let large = grid.node(1, 60, 64.0);
    let small = grid.node(2, 60, 16.0);
    let silent = grid.node(3, 3 * 3600, 32.0);
    for node in [&large, &small, &silent] {
        grid.approve(node);
    }
    let pending = grid.node(4, 60, 16.0);
    let find = |arguments: &[&str]| -> Vec<String> {
        let output = grid
            .farmer(&["-o", "json", "capacity", "find"])
            .args(arguments)
            .run();
        let offers: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let offers = offers.as_array().expect("offers").iter();
        offers
            .map(|offer| offer["node_id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let found = find(&["--cru", "8", "--mru", "8GiB", "--country", "BE"]);
    assert_eq!(found, [small.clone(), silent.clone(), large.clone()]);
    assert!(!found.contains(&pending));
    assert_eq!(find(&["--mru", "8GiB", "--limit", "1"]), [small]);
    assert!(find(&["--cru", "9"]).is_empty() && find(&["--country", "NL"]).is_empty());
    assert!(find(&["--free-to-use"]).is_empty());
    let online = find(&["--mru", "20GiB", "--online"]);
    assert_eq!(online.iter().collect::<Vec<_>>(), [&large]);
    let table = grid.farmer(&["capacity", "find", "--mru", "64GiB"]).run();
    let table = String::from_utf8(table.stdout).expect("UTF-8");
    assert!(
        table.contains(&large) && table.contains("64.0 GiB"),
        "{table}"
    );
    grid.farmer(&["capacity", "find", "--mru", "lots"])
        .fails_with(2);
}
