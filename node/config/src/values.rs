//! Checked values of the configuration.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// Number of a farm in its directory: 1..=4294967295, as Zero-OS reads `farmer_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct FarmId(u32);

impl FarmId {
    /// The number itself, never 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for FarmId {
    type Error = ConfigError;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        u32::try_from(value)
            .ok()
            .filter(|id| *id > 0)
            .map(Self)
            .ok_or_else(|| {
                ConfigError::value(
                    "farm_id",
                    format!("{value} is not a farm id (1..={})", u32::MAX),
                )
            })
    }
}

impl From<FarmId> for u64 {
    fn from(id: FarmId) -> Self {
        Self::from(id.0)
    }
}

impl FromStr for FarmId {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `u64::from_str` also accepts a leading plus sign; a farm id is digits only.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ConfigError::value(
                "farm_id",
                format!(
                    "{text:?} is not a farm id (a whole number, 1..={})",
                    u32::MAX
                ),
            ));
        }
        let value: u64 = text.parse().map_err(|_| {
            ConfigError::value(
                "farm_id",
                format!("{text} is not a farm id (1..={})", u32::MAX),
            )
        })?;
        Self::try_from(value)
    }
}

impl fmt::Display for FarmId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Which grid network a node belongs to, in the short names Zero-OS' environment knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunMode {
    /// Production; also what a missing or unknown name means to Zero-OS.
    #[default]
    Prod,
    /// Test network.
    Test,
    /// Development network.
    Dev,
    /// Quality assurance network.
    Qa,
}

impl RunMode {
    /// The name on the kernel command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prod => "prod",
            Self::Test => "test",
            Self::Dev => "dev",
            Self::Qa => "qa",
        }
    }
}

impl FromStr for RunMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "prod" => Ok(Self::Prod),
            "test" => Ok(Self::Test),
            "dev" => Ok(Self::Dev),
            "qa" => Ok(Self::Qa),
            other => Err(ConfigError::value(
                "runmode",
                format!("{other:?} is not a network (prod, test, dev or qa)"),
            )),
        }
    }
}

impl fmt::Display for RunMode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Where the directory answers: `https://host[:port][/prefix]`, without a trailing slash.
///
/// Whether `http://` is allowed is decided by [`crate::DirectoryConfig::check`], because it depends
/// on a second setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DirectoryUrl(String);

impl DirectoryUrl {
    /// The text of the URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether traffic to this URL is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host part: a name, an IPv4 address, or an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        host_and_rest(authority_and_path(&self.0).0).0
    }

    /// Whether the host is this machine itself (`localhost`, 127.0.0.0/8, ::1).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// Authority (`host:port`) and path of a URL whose scheme was checked.
fn authority_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/')
        .map_or((rest, ""), |slash| rest.split_at(slash))
}

/// Host and what follows it (empty, or `:port`); brackets of an IPv6 address are taken off.
fn host_and_rest(authority: &str) -> (&str, &str) {
    if let Some(inner) = authority.strip_prefix('[') {
        return inner.split_once(']').unwrap_or((inner, "?"));
    }
    authority
        .find(':')
        .map_or((authority, ""), |colon| authority.split_at(colon))
}

impl FromStr for DirectoryUrl {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why: &str| {
            Err(ConfigError::value(
                "directory.url",
                format!("{text:?}: {why}"),
            ))
        };
        let text = text.trim_end_matches('/');
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return bad("a URL starts with https://");
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "\"'\\<>?#".contains(c))
        {
            return bad("the URL has a character that does not belong there");
        }
        let (authority, _) = authority_and_path(text);
        if authority.contains('@') {
            return bad("a URL with a user name or a password is refused");
        }
        let (host, rest) = host_and_rest(authority);
        let is_v6 = authority.starts_with('[');
        let host_is_good = if is_v6 {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        if !host_is_good {
            return bad("the host is neither a name nor an address (IPv6 goes in [brackets])");
        }
        let port_is_good = rest.is_empty()
            || rest
                .strip_prefix(':')
                .and_then(|p| p.parse::<u16>().ok())
                .is_some_and(|p| p > 0);
        if !port_is_good {
            return bad("the port is not a number from 1 to 65535");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for DirectoryUrl {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DirectoryUrl> for String {
    fn from(url: DirectoryUrl) -> Self {
        url.0
    }
}

impl fmt::Display for DirectoryUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Key pin of the directory's certificate: `sha256/<base64 of SHA-256 over the DER
/// SubjectPublicKeyInfo>`, as RFC 7469 computes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(String);

impl Pin {
    /// The text, with its `sha256/` prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pin {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use base64::Engine as _;
        let digest = text
            .strip_prefix("sha256/")
            .and_then(|b64| base64::engine::general_purpose::STANDARD.decode(b64).ok());
        match digest {
            Some(digest) if digest.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(ConfigError::value(
                "directory.pin",
                format!("{text:?} is not `sha256/` and the base64 of 32 bytes"),
            )),
        }
    }
}

impl TryFrom<String> for Pin {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A farm's leave for a node to be approved without being asked about, as `farmer farm token new`
/// prints it. A secret: neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrolmentToken(String);

/// What every token begins with.
const TOKEN_PREFIX: &str = "fet1_";
/// Characters behind it: 32 bytes in base64.
const TOKEN_CHARS: usize = 43;

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl EnrolmentToken {
    /// Takes any text; [`EnrolmentToken::check`] says whether it is a token.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret itself, for the directory.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Refuses what is no token, without repeating it. (Not done while reading: the TOML parser
    /// shows the line it stumbles over.)
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let rest = self.0.strip_prefix(TOKEN_PREFIX);
        if rest.is_some_and(|rest| rest.len() == TOKEN_CHARS && rest.chars().all(is_token_char)) {
            return Ok(());
        }
        Err(ConfigError::value(
            "enrolment_token",
            "is not a token as `farmer farm token new` prints it (fet1_ and 43 characters)",
        ))
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EnrolmentToken(..)")
    }
}

impl fmt::Display for EnrolmentToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(hidden)")
    }
}

