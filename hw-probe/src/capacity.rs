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
        let may_be_virtual = inventory.virtualisation.is_virtual != Some(false);
        Self {
            cru: inventory.cpu.logical.unwrap_or(0).into(),
            mru_bytes: inventory.memory.usable_bytes.unwrap_or_default(),
            sru_bytes: sum(inventory, |kind, _| {
                kind == DiskKind::Ssd || (kind == DiskKind::UnknownVm && may_be_virtual)
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
    use crate::reward::{
        Certification, RewardInputs, RewardPolicy, V2Y2020, V3Calculator, V3Minting,
    };
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

    fn kind(n: u8) -> DiskKind {
        match n {
            0 => DiskKind::Ssd,
            1 => DiskKind::Hdd,
            2 => DiskKind::Unknown,
            _ => DiskKind::UnknownVm,
        }
    }

    fn no_less(after: &Capacity, before: &Capacity) -> bool {
        after.cru >= before.cru
            && after.mru_bytes >= before.mru_bytes
            && after.sru_bytes >= before.sru_bytes
            && after.hru_bytes >= before.hru_bytes
    }

    /// What every policy pays for the capacity, all else as in `inputs`.
    fn rewards(capacity: Capacity, inputs: RewardInputs) -> [u64; 4] {
        let inputs = RewardInputs { capacity, ..inputs };
        let policies: [&dyn RewardPolicy; 3] = [&V3Minting::default(), &V3Calculator, &V2Y2020];
        let [a, b, c] = policies.map(|policy| policy.reward(&inputs).musd);
        [a, b, c, V3Minting::default().reward(&inputs).tft_units]
    }

    proptest! {
        /// One more disk, thread or byte never lowers any number, in any view, under any policy.
        #[test]
        fn more_is_never_less(
            sizes in prop::collection::vec((0..4_u8, 0..40 * TB, any::<bool>()), 0..8),
            extra in (0..4_u8, any::<u64>()),
            threads in 0..600_u32,
            memory in 0..4096 * GIB,
            more in (0..4_u8, 0..40 * TB),
            certified in any::<bool>(),
            price in 1..1000_u64,
            uptime in prop::option::of(0..2_700_000_u64),
        ) {
            let mut inventory =
                machine(sizes.into_iter().map(|(k, s, c)| disk(kind(k), s, c)).collect());
            inventory.cpu.logical = Some(threads);
            inventory.cpu.present = Some(threads);
            inventory.memory.usable_bytes = Some(Bytes(memory));
            let inputs = RewardInputs {
                certification: if certified { Certification::Certified } else { Certification::Diy },
                connection_price_musd: price,
                uptime_seconds: uptime,
                minted_tft: 800_000_000,
                ..RewardInputs::default()
            };
            let before = CapacityViews::of(&inventory);
            let mut larger = inventory.clone();
            match more.0 {
                0 => larger.cpu.logical = Some(threads + 1),
                1 => larger.cpu.present = Some(threads + 1),
                2 => larger.memory.usable_bytes = Some(Bytes(memory + more.1)),
                _ => larger.memory.installed_bytes = Some(Bytes(64 * GIB + more.1)),
            }
            inventory.disks.push(disk(kind(extra.0), extra.1, true));
            for after in [CapacityViews::of(&inventory), CapacityViews::of(&larger)] {
                prop_assert!(no_less(&after.zero_os, &before.zero_os));
                prop_assert!(no_less(&after.usable, &before.usable));
                prop_assert!(no_less(&after.installed.unwrap(), &before.installed.unwrap()));
                let pays = |views: &CapacityViews| rewards(views.zero_os, inputs);
                let (more, less) = (pays(&after), pays(&before));
                prop_assert!(more.iter().zip(less).all(|(more, less)| *more >= less), "{more:?} {less:?}");
            }
        }

        /// Each resource by itself, by any amount.
        #[test]
        fn every_resource_pays_or_does_no_harm(
            capacity in (0..2000_u64, 0..8192 * GIB, 0..200 * TB, 0..900 * TB),
            which in 0..4_u8,
            by in any::<u64>(),
            price in 1..1000_u64,
        ) {
            let before = Capacity {
                cru: capacity.0,
                mru_bytes: Bytes(capacity.1),
                sru_bytes: Bytes(capacity.2),
                hru_bytes: Bytes(capacity.3),
            };
            let mut after = before;
            match which {
                0 => after.cru = after.cru.saturating_add(by),
                1 => after.mru_bytes = after.mru_bytes.saturating_add(Bytes(by)),
                2 => after.sru_bytes = after.sru_bytes.saturating_add(Bytes(by)),
                _ => after.hru_bytes = after.hru_bytes.saturating_add(Bytes(by)),
            }
            let inputs = RewardInputs {
                connection_price_musd: price,
                minted_tft: 800_000_000,
                ..RewardInputs::default()
            };
            let (more, less) = (rewards(after, inputs), rewards(before, inputs));
            prop_assert!(more.iter().zip(less).all(|(more, less)| *more >= less), "{more:?} {less:?}");
        }
    }
}
