//! Partial settings from one place, and how they are put together.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::schema::{DirectoryConfig, DiskWord, LocationConfig, NodeConfig, SCHEMA_VERSION};
use crate::values::{
    Addressing, Cidr, DirectoryUrl, EnrolmentToken, FarmId, Pin, RunMode, VlanId, without_secrets,
};

/// Where a setting came from, lowest precedence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The program's own default.
    BuiltIn,
    /// The config region of the image.
    Image,
    /// `farm.toml` on the stick's FARMCFG partition.
    FarmToml,
    /// What the boot server keeps for this machine's MAC address.
    PerMac,
    /// The kernel command line.
    KernelArgument,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::BuiltIn => "default",
            Self::Image => "image",
            Self::FarmToml => "farm.toml",
            Self::PerMac => "boot server",
            Self::KernelArgument => "kernel argument",
        })
    }
}

/// Settings from one place: only the keys that are present count.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// Schema version the text was written for; absent means 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// See [`NodeConfig::farm_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub farm_id: Option<FarmId>,
    /// See [`NodeConfig::enrolment_token`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment_token: Option<EnrolmentToken>,
    /// See [`NodeConfig::run_mode`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runmode: Option<RunMode>,
    /// See [`NodeConfig::debug`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// `[directory]`.
    #[serde(skip_serializing_if = "DirectoryLayer::is_empty")]
    pub directory: DirectoryLayer,
    /// `[network]`.
    #[serde(skip_serializing_if = "NetworkLayer::is_empty")]
    pub network: NetworkLayer,
    /// `[location]`; a layer that names a location names all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationConfig>,
    /// `[disks."NAME"]`: see [`NodeConfig::disks`]. Layers add to each other; of two words on one
    /// disk the higher layer's counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub disks: BTreeMap<String, DiskWord>,
}

/// `[directory]` of a [`Layer`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryLayer {
    /// See [`DirectoryConfig::url`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<DirectoryUrl>,
    /// See [`DirectoryConfig::pin`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// See [`DirectoryConfig::ca_pem`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// See [`DirectoryConfig::insecure_http`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure_http: Option<bool>,
}

impl DirectoryLayer {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `[network]` of a [`Layer`]. A layer with an `address` replaces what lower layers say of addresses;
/// `dhcp = true` takes a fixed address of a lower layer back. The VLAN is a value of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkLayer {
    /// Ask DHCP on every wired port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<bool>,
    /// Fixed address with its prefix length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Cidr>,
    /// Default gateway of the fixed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Name or MAC address of the port with the fixed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// See [`NodeConfig::vlan`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanId>,
}

impl NetworkLayer {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn says_nothing_of_addresses(&self) -> bool {
        Self {
            vlan: None,
            ..self.clone()
        }
        .is_empty()
    }

    fn addressing(&self) -> Result<Option<Addressing>, ConfigError> {
        match (self.address, self.dhcp) {
            (Some(_), Some(true)) => Err(ConfigError::value(
                "network",
                "has both dhcp = true and an address",
            )),
            (Some(address), _) => Ok(Some(Addressing::Static {
                interface: self.interface.clone(),
                address,
                gateway: self.gateway,
                dns: self.dns.clone(),
            })),
            (None, Some(true)) => Ok(Some(Addressing::Dhcp)),
            (None, Some(false)) => Err(ConfigError::value(
                "network",
                "dhcp = false needs an address",
            )),
            (None, None) if self.says_nothing_of_addresses() => Ok(None),
            (None, None) => Err(ConfigError::value(
                "network",
                "gateway, dns and interface belong to an address, and there is none",
            )),
        }
    }
}