/// A text of settings as it may be shown: the secrets in it are left out.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let mut parts = text.split(TOKEN_PREFIX);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(TOKEN_PREFIX);
        shown.push_str("(hidden)");
        shown.push_str(part.trim_start_matches(is_token_char));
    }
    shown
}

/// An address with the length of its network prefix (`192.0.2.5/24`, `2001:db8::5/64`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The host's address; bits behind the prefix are kept.
    pub address: IpAddr,
    /// Bits of the network part: 0..=32 or 0..=128.
    pub prefix_length: u8,
}

impl FromStr for Cidr {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(address, length)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix_length: u8 = length.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            (prefix_length <= most).then_some(Self {
                address,
                prefix_length,
            })
        });
        parsed.ok_or_else(|| {
            ConfigError::value(
                "network.address",
                format!("{text:?} is not an address with a prefix length, such as 192.0.2.5/24"),
            )
        })
    }
}

impl TryFrom<String> for Cidr {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix_length)
    }
}

/// How a node gets its address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Addressing {
    /// DHCP on every wired port at once (and IPv6 router advertisements, by the kernel).
    #[default]
    Dhcp,
    /// One port with a fixed address.
    Static {
        /// Name (`eth0`) or MAC address of the port; `None`: the first with a link.
        interface: Option<String>,
        /// Address and prefix length.
        address: Cidr,
        /// Default gateway.
        gateway: Option<IpAddr>,
        /// Name servers.
        dns: Vec<IpAddr>,
    },
}

impl fmt::Display for Addressing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Static {
            interface,
            address,
            gateway,
            dns,
        } = self
        else {
            return out.write_str("dhcp");
        };
        write!(out, "{address}")?;
        if let Some(gateway) = gateway {
            write!(out, ", gateway {gateway}")?;
        }
        for (index, server) in dns.iter().enumerate() {
            let before = if index == 0 { ", DNS " } else { " " };
            write!(out, "{before}{server}")?;
        }
        if let Some(interface) = interface {
            write!(out, ", on {interface}")?;
        }
        Ok(())
    }
}

/// A VLAN (IEEE 802.1Q): 1..=4094, or 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct VlanId(u16);

impl VlanId {
    /// No VLAN.
    pub const NONE: Self = Self(0);

    /// The tag that frames carry; `None`: they carry none.
    #[must_use]
    pub const fn tag(self) -> Option<u16> {
        match self.0 {
            0 => None,
            tag => Some(tag),
        }
    }
}

impl TryFrom<u64> for VlanId {
    type Error = ConfigError;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        let id = u16::try_from(value).ok().filter(|id| *id <= 4094);
        id.map(Self).ok_or_else(|| {
            ConfigError::value(
                "network.vlan",
                format!("{value} is not a VLAN (1..=4094, or 0 for none)"),
            )
        })
    }
}

impl From<VlanId> for u64 {
    fn from(id: VlanId) -> Self {
        Self::from(id.0)
    }
}

impl FromStr for VlanId {
    type Err = ConfigError;

    /// A number, or one of Zero-OS' words for none: `none`, `untagged`, `un`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(text, "none" | "untagged" | "un") {
            return Ok(Self::default());
        }
        let number = text.parse::<u64>().ok();
        number
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| {
                ConfigError::value(
                    "network.vlan",
                    format!("{text:?} is not a number or `none`"),
                )
            })?
            .try_into()
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag() {
            Some(tag) => tag.fmt(out),
            None => out.write_str("none"),
        }
    }
}
