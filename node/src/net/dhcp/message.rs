//! DHCPv4 messages (RFC 2131, 2132, 3396, 3442): what a client sends and what it believes.
//!
//! A codec of our own: the crate for it panics on a hostile hardware address length and brings
//! seventy others. Everything that is read comes from anybody on the wire.

use std::net::Ipv4Addr;

/// What the client asks for: mask, router, DNS, host name, domain, NTP, lease and renewal times,
/// classless routes.
const WANTED: [u8; 11] = [1, 3, 6, 12, 15, 42, 51, 54, 58, 59, 121];
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const FIXED_LEN: usize = 236;
/// BOOTP relays drop shorter messages (RFC 1542 section 2.1).
const SHORTEST_LEN: usize = 300;
/// Largest message this client takes: an Ethernet frame's payload without IP and UDP headers.
const LARGEST_LEN: u16 = 1472;

/// Kind of a message (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who gives addresses?
    Discover,
    /// I could give you this one.
    Offer,
    /// I take this one.
    Request,
    /// It is yours.
    Ack,
    /// It is not.
    Nak,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMessage<'a> {
    /// [`Kind::Discover`] or [`Kind::Request`].
    pub kind: Kind,
    /// Number that ties answers to questions.
    pub transaction: u32,
    /// Seconds since the client began to ask.
    pub seconds: u16,
    /// Ask for answers by broadcast, for networks that lose the others.
    pub broadcast: bool,
    /// Hardware address.
    pub mac: [u8; 6],
    /// The client's address when it renews, else unspecified.
    pub client: Ipv4Addr,
    /// The offered address that is taken.
    pub requested: Option<Ipv4Addr>,
    /// The server whose offer is taken.
    pub server: Option<Ipv4Addr>,
    /// Name for the server's list.
    pub host_name: &'a str,
}

impl ClientMessage<'_> {
    /// The message as it stands in a UDP datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; FIXED_LEN];
        out[0] = 1; // BOOTREQUEST
        out[1] = 1; // Ethernet
        out[2] = 6;
        out[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        out[8..10].copy_from_slice(&self.seconds.to_be_bytes());
        out[10] = u8::from(self.broadcast) << 7;
        out[12..16].copy_from_slice(&self.client.octets());
        out[28..34].copy_from_slice(&self.mac);
        out.extend_from_slice(&MAGIC);
        let mut option = |code: u8, value: &[u8]| {
            let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
            out.push(code);
            out.push(length);
            out.extend_from_slice(&value[..usize::from(length)]);
        };
        option(53, &[if self.kind == Kind::Discover { 1 } else { 3 }]);
        // The same client id as iPXE sends, so that firmware and system share one lease.
        let [a, b, c, d, e, f] = self.mac;
        option(61, &[1, a, b, c, d, e, f]);
        option(57, &LARGEST_LEN.to_be_bytes());
        if let Some(requested) = self.requested {
            option(50, &requested.octets());
        }
        if let Some(server) = self.server {
            option(54, &server.octets());
        }
        if !self.host_name.is_empty() {
            option(12, self.host_name.as_bytes());
        }
        option(55, &WANTED);
        out.push(255);
        if out.len() < SHORTEST_LEN {
            out.resize(SHORTEST_LEN, 0);
        }
        out
    }
}

/// What a server says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// [`Kind::Offer`], [`Kind::Ack`] or [`Kind::Nak`].
    pub kind: Kind,
    /// Number of the question.
    pub transaction: u32,
    /// Whom it is for.
    pub mac: [u8; 6],
    /// The address given.
    pub address: Ipv4Addr,
    /// The server's address.
    pub server: Option<Ipv4Addr>,
    /// Everything else.
    pub settings: Settings,
}

/// Settings that come with an address. Times are in seconds and unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Length of the network part in bits; `None` if not said or not a mask.
    pub prefix_length: Option<u8>,
    /// Routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers, best first.
    pub dns: Vec<Ipv4Addr>,
    /// NTP servers.
    pub ntp: Vec<Ipv4Addr>,
    /// Host name, if it is one.
    pub host_name: Option<String>,
    /// Domain to search, if it is one.
    pub domain: Option<String>,
    /// How long the address is the client's.
    pub lease_secs: Option<u32>,
    /// When to renew with the same server.
    pub renew_secs: Option<u32>,
    /// When to ask any server.
    pub rebind_secs: Option<u32>,
    /// Routes (network, prefix length, gateway); they replace the routers.
    pub routes: Option<Vec<(Ipv4Addr, u8, Ipv4Addr)>>,
}

