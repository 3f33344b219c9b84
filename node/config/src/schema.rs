//! The complete configuration of a node.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::values::{Addressing, DirectoryUrl, EnrolmentToken, FarmId, Pin, RunMode, VlanId};
use crate::{ConfigError, Layer};

/// Version of the schema this program writes and the newest it accepts.
pub const SCHEMA_VERSION: u32 = 1;

/// Names of all settings of the TOML form, sorted and separated by blanks; `*` stands for a name the
/// farmer chooses.
pub const KEYS: &str = "debug directory.ca directory.insecure_http directory.pin directory.url \
    disks.*.ignore disks.*.kind enrolment_token farm_id location.city location.continent location.country \
    location.latitude location.longitude network.address network.dhcp network.dns network.gateway \
    network.interface network.vlan runmode schema";

/// Where a node finds its directory and whom it trusts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryConfig {
    /// Base URL, with the prefix the directory is mounted under if it has one.
    pub url: DirectoryUrl,
    /// Key pin of the server's certificate; with it no certificate authority is asked.
    pub pin: Option<Pin>,
    /// PEM certificates of the authorities to trust instead of the bundled public ones.
    pub ca_pem: Option<String>,
    /// The farmer allowed unencrypted traffic; the console says so in red.
    pub insecure_http: bool,
}

impl DirectoryConfig {
    /// Refuses `http://` to another machine without leave.
    ///
    /// # Errors
    /// [`ConfigError::InsecureHttp`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.url.is_encrypted() || self.url.is_loopback() || self.insecure_http {
            return Ok(());
        }
        Err(ConfigError::InsecureHttp {
            url: self.url.to_string(),
        })
    }
}

/// Where the machine stands, as the directory shows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocationConfig {
    /// Continent, free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub continent: String,
    /// Country, free text; two-letter codes are what searches use.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// City, free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub city: String,
    /// Degrees north, -90..=90.
    pub latitude: f64,
    /// Degrees east, -180..=180.
    pub longitude: f64,
}

impl LocationConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let within = |key: &str, degrees: f64, limit: f64| {
            if degrees.is_finite() && degrees.abs() <= limit {
                return Ok(());
            }
            Err(ConfigError::value(
                key,
                format!("{degrees} is not within -{limit}..={limit}"),
            ))
        };
        within("location.latitude", self.latitude, 90.0)?;
        within("location.longitude", self.longitude, 180.0)
    }
}

/// A kind of disk that a farmer can vouch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskKind {
    /// Solid state.
    Ssd,
    /// Rotating.
    Hdd,
}

/// What the farmer knows of a disk better than the disk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskWord {
    /// What it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DiskKind>,
    /// Never count it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore: bool,
}

impl fmt::Display for DiskWord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match (self.ignore, self.kind) {
            (true, _) => "ignore",
            (false, Some(DiskKind::Ssd)) => "ssd",
            (false, Some(DiskKind::Hdd)) => "hdd",
            (false, None) => "as it says",
        })
    }
}

/// Everything a node has to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    /// The farm the node belongs to.
    pub farm_id: FarmId,
    /// The farm's leave to be approved at once; see [`EnrolmentToken`].
    pub enrolment_token: Option<EnrolmentToken>,
    /// Grid network.
    pub run_mode: RunMode,
    /// The directory to register in.
    pub directory: DirectoryConfig,
    /// How the node gets its address.
    pub addressing: Addressing,
    /// VLAN of the farm's network, on every wired port.
    pub vlan: VlanId,
    /// Where the machine stands; `None`: the node copies the farm's location.
    pub location: Option<LocationConfig>,
    /// The farmer's word on disks, by world wide name or serial number.
    pub disks: BTreeMap<String, DiskWord>,
    /// More words on the console.
    pub debug: bool,
}

impl NodeConfig {
    /// A configuration with defaults for all but the farm and its directory.
    #[must_use]
    pub const fn new(farm_id: FarmId, directory: DirectoryConfig) -> Self {
        Self {
            farm_id,
            enrolment_token: None,
            run_mode: RunMode::Prod,
            directory,
            addressing: Addressing::Dhcp,
            vlan: VlanId::NONE,
            location: None,
            disks: BTreeMap::new(),
            debug: false,
        }
    }

    /// Checks what depends on more than one key.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.directory.check()?;
        if let Some(token) = &self.enrolment_token {
            token.check()?;
        }
        if let Addressing::Static {
            address, gateway, ..
        } = &self.addressing
            && gateway.is_some_and(|gateway| gateway.is_ipv4() != address.address.is_ipv4())
        {
            return Err(ConfigError::value(
                "network.gateway",
                "is of another address family than network.address",
            ));
        }
        self.location.as_ref().map_or(Ok(()), LocationConfig::check)
    }

    /// The TOML text of the configuration, as it stands in an image's config region.
    ///
    /// The same configuration always gives the same text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        Layer::from(self).to_toml()
    }

    /// Reads a complete configuration, as an image's config region holds it.
    ///
    /// # Errors
    /// Any [`ConfigError`]; `origin` names the text in it.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let layer = Layer::from_toml(text, origin)?;
        Ok(crate::Effective::of(vec![(crate::Origin::Image, layer)])?.config)
    }
}
