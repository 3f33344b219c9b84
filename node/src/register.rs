//! Telling the directory that this node exists: farm, node, interfaces, capacity.

use directory::client::{Client, ClientOptions, Error, Response, Trust};
use directory::clock::{Clock as _, SystemClock, UnixTime};
use directory::identity::Seed;
use directory::wire::{
    Cidr, EnrolmentToken, Iface, Location, MacAddr, Node, NodeState, Registration, Untrusted,
};
use node_config::{DirectoryConfig, LocationConfig, NodeConfig};
use tokio::sync::watch;

use crate::console::{Console, uptime};
use crate::identity::board_sha256;
use crate::measure::Measured;
use crate::net::NetState;
use crate::proof::capacity_post;
use crate::stages::Stage;
use crate::wallclock::{self, Bounds};

/// What the directory and the people who read it are told this system is. It hosts nothing, and
/// says so: nobody must pay for capacity that cannot be used.
pub const OS_VERSION: &str = concat!(
    "farm-node/",
    env!("CARGO_PKG_VERSION"),
    " (hosts no workloads)"
);

/// Why the node is not registered.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The directory, or the way to it.
    #[error(transparent)]
    Directory(#[from] Error),
    /// Neither the settings nor the farm say where the machine stands, and the directory insists.
    #[error("neither farm {farm_id} nor the settings say where this machine stands")]
    NoLocation {
        /// The farm.
        farm_id: u32,
    },
    /// An address the node was speaking from is gone.
    #[error("the network changed meanwhile")]
    NetworkChanged,
}

impl Trouble {
    /// What the console says, with what to do where that is known.
    pub fn words(&self, url: &str) -> String {
        match self {
            Self::NoLocation { .. } => format!(
                "{self}: give the farm a location in the directory, or put `[location]` with \
                 country and city into farm.toml"
            ),
            Self::Directory(error) => directory_words(error, url),
            Self::NetworkChanged => self.to_string(),
        }
    }

    /// Whether trying again soon makes no sense, because a person has to do something first.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Directory(error) => !error.is_retryable(),
            Self::NoLocation { .. } => true,
            Self::NetworkChanged => false,
        }
    }
}

fn directory_words(error: &Error, url: &str) -> String {
    let chain = crate::words::chain(error);
    match error {
        Error::FarmNotFound { farm_id, .. } => format!(
            "farm {farm_id} does not exist at {url}: create it, or correct farm_id in farm.toml"
        ),
        Error::Status {
            status: 403,
            message,
            ..
        } => format!("the directory refuses this node: {message}"),
        Error::Resolve { .. }
        | Error::Connect { .. }
        | Error::Timeout { .. }
        | Error::Broken { .. } => format!("directory unreachable: {chain}"),
        Error::Tls { .. } | Error::PinMismatch { .. } => {
            let hint = error.hint().map(|hint| format!(" ({hint})"));
            format!("directory not trusted: {chain}{}", hint.unwrap_or_default())
        }
        _ => chain,
    }
}

