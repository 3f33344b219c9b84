//! What lies on a disk and who uses it, as far as files tell: partitions, holders, mounts, and
//! udev's findings.

use crate::collect::mounts::Mounts;
use crate::collect::udev::UdevRecord;
use crate::inventory::{Partition, Signature};
use crate::root::Root;
use crate::text::Untrusted;
use crate::units::Bytes;

/// `size` and `start` count these whatever the sector size.
pub(super) const SYSFS_SECTOR_BYTES: u64 = 512;
/// More partitions than any table has.
const PARTITIONS_MAX: usize = 256;
/// More devices than anybody builds on one disk.
const HOLDERS_MAX: usize = 256;

/// Findings about one disk.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub partitions: Vec<Partition>,
    /// `MAJOR:MINOR` of the partitions, in their order.
    pub partition_numbers: Vec<Option<String>>,
    /// Devices built on the disk or its partitions: `dm-0`, `md127`.
    pub holders: Vec<String>,
    pub mounted_at: Vec<String>,
    /// What udev found on the whole disk; `None` when it has not looked.
    pub signatures: Option<Vec<Signature>>,
}

impl Usage {
    pub(super) fn read(
        root: &Root,
        link: &str,
        name: &str,
        number: Option<&str>,
        udev: &UdevRecord,
        mounts: &Mounts,
    ) -> Self {
        let mut usage = Self {
            holders: holders(root, link),
            mounted_at: mounts.points(number, name),
            signatures: signatures(udev, true),
            ..Self::default()
        };
        let mut children: Vec<(u64, String)> = root
            .names(link)
            .into_iter()
            .filter(|child| child.starts_with(name))
            .filter_map(|child| {
                let number = root.number(format!("{link}/{child}/partition"))?;
                Some((number, child))
            })
            .take(PARTITIONS_MAX)
            .collect();
        children.sort();
        for (_, child) in children {
            usage.add_partition(root, &format!("{link}/{child}"), &child, mounts);
        }
        usage.holders.sort();
        usage.holders.dedup();
        usage
    }

    fn add_partition(&mut self, root: &Root, dir: &str, name: &str, mounts: &Mounts) {
        let number = root.text(format!("{dir}/dev"));
        let udev = number
            .as_deref()
            .and_then(|number| UdevRecord::read(root, &format!("b{number}")))
            .unwrap_or_default();
        let sectors = |attribute: &str| {
            root.number::<u64>(format!("{dir}/{attribute}"))
                .map(|n| n.saturating_mul(SYSFS_SECTOR_BYTES))
        };
        let points = mounts.points(number.as_deref(), name);
        if self.holders.len() < HOLDERS_MAX {
            self.holders.extend(holders(root, dir));
        }
        self.partitions.push(Partition {
            name: name.into(),
            start_bytes: sectors("start"),
            size_bytes: sectors("size").map(Bytes),
            label: udev.get_decoded("ID_PART_ENTRY_NAME").map(Into::into),
            uuid: udev
                .get("ID_PART_ENTRY_UUID")
                .map(|uuid| uuid.to_ascii_lowercase().into()),
            signatures: signatures(&udev, false),
            mounted_at: points.into_iter().map(Into::into).collect(),
        });
        self.partition_numbers.push(number);
    }
}

fn holders(root: &Root, dir: &str) -> Vec<String> {
    let mut names = root.names(format!("{dir}/holders"));
    names.truncate(HOLDERS_MAX);
    names
}

/// What udev's probe found; nothing in a record of a probe that has run is an answer too. It runs
/// after the rules that give the device its other `ID_` properties.
fn signatures(udev: &UdevRecord, whole_disk: bool) -> Option<Vec<Signature>> {
    udev.has_any("ID_").then_some(())?;
    let found = |kind: &str, label: Option<&str>, id: &str| {
        udev.get(kind).map(|kind| Signature {
            kind: Untrusted::from(kind).to_string(),
            offset_bytes: None,
            label: label
                .and_then(|label| udev.get_decoded(label))
                .map(Into::into),
            uuid: udev.get(id).map(|id| id.to_ascii_lowercase().into()),
        })
    };
    // udev repeats the disk's table in the records of its partitions.
    let table = whole_disk
        .then(|| found("ID_PART_TABLE_TYPE", None, "ID_PART_TABLE_UUID"))
        .flatten();
    let content = found("ID_FS_TYPE", Some("ID_FS_LABEL"), "ID_FS_UUID");
    Some(table.into_iter().chain(content).collect())
}
