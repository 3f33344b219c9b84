//! A PostgreSQL of our own for the tests of one program.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

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
postgres -D data -k "$dir" -c listen_addresses= -c max_connections=500 -c log_line_prefix=%d: >postgres.log 2>&1 &
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

/// The address of an empty database in the cluster.
pub fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    query("postgres", &format!("CREATE DATABASE {name}"));
    let dir = cluster().dir.display();
    format!("postgres://farmer@localhost/{name}?host={dir}")
}

/// What the server has logged about this database.
#[allow(
    dead_code,
    reason = "other crates' tests that use this file may not ask for it"
)]
pub fn log_of(database: &str) -> Vec<String> {
    let log = std::fs::read_to_string(cluster().dir.join("postgres.log")).unwrap();
    let mut entries: Vec<String> = Vec::new();
    for line in log.lines() {
        match (line.starts_with('\t'), entries.last_mut()) {
            // What belongs to the line before is indented.
            (true, Some(entry)) => *entry += &format!("\n{line}"),
            _ => entries.push(line.to_owned()),
        }
    }
    let prefix = format!("{database}:");
    entries.retain(|entry| entry.starts_with(&prefix));
    entries
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
