//! The SQLite file: who may read it, what is left of it, what is refused.

use crate::on_sqlite::Fixture;

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
    use std::os::unix::fs::PermissionsExt;
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