impl Layer {
    /// Reads one place's settings.
    ///
    /// Tolerates what Windows editors leave: a byte order mark and CRLF line ends.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] with line and column, [`ConfigError::NewerSchema`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // The version is looked at before the keys: a newer text has keys this program refuses.
        if let Some(found) = declared_schema(text)
            && found > SCHEMA_VERSION
        {
            return Err(ConfigError::NewerSchema {
                found,
                known: SCHEMA_VERSION,
            });
        }
        toml::from_str(text).map_err(|error| ConfigError::Syntax {
            origin: origin.to_owned(),
            message: without_secrets(error.to_string().trim_end()),
        })
    }

    /// Names of the settings that are present, in the form of [`crate::schema::KEYS`].
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        // What `to_toml` writes is always a table.
        let table: toml::Table = self.to_toml().parse().unwrap_or_default();
        for (name, value) in table {
            match value {
                toml::Value::Table(names) if name == "disks" => {
                    let words = names.values().filter_map(toml::Value::as_table);
                    keys.extend(
                        words
                            .flat_map(|w| w.keys())
                            .map(|key| format!("disks.*.{key}")),
                    );
                }
                toml::Value::Table(names) => {
                    keys.extend(names.keys().map(|key| format!("{name}.{key}")));
                }
                _ => keys.push(name),
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }

    /// The TOML text of the settings that are present.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "every field has a TOML form and tables come last"
    )]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a layer is always representable")
    }
}

fn declared_schema(text: &str) -> Option<u32> {
    let table: toml::Table = text.parse().ok()?;
    u32::try_from(table.get("schema")?.as_integer()?).ok()
}

impl From<&NodeConfig> for Layer {
    fn from(config: &NodeConfig) -> Self {
        let mut network = match &config.addressing {
            Addressing::Dhcp => NetworkLayer {
                dhcp: Some(true),
                ..NetworkLayer::default()
            },
            Addressing::Static {
                interface,
                address,
                gateway,
                dns,
            } => NetworkLayer {
                dhcp: None,
                address: Some(*address),
                gateway: *gateway,
                dns: dns.clone(),
                interface: interface.clone(),
                vlan: None,
            },
        };
        network.vlan = config.vlan.tag().map(|_| config.vlan);
        Self {
            schema: Some(SCHEMA_VERSION),
            farm_id: Some(config.farm_id),
            enrolment_token: config.enrolment_token.clone(),
            runmode: Some(config.run_mode),
            debug: Some(config.debug),
            directory: DirectoryLayer {
                url: Some(config.directory.url.clone()),
                pin: config.directory.pin.clone(),
                ca: config.directory.ca_pem.clone(),
                insecure_http: Some(config.directory.insecure_http),
            },
            network,
            location: config.location.clone(),
            disks: config.disks.clone(),
        }
    }
}

/// One effective setting and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted key, as in the TOML form.
    pub key: &'static str,
    /// The value in words.
    pub value: String,
    /// The layer it came from.
    pub origin: Origin,
}

/// The configuration that results from all layers, with the origin of every value.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The result.
    pub config: NodeConfig,
    /// Every value with its origin, in a fixed order.
    pub settings: Vec<Setting>,
}