/// A client of the directory that the settings name, with the trust they give it.
pub fn client_for(directory: &DirectoryConfig) -> Result<Client, Error> {
    let trust = match (&directory.pin, &directory.ca_pem) {
        (Some(pin), _) => Trust::Pin(pin.as_str().parse().map_err(|_| Error::TrustSetup {
            reason: format!("{} is not a pin", pin.as_str()),
        })?),
        (None, Some(pem)) => Trust::Ca(pem.clone()),
        (None, None) => Trust::Bundled,
    };
    Client::new(&ClientOptions {
        trust,
        insecure_http: directory.insecure_http,
        user_agent: concat!("farm-node/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ClientOptions::new(directory.url.as_str())
    })
}

/// Speaks to the directory as this node.
pub struct Registrar {
    /// The consoles.
    pub console: Console,
    /// What time it can be.
    pub bounds: Bounds,
    /// The settings.
    pub config: NodeConfig,
    /// The node's key.
    pub seed: Seed,
    /// The network.
    pub net: watch::Receiver<NetState>,
    /// What the machine has.
    pub measured: watch::Receiver<Option<Measured>>,
    /// Becomes true when the node is registered.
    pub registered: watch::Sender<bool>,
}

impl Registrar {
    /// The directory's client, as the settings want it.
    pub fn client(&self) -> Result<Client, Error> {
        client_for(&self.config.directory)
    }

    /// Registers, and says so in the words that end a start.
    pub async fn register(&mut self, client: &Client) -> Result<NodeState, Trouble> {
        let farm_id = self.config.farm_id.get();
        let farm = self.followed(client.farm(u64::from(farm_id), None).await)?;
        let location = match &self.config.location {
            Some(location) => wire_location(location),
            None => farm.location,
        };
        if location.is_empty() {
            return Err(Trouble::NoLocation { farm_id });
        }
        let net = self.net.borrow_and_update().clone();
        let first_mac = net.ports.first().map(|port| MacAddr(port.mac).to_string());
        let registration = Registration {
            hostname: net.host_name.as_str().into(),
            uptime: i64::try_from(uptime().as_secs()).unwrap_or(i64::MAX),
            // The name of grid v1: the first MAC address without colons.
            node_id_v1: first_mac.unwrap_or_default().replace(':', "").into(),
            enrolment_token: self.enrolment_token(),
            board_sha256: told(board_sha256()),
            ..Registration::new(&self.seed, u64::from(farm_id), OS_VERSION, location)
        };
        let answer = client.register(&registration, &self.seed).await;
        let enrolment = answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.enrolment.clone());
        self.followed(answer)?;
        if let Some(words) = enrolment_words(&registration, enrolment.as_ref()) {
            self.console.say(Stage::Register, words);
        }
        self.post_interfaces(client).await?;
        if self.measured.borrow().is_none() {
            self.console.say(
                Stage::Register,
                "waiting for the measurement of this machine",
            );
        }
        let _ = self.measured.wait_for(Option::is_some).await;
        self.post_capacity(client).await?;
        let state = self.state(client).await?;
        let url = &self.config.directory.url;
        let node = self.seed.node_id();
        self.console.line(format_args!(
            "registered node {node} in farm {farm_id} ({state}) at {url}"
        ));
        self.registered.send_replace(true);
        Ok(state)
    }

    fn enrolment_token(&self) -> Option<EnrolmentToken> {
        // Checked when the settings were read.
        self.config.enrolment_token.as_ref()?.expose().parse().ok()
    }

    /// Posts the addresses the ports have now.
    pub async fn post_interfaces(&mut self, client: &Client) -> Result<(), Trouble> {
        let interfaces = interfaces(&self.net.borrow_and_update());
        self.followed(client.post_interfaces(&interfaces, &self.seed).await)
    }

    /// Posts what was measured last, if anything was.
    pub async fn post_capacity(&mut self, client: &Client) -> Result<(), Trouble> {
        let post = self
            .measured
            .borrow_and_update()
            .as_ref()
            .map(capacity_post);
        match post {
            Some(post) => self.followed(client.post_capacity(&post, &self.seed).await),
            None => Ok(()),
        }
    }

    /// Posts how long the machine is up, and says so.
    pub async fn post_uptime(&mut self, client: &Client) -> Result<(), Trouble> {
        let seconds = uptime().as_secs();
        self.followed(client.post_uptime(seconds, &self.seed).await)?;
        self.console
            .line(format_args!("uptime {seconds} s reported"));
        Ok(())
    }

    /// What the farmer decided about this node.
    pub async fn state(&mut self, client: &Client) -> Result<NodeState, Trouble> {
        let answer = client.node(self.seed.node_id(), false, None).await;
        self.followed(answer).map(|node| node_state(&node))
    }

    /// Takes an answer, and its time where that can be believed: what comes over TLS, or the
    /// difference a server names that refused a signature for it.
    fn followed<T>(&self, answer: Result<Response<T>, Error>) -> Result<T, Trouble> {
        let now = SystemClock.now();
        let peer = match &answer {
            Ok(answer) if self.config.directory.url.is_encrypted() => answer.date,
            Err(Error::ClockSkew { seconds, .. }) => Some(UnixTime {
                secs: now.secs.saturating_sub(*seconds),
                nanos: now.nanos,
            }),
            _ => None,
        };
        if let Some(peer) = peer {
            wallclock::follow(&self.console, self.bounds, now, peer);
        }
        Ok(answer?.value)
    }
}

/// What is empty is not told.
fn told(text: String) -> Option<Untrusted> {
    (!text.is_empty()).then(|| text.into())
}

/// What became of the token in the settings; `None` without one.
fn enrolment_words(registration: &Registration, answer: Option<&Untrusted>) -> Option<String> {
    registration.enrolment_token.as_ref()?;
    Some(match answer {
        Some(answer) => format!("enrolment token {answer}"),
        None => "this directory knows no enrolment tokens; the farmer approves the node".to_owned(),
    })
}

