//! Capacity: what the grid counts of a machine. CRU in hardware threads; MRU, SRU and HRU in bytes.

use serde::{Deserialize, Serialize};

use crate::inventory::{DiskKind, Inventory};
use crate::units::Bytes;

/// The four resources of the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Capacity {
    /// Compute: hardware threads.
    pub cru: u64,
    /// Memory.
    pub mru_bytes: Bytes,
    /// Solid-state storage.
    pub sru_bytes: Bytes,
    /// Rotating storage.
    pub hru_bytes: Bytes,
}

impl Capacity {
    /// What Zero-OS reports for this machine once its disks are empty: online hardware threads,
    /// `MemTotal`, and the sizes of the local disks by kind. Zero-OS puts one btrfs on each whole
    /// disk and reports that file system's size, which is the disk's size to within a megabyte.
    ///
    /// A hypervisor's disk of unknown medium counts as SSD, as Zero-OS treats it; a disk of
    /// unknown kind on real hardware counts as nothing.
    #[must_use]
    pub fn as_zero_os(inventory: &Inventory) -> Self {
        Self {
            cru: inventory.cpu.logical.unwrap_or(0).into(),
            mru_bytes: inventory.memory.usable_bytes.unwrap_or_default(),
            sru_bytes: sum(inventory, |kind, _| {
                matches!(kind, DiskKind::Ssd | DiskKind::UnknownVm)
            }),
            hru_bytes: sum(inventory, |kind, _| kind == DiskKind::Hdd),
        }
    }

    /// What is screwed into the machine: threads present, memory modules, local disks of known
    /// kind. `None` when the firmware does not list the memory modules.
    #[must_use]
    pub fn installed(inventory: &Inventory) -> Option<Self> {
        let cpu = &inventory.cpu;
        Some(Self {
            cru: cpu.present.max(cpu.logical).unwrap_or(0).into(),
            mru_bytes: inventory.memory.installed_bytes?,
            sru_bytes: sum(inventory, |kind, _| kind == DiskKind::Ssd),
            hru_bytes: sum(inventory, |kind, _| kind == DiskKind::Hdd),
        })
    }

    /// What could be used this minute without touching anybody's data: as
    /// [`Capacity::installed`], but online threads, kernel-visible memory, and no disk that
    /// carries partitions or is part of another device.
    #[must_use]
    pub fn usable(inventory: &Inventory) -> Self {
        Self {
            cru: inventory.cpu.logical.unwrap_or(0).into(),
            mru_bytes: inventory.memory.usable_bytes.unwrap_or_default(),
            sru_bytes: sum(inventory, |kind, in_use| kind == DiskKind::Ssd && !in_use),
            hru_bytes: sum(inventory, |kind, in_use| kind == DiskKind::Hdd && !in_use),
        }
    }
}

fn sum(inventory: &Inventory, wanted: impl Fn(DiskKind, bool) -> bool) -> Bytes {
    inventory
        .counted_disks()
        .filter(|disk| wanted(disk.kind, disk.in_use == Some(true)))
        .filter_map(|disk| disk.size_bytes)
        .sum()
}

/// The views of one machine's capacity side by side. The grid's own numbers come first, so
/// `capacity.cru` in the JSON is the CRU that the grid sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapacityViews {
    /// [`Capacity::as_zero_os`].
    #[serde(flatten)]
    pub zero_os: Capacity,
    /// [`Capacity::installed`].
    pub installed: Option<Capacity>,
    /// [`Capacity::usable`].
    pub usable: Capacity,
}

impl CapacityViews {
    /// All views of `inventory`.
    #[must_use]
    pub fn of(inventory: &Inventory) -> Self {
        Self {
            zero_os: Capacity::as_zero_os(inventory),
            installed: Capacity::installed(inventory),
            usable: Capacity::usable(inventory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Cpu, Disk, Memory};
    use crate::units::{GIB, TB};
    use proptest::prelude::*;

    fn disk(kind: DiskKind, size: u64, counted: bool) -> Disk {
        Disk {
            kind,
            size_bytes: Some(Bytes(size)),
            counted,
            ..Disk::default()
        }
    }

    fn machine(disks: Vec<Disk>) -> Inventory {
        Inventory {
            cpu: Cpu {
                logical: Some(16),
                present: Some(20),
                ..Cpu::default()
            },
            memory: Memory {
                usable_bytes: Some(Bytes(63 * GIB)),
                installed_bytes: Some(Bytes(64 * GIB)),
                ..Memory::default()
            },
            disks,
            ..Inventory::default()
        }
    }

    #[test]
    fn views_differ_where_they_should() {
        let mut busy = disk(DiskKind::Hdd, 8 * TB, true);
        busy.in_use = Some(true);
        let inventory = machine(vec![
            disk(DiskKind::Ssd, TB, true),
            disk(DiskKind::Ssd, 2 * TB, false),
            busy,
            disk(DiskKind::Unknown, TB, true),
            disk(DiskKind::UnknownVm, TB, true),
        ]);
        let views = CapacityViews::of(&inventory);
        assert_eq!(
            views.zero_os,
            Capacity {
                cru: 16,
                mru_bytes: Bytes(63 * GIB),
                sru_bytes: Bytes(2 * TB),
                hru_bytes: Bytes(8 * TB)
            }
        );
        let installed = views.installed.unwrap();
        assert_eq!((installed.cru, installed.mru_bytes), (20, Bytes(64 * GIB)));
        assert_eq!(
            (installed.sru_bytes, installed.hru_bytes),
            (Bytes(TB), Bytes(8 * TB))
        );
        assert_eq!(
            (views.usable.sru_bytes, views.usable.hru_bytes),
            (Bytes(TB), Bytes(0))
        );
    }

    #[test]
    fn unknown_memory_modules_give_no_installed_view() {
        let mut inventory = machine(vec![]);
        inventory.memory.installed_bytes = None;
        assert_eq!(CapacityViews::of(&inventory).installed, None);
    }

    #[test]
    fn the_grids_numbers_are_at_the_top_of_the_json() {
        let json = serde_json::to_value(CapacityViews::of(&machine(vec![]))).unwrap();
        assert_eq!(json["cru"], 16);
        assert_eq!(json["mru_bytes"], 63 * GIB);
        assert_eq!(json["installed"]["cru"], 20);
    }

    proptest! {
        /// One more disk never lowers any number.
        #[test]
        fn capacity_is_monotone(
            sizes in prop::collection::vec((0..4_u8, any::<u64>(), any::<bool>()), 0..8),
            extra in (0..4_u8, any::<u64>()),
        ) {
            let kind = |n| match n {
                0 => DiskKind::Ssd,
                1 => DiskKind::Hdd,
                2 => DiskKind::Unknown,
                _ => DiskKind::UnknownVm,
            };
            let mut inventory =
                machine(sizes.into_iter().map(|(k, s, c)| disk(kind(k), s, c)).collect());
            let before = Capacity::as_zero_os(&inventory);
            inventory.disks.push(disk(kind(extra.0), extra.1, true));
            let after = Capacity::as_zero_os(&inventory);
            prop_assert!(after.sru_bytes >= before.sru_bytes && after.hru_bytes >= before.hru_bytes);
        }
    }
}
