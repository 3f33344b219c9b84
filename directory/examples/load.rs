//! Load for a directory, for `scripts/bench directory`.
//!
//!     load rows farms|nodes|pulses COUNT NOW   rows to import, tab-separated, in order of `columns`
//!     load columns farms|nodes|pulses      their columns; a pulse is there with its node already
//!     load serve DIR|postgres://...        a server; prints its address, ends with its input
//!     load measure ADDR COUNT SECONDS [WHAT...]  tab-separated: what (all, or whose name holds
//!                                          a WHAT), requests/s, p50 and p99 in ms at half that rate
//!
//! Latency at half the rate counts from when a request was due, not from when it was sent: a server
//! that stalls is not asked more kindly.

#![expect(
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a program of its own, which measures real time"
)]

use std::error::Error;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use directory::clock::{Clock as _, SystemClock};
use directory::identity::Seed;
use directory::server::{Data, Limits, ServerConfig, start};
use directory::sign::{KeyId, RequestParts, SignatureMode, sign};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Connections that ask at the same time.
const CONNECTIONS: u64 = 8;
/// Nodes that report; signing for more needs no more memory, but tells no more either.
const REPORTERS: u64 = 50_000;
const NODES_PER_FARM: u64 = 100;
const GIB: u64 = 1 << 30;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["columns", "farms"] => println!("{}", FARM_COLUMNS),
        ["columns", "nodes"] => println!("{}", NODE_COLUMNS),
        ["columns", "pulses"] => println!("{}", PULSE_COLUMNS),
        ["rows", "farms", count, now] => rows(count.parse()?, now.parse()?, farm_row)?,
        ["rows", "nodes", count, now] => rows(count.parse()?, now.parse()?, node_row)?,
        ["rows", "pulses", count, now] => rows(count.parse()?, now.parse()?, pulse_row)?,
        ["serve", place] => serve(place).await?,
        ["measure", addr, count, seconds, what @ ..] => {
            let lasting = Duration::from_secs(seconds.parse()?);
            measure(addr.parse()?, count.parse()?, lasting, what).await?;
        }
        _ => return Err("see the top of directory/examples/load.rs".into()),
    }
    Ok(())
}

/// A number that looks like chance, the same in every run (SplitMix64).
fn chance(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn seed(node: u64) -> Seed {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&node.to_le_bytes());
    Seed::from(bytes)
}

const FARM_COLUMNS: &str = "threebot_id,name,iyo_organization,email,city,country,continent,\
    latitude,longitude,prefix_zero,wallet_addresses,resource_prices,ipaddresses,\
    farm_cloudunits_price,enable_custom_pricing,is_grid3_compliant,created";

const NODE_COLUMNS: &str = "node_id,node_id_v1,farm_id,hostname,os_version,address,public_key_hex,\
    created,city,country,continent,latitude,longitude,total_cru,\
    total_mru_bytes,total_sru_bytes,total_hru_bytes,reserved_cru,reserved_mru_bytes,\
    reserved_sru_bytes,reserved_hru_bytes,state,free_to_use";

const PULSE_COLUMNS: &str = "node,updated,uptime_secs";

fn farm_row(farm: u64, now: u64) -> String {
    format!(
        "{}\tfarm-{farm}\t\tfarmer@example.org\tcity\tC{:02}\tEurope\t1.5\t2.5\t\t\
         [{{\"asset\":\"TFT\",\"address\":\"GABC\"}}]\t[]\t[]\t{{}}\t0\t1\t{now}",
        farm / 3 + 1,
        farm % 40
    )
}

/// Machines of six sizes in forty countries; few hold nothing, few are large, most report.
fn node_row(node: u64, now: u64) -> String {
    let dice = chance(node);
    let die = |shift: u32, sides: u64| (dice >> shift) % sides;
    let seed = seed(node);
    // The first countries hold the most nodes.
    let country = die(0, 40) * die(6, 40) / 40;
    let cru = 4 << die(12, 6);
    let mru = cru * [2, 4, 8][usize::try_from(die(16, 3)).unwrap_or(0)];
    let sru = 240 * (1 + die(20, 16));
    let hru = if die(26, 4) == 0 {
        4000 * die(28, 12)
    } else {
        0
    };
    let reserved = die(34, 5);
    let part = |whole: u64| whole * reserved / 4;
    let state = match die(38, 20) {
        0 => "pending",
        // Those that post in the measurement must be let in.
        1 if node >= REPORTERS => "blocked",
        _ => "approved",
    };
    format!(
        "{}\t\t{}\tnode-{node}\tfarm-node/0.1.0\t\t{}\t{now}\tC{country:02}-{}\tC{country:02}\t\
         Europe\t1.5\t2.5\t{cru}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{state}\t{}",
        seed.node_id(),
        node / NODES_PER_FARM + 1,
        seed.public_key().to_hex(),
        die(56, 5),
        mru * GIB,
        sru * GIB,
        hru * GIB,
        part(cru),
        part(mru) * GIB,
        part(sru) * GIB,
        part(hru) * GIB,
        u8::from(die(58, 10) == 0),
    )
}

