//! The SQLite file: who may read it, what is left of it, what is refused.

use std::os::unix::fs::PermissionsExt as _;

use directory::server::{CopyError, backup, check, restore};

use crate::on_sqlite::Fixture;
use crate::support::seed;

#[tokio::test]
async fn a_server_that_stops_leaves_one_file() {
    let fx = Fixture::strict().await;
    fx.farm("alpha", 1).await;
    fx.server.shutdown().await.unwrap();
    let left: Vec<_> = std::fs::read_dir(fx.dir.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["directory.sqlite"], "the log is folded in");
}

#[tokio::test]
async fn the_data_is_for_the_servers_eyes_only() {
    let fx = Fixture::strict().await;
    fx.farm("alpha", 1).await;
    let data = fx.dir.path().join("data");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for path in [file.clone(), file.join("below")] {
        let config = directory::server::ServerConfig::new(([127, 0, 0, 1], 0).into(), &path);
        let Err(error) = directory::server::start(config).await else {
            panic!("it started")
        };
        assert!(
            error.to_string().contains("cannot use data directory"),
            "{error}"
        );
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_newer_database_is_not_touched() {
    let fx = Fixture::strict().await;
    let (dir, server) = (fx.dir, fx.server);
    server.shutdown().await.unwrap();
    let data = dir.path().join("data");
    let status = std::process::Command::new("sqlite3")
        .arg(data.join("directory.sqlite"))
        .arg(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'from the future', 1, x'00', 0)",
        )
        .status()
        .unwrap();
    assert!(status.success());
    let config = directory::server::ServerConfig::new(([127, 0, 0, 1], 0).into(), &data);
    let Err(error) = directory::server::start(config).await else {
        panic!("it started")
    };
    assert!(
        error
            .to_string()
            .contains("schema 9999, made by a newer program"),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_copy_is_whole_and_can_be_put_back() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    for key in 10..20 {
        fx.node(farm_id, key).await;
    }
    let data = fx.dir.path().join("data");
    let copy = fx.dir.path().join("copy.sqlite");
    // Taken while nodes report.
    let client = fx.client.clone();
    let writing = tokio::spawn(async move {
        let mut posts = 0;
        for key in (10..20).cycle() {
            if client.post_uptime(posts, &seed(key)).await.is_err() {
                break;
            }
            posts += 1;
        }
        posts
    });
    let held = backup(&data, &copy).await.unwrap();
    assert_eq!((held.users, held.farms, held.nodes), (1, 1, 10));
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let error = backup(&data, &copy).await.unwrap_err();
    assert!(matches!(error, CopyError::Exists { .. }), "{error}");
    assert_eq!(
        check(&data).await.unwrap().nodes,
        10,
        "under a running server"
    );

    let known = crate::support::get(fx.addr(), "/api/v1/changes")
        .await
        .json();
    let error = restore(&copy, &data, true).await.unwrap_err();
    assert!(error.to_string().contains("running server"), "{error}");
    let config = fx.config();
    let gone = seed(10).node_id();
    fx.client.delete_node(farm_id, gone, &owner).await.unwrap();
    fx.server.shutdown().await.unwrap();
    assert!(writing.await.unwrap() > 0, "nothing was written meanwhile");

    let error = restore(&copy, &data, false).await.unwrap_err();
    assert!(matches!(error, CopyError::Exists { .. }), "{error}");
    assert_eq!(restore(&copy, &data, true).await.unwrap().nodes, 10);
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let server = directory::server::start(config).await.unwrap();
    let options = crate::support::options(&server, fx.clock.clone());
    let client = directory::client::Client::new(&options).unwrap();
    client.node(gone, false, None).await.unwrap();
    // Its numbers of changes went on elsewhere: followers are told.
    let target = format!("/api/v1/changes?since={}", known["revision"]);
    let answer = crate::support::get(server.local_addr(), &target).await;
    assert_eq!(answer.status, 410, "{answer:?}");
    // Into a new place as well.
    let elsewhere = fx.dir.path().join("elsewhere");
    assert_eq!(
        restore(&copy, &elsewhere, false).await.unwrap(),
        check(&elsewhere).await.unwrap()
    );
}

#[tokio::test]
async fn damage_is_found() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    for key in 10..40 {
        fx.node(farm_id, key).await;
    }
    let data = fx.dir.path().join("data");
    fx.server.shutdown().await.unwrap();
    let file = data.join("directory.sqlite");
    let good = std::fs::read(&file).unwrap();
    assert_eq!(check(&data).await.unwrap().nodes, 30);
    let mut found = 0;
    for page in 1..good.len() / 4096 {
        let mut bad = good.clone();
        bad[page * 4096..][..64].fill(0xa5);
        std::fs::write(&file, &bad).unwrap();
        match check(&data).await {
            Ok(_) => {}
            Err(error @ CopyError::Damaged { .. }) => {
                assert!(error.hint().is_some());
                found += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(
        found > good.len() / 4096 * 3 / 4,
        "{found} damaged pages were found"
    );
    std::fs::write(
        &file,
        "this is no database, and longer than a header of one".repeat(9),
    )
    .unwrap();
    assert!(matches!(check(&data).await, Err(CopyError::Damaged { .. })));
    // Nothing damaged is put back, and nothing is lost by trying.
    let copy = fx.dir.path().join("copy");
    std::fs::rename(&file, &copy).unwrap();
    std::fs::write(&file, &good).unwrap();
    restore(&copy, &data, true).await.unwrap_err();
    assert_eq!(check(&data).await.unwrap().nodes, 30);
    let missing = check(&fx.dir.path().join("none")).await.unwrap_err();
    assert!(matches!(missing, CopyError::Missing { .. }), "{missing}");
}