impl Effective {
    /// Puts layers together, lowest precedence first whatever their order in the list.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] when a required value is set nowhere, or the first value that is
    /// not allowed.
    pub fn of(mut layers: Vec<(Origin, Layer)>) -> Result<Self, ConfigError> {
        layers.sort_by_key(|(origin, _)| *origin);
        let mut settings = Vec::new();

        let farm_id =
            last(&layers, |layer| layer.farm_id).ok_or(ConfigError::Missing { key: "farm_id" })?;
        note(&mut settings, "farm_id", &farm_id);
        let enrolment_token = last(&layers, |layer| layer.enrolment_token.clone());
        if let Some(token) = &enrolment_token {
            note(&mut settings, "enrolment_token", token);
        }
        let run_mode = last(&layers, |layer| layer.runmode).unwrap_or_default();
        note(&mut settings, "runmode", &run_mode);
        let url =
            last(&layers, |layer| layer.directory.url.clone()).ok_or(ConfigError::Missing {
                key: "directory.url",
            })?;
        note(&mut settings, "directory.url", &url);
        let pin = last(&layers, |layer| layer.directory.pin.clone());
        if let Some(pin) = &pin {
            note(&mut settings, "directory.pin", pin);
        }
        let ca = last(&layers, |layer| layer.directory.ca.clone());
        if let Some(ca) = &ca {
            let count = ca.value.matches("-----BEGIN CERTIFICATE-----").count();
            note(
                &mut settings,
                "directory.ca",
                &Sourced {
                    value: format!("{count} certificate(s)"),
                    origin: ca.origin,
                },
            );
        }
        let insecure_http =
            last(&layers, |layer| layer.directory.insecure_http).unwrap_or_default();
        note(&mut settings, "directory.insecure_http", &insecure_http);

        let mut addressing = Sourced::<Addressing>::default();
        for (origin, layer) in &layers {
            if let Some(value) = layer.network.addressing()? {
                addressing = Sourced {
                    value,
                    origin: *origin,
                };
            }
        }
        note(
            &mut settings,
            "network",
            &Sourced {
                value: addressing.value.to_string(),
                origin: addressing.origin,
            },
        );
        let vlan = last(&layers, |layer| layer.network.vlan).unwrap_or_default();
        if vlan.origin != Origin::BuiltIn {
            note(&mut settings, "network.vlan", &vlan);
        }
        let location = last(&layers, |layer| layer.location.clone());
        if let Some(location) = &location {
            note(
                &mut settings,
                "location",
                &Sourced {
                    value: format!("{} {}", location.value.country, location.value.city),
                    origin: location.origin,
                },
            );
        }
        let disks = disks(&layers, &mut settings);
        let debug = last(&layers, |layer| layer.debug).unwrap_or_default();
        note(&mut settings, "debug", &debug);

        let config = NodeConfig {
            farm_id: farm_id.value,
            enrolment_token: enrolment_token.map(|token| token.value),
            run_mode: run_mode.value,
            directory: DirectoryConfig {
                url: url.value,
                pin: pin.map(|pin| pin.value),
                ca_pem: ca.map(|ca| ca.value),
                insecure_http: insecure_http.value,
            },
            addressing: addressing.value,
            vlan: vlan.value,
            location: location.map(|location| location.value),
            disks,
            debug: debug.value,
        };
        config.check()?;
        Ok(Self { config, settings })
    }
}

/// The words on disks of all layers; each layer's own are a setting of their own.
fn disks(layers: &[(Origin, Layer)], settings: &mut Vec<Setting>) -> BTreeMap<String, DiskWord> {
    let mut words = BTreeMap::new();
    for (origin, layer) in layers {
        for (name, word) in &layer.disks {
            words.insert(bare(name), (*origin, name, *word));
        }
    }
    for (origin, name, word) in words.values() {
        let value = format!("{name} = {word}");
        let origin = *origin;
        note(settings, "disks", &Sourced { value, origin });
    }
    let words = words.into_values();
    words.map(|(_, name, word)| (name.clone(), word)).collect()
}

/// A disk's name without what tools put before it: one disk has one word, however it is written.
fn bare(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    ["naa.", "eui.", "uuid.", "0x"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(&name)
        .to_owned()
}

/// A value and the layer it came from.
struct Sourced<T> {
    value: T,
    origin: Origin,
}

impl<T: Default> Default for Sourced<T> {
    fn default() -> Self {
        Self {
            value: T::default(),
            origin: Origin::BuiltIn,
        }
    }
}

fn last<T>(layers: &[(Origin, Layer)], get: impl Fn(&Layer) -> Option<T>) -> Option<Sourced<T>> {
    layers.iter().rev().find_map(|(origin, layer)| {
        get(layer).map(|value| Sourced {
            value,
            origin: *origin,
        })
    })
}

fn note<T: fmt::Display>(settings: &mut Vec<Setting>, key: &'static str, from: &Sourced<T>) {
    settings.push(Setting {
        key,
        value: from.value.to_string(),
        origin: from.origin,
    });
}
