//! Farms and nodes, asked of a real `farmer directory serve`.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Directory, Home};

const OTHER_PIN: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_farm_is_created_listed_and_shown() {
    let home = Home::new();
    let directory = Directory::start(&home);
    let created = home.json(
        &directory,
        &[
            "farm",
            "create",
            "first",
            "--country",
            "be",
            "--city",
            "Gent",
        ],
    );
    assert_eq!(created["name"], "first");
    assert_eq!(created["location"]["country"], "BE");
    assert_eq!(created["identity_is_new"], true);
    let seed = home.path().join("config/farmer/identity.seed");
    assert_eq!(created["identity_file"], seed.to_string_lossy().as_ref());
    let mode = std::fs::metadata(&seed)
        .expect("the identity")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let second = home.json(
        &directory,
        &[
            "farm",
            "create",
            "second",
            "--country",
            "NL",
            "--wallet",
            "TFT:GABC",
        ],
    );
    assert_eq!(second["identity_is_new"], false);
    assert_eq!(second["threebot_id"], created["threebot_id"], "one owner");
    let farms = home.json(&directory, &["farm", "list"]);
    let names: Vec<&str> = farms
        .as_array()
        .expect("farms")
        .iter()
        .map(|f| f["name"].as_str().expect("name"))
        .collect();
    assert_eq!(names, ["first", "second"]);
    let mine = home.json(&directory, &["farm", "list", "--mine"]);
    assert_eq!(mine.as_array().expect("farms").len(), 2);
    let shown = home.json(&directory, &["farm", "show", &second["id"].to_string()]);
    assert_eq!(shown["wallet_addresses"][0]["address"], "GABC");
    assert_eq!(shown["nodes"]["total"], 0);
    let table = home.farmer(&["farm", "list"]).at(&directory).run();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("ID  NAME"), "{table}");
}

#[test]
fn a_new_identity_is_announced_and_a_taken_name_is_refused() {
    let home = Home::new();
    let directory = Directory::start(&home);
    let output = home
        .farmer(&["farm", "create", "taken", "--country", "BE"])
        .at(&directory)
        .run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("identity.seed") && said.contains("Keep a copy"),
        "{said}"
    );

    let said = home
        .farmer(&["farm", "create", "taken", "--country", "BE"])
        .at(&directory)
        .fails_with(1);
    assert!(
        said.contains("the name taken is taken (farm 1)") && said.contains("hint: "),
        "{said}"
    );
    // Somebody else is refused before an identity is made.
    let other = Home::new();
    other
        .farmer(&["farm", "create", "taken", "--country", "BE"])
        .at(&directory)
        .fails_with(1);
    assert!(!other.path().join("config/farmer/identity.seed").exists());
}

/// The same identity has another number in another directory; both must go on working.
#[test]
fn one_identity_serves_several_directories() {
    let home = Home::new();
    let first = Directory::start(&home);
    let elsewhere = Home::new();
    let second = Directory::start(&elsewhere);
    // Somebody else takes the first number of the second directory.
    elsewhere.json(&second, &["farm", "create", "theirs", "--country", "FR"]);
    let here = home.json(&first, &["farm", "create", "here", "--country", "BE"]);
    let there = home.json(&second, &["farm", "create", "there", "--country", "BE"]);
    assert_ne!(here["threebot_id"], there["threebot_id"]);
    for (directory, name) in [(&first, "here"), (&second, "there")] {
        let mine = home.json(directory, &["farm", "list", "--mine"]);
        assert_eq!(mine[0]["name"], name);
        assert_eq!(mine.as_array().expect("farms").len(), 1);
    }
}

#[test]
fn missing_farms_and_nodes_are_not_found() {
    let home = Home::new();
    let directory = Directory::start(&home);
    let said = home
        .farmer(&["farm", "show", "7"])
        .at(&directory)
        .fails_with(6);
    assert!(
        said.contains("farm 7 does not exist") && said.contains("hint: "),
        "{said}"
    );
    let said = home
        .farmer(&["node", "list", "--farm", "7"])
        .at(&directory)
        .fails_with(6);
    assert!(said.contains("farm 7 does not exist"), "{said}");
    let id = "FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85";
    let said = home
        .farmer(&["node", "show", id])
        .at(&directory)
        .fails_with(6);
    assert!(said.contains(id), "{said}");
    // Approving needs an identity, and says so before anything else.
    let said = home
        .farmer(&["node", "approve", id, "--yes"])
        .at(&directory)
        .fails_with(4);
    assert!(said.contains("identity"), "{said}");
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    home.farmer(&["node", "approve", id, "--yes"])
        .at(&directory)
        .fails_with(6);
}

#[test]
fn waiting_for_nodes_that_do_not_come_ends_with_8() {
    let home = Home::new();
    let mut directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    let wait = [
        "node",
        "wait",
        "--farm",
        "1",
        "--count",
        "1",
        "--timeout",
        "1",
    ];
    let said = home.farmer(&wait).at(&directory).fails_with(8);
    assert!(said.contains("fewer than 1 nodes"), "{said}");
    // A silent directory is waited for as well.
    directory.stop();
    let said = home.farmer(&wait).at(&directory).fails_with(8);
    assert!(said.contains("cannot connect"), "{said}");
}

