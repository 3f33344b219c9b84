//! A server on a free port, a clock under control, and requests that no proper client would send.

use std::io::{Read, Write};
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use directory::client::{Client, ClientOptions};
use directory::clock::{Clock, ManualClock, UnixTime};
use directory::identity::Seed;
use directory::server::{Data, RunningServer, ServerConfig, ServerMode, start};
use directory::sign::{RequestParts, SignatureMode, SignedHeaders, Signer, sign};
use directory::wire::{Farm, Location, NewUser, Registration, WalletAddress};
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z.
pub const NOW: i64 = 1_767_225_600;

/// A kind of database.
pub trait Database {
    /// An empty one; what is of files lies below this directory.
    fn data(dir: &Path) -> Data;
}

/// A file of its own.
pub struct Sqlite;

impl Database for Sqlite {
    fn data(dir: &Path) -> Data {
        Data::Directory(dir.join("data"))
    }
}

pub struct FixtureOn<D> {
    pub dir: TempDir,
    pub clock: Arc<ManualClock>,
    pub server: RunningServer,
    pub client: Client,
    config: ServerConfig,
    database: PhantomData<D>,
}

impl<D: Database> FixtureOn<D> {
    pub async fn strict() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(NOW)));
        let data = D::data(dir.path());
        let mut config = ServerConfig::with_data(([127, 0, 0, 1], 0).into(), data);
        config.clock = clock.clone();
        change(&mut config);
        let mode = config.mode;
        let server = start(config.clone()).await.unwrap();
        let mut options = options(&server, clock.clone());
        if mode == ServerMode::Compat {
            options.signature = SignatureMode::Compat;
        }
        let client = Client::new(&options).unwrap();
        Self {
            dir,
            clock,
            server,
            client,
            config,
            database: PhantomData,
        }
    }

    /// Settings of another server on the same data.
    pub fn config(&self) -> ServerConfig {
        self.config.clone()
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// A registered user.
    pub async fn user(&self, name: &str, key: u8) -> Signer {
        let seed = seed(key);
        let user = NewUser::new(name, &format!("{name}@example.org"), seed.public_key());
        let id = self
            .client
            .create_user(&user, &seed)
            .await
            .unwrap()
            .value
            .id;
        Signer::User { id, seed }
    }

    /// A user with a farm.
    pub async fn farm(&self, name: &str, key: u8) -> (u64, Signer) {
        let owner = self.user(&format!("{name}-owner"), key).await;
        let farm = farm(name, user_id(&owner));
        (
            self.client.create_farm(&farm, &owner).await.unwrap().value,
            owner,
        )
    }

    /// A registered node.
    pub async fn node(&self, farm_id: u64, key: u8) -> Seed {
        let seed = seed(key);
        self.client
            .register(&registration(&seed, farm_id), &seed)
            .await
            .unwrap();
        seed
    }

    /// Signs with the strict scheme at the fixture's time.
    pub fn sign(&self, signer: &Signer, parts: &RequestParts<'_>, nonce: u8) -> SignedHeaders {
        let now = self.clock.now();
        sign(
            SignatureMode::Strict,
            signer.seed(),
            &signer.key_id(),
            parts,
            now,
            [nonce; 16],
        )
    }
}

pub fn options(server: &RunningServer, clock: Arc<dyn Clock>) -> ClientOptions {
    ClientOptions {
        clock,
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(10),
        ..ClientOptions::new(server.url())
    }
}

pub fn seed(key: u8) -> Seed {
    Seed::from([key; 32])
}

pub fn user_id(signer: &Signer) -> u64 {
    match signer {
        Signer::User { id, .. } => *id,
        _ => panic!("not a user"),
    }
}

pub fn farm(name: &str, owner: u64) -> Farm {
    Farm {
        threebot_id: owner,
        name: name.into(),
        wallet_addresses: vec![WalletAddress {
            asset: "TFT".into(),
            address: "GABC".into(),
        }],
        location: location(),
        email: "farmer@example.org".into(),
        ..Farm::default()
    }
}

pub fn location() -> Location {
    Location {
        city: "Ghent".into(),
        country: "Belgium".into(),
        continent: "Europe".into(),
        latitude: 51.05,
        longitude: 3.72,
    }
}

pub fn registration(seed: &Seed, farm_id: u64) -> Registration {
    Registration {
        hostname: "node".into(),
        uptime: 5,
        ..Registration::new(seed, farm_id, "farm-node/0.1.0", location())
    }
}

/// An answer, taken apart by hand.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Sends bytes and reads until the server closes.
pub async fn send_bytes(addr: SocketAddr, bytes: Vec<u8>) -> Raw {
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        Raw {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    })
    .await
    .unwrap()
}

/// One request on a connection of its own.
pub async fn request(
    addr: SocketAddr,
    parts: &RequestParts<'_>,
    headers: Option<&SignedHeaders>,
) -> Raw {
    let RequestParts {
        method,
        target,
        body,
    } = parts;
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers.into_iter().flat_map(SignedHeaders::iter) {
        head += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    send_bytes(addr, bytes).await
}

pub async fn get(addr: SocketAddr, target: &str) -> Raw {
    request(
        addr,
        &RequestParts {
            method: "GET",
            target,
            body: b"",
        },
        None,
    )
    .await
}
