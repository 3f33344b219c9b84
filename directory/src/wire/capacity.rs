//! What a node posts about its capacity, and the hardware proofs kept from it.

use std::collections::BTreeMap;

use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use super::node::ResourceAmount;
use super::scalar::{Date, null_default};

/// The body of `POST /nodes/{id}/capacity`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CapacityPost {
    /// What the machine has; becomes the node's `total_resources`.
    #[serde(deserialize_with = "null_default")]
    pub capacity: ResourceAmount,
    /// SMBIOS tables as `dmidecode` shows them.
    #[serde(deserialize_with = "null_default")]
    pub dmi: Dmi,
    /// SMART data of the disks.
    #[serde(deserialize_with = "null_default")]
    pub disks: DiskProof,
    /// Lines of `virt-what`; empty on bare metal.
    #[serde(deserialize_with = "null_default")]
    pub hypervisor: Vec<Untrusted>,
    /// Extension: the full hardware inventory as JSON; other servers ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<serde_json::Value>,
}

/// A hardware proof, one a boot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Proof {
    /// When the server received it.
    pub created: Date,
    /// See [`legacy_hash`]; a strict server writes the SHA-256 of the JSON instead.
    #[serde(deserialize_with = "null_default")]
    pub hardware_hash: Untrusted,
    /// As `hardware_hash`, of `disks`.
    #[serde(deserialize_with = "null_default")]
    pub disk_hash: Untrusted,
    /// SMBIOS tables.
    #[serde(deserialize_with = "null_default")]
    pub hardware: Dmi,
    /// SMART data.
    #[serde(deserialize_with = "null_default")]
    pub disks: DiskProof,
    /// As in [`CapacityPost::hypervisor`].
    #[serde(deserialize_with = "null_default")]
    pub hypervisor: Vec<Untrusted>,
}

/// SMBIOS tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dmi {
    /// Which programs read them.
    #[serde(deserialize_with = "null_default")]
    pub tooling: DmiTooling,
    /// One per table.
    #[serde(deserialize_with = "null_default")]
    pub sections: Vec<DmiSection>,
}

/// Programs that read the SMBIOS tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DmiTooling {
    /// `dmidecode 3.2`.
    #[serde(deserialize_with = "null_default")]
    pub aggregator: Untrusted,
    /// The parser of its output.
    #[serde(deserialize_with = "null_default")]
    pub decoder: Untrusted,
}

/// One SMBIOS table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DmiSection {
    /// `Handle 0x0001, DMI type 1, 27 bytes`.
    #[serde(deserialize_with = "null_default")]
    pub handleline: Untrusted,
    /// Name of the table type.
    #[serde(deserialize_with = "null_default")]
    pub typestr: Untrusted,
    /// Number of the table type.
    #[serde(deserialize_with = "null_default")]
    pub typenum: i64,
    /// Groups of properties.
    #[serde(deserialize_with = "null_default")]
    pub subsections: Vec<DmiSubsection>,
}

/// A group of properties of an SMBIOS table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DmiSubsection {
    /// Heading.
    #[serde(deserialize_with = "null_default")]
    pub title: Untrusted,
    /// By name.
    #[serde(deserialize_with = "null_default")]
    pub properties: BTreeMap<Untrusted, DmiProperty>,
}

/// A property of an SMBIOS table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DmiProperty {
    /// Text behind the colon.
    #[serde(deserialize_with = "null_default")]
    pub value: Untrusted,
    /// Lines below it.
    #[serde(
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub items: Vec<Untrusted>,
}

/// SMART data of a node's disks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskProof {
    /// `smartctl 7.0 ...`.
    #[serde(deserialize_with = "null_default")]
    pub tool: Untrusted,
    /// Platform the tool was built for.
    #[serde(deserialize_with = "null_default")]
    pub environment: Untrusted,
    /// The program that collected it.
    #[serde(deserialize_with = "null_default")]
    pub aggregator: Untrusted,
    /// One per disk.
    #[serde(deserialize_with = "null_default")]
    pub devices: Vec<DiskDevice>,
}

/// SMART data of one disk. The original has no JSON names here, so the keys are capitalised.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiskDevice {
    /// As in [`DiskProof::tool`].
    #[serde(deserialize_with = "null_default")]
    pub tool: Untrusted,
    /// As in [`DiskProof::environment`].
    #[serde(deserialize_with = "null_default")]
    pub environment: Untrusted,
    /// `smartctl -i` by name.
    #[serde(deserialize_with = "null_default")]
    pub information: BTreeMap<Untrusted, Untrusted>,
}

/// The `hardware_hash`/`disk_hash` of the original: a constant, for it hashes private fields (two
/// empty objects per key, as hex) and appends the MD5 of nothing. `keys` is 2 for `hardware` and 4
/// for `disks`.
#[must_use]
pub fn legacy_hash(keys: usize) -> String {
    const MD5_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
    let json = format!("[{}]", vec!["{}"; keys * 2].join(","));
    hex::encode(json) + MD5_OF_NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_hashes_follow_the_reference_vectors() {
        assert_eq!(
            legacy_hash(2),
            "5b7b7d2c7b7d2c7b7d2c7b7d5dd41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(
            legacy_hash(4),
            "5b7b7d2c7b7d2c7b7d2c7b7d2c7b7d2c7b7d2c7b7d2c7b7d5dd41d8cd98f00b204e9800998ecf8427e"
        );
    }
}
