//! A database of the first schema, brought up to date when a server opens it.

use std::process::Command;

use directory::server::{Data, ServerConfig, start};

use crate::cluster::{new_database, query};
use crate::support::{get, seed};

const FIRST: &str = "0001_directory.sql";

/// A farm, and two nodes that reported at different times.
fn rows() -> String {
    let node = |key: u8, hostname: &str, updated: i64| {
        format!(
            "INSERT INTO nodes (node_id, node_id_v1, farm_id, hostname, os_version, address, \
                 public_key_hex, created, updated, uptime_secs, city, country, continent, \
                 latitude, longitude, total_cru, state) \
             VALUES ('{}', '', 1, '{hostname}', '', '', '', 5, {updated}, 77, '', 'BE', '', 0, 0, \
                 8, 'approved');\n",
            seed(key).node_id()
        )
    };
    let mut sql = "INSERT INTO farms (threebot_id, name, iyo_organization, email, city, country, \
             continent, latitude, longitude, prefix_zero, wallet_addresses, resource_prices, \
             ipaddresses, farm_cloudunits_price, enable_custom_pricing, is_grid3_compliant, \
             created) \
         VALUES (1, 'alpha', '', '', '', '', '', 0, 0, '', '[]', '[]', '[]', '{}', false, true, 5);\n"
        .to_owned();
    sql += &node(10, "first", 1000);
    sql += &node(11, "second", 2000);
    sql
}

/// The first schema as sqlx leaves it, with rows.
fn first_schema(database: &str, table: &str, blob: (&str, &str)) -> String {
    let file = format!(
        "{}/migrations/{database}/{FIRST}",
        env!("CARGO_MANIFEST_DIR")
    );
    let schema = std::fs::read_to_string(&file).unwrap();
    let sum = Command::new("sha384sum").arg(&file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let (open, close) = blob;
    format!(
        "{table}{schema}\n{}\
         INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (1, 'directory', TRUE, {open}{}{close}, 0);\n",
        rows(),
        sum.split_whitespace().next().unwrap()
    )
}

async fn check_upgraded(data: Data) {
    let config = ServerConfig::with_data(([127, 0, 0, 1], 0).into(), data);
    let server = start(config).await.unwrap();
    let ask = async |target: &str| {
        let answer = get(server.local_addr(), &format!("/api/v1{target}")).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    };
    let nodes = ask("/nodes").await;
    let told: Vec<_> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let field = |name: &str| node[name].clone();
            (
                field("hostname"),
                field("created"),
                field("updated"),
                field("uptime"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("first".into(), 5.into(), 1000.into(), 77.into()),
            ("second".into(), 5.into(), 2000.into(), 77.into()),
        ]
    );
    assert_eq!(ask("/nodes?cru=8").await, nodes);
    assert_eq!(ask("/nodes?cru=9").await.as_array().unwrap().len(), 0);
    let found = ask("/capacity?cru=8").await;
    assert_eq!(found["nodes"].as_array().unwrap().len(), 2, "{found}");
    // Who followed the old database goes on: nothing changed.
    let changes = ask("/changes").await;
    assert_eq!(changes["nodes"].as_array().unwrap().len(), 2, "{changes}");
    let since = ask(&format!("/changes?since={}", changes["revision"])).await;
    assert_eq!(since["nodes"].as_array().unwrap().len(), 0, "{since}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn sqlite_of_the_first_schema() {
    let dir = tempfile::tempdir().unwrap();
    let table = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, \
         description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
         success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);\n";
    let made = Command::new("sqlite3")
        .arg("-bail")
        .arg(dir.path().join("directory.sqlite"))
        .arg(first_schema("sqlite", table, ("x'", "'")))
        .status()
        .unwrap();
    assert!(made.success());
    check_upgraded(Data::Directory(dir.path().to_owned())).await;
}

#[tokio::test]
async fn postgres_of_the_first_schema() {
    let url = new_database();
    let name = url.split(['/', '?']).nth(3).unwrap();
    let table = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, \
         description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), \
         success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);\n";
    query(name, &first_schema("postgres", table, ("'\\x", "'")));
    check_upgraded(Data::Postgres(url.parse().unwrap())).await;
}
