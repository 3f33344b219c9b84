//! `GET /metrics`: who may read it, and that it counts what happened.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use directory::sign::{RequestParts, Signer};
use directory::wire::NewUser;

use crate::support::{FixtureOn, Raw, Sqlite, get, request, seed, send_bytes};

type Fixture = FixtureOn<Sqlite>;

/// The value of a sample, by its name and labels.
fn sample(answer: &Raw, name: &str) -> Option<f64> {
    answer.body.lines().find_map(|line| {
        let value = line.strip_prefix("farmer_directory_")?.strip_prefix(name)?;
        value.strip_prefix(' ')?.parse().ok()
    })
}

#[tokio::test]
async fn what_happened_is_counted_by_route() {
    let fx = Fixture::strict().await;
    for farm in ["1", "2", "x"] {
        get(fx.addr(), &format!("/explorer/farms/{farm}")).await;
    }
    get(fx.addr(), "/../../etc/passwd\"evil").await;
    let parts = RequestParts {
        method: "BREW",
        target: "/explorer/farms",
        body: b"",
    };
    request(fx.addr(), &parts, None).await;
    let parts = RequestParts {
        method: "POST",
        ..parts
    };
    request(fx.addr(), &parts, None).await;
    let thief = fx.sign(
        &Signer::User {
            id: 1,
            seed: seed(9),
        },
        &parts,
        1,
    );
    request(fx.addr(), &parts, Some(&thief)).await;

    let answer = get(fx.addr(), "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let requests = |labels: &str| sample(&answer, &format!("requests_total{{{labels}}}"));
    let farm = "method=\"GET\",route=\"/explorer/farms/{farm_id}\"";
    assert_eq!(requests(&format!("{farm},status=\"404\"")), Some(2.0));
    assert_eq!(requests(&format!("{farm},status=\"400\"")), Some(1.0));
    let count = format!("request_duration_seconds_count{{{farm}}}");
    assert_eq!(sample(&answer, &count), Some(3.0));
    let last = format!("request_duration_seconds_bucket{{{farm},le=\"+Inf\"}}");
    assert_eq!(sample(&answer, &last), Some(3.0));
    assert_eq!(sample(&answer, "signatures_refused_total"), Some(2.0));
    assert_eq!(sample(&answer, "requests_in_flight"), Some(1.0));
    assert!(
        !answer.body.contains("evil") && !answer.body.contains("BREW"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_not_for_what_a_proxy_passes_on() {
    let fx = Fixture::strict().await;
    for header in [
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "Via: 1.1 x",
    ] {
        let text =
            format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n");
        let answer = send_bytes(fx.addr(), text.into_bytes()).await;
        assert_eq!(answer.status, 404, "{header}: {answer:?}");
    }
}

#[tokio::test]
async fn metrics_can_have_a_listener_of_their_own() {
    let fx = Fixture::with(|config| config.metrics_listen = Some(([127, 0, 0, 1], 0).into())).await;
    let own = fx.server.metrics_addr().unwrap();
    assert_eq!(get(own, "/metrics").await.status, 200);
    assert_eq!(get(own, "/explorer/farms").await.status, 404);
    assert_eq!(get(fx.addr(), "/metrics").await.status, 404);
    fx.server.shutdown().await.unwrap();
    assert!(
        std::net::TcpStream::connect(own).is_err(),
        "it stops with the directory"
    );
}

/// It waits for the database, which somebody else holds; nobody waits for its answer.
#[tokio::test]
async fn a_request_whose_client_goes_away_is_under_way_no_more() {
    let fx = Fixture::strict().await;
    let mut holder = Command::new("sqlite3")
        .arg(fx.dir.path().join("data/directory.sqlite"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sqlite3 (Debian: apt-get install sqlite3)");
    let mut words = holder.stdin.take().unwrap();
    words
        .write_all(b"BEGIN IMMEDIATE; SELECT 'held';\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "held\n");

    let under_way = async || sample(&get(fx.addr(), "/metrics").await, "requests_in_flight");
    let client = fx.client.clone();
    let asking = tokio::spawn(async move {
        let user = NewUser::new("gone", "gone@example.org", seed(3).public_key());
        client.create_user(&user, &seed(3)).await.map(drop)
    });
    while under_way().await != Some(2.0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    asking.abort();
    // Well before the database gives up waiting, and the request with it.
    let mut left = under_way().await;
    for _ in 0..200 {
        if left == Some(1.0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        left = under_way().await;
    }
    drop(words);
    holder.wait().unwrap();
    assert_eq!(left, Some(1.0), "the abandoned request is still counted");
}