fn node_state(node: &Node) -> NodeState {
    // Servers of the 2020 form know approved and not.
    let of_2020 = if node.approved {
        NodeState::Approved
    } else {
        NodeState::Pending
    };
    node.state.unwrap_or(of_2020)
}

fn wire_location(location: &LocationConfig) -> Location {
    Location {
        city: location.city.as_str().into(),
        country: location.country.as_str().into(),
        continent: location.continent.as_str().into(),
        latitude: location.latitude,
        longitude: location.longitude,
    }
}

/// The ports in the directory's form.
pub fn interfaces(net: &NetState) -> Vec<Iface> {
    net.ports
        .iter()
        .map(|port| Iface {
            name: port.name.as_str().into(),
            addrs: port
                .addresses
                .iter()
                .filter_map(|(address, length)| Cidr::new(*address, *length).ok())
                .collect(),
            gateway: port.gateway.into_iter().collect(),
            macaddress: Some(MacAddr(port.mac)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::state::PortState;

    fn server() -> String {
        "directory.example:443".to_owned()
    }

    #[test]
    fn troubles_are_said_in_words_a_person_can_act_on() {
        let url = "https://directory.example";
        let words = |error: Error| Trouble::from(error).words(url);
        let unknown = words(Error::FarmNotFound {
            server: server(),
            farm_id: 12,
        });
        assert!(unknown.starts_with("farm 12 does not exist at https://directory.example"));

        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let down = words(Error::Connect {
            server: server(),
            source: Box::new(refused),
        });
        assert_eq!(
            down,
            "directory unreachable: cannot connect to directory.example:443: connection refused"
        );

        let blocked = words(Error::Status {
            server: server(),
            request: "POST /nodes".to_owned(),
            status: 403,
            message: "node is blocked\x1b[2J".into(),
        });
        assert!(blocked.starts_with("the directory refuses this node: node is blocked"));
        assert!(!blocked.contains('\x1b'));
    }

    #[test]
    fn who_has_to_act() {
        let unknown = Error::FarmNotFound {
            server: server(),
            farm_id: 12,
        };
        assert!(Trouble::from(unknown).needs_a_person());
        let slow = Error::Timeout {
            server: server(),
            request: String::new(),
        };
        assert!(!Trouble::from(slow).needs_a_person());
        let nowhere = Trouble::NoLocation { farm_id: 12 };
        assert!(nowhere.needs_a_person());
        assert!(nowhere.words("").contains("[location]"));
    }

    #[test]
    fn what_became_of_a_token_is_said_without_the_token() {
        let seed = Seed::from([1; 32]);
        let mut registration = Registration::new(&seed, 1, OS_VERSION, Location::default());
        assert_eq!(enrolment_words(&registration, None), None);
        registration.enrolment_token = Some(EnrolmentToken::from_random(&[7; 32]));
        let refused = Untrusted::from("refused: it is used up\u{1b}[2J");
        let words = enrolment_words(&registration, Some(&refused)).unwrap();
        assert!(words.starts_with("enrolment token refused: it is used up"));
        assert!(!words.contains('\u{1b}'));
        let words = enrolment_words(&registration, None).unwrap();
        assert!(words.contains("knows no enrolment tokens") && !words.contains("fet1_"));
    }

    #[test]
    fn a_board_without_a_uuid_is_not_told() {
        let seed = Seed::from([1; 32]);
        let json = |board: &str| {
            let registration = Registration {
                board_sha256: told(board.to_owned()),
                ..Registration::new(&seed, 1, OS_VERSION, Location::default())
            };
            serde_json::to_value(registration).unwrap()
        };
        assert!(json("").get("board_sha256").is_none());
        assert_eq!(json("ab")["board_sha256"], "ab");
    }

    #[test]
    fn ports_become_interfaces() {
        let net = NetState {
            ports: vec![PortState {
                name: "eth0".to_owned(),
                mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
                addresses: vec![([10, 0, 2, 15].into(), 24)],
                gateway: Some([10, 0, 2, 2].into()),
                ..PortState::default()
            }],
            host_name: "node-123456".to_owned(),
        };
        let json = serde_json::to_value(interfaces(&net)).unwrap();
        assert_eq!(json[0]["macaddress"], "52:54:00:12:34:56");
        assert_eq!(json[0]["addrs"][0], "10.0.2.15/24");
        assert_eq!(json[0]["gateway"][0], "10.0.2.2");
    }

    #[test]
    fn the_system_says_what_it_is() {
        assert!(OS_VERSION.starts_with("farm-node/"));
        assert!(OS_VERSION.contains("hosts no workloads"));
        assert!(OS_VERSION.len() <= 64);
    }
}