/// Why a datagram is no DHCP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends too early.
    #[error("the message is cut off")]
    Short,
    /// Not a BOOTP reply for Ethernet with DHCP's magic number.
    #[error("not a DHCP answer for Ethernet")]
    NotAnAnswer,
    /// Without option 53, or of a kind a client does not get.
    #[error("the kind of message is unknown")]
    Kind,
    /// The address cannot be a host's.
    #[error("the address offered is not a host address")]
    Address,
}

impl ServerMessage {
    /// Reads a datagram's content.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let fixed = bytes.get(..FIXED_LEN).ok_or(DecodeError::Short)?;
        if fixed[..3] != [2, 1, 6] {
            return Err(DecodeError::NotAnAnswer);
        }
        let rest = &bytes[FIXED_LEN..];
        let options = rest.strip_prefix(&MAGIC).ok_or(DecodeError::NotAnAnswer)?;
        let options = Options::collect(options, &fixed[108..236], &fixed[44..108]);
        let kind = match options.get(53) {
            [2] => Kind::Offer,
            [5] => Kind::Ack,
            [6] => Kind::Nak,
            _ => return Err(DecodeError::Kind),
        };
        let address = ipv4(&fixed[16..20]).unwrap_or(Ipv4Addr::UNSPECIFIED);
        if kind != Kind::Nak && !is_host(address) {
            return Err(DecodeError::Address);
        }
        let mut mac = [0; 6];
        mac.copy_from_slice(&fixed[28..34]);
        Ok(Self {
            kind,
            transaction: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            mac,
            address,
            server: ipv4(options.get(54)).filter(|server| is_host(*server)),
            settings: Settings::from_options(&options),
        })
    }
}

impl Settings {
    fn from_options(options: &Options) -> Self {
        let hosts = |code| {
            let mut hosts: Vec<Ipv4Addr> = options
                .get(code)
                .as_chunks::<4>()
                .0
                .iter()
                .map(|octets| Ipv4Addr::from(*octets))
                .filter(|host| is_host(*host))
                .collect();
            hosts.truncate(8);
            hosts
        };
        let seconds = |code| options.get(code).try_into().ok().map(u32::from_be_bytes);
        Self {
            prefix_length: prefix_length(options.get(1)),
            routers: hosts(3),
            dns: hosts(6),
            ntp: hosts(42),
            host_name: name(options.get(12))
                .and_then(|name| name.split('.').next().map(str::to_owned))
                .filter(|label| label.len() <= 63),
            domain: name(options.get(15)),
            lease_secs: seconds(51),
            renew_secs: seconds(58),
            rebind_secs: seconds(59),
            routes: classless_routes(options.get(121)),
        }
    }
}

/// All options of a message; one that comes in several parts is put together (RFC 3396).
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    fn collect(field: &[u8], file: &[u8], server_name: &[u8]) -> Self {
        let mut options = Self(Vec::new());
        options.add(field);
        // Option 52: the two name fields hold more options.
        let overload = match options.get(52) {
            [bits @ 1..=3] => *bits,
            _ => 0,
        };
        if overload & 1 != 0 {
            options.add(file);
        }
        if overload & 2 != 0 {
            options.add(server_name);
        }
        options
    }

    fn add(&mut self, mut field: &[u8]) {
        loop {
            match field {
                [0, rest @ ..] => field = rest,
                [255, ..] | [] | [_] => return,
                [code, length, rest @ ..] => {
                    // A length past the end ends the options: what is left is not to be trusted.
                    let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else {
                        return;
                    };
                    match self.0.iter_mut().find(|(known, _)| known == code) {
                        Some((_, known)) => known.extend_from_slice(value),
                        None => self.0.push((*code, value.to_vec())),
                    }
                    field = rest;
                }
            }
        }
    }

    fn get(&self, code: u8) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| *known == code);
        found.map_or(&[], |(_, value)| value)
    }
}

fn ipv4(octets: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

/// Whether an address can be a host's: not this network, loopback, multicast or reserved.
fn is_host(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..=255)
}

fn prefix_length(mask: &[u8]) -> Option<u8> {
    let mask = u32::from(ipv4(mask)?);
    let is_mask = mask.leading_ones() + mask.trailing_zeros() == 32 && mask != 0;
    is_mask.then(|| u8::try_from(mask.leading_ones()).unwrap_or(32))
}