/// When the node reported last: most did lately.
fn pulse_row(node: u64, now: u64) -> String {
    let dice = chance(node);
    let silent = if (dice >> 44).is_multiple_of(20) {
        86_400
    } else {
        (dice >> 50) % 600
    };
    format!("{}\t{}\t{}", node + 1, now - silent, (dice >> 52) % 100_000)
}

fn rows(count: u64, now: u64, row: fn(u64, u64) -> String) -> Outcome<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for number in 0..count {
        writeln!(out, "{}", row(number, now))?;
    }
    out.flush()?;
    Ok(())
}

async fn serve(place: &str) -> Outcome<()> {
    let data = if place.contains("://") {
        Data::Postgres(place.parse()?)
    } else {
        Data::Directory(place.into())
    };
    let config = ServerConfig {
        limits: Limits {
            connection: Duration::from_secs(24 * 3600),
            ..Limits::default()
        },
        ..ServerConfig::with_data(([127, 0, 0, 1], 0).into(), data)
    };
    let server = start(config).await?;
    println!("{}", server.local_addr());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    server.shutdown().await?;
    Ok(())
}

/// A connection that asks one thing after the other.
struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    async fn open(host: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            host,
            line: String::new(),
            body: Vec::new(),
        })
    }

    /// Sends a request; anything but success is an error.
    async fn ask(&mut self, request: &Request) -> Outcome<()> {
        let Request { target, report } = request;
        let message = match report {
            None => format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host),
            Some((node, once)) => {
                let seed = seed(*node);
                let uptime = once % 100_000_000;
                let body = format!("{{\"uptime\":{uptime}}}");
                let parts = RequestParts {
                    method: "POST",
                    target,
                    body: body.as_bytes(),
                };
                let mut nonce = [0; 16];
                nonce[..8].copy_from_slice(&once.to_le_bytes());
                let key_id = KeyId::Node(seed.node_id());
                let mode = SignatureMode::Strict;
                let signed = sign(mode, &seed, &key_id, &parts, SystemClock.now(), nonce);
                let mut head = format!(
                    "POST {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
                    self.host,
                    body.len()
                );
                for (name, value) in signed.iter() {
                    head += &format!("{name}: {value}\r\n");
                }
                head + "\r\n" + &body
            }
        };
        self.stream.get_mut().write_all(message.as_bytes()).await?;
        let mut length = 0;
        let mut status = String::new();
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line).await?;
            let line = self.line.trim_end();
            if status.is_empty() {
                status = line.to_owned();
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
            if self.line.is_empty() {
                return Err("the server closed the connection".into());
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await?;
        if !status.contains(" 200 ") {
            let said = String::from_utf8_lossy(&self.body);
            return Err(format!("{target}: {status}: {said}").into());
        }
        Ok(())
    }
}

struct Request {
    target: String,
    /// The node that posts its uptime, and a number used once.
    report: Option<(u64, u64)>,
}

/// Makes the request with this number.
type Maker = Arc<dyn Fn(u64) -> Request + Send + Sync>;

fn targets(make: impl Fn(u64) -> String + Send + Sync + 'static) -> Maker {
    Arc::new(move |number| Request {
        target: format!("/api/v1{}", make(chance(number))),
        report: None,
    })
}

