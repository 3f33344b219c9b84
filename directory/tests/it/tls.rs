//! TLS: pins, authorities, and errors that say what is wrong.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use directory::Pin;
use directory::client::{Client, ClientOptions, Error, Trust};
use directory::clock::{ManualClock, UnixTime};
use directory::server::{Data, ServerConfig, ServerMode, Tls, start};
use directory::sign::SignatureMode;

use crate::on_sqlite::Fixture;
use crate::support::{NOW, options};

fn data_dir(config: &ServerConfig) -> std::path::PathBuf {
    match &config.data {
        Data::Directory(dir) => dir.clone(),
        Data::Postgres(_) => panic!("no directory"),
    }
}

fn self_signed(config: &mut ServerConfig) {
    config.tls = Tls::SelfSigned {
        dir: data_dir(config),
        names: vec!["dir.test".into()],
    };
}

fn client(fx: &Fixture, trust: Trust) -> Client {
    let options = ClientOptions {
        trust,
        ..options(&fx.server, fx.clock.clone())
    };
    Client::new(&options).unwrap()
}

#[tokio::test]
async fn the_right_pin_connects_whatever_the_clock_says() {
    let fx = Fixture::with(self_signed).await;
    let pin = fx.server.pin().unwrap();
    assert!(fx.server.url().starts_with("https://"));
    client(&fx, Trust::Pin(pin)).health().await.unwrap();

    // Before the certificate was valid: rcgen's begin in 1975.
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1000)));
    let options = ClientOptions {
        trust: Trust::Pin(pin),
        ..options(&fx.server, clock)
    };
    let answer = Client::new(&options).unwrap().health().await.unwrap();
    assert_eq!(answer.date.unwrap().secs, NOW, "and learns the time");
}

#[tokio::test]
async fn a_wrong_pin_names_both() {
    let fx = Fixture::with(self_signed).await;
    let wrong: Pin = format!("sha256/{}=", "A".repeat(43)).parse().unwrap();
    let error = client(&fx, Trust::Pin(wrong)).health().await.unwrap_err();
    let Error::PinMismatch {
        expected, actual, ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!((*expected, *actual), (wrong, fx.server.pin().unwrap()));
    assert!(error.to_string().contains(&wrong.to_string()) && !error.is_retryable());
}

#[tokio::test]
async fn the_pin_is_what_openssl_computes_and_survives_restarts_and_new_names() {
    let fx = Fixture::with(self_signed).await;
    let pin = fx.server.pin().unwrap();
    let data = fx.dir.path().join("data");
    let script = format!(
        "openssl x509 -in {}/tls-cert.pem -pubkey -noout | openssl pkey -pubin -outform der \
         | openssl dgst -sha256 -binary | base64",
        data.display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    let computed = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(
        pin.to_string(),
        format!("sha256/{}", computed.trim()),
        "{output:?}"
    );
    let mode = std::fs::metadata(data.join("tls-key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let Fixture { dir, server, .. } = fx;
    server.shutdown().await.unwrap();
    let cert = std::fs::read(data.join("tls-cert.pem")).unwrap();
    let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into(), &data);
    self_signed(&mut config);
    let server = start(config.clone()).await.unwrap();
    assert_eq!(server.pin(), Some(pin));
    assert_eq!(
        std::fs::read(data.join("tls-cert.pem")).unwrap(),
        cert,
        "nothing to change"
    );
    server.shutdown().await.unwrap();
    config.tls = Tls::SelfSigned {
        dir: data.clone(),
        names: vec!["2001:db8::1".into()],
    };
    let server = start(config).await.unwrap();
    assert_eq!(server.pin(), Some(pin));
    assert_ne!(
        std::fs::read(data.join("tls-cert.pem")).unwrap(),
        cert,
        "a new name"
    );
    drop(dir);
}

#[tokio::test]
async fn authorities_are_checked_with_name_and_period() {
    let fx = Fixture::with(self_signed).await;
    let pem = std::fs::read_to_string(fx.dir.path().join("data/tls-cert.pem")).unwrap();
    client(&fx, Trust::Ca(pem.clone())).health().await.unwrap();

    let error = client(&fx, Trust::Bundled).health().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("pin"), "{error:?}");
    // A machine without authorities cannot even make such a client, and says so.
    let system = ClientOptions {
        trust: Trust::System,
        ..options(&fx.server, fx.clock.clone())
    };
    let error = match Client::new(&system) {
        Ok(client) => client.health().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(
        matches!(error, Error::Tls { .. } | Error::TrustSetup { .. }),
        "{error:?}"
    );

    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1000)));
    let options = ClientOptions {
        trust: Trust::Ca(pem),
        ..options(&fx.server, clock)
    };
    let error = Client::new(&options).unwrap().health().await.unwrap_err();
    assert!(error.hint().unwrap().contains("clock"), "{error:?}");

    for junk in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let options = ClientOptions {
            trust: Trust::Ca(junk.into()),
            ..options.clone()
        };
        assert!(
            matches!(Client::new(&options), Err(Error::TrustSetup { .. })),
            "{junk:?}"
        );
    }
}

