//! The settings in the `config` region: read, changed, checked against the node on the image.

use node_config::layer::NetworkLayer;
use node_config::system::SETTINGS_FILE;
use node_config::{Effective, Layer, Origin};

use super::CustomizeError;
use crate::payload::{CONFIG_REGION_BYTES, ConfigFile, CpioError, config_cpio, cpio};
use crate::regions::{self, PayloadFacts};

/// How the settings are to change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsChange {
    /// Complete settings, instead of the present ones.
    pub replace: Option<Layer>,
    /// Settings to set; a section `network` (but for its VLAN) or `location` replaces the whole one. A
    /// directory's URL brings its own pin, authorities and leave for http, and a farm its own enrolment
    /// token: those of the old one go.
    pub set: Layer,
}

impl SettingsChange {
    /// Whether nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The layer that results from `present`.
    fn apply(&self, present: Option<Layer>) -> Layer {
        let mut layer = self.replace.clone().or(present).unwrap_or_default();
        let set = &self.set;
        let before = layer.farm_id;
        layer.farm_id = set.farm_id.or(layer.farm_id);
        // A token is of one farm.
        let of_this_farm = layer.enrolment_token.filter(|_| layer.farm_id == before);
        layer.enrolment_token = set.enrolment_token.clone().or(of_this_farm);
        layer.runmode = set.runmode.or(layer.runmode);
        layer.debug = set.debug.or(layer.debug);
        if set.directory.url.is_some() && set.directory.url != layer.directory.url {
            layer.directory = set.directory.clone();
        } else {
            let (old, new) = (&mut layer.directory, set.directory.clone());
            if new.pin.is_some() || new.ca.is_some() {
                (old.pin, old.ca) = (new.pin, new.ca);
            }
            old.insecure_http = new.insecure_http.or(old.insecure_http);
        }
        let vlan = set.network.vlan.or(layer.network.vlan);
        let vlan_alone = NetworkLayer {
            vlan: set.network.vlan,
            ..NetworkLayer::default()
        };
        if set.network != vlan_alone {
            layer.network = set.network.clone();
        }
        layer.network.vlan = vlan;
        layer.location = set.location.clone().or(layer.location);
        layer.disks.extend(set.disks.clone());
        layer
    }
}

/// The settings' TOML in a `config` region; `None` for an archive without it.
///
/// # Errors
/// [`CustomizeError::Settings`].
pub fn read(region: &[u8]) -> Result<Option<String>, CustomizeError> {
    let entries = cpio::read(region).map_err(|error| CustomizeError::Settings {
        reason: error.to_string(),
    })?;
    // The kernel takes the last copy, so this does too.
    let file = entries.iter().rev().find(|e| is_settings(e));
    file.map(|file| {
        String::from_utf8(file.content.to_vec()).map_err(|_| CustomizeError::Settings {
            reason: format!("{SETTINGS_FILE} is not UTF-8"),
        })
    })
    .transpose()
}

fn is_settings(entry: &cpio::Entry<'_>) -> bool {
    entry.is_file() && entry.path.trim_start_matches(['.', '/']) == SETTINGS_FILE
}

/// The new content of the region.
///
/// # Errors
/// [`CustomizeError`].
pub(super) fn change(
    region: &[u8],
    change: &SettingsChange,
    payload: &PayloadFacts,
) -> Result<Vec<u8>, CustomizeError> {
    let present = match (read(region), &change.replace) {
        (Ok(text), None) => text
            .map(|text| {
                Layer::from_toml(&text, SETTINGS_FILE).map_err(|e| CustomizeError::Settings {
                    reason: e.to_string(),
                })
            })
            .transpose()?,
        // Unreadable settings are no obstacle to new ones.
        (_, Some(_)) => None,
        (Err(error), None) => return Err(error),
    };
    let layer = change.apply(present);
    // Complete and allowed, as `image build` demands it; written in the same form.
    let config = Effective::of(vec![(Origin::Image, layer)])?.config;
    let written = Layer::from(&config);
    check_known(&written, payload)?;
    let toml = written.to_toml();
    let mut files = vec![ConfigFile {
        path: SETTINGS_FILE,
        content: toml.as_bytes(),
        mode: 0o600,
    }];
    let others = cpio::read(region).unwrap_or_default();
    files.extend(
        others
            .iter()
            .filter(|entry| entry.is_file() && !is_settings(entry))
            .map(|entry| ConfigFile {
                path: entry.path.trim_start_matches(['.', '/']),
                content: entry.content,
                mode: entry.mode & 0o7777,
            }),
    );
    config_cpio(&files, CONFIG_REGION_BYTES).map_err(|error| match error {
        CpioError::RegionTooSmall {
            needed_bytes,
            region_bytes,
        } => CustomizeError::TooLong {
            name: regions::CONFIG,
            length: needed_bytes,
            limit: region_bytes,
        },
        other => CustomizeError::Archive(other),
    })
}

/// Refuses what the node on the image would refuse at its next boot.
///
/// # Errors
/// [`CustomizeError::Schema`], [`CustomizeError::UnknownKey`].
pub fn check_known(layer: &Layer, payload: &PayloadFacts) -> Result<(), CustomizeError> {
    // An image that does not say is older than these facts; all such nodes know schema 1.
    let known = payload.config_schema.max(1);
    let wanted = layer.schema.unwrap_or(1);
    if wanted > known {
        return Err(CustomizeError::Schema { known, wanted });
    }
    if payload.config_keys.is_empty() {
        return Ok(());
    }
    let unknown = layer
        .keys()
        .into_iter()
        .find(|key| !payload.config_keys.contains(key));
    match unknown {
        Some(key) => Err(CustomizeError::UnknownKey {
            key,
            node: format!("farm-node {}", payload.node_version),
        }),
        None => Ok(()),
    }
}
