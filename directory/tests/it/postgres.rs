//! A PostgreSQL of our own for the tests of this program, and several servers on it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use directory::client::{Client, FarmFilter, NodeFilter, PageRequest};
use directory::server::{Data, start};
use directory::sign::RequestParts;

use crate::on_postgres::Fixture;
use crate::support::{Database, farm, options, request, user_id};

/// A cluster on a socket in a directory of its own, with `fsync` as ever. It ends, and the directory
/// goes, when the pipe to it closes: also when the test program is killed.
struct Cluster {
    dir: PathBuf,
    _child: Child,
}

const SCRIPT: &str = r#"
set -eu
dir=$(mktemp -d)
cd "$dir"
PATH=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n1):$PATH
initdb -D data -U farmer -A trust -E UTF8 --locale=C --no-sync >initdb.log
postgres -D data -k "$dir" -c listen_addresses= -c max_connections=500 >postgres.log 2>&1 &
until pg_isready -q -h "$dir"; do kill -0 $! || { cat postgres.log >&2; exit 1; }; sleep 0.05; done
echo "ready $dir"
read -r _ || true
kill -INT $!
wait $! || true
cd /
rm -rf "$dir"
"#;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        // PostgreSQL does not run as root.
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| {
            use std::os::unix::fs::MetadataExt as _;
            own.uid() == 0
        });
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "sh",
            ]);
            command
        } else {
            Command::new("sh")
        };
        let mut child = command
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        let Some(dir) = line.trim_end().strip_prefix("ready ") else {
            panic!("PostgreSQL does not start (Debian: apt-get install postgresql)")
        };
        Cluster {
            dir: dir.into(),
            _child: child,
        }
    })
}

/// A database of its own in the cluster.
pub struct Postgres;

impl Database for Postgres {
    fn data(_: &Path) -> Data {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        query("postgres", &format!("CREATE DATABASE {name}"));
        Data::Postgres(url(&name))
    }
}

fn url(database: &str) -> directory::server::DatabaseUrl {
    let dir = cluster().dir.display();
    format!("postgres://farmer@localhost/{database}?host={dir}")
        .parse()
        .unwrap()
}

/// What PostgreSQL's own client prints.
pub fn query(database: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args([
            "-qXAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "farmer",
            "-d",
            database,
            "-c",
            sql,
            "-h",
        ])
        .arg(&cluster().dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A second server on the same database.
async fn second(fx: &Fixture) -> (directory::server::RunningServer, Client) {
    let server = start(fx.config()).await.unwrap();
    let client = Client::new(&options(&server, fx.clock.clone())).unwrap();
    (server, client)
}

#[tokio::test]
async fn two_servers_answer_as_one() {
    let fx = Fixture::strict().await;
    let (other, client) = second(&fx).await;
    let (alpha, owner) = fx.farm("alpha", 1).await;
    // Numbers go on, whoever gives them; names are taken on both.
    let beta = client
        .create_farm(&farm("beta", user_id(&owner)), &owner)
        .await;
    assert!(beta.unwrap().value > alpha);
    let again = client
        .create_farm(&farm("alpha", user_id(&owner)), &owner)
        .await;
    assert!(format!("{:?}", again.unwrap_err()).contains("taken"));

    let nodes: Vec<_> = [20_u8, 21, 22, 23, 24].to_vec();
    for (index, key) in nodes.iter().enumerate() {
        let seed = crate::support::seed(*key);
        let registration = crate::support::registration(&seed, alpha);
        let at = if index % 2 == 0 { &fx.client } else { &client };
        at.register(&registration, &seed).await.unwrap();
    }
    // Reported to one, told by the other.
    let seed = crate::support::seed(20);
    fx.clock.advance(std::time::Duration::from_secs(60));
    client.post_uptime(1234, &seed).await.unwrap();
    let node = fx
        .client
        .node(seed.node_id(), false, None)
        .await
        .unwrap()
        .value;
    assert_eq!(
        (node.uptime, node.updated.0),
        (1234, crate::support::NOW + 60)
    );

    // Pages fit together, whoever gives them.
    let page = PageRequest { page: 1, size: 2 };
    let filter = NodeFilter::default();
    let mut seen = Vec::new();
    for number in 1..=3 {
        let at = if number % 2 == 0 { &fx.client } else { &client };
        let page = PageRequest {
            page: number,
            ..page
        };
        let answer = at.nodes(&filter, page, None).await.unwrap();
        assert_eq!(answer.pages, Some(3));
        seen.extend(answer.value.into_iter().map(|node| node.id));
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    other.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_request_sent_to_two_servers_at_once_is_carried_out_once() {
    let fx = Fixture::strict().await;
    let (other, _) = second(&fx).await;
    let owner = fx.user("alice", 1).await;
    for round in 0..20_u8 {
        let body = serde_json::to_vec(&farm(&format!("farm-{round}"), user_id(&owner))).unwrap();
        let parts = RequestParts {
            method: "POST",
            target: "/api/v1/farms",
            body: &body,
        };
        let signed = fx.sign(&owner, &parts, round);
        let (here, there) = tokio::join!(
            request(fx.addr(), &parts, Some(&signed)),
            request(other.local_addr(), &parts, Some(&signed)),
        );
        assert_eq!(
            (here.status, there.status),
            (201, 201),
            "{here:?} {there:?}"
        );
        assert_eq!(here.body, there.body, "the same farm");
        // Altered, the nonce is used up on both.
        let altered = RequestParts {
            target: "/explorer/farms",
            ..parts
        };
        let signed = fx.sign(&owner, &altered, round);
        for addr in [fx.addr(), other.local_addr()] {
            assert_eq!(request(addr, &altered, Some(&signed)).await.status, 401);
        }
    }
    let filter = FarmFilter::default();
    let all = fx.client.all_farms(&filter, None);
    assert_eq!(all.await.unwrap().len(), 20);
}

#[tokio::test]
async fn servers_that_start_at_once_make_the_tables_once() {
    let data = Postgres::data(Path::new(""));
    let starts = (0..4).map(|_| {
        let mut config = directory::server::ServerConfig::new(([127, 0, 0, 1], 0).into(), "");
        config.data = data.clone();
        tokio::spawn(start(config))
    });
    for started in starts.collect::<Vec<_>>() {
        started.await.unwrap().unwrap().shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_or_missing_database_is_told_without_the_password() {
    let Data::Postgres(url) = Postgres::data(Path::new("")) else {
        panic!()
    };
    let mut config = directory::server::ServerConfig::new(([127, 0, 0, 1], 0).into(), "");
    config.data = Data::Postgres(url.clone());
    start(config.clone())
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    let name = url.to_string().rsplit('/').next().unwrap().to_owned();
    query(
        &name,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, '', 0)",
    );
    let Err(error) = start(config.clone()).await else {
        panic!("it started")
    };
    assert!(
        error
            .to_string()
            .contains("schema 9999, made by a newer program"),
        "{error}"
    );

    let missing = "postgres://farmer:s3cret@127.0.0.1:1/none?sslmode=disable";
    config.data = Data::Postgres(missing.parse().unwrap());
    let shown = format!("{config:?}");
    let Err(error) = start(config).await else {
        panic!("it started")
    };
    assert!(error.hint().is_some(), "{error:?}");
    let shown = format!("{shown} {error} {error:?}");
    assert!(
        shown.contains("127.0.0.1:1/none") && !shown.contains("s3cret"),
        "{shown}"
    );
}
