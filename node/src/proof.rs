//! What a node posts about its hardware, in the form Zero-OS of 2020 posts it.
//!
//! The sections look as if `dmidecode` and `smartctl` had written them, because the directory's
//! other readers expect that; what wrote them is said openly. The whole inventory goes along.

use std::collections::BTreeMap;

use directory::wire::{
    CapacityPost, DiskDevice, DiskProof, Dmi, DmiProperty, DmiSection, DmiSubsection, DmiTooling,
    ResourceAmount,
};
use hw_probe::inventory::{Disk, DiskKind, Inventory};
use hw_probe::text::Untrusted;

use crate::measure::Measured;

/// The body of `POST /nodes/{id}/capacity`.
pub fn capacity_post(measured: &Measured) -> CapacityPost {
    let Measured {
        inventory,
        capacity,
    } = measured;
    CapacityPost {
        // Whole GiB, as a node of 2020 rounds them.
        capacity: ResourceAmount::from_bytes_rounded(
            capacity.cru,
            capacity.mru_bytes.0,
            capacity.sru_bytes.0,
            capacity.hru_bytes.0,
        ),
        dmi: Dmi {
            tooling: DmiTooling {
                aggregator: crate::VERSION_LINE.into(),
                decoder: "hw-probe".into(),
            },
            sections: sections(inventory),
        },
        disks: DiskProof {
            tool: crate::VERSION_LINE.into(),
            environment: "x86_64-linux".into(),
            aggregator: "hw-probe".into(),
            devices: inventory.disks.iter().map(device).collect(),
        },
        hypervisor: hypervisor(inventory),
        hardware: serde_json::to_value(inventory).ok(),
    }
}

/// `virt-what`'s answer: nothing on bare metal.
fn hypervisor(inventory: &Inventory) -> Vec<Untrusted> {
    let machine = &inventory.virtualisation;
    if machine.is_virtual != Some(true) {
        return Vec::new();
    }
    let kind = machine.kind.as_deref().unwrap_or("unknown");
    vec![kind.into()]
}

type Text<'a> = Option<&'a Untrusted>;
/// Number of a table's type, its name, its properties.
type Table<'a> = (i64, &'a str, &'a [(&'a str, Text<'a>)]);

fn sections(inventory: &Inventory) -> Vec<DmiSection> {
    let (bios, system, board) = (&inventory.bios, &inventory.system, &inventory.board);
    let tables: [Table<'_>; 3] = [
        (
            0,
            "BIOS Information",
            &[
                ("Vendor", bios.vendor.as_ref()),
                ("Version", bios.version.as_ref()),
                ("Release Date", bios.date.as_ref()),
            ],
        ),
        (
            1,
            "System Information",
            &[
                ("Manufacturer", system.vendor.as_ref()),
                ("Product Name", system.product.as_ref()),
                ("Version", system.version.as_ref()),
                ("Serial Number", system.serial.as_ref()),
                ("UUID", system.uuid.as_ref()),
            ],
        ),
        (
            2,
            "Base Board Information",
            &[
                ("Manufacturer", board.vendor.as_ref()),
                ("Product Name", board.product.as_ref()),
                ("Serial Number", board.serial.as_ref()),
            ],
        ),
    ];
    tables
        .into_iter()
        .filter_map(|(number, title, properties)| section(number, title, properties))
        .collect()
}

fn section(number: i64, title: &str, properties: &[(&str, Text<'_>)]) -> Option<DmiSection> {
    let properties: BTreeMap<Untrusted, DmiProperty> = properties
        .iter()
        .filter_map(|(name, value)| {
            let property = DmiProperty {
                value: (*value)?.clone(),
                items: Vec::new(),
            };
            Some(((*name).into(), property))
        })
        .collect();
    if properties.is_empty() {
        return None;
    }
    Some(DmiSection {
        handleline: format!("DMI type {number}").into(),
        typestr: title.into(),
        typenum: number,
        subsections: vec![DmiSubsection {
            title: title.into(),
            properties,
        }],
    })
}

fn device(disk: &Disk) -> DiskDevice {
    let capacity = disk
        .size_bytes
        .map(|bytes| Untrusted::from(format!("{} bytes", grouped(bytes.0))));
    let rotation = match (disk.kind, disk.rotation_rpm) {
        (DiskKind::Hdd, Some(rpm)) => Some(Untrusted::from(format!("{rpm} rpm"))),
        (DiskKind::Ssd, _) => Some("Solid State Device".into()),
        _ => None,
    };
    let information = [
        ("Device Model", disk.model.clone()),
        ("Serial Number", disk.serial.clone()),
        ("Firmware Version", disk.firmware.clone()),
        ("LU WWN Device Id", disk.wwn.clone()),
        ("User Capacity", capacity),
        ("Rotation Rate", rotation),
    ];
    DiskDevice {
        tool: crate::VERSION_LINE.into(),
        environment: "x86_64-linux".into(),
        information: information
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), value?)))
            .collect(),
    }
}

/// `480103981056` as `480,103,981,056`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw_probe::capacity::Capacity;
    use hw_probe::inventory::{System, Virtualisation};
    use hw_probe::units::Bytes;

    fn measured(is_virtual: bool) -> Measured {
        Measured {
            inventory: Inventory {
                disks: vec![Disk {
                    kind: DiskKind::Hdd,
                    rotation_rpm: Some(7200),
                    size_bytes: Some(Bytes(480_103_981_056)),
                    ..Disk::default()
                }],
                system: System {
                    vendor: Some("LENOVO".into()),
                    ..System::default()
                },
                virtualisation: Virtualisation {
                    kind: Some("kvm".to_owned()),
                    is_virtual: Some(is_virtual),
                    ..Virtualisation::default()
                },
                ..Inventory::default()
            },
            capacity: Capacity {
                cru: 8,
                mru_bytes: Bytes((31 << 30) + (700 << 20)),
                sru_bytes: Bytes(0),
                hru_bytes: Bytes(480_103_981_056),
            },
        }
    }

    #[test]
    fn numbers_are_rounded_as_in_2020() {
        let post = serde_json::to_value(capacity_post(&measured(true))).unwrap();
        assert_eq!(post["capacity"]["cru"], 8);
        assert_eq!(post["capacity"]["mru"], 32);
        assert_eq!(post["capacity"]["hru"], 447);
        assert_eq!(post["hypervisor"][0], "kvm");
        assert_eq!(post["hardware"]["disks"][0]["rotation_rpm"], 7200);
    }

    #[test]
    fn the_proof_has_the_old_shape() {
        let post = serde_json::to_value(capacity_post(&measured(false))).unwrap();
        assert_eq!(post["hypervisor"], serde_json::json!([]));
        let section = &post["dmi"]["sections"][0];
        assert_eq!(section["typenum"], 1);
        let properties = &section["subsections"][0]["properties"];
        assert_eq!(properties["Manufacturer"]["value"], "LENOVO");
        let information = &post["disks"]["devices"][0]["Information"];
        assert_eq!(information["User Capacity"], "480,103,981,056 bytes");
        assert_eq!(information["Rotation Rate"], "7200 rpm");
    }
}
