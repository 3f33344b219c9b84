//! A directory keeps what it has acknowledged: the disk has it before the client hears of it, and a
//! process killed at any moment loses nothing.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use directory::client::{Client, ClientOptions};
use directory::identity::Seed;
use directory::sign::Signer;
use directory::wire::{Farm, Location, NewUser, Registration, WalletAddress};

/// `farmer directory serve` without TLS, so that a trace shows what it answers; killed when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// `before` is what runs it, such as a tracer; `place` where its data lives.
    fn start(before: &[&str], place: &[&str]) -> Self {
        let farmer = [env!("CARGO_BIN_EXE_farmer")];
        let mut words = before.iter().chain(&farmer);
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .args([
                "-o",
                "json",
                "directory",
                "serve",
                "--listen",
                "127.0.0.1:0",
            ])
            .args(place)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("its first line");
        let told: serde_json::Value = serde_json::from_str(&line).expect("where it listens");
        let url = told["url"].as_str().expect("a URL").to_owned();
        Self { child, url }
    }

    fn client(&self) -> Client {
        // What a killed server does not answer is not tried again.
        Client::new(&ClientOptions::new(format!("{}/api/v1", self.url))).expect("a client")
    }

    fn kill(mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn location() -> Location {
    Location {
        city: "Ghent".into(),
        country: "BE".into(),
        ..Location::default()
    }
}

fn seed(number: u8) -> Seed {
    Seed::from([number; 32])
}

fn farm(name: &str, owner: u64) -> Farm {
    Farm {
        threebot_id: owner,
        name: name.into(),
        wallet_addresses: vec![WalletAddress {
            asset: "TFT".into(),
            address: "GABC".into(),
        }],
        location: location(),
        ..Farm::default()
    }
}

/// A farm with nodes, and its owner.
async fn farm_with_nodes(client: &Client, nodes: u8) -> (Signer, Vec<Seed>) {
    let owner_seed = seed(255);
    let user = NewUser::new("owner", "", owner_seed.public_key());
    let id = client.create_user(&user, &owner_seed).await;
    let id = id.expect("a user").value.id;
    let owner = Signer::User {
        id,
        seed: owner_seed,
    };
    let farm_id = client.create_farm(&farm("first", id), &owner).await;
    let farm_id = farm_id.expect("a farm").value;
    let seeds: Vec<Seed> = (1..=nodes).map(seed).collect();
    for seed in &seeds {
        let registration = Registration::new(seed, farm_id, "farm-node/test", location());
        client.register(&registration, seed).await.expect("a node");
    }
    (owner, seeds)
}

/// What the trace of a server says: syncs between each request and its answer, and syncs in all.
struct Traced {
    syncs_before_answer: Vec<u64>,
    syncs: u64,
}

/// Reads the lines of `strace -f` from the first uptime report on.
fn read_trace(path: &Path) -> Traced {
    let trace = String::from_utf8_lossy(&std::fs::read(path).expect("a trace")).into_owned();
    let mut syncs = 0;
    let mut first = None;
    let mut answers = Vec::new();
    // What a thread was reading when another one was shown, and the syncs at each connection's
    // request.
    let (mut reading, mut asked) = (HashMap::new(), HashMap::new());
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        let descriptor = |call: &str| {
            let (_, arguments) = call.split_once('(')?;
            arguments.split([',', ')']).next()?.parse::<u32>().ok()
        };
        if call.contains("sync") && call.ends_with("= 0") {
            syncs += 1;
        } else if call.starts_with("recvfrom(") || call.starts_with("read(") {
            reading.insert(thread.to_owned(), descriptor(call));
        }
        if call.contains("POST /api/v1/nodes/") && call.contains("/uptime") {
            first.get_or_insert(syncs);
            let connection = reading.get(thread).copied().flatten().expect("a request");
            asked.insert(connection, syncs);
        } else if call.contains("HTTP/1.1 200")
            && let Some(before) = descriptor(call).and_then(|fd| asked.remove(&fd))
        {
            answers.push(syncs - before);
        }
    }
    Traced {
        syncs_before_answer: answers,
        syncs: syncs - first.unwrap_or(syncs),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_follow_the_disk_and_many_share_one_sync() {
    const NODES: u8 = 64;
    const ROUNDS: u64 = 4;
    let dir = tempfile::tempdir().expect("a directory");
    let trace = dir.path().join("trace");
    let trace_text = trace.display().to_string();
    let data = dir.path().join("data").display().to_string();
    let tracer = [
        "strace",
        "-f",
        "-s",
        "200",
        "-e",
        "trace=fsync,fdatasync,read,recvfrom,write,writev,sendto",
        "-o",
        &trace_text,
    ];
    let mut server = Server::start(&tracer, &["--data", &data]);
    let client = server.client();
    let (_, seeds) = farm_with_nodes(&client, NODES).await;
    for round in 1..=ROUNDS {
        let posts = seeds.iter().map(|seed| {
            let (client, seed) = (client.clone(), seed.clone());
            tokio::spawn(async move { client.post_uptime(round, &seed).await })
        });
        for post in posts.collect::<Vec<_>>() {
            post.await.expect("a task").expect("an answer");
        }
    }
    // The tracer passes it on, and writes its last lines.
    let pid = server.child.id().to_string();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let farmer = children.expect("strace has a child");
    let status = Command::new("kill").arg(farmer.trim()).status();
    assert!(status.expect("kill").success());
    server.child.wait().expect("it ends");

    let traced = read_trace(&trace);
    let posts = u64::from(NODES) * ROUNDS;
    assert_eq!(traced.syncs_before_answer.len() as u64, posts);
    assert!(
        traced.syncs_before_answer.iter().all(|syncs| *syncs > 0),
        "answered before it was on disk"
    );
    assert!(
        traced.syncs < posts / 2,
        "{} syncs for {posts} posts",
        traced.syncs
    );
}

/// Kills a server under load again and again; nothing it acknowledged may be gone.
async fn killed_again_and_again(place: &[&str], rounds: u64, check: impl Fn()) {
    const NODES: u8 = 8;
    let server = Server::start(&[], place);
    let (owner, seeds) = farm_with_nodes(&server.client(), NODES).await;
    server.kill();
    let Signer::User { id, .. } = owner else {
        panic!("a user owns farms")
    };
    // The last value of each node that was acknowledged.
    let acknowledged: Vec<Arc<AtomicU64>> = seeds.iter().map(|_| Arc::default()).collect();
    let farms = Arc::new(std::sync::Mutex::new(Vec::new()));
    for round in 0..rounds {
        let server = Server::start(&[], place);
        let mut tasks = Vec::new();
        for (seed, last) in seeds.iter().zip(&acknowledged) {
            let (client, seed, last) = (server.client(), seed.clone(), last.clone());
            tasks.push(tokio::spawn(async move {
                let mut next = last.load(Ordering::SeqCst);
                loop {
                    next += 1;
                    if client.post_uptime(next, &seed).await.is_err() {
                        return;
                    }
                    last.store(next, Ordering::SeqCst);
                }
            }));
        }
        let (client, owner, made) = (server.client(), owner.clone(), farms.clone());
        tasks.push(tokio::spawn(async move {
            for number in 0.. {
                let name = format!("farm-{round}-{number}");
                match client.create_farm(&farm(&name, id), &owner).await {
                    Ok(created) => made.lock().unwrap().push((created.value, name)),
                    Err(_) => return,
                }
            }
        }));
        // From the first request on, at another moment each time.
        tokio::time::sleep(Duration::from_millis(60 + round * 37 % 240)).await;
        server.kill();
        for task in tasks {
            task.await.expect("a task");
        }
        check();

        let server = Server::start(&[], place);
        let client = server.client();
        for (seed, last) in seeds.iter().zip(&acknowledged) {
            let node = client.node(seed.node_id(), false, None).await;
            let uptime = node.expect("the node").value.uptime.unsigned_abs();
            let last = last.load(Ordering::SeqCst);
            assert!(
                uptime == last || uptime == last + 1,
                "round {round}: {uptime} is stored, {last} was acknowledged"
            );
        }
        let farms = farms.lock().unwrap().clone();
        for (farm_id, name) in farms.iter().rev().take(50) {
            let farm = client.farm(*farm_id, None).await.expect("the farm");
            assert_eq!(farm.value.name, name.as_str(), "round {round}");
        }
        server.kill();
    }
    let posts: u64 = acknowledged
        .iter()
        .map(|last| last.load(Ordering::SeqCst))
        .sum();
    assert!(posts > rounds * 10, "hardly any load: {posts} posts");
    assert!(
        farms.lock().unwrap().len() as u64 > rounds,
        "hardly any farms"
    );
}

fn rounds() -> u64 {
    if crate::support::is_full() { 100 } else { 12 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_lost_nothing_on_sqlite() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let file = data.join("directory.sqlite");
    let data = data.display().to_string();
    killed_again_and_again(&["--data", &data], rounds(), || {
        let output = Command::new("sqlite3")
            .arg(&file)
            .arg("PRAGMA integrity_check; PRAGMA foreign_key_check;")
            .output()
            .expect("sqlite3 (Debian: apt-get install sqlite3)");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_lost_nothing_on_postgresql() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("database");
    std::fs::write(&file, crate::cluster::new_database()).expect("a file");
    let file = file.display().to_string();
    killed_again_and_again(&["--database-file", &file], rounds() / 2, || {}).await;
}
