//! The kernel arguments a node listens to, in the names Zero-OS uses.
//!
//! Syntax as Zero-OS reads it: words are split like a shell does (quotes honoured), a word is split
//! at its first `=`, repeated keys accumulate, and a bare key discards earlier values of that key.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::layer::NetworkLayer;
use crate::medium::{FARM_ARGUMENT, MEDIUM_ARGUMENT};
use crate::system::{EXPECT_ARGUMENT, expected};
use crate::values::Cidr;
use crate::{ConfigError, Layer};

/// What the kernel command line says to the node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommandLine {
    /// The settings among the arguments.
    pub layer: Layer,
    /// What a thin medium says of its farm: for [`crate::Origin::Image`], above the image's settings.
    pub medium_layer: Layer,
    /// Value of `farm.medium`: a disk GUID, `cd` or `net`.
    pub medium: Option<String>,
    /// Digest of the system that `farm.expect` names, in lower-case hexadecimal.
    pub expect: Option<String>,
    /// `farm.rescue=1`: show hardware and network, register nothing, leave the medium alone.
    pub rescue: bool,
    /// Arguments that name a setting but cannot be followed, each with the reason in words.
    pub ignored: Vec<String>,
}

/// Reads a kernel command line. Never fails: what cannot be followed is listed in
/// [`CommandLine::ignored`], so that a mistyped argument does not keep a node from booting.
#[must_use]
pub fn parse(text: &str) -> CommandLine {
    let arguments = arguments(text);
    let mut line = CommandLine::default();
    let mut ignored = Vec::new();
    let first = |key: &str| arguments.get(key).and_then(|values| values.first());
    let mut note = |key: &str, error: &ConfigError| ignored.push(format!("{key}: {error}"));

    // The first `farmer_id` wins, as in Zero-OS.
    if let Some(value) = first("farmer_id") {
        match value.parse() {
            Ok(id) => line.layer.farm_id = Some(id),
            Err(error) => note("farmer_id", &error),
        }
    }
    if let Some(value) = first(FARM_ARGUMENT) {
        match value.parse() {
            Ok(id) => line.medium_layer.farm_id = Some(id),
            Err(error) => note(FARM_ARGUMENT, &error),
        }
    }
    if let Some(value) = first("runmode") {
        match value.parse() {
            Ok(mode) => line.layer.runmode = Some(mode),
            Err(error) => note("runmode", &error),
        }
    }
    if let Some(value) = first("ip") {
        match ip_argument(value) {
            Ok(network) => line.layer.network = network,
            Err(error) => note("ip", &error),
        }
    }
    if let Some(value) = first("vlan") {
        match value.parse() {
            Ok(vlan) => line.layer.network.vlan = Some(vlan),
            Err(error) => note("vlan", &error),
        }
    }
    line.medium = first(MEDIUM_ARGUMENT).cloned();
    if let Some(value) = first(EXPECT_ARGUMENT) {
        line.expect = expected(value);
        if line.expect.is_none() {
            ignored.push(format!(
                "{EXPECT_ARGUMENT}: {value:?} is not `sha256:` and 64 hexadecimal digits"
            ));
        }
    }
    line.rescue = first("farm.rescue").is_some_and(|value| value == "1");
    if arguments.contains_key("debug") {
        line.layer.debug = Some(true);
    }
    if arguments.contains_key("bond") {
        ignored.push("bond: not supported by this version of the node".to_owned());
    }
    if arguments.contains_key("version") {
        ignored.push("version: chooses a Zero-OS release and has no meaning here".to_owned());
    }
    line.ignored = ignored;
    line
}

fn arguments(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut arguments: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for word in words(text) {
        match word.split_once('=') {
            Some((key, value)) => {
                arguments
                    .entry(key.to_owned())
                    .or_default()
                    .push(value.to_owned());
            }
            None => {
                arguments.insert(word, Vec::new());
            }
        }
    }
    arguments
}

/// Splits at white space outside quotes; quotes are taken away.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// `ip=dhcp`, `ip=<address>/<prefix>[:…]` or the kernel's
/// `ip=<client>:<server>:<gateway>:<netmask>:<hostname>:<device>:<autoconf>:<dns0>:<dns1>`
/// (Documentation/admin-guide/nfs/nfsroot.rst); IPv6 addresses stand in brackets.
fn ip_argument(value: &str) -> Result<NetworkLayer, ConfigError> {
    if matches!(value, "dhcp" | "on" | "any") {
        return Ok(NetworkLayer {
            dhcp: Some(true),
            ..NetworkLayer::default()
        });
    }
    let fields = ip_fields(value);
    let field = |index: usize| fields.get(index).map_or("", String::as_str);
    let address = |index: usize, name: &str| -> Result<Option<IpAddr>, ConfigError> {
        match field(index) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                ConfigError::value("ip", format!("{name} {text:?} is not an address"))
            }),
        }
    };
    let cidr = if field(0).contains('/') {
        field(0).parse::<Cidr>()?
    } else {
        let client = address(0, "client")?
            .ok_or_else(|| ConfigError::value("ip", "neither `dhcp` nor an address"))?;
        Cidr {
            address: client,
            prefix_length: prefix_length(field(3), client)?,
        }
    };
    let dns = [7, 8]
        .into_iter()
        .filter_map(|index| address(index, "DNS server").transpose());
    Ok(NetworkLayer {
        dhcp: None,
        address: Some(cidr),
        gateway: address(2, "gateway")?,
        dns: dns.collect::<Result<_, _>>()?,
        interface: Some(field(5))
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        vlan: None,
    })
}

fn ip_fields(value: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut in_brackets = false;
    for c in value.chars() {
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            ':' if !in_brackets => fields.push(String::new()),
            _ => {
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    fields
}

/// A netmask (`255.255.255.0`), a prefix length (`24`), or the default of a host on a LAN.
fn prefix_length(netmask: &str, client: IpAddr) -> Result<u8, ConfigError> {
    let bad = || ConfigError::value("ip", format!("{netmask:?} is not a netmask"));
    if netmask.is_empty() {
        return Ok(if client.is_ipv4() { 24 } else { 64 });
    }
    if let Ok(length) = netmask.parse::<u8>() {
        let most = if client.is_ipv4() { 32 } else { 128 };
        return (length <= most).then_some(length).ok_or_else(bad);
    }
    let mask = u32::from(netmask.parse::<std::net::Ipv4Addr>().map_err(|_| bad())?);
    // A netmask is ones, then zeros.
    if mask.leading_ones() + mask.trailing_zeros() != 32 {
        return Err(bad());
    }
    u8::try_from(mask.leading_ones()).map_err(|_| bad())
}