#[tokio::test]
async fn plain_http_where_https_is_expected_and_the_other_way_round() {
    let fx = Fixture::strict().await;
    let url = fx.server.url().replace("http://", "https://");
    let mut wanted = options(&fx.server, fx.clock.clone());
    wanted.base_url = url;
    let error = Client::new(&wanted).unwrap().health().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(
        error.hint().unwrap().contains("plain http"),
        "{error:?} {:?}",
        error.hint()
    );

    let fx = Fixture::with(self_signed).await;
    let mut wanted = options(&fx.server, fx.clock.clone());
    wanted.base_url = fx.server.url().replace("https://", "http://");
    let error = Client::new(&wanted).unwrap().health().await.unwrap_err();
    assert!(
        matches!(error, Error::Broken { .. } | Error::Decode { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn unusable_certificates_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let junk = write("junk.pem", "nothing");
    let base = ServerConfig::new(([127, 0, 0, 1], 0).into(), dir.path().join("data"));
    for tls in [
        Tls::Files {
            cert: junk.clone(),
            key: junk.clone(),
        },
        Tls::Files {
            cert: dir.path().join("none.pem"),
            key: junk,
        },
        Tls::SelfSigned {
            dir: dir.path().join("tls"),
            names: vec!["https://x:1".into()],
        },
    ] {
        let config = ServerConfig {
            tls,
            ..base.clone()
        };
        let Err(error) = start(config).await else {
            panic!("it started")
        };
        assert!(
            matches!(error, directory::server::ServerError::Tls(_)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn names_that_do_not_resolve_and_ports_where_nobody_is() {
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(NOW)));
    // A name server that does not exist: nothing leaves this machine.
    let base = ClientOptions {
        clock,
        connect_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(60),
        name_servers: vec!["127.0.0.1".parse().unwrap()],
        ..ClientOptions::new("https://directory.invalid")
    };
    let error = Client::new(&base).unwrap().health().await.unwrap_err();
    assert!(
        matches!(&error, Error::Resolve { host, .. } if host == "directory.invalid"),
        "{error:?}"
    );
    assert!(error.is_retryable());

    let options = ClientOptions {
        base_url: "http://localhost:9".into(),
        ..base
    };
    let error = Client::new(&options).unwrap().health().await.unwrap_err();
    assert!(
        matches!(&error, Error::Connect { server, .. } if server == "localhost:9"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ClientOptions {
        request_timeout: Duration::from_millis(200),
        ..ClientOptions::new(format!("http://{}", listener.local_addr().unwrap()))
    };
    let error = Client::new(&options).unwrap().health().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(
        error.to_string().contains("GET /explorer/health"),
        "{error}"
    );
}

#[tokio::test]
async fn modes_never_fall_back() {
    let fx = Fixture::with(|config| config.mode = ServerMode::Compat).await;
    let mut strict = options(&fx.server, fx.clock.clone());
    strict.signature = SignatureMode::Strict;
    let strict = Client::new(&strict).unwrap();
    let seed = crate::support::seed(10);
    let registration = crate::support::registration(&seed, 1);
    let error = strict.register(&registration, &seed).await.unwrap_err();
    // The signature names items this server does not know how to rebuild.
    assert!(
        matches!(error, Error::Status { status: 401, .. }),
        "{error:?}"
    );
}
