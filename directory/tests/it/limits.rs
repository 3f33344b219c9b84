//! Clients that send too much, too slowly or nonsense.

use std::time::Duration;

use directory::clock::{Clock as _, SystemClock};
use directory::server::Rate;
use directory::sign::{RequestParts, Signer};

use super::Fixture;
use crate::support::{get, request, seed, send_bytes};

async fn still_answers(fx: &Fixture) {
    assert_eq!(fx.client.health().await.unwrap().value.status, "ok");
}

#[tokio::test]
async fn oversize_bodies_and_heads_are_refused() {
    let fx = Fixture::strict().await;
    let body = vec![b' '; (1 << 20) + 1];
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/users",
        body: &body,
    };
    assert_eq!(request(fx.addr(), &parts, None).await.status, 413);

    let mut chunked = b"POST /explorer/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..17 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b' '; 0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(send_bytes(fx.addr(), chunked).await.status, 413);

    let long = format!(
        "GET /explorer/farms HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(40_000)
    );
    assert_eq!(send_bytes(fx.addr(), long.into_bytes()).await.status, 431);
    let many = format!(
        "GET /explorer/farms HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X: y\r\n".repeat(100)
    );
    assert_eq!(send_bytes(fx.addr(), many.into_bytes()).await.status, 431);
    still_answers(&fx).await;
}

#[tokio::test]
async fn nonsense_gets_a_client_error() {
    let fx = Fixture::strict().await;
    let deep = format!("{{\"hardware\":{}", "[".repeat(200_000));
    let signer = Signer::Key(seed(1));
    for body in [
        deep.as_bytes(),
        b"\xff\xfe",
        b"",
        b"null",
        b"[]",
        b"{\"name\":7}",
    ] {
        let parts = RequestParts {
            method: "POST",
            target: "/explorer/users",
            body,
        };
        let answer = request(fx.addr(), &parts, Some(&fx.sign(&signer, &parts, 1))).await;
        assert_eq!(
            answer.status,
            400,
            "{:?}: {answer:?}",
            &body[..body.len().min(20)]
        );
    }
    for target in [
        "/explorer/nodes?cru=%ff",
        "/explorer/nodes/%ff",
        "/explorer/farms?page=%",
    ] {
        let status = get(fx.addr(), target).await.status;
        assert!(matches!(status, 200 | 400 | 404), "{target}: {status}");
    }
    for target in ["/explorer/nodes?city=a%00b", "/explorer/farms?name=%00"] {
        assert_eq!(get(fx.addr(), target).await.status, 400, "{target}");
    }
    assert_eq!(
        send_bytes(fx.addr(), b"\x16\x03\x01 not http\r\n\r\n".to_vec())
            .await
            .status,
        400
    );
    still_answers(&fx).await;
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_do_not_stop_others() {
    let fx = Fixture::with(|config| {
        config.limits.head = Duration::from_millis(300);
        config.limits.request = Duration::from_millis(300);
        config.limits.connections = 2;
    })
    .await;
    let began = SystemClock.monotonic();
    let head = send_bytes(fx.addr(), b"GET /explorer/farms HTTP/1.1\r\nX: ".to_vec());
    let body = b"POST /explorer/users HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{".to_vec();
    let body = send_bytes(fx.addr(), body);
    let (head, body) = tokio::join!(head, body);
    let elapsed = SystemClock.monotonic() - began;
    assert!(elapsed < Duration::from_secs(5), "{:?}", elapsed);
    assert!(matches!(head.status, 0 | 408), "{head:?}");
    assert_eq!(body.status, 408, "{body:?}");
    still_answers(&fx).await;
}

#[tokio::test]
async fn stopping_lets_a_running_request_finish_and_closes_idle_connections() {
    let fx = Fixture::strict().await;
    let addr = fx.addr();
    // An idle keep-alive connection.
    fx.client.health().await.unwrap();
    let began = SystemClock.monotonic();
    fx.server.shutdown().await.unwrap();
    let elapsed = SystemClock.monotonic() - began;
    assert!(elapsed < Duration::from_secs(5));
    assert!(std::net::TcpStream::connect(addr).is_err());
    let error = fx.client.health().await.unwrap_err();
    assert!(
        matches!(error, directory::client::Error::Connect { .. }),
        "{error:?}"
    );
    assert!(error.is_retryable());
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let fx = Fixture::strict().await;
    let config = directory::server::ServerConfig::new(fx.addr(), fx.dir.path().join("second"));
    let Err(error) = directory::server::start(config).await else {
        panic!("it started")
    };
    assert!(
        error.hint().unwrap().contains("another program"),
        "{error:?}"
    );
    assert!(
        !fx.dir.path().join("second").exists(),
        "nothing is left behind"
    );
}

#[tokio::test]
async fn ipv6_works() {
    let fx = Fixture::with(|config| {
        config.listen = (std::net::Ipv6Addr::LOCALHOST, 0).into();
    })
    .await;
    assert!(fx.server.url().starts_with("http://[::1]:"));
    still_answers(&fx).await;
}

#[tokio::test]
async fn one_address_that_asks_too_often_is_told_when_to_come_back() {
    let fx = Fixture::with(|config| {
        config.limits.bound_loopback = true;
        config.limits.address_rate = Rate::new(3, Duration::from_millis(2500));
    })
    .await;
    for _ in 0..3 {
        assert_eq!(get(fx.addr(), "/explorer/farms").await.status, 200);
    }
    let answer = get(fx.addr(), "/explorer/farms").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("3"))
    );
    assert!(
        answer.json()["error"]
            .as_str()
            .unwrap()
            .contains("too often")
    );
    fx.clock.advance(Duration::from_secs(3));
    still_answers(&fx).await;
}

#[tokio::test]
async fn one_key_cannot_take_it_all_nor_use_up_what_another_may() {
    let fx = Fixture::with(|config| {
        config.limits.key_rate = Rate::new(4, Duration::from_secs(60));
    })
    .await;
    let (alice, bob) = (fx.user("alice", 1).await, fx.user("bob", 2).await);
    let parts = RequestParts {
        method: "GET",
        target: "/explorer/farms",
        body: b"",
    };
    // Somebody else in her name does not count against her.
    let Signer::User { id, .. } = &alice else {
        panic!()
    };
    let thief = Signer::User {
        id: *id,
        seed: seed(50),
    };
    let forged = fx.sign(&thief, &parts, 0);
    for _ in 0..9 {
        assert_eq!(request(fx.addr(), &parts, Some(&forged)).await.status, 401);
    }
    let signed = fx.sign(&alice, &parts, 0);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(request(fx.addr(), &parts, Some(&signed)).await.status);
    }
    // Her registration was the first of four.
    assert_eq!(statuses, [200, 200, 200, 429]);
    let signed = fx.sign(&bob, &parts, 0);
    assert_eq!(request(fx.addr(), &parts, Some(&signed)).await.status, 200);
    assert_eq!(get(fx.addr(), "/explorer/farms").await.status, 200);
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let fx = Fixture::with(|config| {
        config.limits.bound_loopback = true;
        config.limits.connections_per_address = 2;
    })
    .await;
    let idle = [(); 2].map(|()| std::net::TcpStream::connect(fx.addr()).unwrap());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = get(fx.addr(), "/health").await;
    assert_eq!(answer.status, 0, "closed without a word: {answer:?}");
    drop(idle);
    for _ in 0..50 {
        if get(fx.addr(), "/health").await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the places were not given back");
}