/// A host or domain name that may be written into a file and on a console.
fn name(bytes: &[u8]) -> Option<String> {
    // Some servers count a closing NUL.
    let text = std::str::from_utf8(bytes)
        .ok()?
        .trim_end_matches(['\0', '.']);
    let is_name = !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_name.then(|| text.to_owned())
}

/// RFC 3442; `None` if absent or malformed, and then the routers count.
fn classless_routes(mut bytes: &[u8]) -> Option<Vec<(Ipv4Addr, u8, Ipv4Addr)>> {
    let mut routes = Vec::new();
    while let [length @ 0..=32, rest @ ..] = bytes {
        let (significant, rest) = rest.split_at_checked(usize::from(length.div_ceil(8)))?;
        let (gateway, rest) = rest.split_at_checked(4)?;
        let mut network = [0; 4];
        network[..significant.len()].copy_from_slice(significant);
        // Bits behind the prefix would make the kernel refuse the route.
        let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
        let network = Ipv4Addr::from(u32::from_be_bytes(network) & mask);
        let gateway = ipv4(gateway)?;
        if gateway.is_unspecified() || is_host(gateway) {
            routes.push((network, *length, gateway));
        }
        bytes = rest;
    }
    routes.truncate(64);
    (bytes.is_empty() && !routes.is_empty()).then_some(routes)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

    /// An answer as a server builds it, from raw options.
    pub fn answer(transaction: u32, address: [u8; 4], options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = vec![0; FIXED_LEN];
        out[..3].copy_from_slice(&[2, 1, 6]);
        out[4..8].copy_from_slice(&transaction.to_be_bytes());
        out[16..20].copy_from_slice(&address);
        out[28..34].copy_from_slice(&MAC);
        out.extend_from_slice(&MAGIC);
        for (code, value) in options {
            out.push(*code);
            out.push(u8::try_from(value.len()).unwrap());
            out.extend_from_slice(value);
        }
        out.push(255);
        out
    }

    fn ip(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
        Ipv4Addr::new(a, b, c, d)
    }

    #[test]
    fn a_full_answer() {
        let bytes = answer(
            7,
            [192, 0, 2, 10],
            &[
                (53, &[5]),
                (54, &[192, 0, 2, 1]),
                (1, &[255, 255, 255, 0]),
                (3, &[192, 0, 2, 1]),
                (6, &[192, 0, 2, 2, 0, 0, 0, 0, 9, 9, 9, 9]),
                (12, b"node7.farm.example"),
                (15, b"farm.example\0"),
                (51, &3600_u32.to_be_bytes()),
            ],
        );
        let message = ServerMessage::decode(&bytes).unwrap();
        assert_eq!((message.kind, message.transaction), (Kind::Ack, 7));
        assert_eq!(message.address, ip(192, 0, 2, 10));
        assert_eq!(message.server, Some(ip(192, 0, 2, 1)));
        let settings = message.settings;
        assert_eq!(settings.prefix_length, Some(24));
        assert_eq!(settings.dns, [ip(192, 0, 2, 2), ip(9, 9, 9, 9)]);
        assert_eq!(settings.host_name.as_deref(), Some("node7"));
        assert_eq!(settings.domain.as_deref(), Some("farm.example"));
        assert_eq!(settings.lease_secs, Some(3600));
        assert_eq!(settings.renew_secs, None);
    }

    #[test]
    fn split_and_overloaded_options_are_put_together() {
        let mut bytes = answer(1, [10, 0, 0, 5], &[(53, &[2]), (52, &[3]), (3, &[10, 0])]);
        bytes[108..113].copy_from_slice(&[3, 2, 0, 1, 255]);
        bytes[44..51].copy_from_slice(&[6, 4, 1, 1, 1, 1, 255]);
        let settings = ServerMessage::decode(&bytes).unwrap().settings;
        assert_eq!(settings.routers, [ip(10, 0, 0, 1)]);
        assert_eq!(settings.dns, [ip(1, 1, 1, 1)]);
    }

    #[test]
    fn classless_routes_of_the_rfc() {
        let routes = classless_routes(&[
            0, 10, 0, 0, 1, // default
            8, 10, 10, 0, 0, 2, // 10/8
            25, 10, 229, 0, 128, 10, 229, 0, 1, // 10.229.0.128/25
            32, 169, 254, 169, 254, 0, 0, 0, 0, // on the link
        ]);
        let expected = vec![
            (ip(0, 0, 0, 0), 0, ip(10, 0, 0, 1)),
            (ip(10, 0, 0, 0), 8, ip(10, 0, 0, 2)),
            (ip(10, 229, 0, 128), 25, ip(10, 229, 0, 1)),
            (ip(169, 254, 169, 254), 32, ip(0, 0, 0, 0)),
        ];
        assert_eq!(routes, Some(expected));
        assert_eq!(classless_routes(&[]), None);
        assert_eq!(classless_routes(&[33, 1, 2, 3, 4, 5, 6, 7, 8, 9]), None);
        assert_eq!(classless_routes(&[24, 10, 0]), None);
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let offer: &[(u8, &[u8])] = &[(53, &[2])];
        let decode = |bytes: &[u8]| ServerMessage::decode(bytes).map(drop);
        for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
            let result = decode(&answer(1, address, offer));
            assert_eq!(result, Err(DecodeError::Address), "{address:?}");
        }
        let good = answer(1, [10, 0, 0, 1], offer);
        assert_eq!(decode(&good), Ok(()));
        assert_eq!(decode(&good[..235]), Err(DecodeError::Short));
        let mut long_mac = good.clone();
        long_mac[2] = 255;
        assert_eq!(decode(&long_mac), Err(DecodeError::NotAnAnswer));
        let mut request = good.clone();
        request[0] = 1;
        assert_eq!(decode(&request), Err(DecodeError::NotAnAnswer));
        let no_kind = answer(1, [10, 0, 0, 1], &[]);
        assert_eq!(decode(&no_kind), Err(DecodeError::Kind));
        assert_eq!(prefix_length(&[255, 0, 255, 0]), None);
        assert_eq!(prefix_length(&[0, 0, 0, 0]), None);
    }

    #[test]
    fn names_that_would_write_a_file_are_no_names() {
        for bad in [
            &b"a\nnameserver 6.6.6.6"[..],
            b"a b",
            b"\x1b[2J",
            b"",
            b"\xff",
        ] {
            assert_eq!(name(bad), None);
        }
    }

    #[test]
    fn a_question_is_long_enough_for_relays_and_asks_for_all() {
        let bytes = ClientMessage {
            kind: Kind::Discover,
            transaction: 0x0102_0304,
            seconds: 3,
            broadcast: true,
            mac: MAC,
            client: Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            host_name: "node-1",
        }
        .encode();
        assert!(bytes.len() >= SHORTEST_LEN);
        assert_eq!(bytes[4..12], [1, 2, 3, 4, 0, 3, 0x80, 0]);
        let mut options = Options(Vec::new());
        options.add(&bytes[FIXED_LEN + 4..]);
        assert_eq!(options.get(53), [1]);
        assert_eq!(options.get(55), WANTED);
        assert_eq!(options.get(61), [1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(options.get(12), b"node-1");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let _ = ServerMessage::decode(&bytes);
        }

        #[test]
        fn arbitrary_options_never_panic_and_stay_in_bounds(
            options in proptest::collection::vec(any::<u8>(), 0..1200),
            names in proptest::collection::vec(any::<u8>(), 192),
        ) {
            let mut bytes = answer(1, [10, 0, 0, 1], &[(53, &[5])]);
            bytes.pop();
            bytes[44..236].copy_from_slice(&names);
            bytes.extend_from_slice(&options);
            if let Ok(message) = ServerMessage::decode(&bytes) {
                let settings = message.settings;
                prop_assert!(settings.dns.len() <= 8 && settings.routers.len() <= 8);
                prop_assert!(settings.routes.unwrap_or_default().len() <= 64);
                prop_assert!(settings.prefix_length.is_none_or(|length| (1..=32).contains(&length)));
                let text = settings.domain.unwrap_or_default();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn values_survive(dns in proptest::collection::vec(1_u8..=126, 4), lease in any::<u32>()) {
            let bytes = answer(9, [10, 1, 2, 3], &[
                (53, &[2]), (6, &dns), (51, &lease.to_be_bytes()),
            ]);
            let settings = ServerMessage::decode(&bytes).unwrap().settings;
            prop_assert_eq!(settings.lease_secs, Some(lease));
            prop_assert_eq!(settings.dns, [ip(dns[0], dns[1], dns[2], dns[3])]);
        }
    }
}