#[test]
fn another_key_than_the_pinned_one_is_refused() {
    let home = Home::new();
    let directory = Directory::start(&home);
    let said = home
        .farmer(&["farm", "list"])
        .at(&directory)
        .env("FARMER_PIN", OTHER_PIN)
        .fails_with(3);
    assert!(
        said.contains(&directory.pin) && said.contains("hint: "),
        "{said}"
    );
    // Without a pin its certificate is nobody's.
    let said = home
        .farmer(&["farm", "list", "--directory", &directory.url])
        .fails_with(3);
    assert!(said.contains("hint: "), "{said}");
    let json = home
        .farmer(&["farm", "list", "-o", "json"])
        .at(&directory)
        .env("FARMER_PIN", OTHER_PIN)
        .fails_with(3);
    let object: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(object["error"]["kind"], "mismatch");
}

#[test]
fn an_unreachable_directory_is_named_with_a_hint() {
    let home = Home::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("port")
        .local_addr()
        .expect("address")
        .port();
    let url = format!("https://127.0.0.1:{port}");
    let said = home
        .farmer(&["farm", "list", "--directory", &url])
        .fails_with(6);
    assert!(
        said.contains(&format!("cannot connect to 127.0.0.1:{port}")),
        "{said}"
    );
    assert!(
        said.contains("refused") && said.contains("hint: check that the directory runs"),
        "{said}"
    );
    let said = home
        .farmer(&[
            "farm",
            "create",
            "mine",
            "--country",
            "BE",
            "--directory",
            &url,
        ])
        .fails_with(6);
    assert!(said.contains("cannot connect"), "{said}");
    assert!(
        !home.path().join("config/farmer/identity.seed").exists(),
        "nothing is left behind"
    );
}

#[test]
fn plain_http_needs_leave_on_both_sides() {
    let home = Home::new();
    let said = home
        .farmer(&["farm", "list", "--directory", "http://192.0.2.1"])
        .fails_with(5);
    assert!(
        said.contains("not encrypted") && said.contains("--insecure-http"),
        "{said}"
    );
    let data = home.path().join("data");
    let said = home
        .farmer(&["directory", "serve", "--listen", "0.0.0.0:0", "--data"])
        .arg(&data)
        .fails_with(5);
    assert!(
        said.contains("--self-signed") && said.contains("--insecure-http"),
        "{said}"
    );
    assert!(!data.exists());
    let said = home
        .farmer(&[
            "image",
            "build",
            "--farm-id",
            "1",
            "--directory",
            "http://192.0.2.1",
            "--out",
        ])
        .arg(home.path().join("x.iso"))
        .fails_with(5);
    assert!(said.contains("--insecure-http"), "{said}");
}

#[test]
fn a_port_in_use_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("port");
    let listen = taken.local_addr().expect("address").to_string();
    let said = home
        .farmer(&["directory", "serve", "--listen", &listen, "--data"])
        .arg(home.path().join("data"))
        .fails_with(1);
    assert!(said.contains(&listen) && said.contains("hint: "), "{said}");
}

#[test]
fn a_directory_on_postgresql_serves_and_names_it_without_the_password() {
    let home = Home::new();
    let database = home.path().join("database");
    let url = crate::cluster::new_database();
    std::fs::write(
        &database,
        format!("{}\n", url.replace("farmer@", "farmer:s3cret@")),
    )
    .expect("a file");
    let mut directory = Directory::on_postgres(&home, &database);
    assert!(directory.data.starts_with("postgres://") && !directory.data.contains("s3cret"));
    home.json(&directory, &["farm", "create", "first", "--country", "BE"]);
    directory.stop();
    directory.start_again(&home);
    let farms = home.json(&directory, &["farm", "list"]);
    assert_eq!(farms[0]["name"], "first");
}

#[test]
fn a_directory_without_a_place_for_its_data_is_told_what_to_name() {
    let home = Home::new();
    let serve = ["directory", "serve", "--listen", "127.0.0.1:0"];
    let said = home.farmer(&serve).fails_with(2);
    assert!(
        said.contains("--data DIR") && said.contains("FARMER_DATABASE_URL"),
        "{said}"
    );
    for (url, why) in [
        (
            "postgres://me:s3cret@192.0.2.1/farms",
            "sslmode=verify-full",
        ),
        ("postgres://me:s3cret@db.example/farms", "IP address"),
        ("mysql://me:s3cret@127.0.0.1/farms", "postgres://"),
    ] {
        let said = home
            .farmer(&serve)
            .env("FARMER_DATABASE_URL", url)
            .fails_with(2);
        assert!(
            said.contains(why) && said.contains("FARMER_DATABASE_URL"),
            "{said}"
        );
        assert!(!said.contains("s3cret"), "{said}");
    }
    let said = home
        .farmer(&serve)
        .arg("--database-file")
        .arg(home.path().join("none"))
        .fails_with(6);
    assert!(said.contains("none"), "{said}");
}