/// What is measured, by name.
fn shapes(count: u64) -> Vec<(&'static str, Maker)> {
    // No number is used twice, in this run or another: it is the nonce.
    let begun = SystemClock.now().secs.unsigned_abs() << 24;
    let reports: Maker = Arc::new(move |number| {
        let node = chance(number) % count.min(REPORTERS);
        Request {
            target: format!("/api/v1/nodes/{}/uptime", seed(node).node_id()),
            report: Some((node, begun + number)),
        }
    });
    let pages = count.div_ceil(100);
    let gib = |n: u64| n * GIB;
    vec![
        ("uptime posts", reports),
        ("list: first page", targets(|_| "/nodes".to_owned())),
        (
            "list: any page",
            targets(move |n| format!("/nodes?page={}", 1 + n % pages)),
        ),
        (
            "list: of a farm",
            targets(move |n| format!("/nodes?farm={}", 1 + n % count.div_ceil(NODES_PER_FARM))),
        ),
        (
            "list: of a country",
            targets(|n| format!("/nodes?country=C{:02}", n % 40)),
        ),
        (
            "list: large nodes",
            targets(|_| "/nodes?cru=128&mru=1000".to_owned()),
        ),
        ("search: match-all", targets(|_| "/capacity".to_owned())),
        (
            "search: small",
            targets(move |n| {
                format!(
                    "/capacity?cru={}&mru={}&sru={}",
                    1 + n % 4,
                    gib(2),
                    gib(100)
                )
            }),
        ),
        (
            "search: selective",
            targets(move |n| {
                format!(
                    "/capacity?cru=120&mru={}&sru={}",
                    gib(1000),
                    gib(3000 + n % 800)
                )
            }),
        ),
        (
            "search: empty",
            targets(|n| format!("/capacity?cru={}", 1000 + n % 50)),
        ),
        (
            "search: country",
            targets(move |n| format!("/capacity?country=C{:02}&cru=8&mru={}", n % 40, gib(16))),
        ),
        (
            "search: rare country",
            targets(move |n| {
                format!(
                    "/capacity?country=C{:02}&cru=32&hru={}",
                    30 + n % 10,
                    gib(4000)
                )
            }),
        ),
        (
            "search: online",
            targets(move |n| format!("/capacity?online=true&cru={}", 1 + n % 64)),
        ),
        (
            "search: free-to-use",
            targets(move |n| format!("/capacity?free_to_use=true&mru={}", gib(1 + n % 64))),
        ),
        (
            "search: big memory",
            targets(move |n| format!("/capacity?mru={}", gib(500 + n % 400))),
        ),
        (
            "search: big disks",
            targets(move |n| format!("/capacity?cru=64&hru={}", gib(20_000 + n % 10_000))),
        ),
        (
            "search: of a farm",
            targets(move |n| {
                format!(
                    "/capacity?farm={}&cru=4",
                    1 + n % count.div_ceil(NODES_PER_FARM)
                )
            }),
        ),
        // Somewhere in the order, as the "next" of a page says it.
        (
            "search: deep page",
            targets(|n| format!("/capacity?after={:x}.0", n % 1_000_000)),
        ),
    ]
}

/// Asks as fast as it goes; gives requests per second.
async fn saturate(
    addr: SocketAddr,
    make: &Maker,
    next: &Arc<AtomicU64>,
    lasting: Duration,
) -> Outcome<f64> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (make, next) = (make.clone(), next.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(addr).await?;
            let mut asked = 0_u64;
            while begun.elapsed() < lasting {
                connection
                    .ask(&make(next.fetch_add(1, Ordering::Relaxed)))
                    .await?;
                asked += 1;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(asked)
        });
    }
    let mut asked = 0;
    while let Some(task) = tasks.join_next().await {
        asked += task??;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
    Ok(asked as f64 / begun.elapsed().as_secs_f64())
}

/// Asks at this rate; gives the sorted latencies.
async fn pace(
    addr: SocketAddr,
    make: &Maker,
    next: &Arc<AtomicU64>,
    rate: f64,
    lasting: Duration,
) -> Outcome<Vec<Duration>> {
    let begun = Instant::now();
    #[expect(clippy::cast_precision_loss, reason = "few connections")]
    let apart = Duration::from_secs_f64(CONNECTIONS as f64 / rate);
    let mut tasks = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (make, next) = (make.clone(), next.clone());
        #[expect(clippy::cast_possible_truncation, reason = "few connections")]
        let mut due = begun + apart * (connection as u32) / (CONNECTIONS as u32);
        tasks.spawn(async move {
            let mut connection = Connection::open(addr).await?;
            let mut latencies = Vec::new();
            while begun.elapsed() < lasting {
                sleep_until(due).await;
                connection
                    .ask(&make(next.fetch_add(1, Ordering::Relaxed)))
                    .await?;
                latencies.push(due.elapsed());
                due += apart;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    latencies.sort();
    Ok(latencies)
}

async fn measure(addr: SocketAddr, count: u64, lasting: Duration, what: &[&str]) -> Outcome<()> {
    let next = Arc::new(AtomicU64::new(0));
    for (name, make) in shapes(count) {
        if !what.is_empty() && !what.iter().any(|part| name.contains(part)) {
            continue;
        }
        // Warm caches and prepared statements are not what is asked about.
        saturate(addr, &make, &next, lasting / 4).await?;
        let rate = saturate(addr, &make, &next, lasting).await?;
        let latencies = pace(addr, &make, &next, rate / 2.0, lasting * 2).await?;
        let at = |percent: usize| {
            let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
            latencies[index].as_secs_f64() * 1000.0
        };
        println!("{name}\t{rate:.0}\t{:.1}\t{:.1}", at(50), at(99));
    }
    Ok(())
}
