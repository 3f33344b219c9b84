//! Where the areas of a FAT volume begin, and the boot sectors that say so.

use super::{ALIGN_BYTES, VolumeSpec};
use crate::formats::{SECTOR_BYTES, align_up, put};

/// Smallest volume that becomes FAT32: below, 512-byte clusters do not give FAT32 enough of them.
const FAT32_FROM_BYTES: u64 = 33 << 20;
/// Root directory entries of FAT12 and FAT16.
const ROOT_ENTRIES: u64 = 512;
/// Distance kept from the cluster counts where readers disagree about the variant.
const MARGIN: u64 = 16;

/// Variant of the FAT format. The number of clusters alone decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatKind {
    /// Fewer than 4085 clusters.
    Fat12,
    /// Fewer than 65525 clusters.
    Fat16,
    /// More.
    Fat32,
}

impl FatKind {
    /// The value that ends a chain.
    pub(crate) fn end_of_chain(self) -> u32 {
        match self {
            Self::Fat12 => 0xFFF,
            Self::Fat16 => 0xFFFF,
            Self::Fat32 => 0x0FFF_FFFF,
        }
    }

    /// Bytes a table of `entries` takes.
    pub(super) fn table_bytes(self, entries: u64) -> u64 {
        match self {
            // An odd number of 12-bit entries ends in the middle of a byte; the writer stores
            // whole words.
            Self::Fat12 => (entries * 3).div_ceil(2) + 1,
            Self::Fat16 => entries * 2,
            Self::Fat32 => entries * 4,
        }
    }

    fn holds(self, clusters: u64) -> bool {
        match self {
            Self::Fat12 => (1..4085 - MARGIN).contains(&clusters),
            Self::Fat16 => (4085 + MARGIN..65_525 - MARGIN).contains(&clusters),
            Self::Fat32 => (65_525 + MARGIN..0x0FFF_FFF0).contains(&clusters),
        }
    }

    fn name(self) -> &'static [u8; 8] {
        match self {
            Self::Fat12 => b"FAT12   ",
            Self::Fat16 => b"FAT16   ",
            Self::Fat32 => b"FAT32   ",
        }
    }
}

/// Sizes of the areas, in sectors unless named otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub kind: FatKind,
    pub total_sectors: u64,
    pub reserved_sectors: u64,
    pub table_sectors: u64,
    pub root_sectors: u64,
    pub cluster_sectors: u64,
    pub clusters: u64,
}

impl Geometry {
    /// The geometry for a volume of `bytes`: FAT32 from 33 MiB on, else FAT16, else FAT12, each with
    /// the largest clusters up to 4 KiB that keep the variant unambiguous.
    pub(super) fn for_size(bytes: u64) -> Option<Self> {
        let kinds: &[FatKind] = if bytes >= FAT32_FROM_BYTES {
            &[FatKind::Fat32]
        } else {
            &[FatKind::Fat16, FatKind::Fat12]
        };
        kinds.iter().find_map(|kind| {
            [8, 4, 2, 1]
                .iter()
                .find_map(|sectors| Self::try_new(*kind, bytes, *sectors))
        })
    }

    fn try_new(kind: FatKind, bytes: u64, cluster_sectors: u64) -> Option<Self> {
        let total_sectors = bytes / SECTOR_BYTES;
        let (least_reserved, root_sectors) = match kind {
            FatKind::Fat32 => (32, 0),
            FatKind::Fat12 | FatKind::Fat16 => (1, ROOT_ENTRIES * 32 / SECTOR_BYTES),
        };
        // A little more than needed: the table's own sectors are counted as clusters here.
        let table_sectors = kind
            .table_bytes(total_sectors / cluster_sectors + 2)
            .div_ceil(SECTOR_BYTES);
        let least_start = least_reserved + 2 * table_sectors + root_sectors;
        let data_start = align_up(least_start, ALIGN_BYTES / SECTOR_BYTES);
        let clusters = total_sectors.checked_sub(data_start)? / cluster_sectors;
        kind.holds(clusters).then_some(Self {
            kind,
            total_sectors,
            reserved_sectors: least_reserved + (data_start - least_start),
            table_sectors,
            root_sectors,
            cluster_sectors,
            clusters,
        })
    }

    pub(super) fn cluster_bytes(&self) -> u64 {
        self.cluster_sectors * SECTOR_BYTES
    }

    /// Byte offset of the root directory of FAT12/16.
    pub(super) fn fixed_root_offset(&self) -> u64 {
        (self.reserved_sectors + 2 * self.table_sectors) * SECTOR_BYTES
    }

    /// Byte offset of a cluster.
    pub(super) fn cluster_offset(&self, cluster: u64) -> u64 {
        let data_start = self.reserved_sectors + 2 * self.table_sectors + self.root_sectors;
        (data_start + (cluster - 2) * self.cluster_sectors) * SECTOR_BYTES
    }

    /// The reserved sectors: boot sector and, for FAT32, FSInfo and the backups of both.
    pub(super) fn reserved_area(
        &self,
        spec: &VolumeSpec,
        label: &[u8; 11],
        free_clusters: u64,
        next_cluster: u64,
    ) -> Vec<u8> {
        let boot = self.boot_sector(spec, label);
        let mut area = vec![0; (self.reserved_sectors * SECTOR_BYTES) as usize];
        put(&mut area, 0, &boot);
        if self.kind == FatKind::Fat32 {
            let mut info = [0; SECTOR_BYTES as usize];
            put(&mut info, 0, b"RRaA");
            put(&mut info, 484, b"rrAa");
            put(&mut info, 488, &(free_clusters as u32).to_le_bytes());
            put(&mut info, 492, &(next_cluster as u32).to_le_bytes());
            put(&mut info, 510, &[0x55, 0xAA]);
            put(&mut area, 512, &info);
            put(&mut area, 6 * 512, &boot);
            put(&mut area, 7 * 512, &info);
        }
        area
    }

    fn boot_sector(&self, spec: &VolumeSpec, label: &[u8; 11]) -> [u8; SECTOR_BYTES as usize] {
        let fat32 = self.kind == FatKind::Fat32;
        let mut boot = [0; SECTOR_BYTES as usize];
        put(
            &mut boot,
            0,
            if fat32 {
                &[0xEB, 0x58, 0x90]
            } else {
                &[0xEB, 0x3C, 0x90]
            },
        );
        // The name every reader accepts (Microsoft FAT specification, BS_OEMName).
        put(&mut boot, 3, b"MSWIN4.1");
        put(&mut boot, 11, &(SECTOR_BYTES as u16).to_le_bytes());
        boot[13] = self.cluster_sectors as u8;
        put(&mut boot, 14, &(self.reserved_sectors as u16).to_le_bytes());
        boot[16] = 2;
        boot[21] = 0xF8;
        put(&mut boot, 24, &63_u16.to_le_bytes());
        put(&mut boot, 26, &255_u16.to_le_bytes());
        put(
            &mut boot,
            28,
            &((spec.disk_offset / SECTOR_BYTES) as u32).to_le_bytes(),
        );
        match u16::try_from(self.total_sectors) {
            Ok(sectors) if !fat32 => put(&mut boot, 19, &sectors.to_le_bytes()),
            _ => put(&mut boot, 32, &(self.total_sectors as u32).to_le_bytes()),
        }
        let extended = if fat32 {
            put(&mut boot, 36, &(self.table_sectors as u32).to_le_bytes());
            put(&mut boot, 44, &2_u32.to_le_bytes());
            put(&mut boot, 48, &1_u16.to_le_bytes());
            put(&mut boot, 50, &6_u16.to_le_bytes());
            64
        } else {
            put(&mut boot, 17, &(ROOT_ENTRIES as u16).to_le_bytes());
            put(&mut boot, 22, &(self.table_sectors as u16).to_le_bytes());
            36
        };
        boot[extended] = 0x80;
        boot[extended + 2] = 0x29;
        put(&mut boot, extended + 3, &spec.serial.to_le_bytes());
        put(&mut boot, extended + 7, label);
        put(&mut boot, extended + 18, self.kind.name());
        // int 18h ("no boot device"), then stop: the volume starts nothing by itself.
        put(&mut boot, extended + 26, &[0xCD, 0x18, 0xEB, 0xFE]);
        put(&mut boot, 510, &[0x55, 0xAA]);
        boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_size() {
        let at = |bytes| Geometry::for_size(bytes).map(|g| (g.kind, g.cluster_bytes()));
        assert_eq!(at(2 << 20), Some((FatKind::Fat12, 4096)));
        assert_eq!(at(8 << 20), Some((FatKind::Fat16, 1024)));
        assert_eq!(at(32 << 20), Some((FatKind::Fat16, 4096)));
        assert_eq!(at(33 << 20), Some((FatKind::Fat32, 512)));
        assert_eq!(at(64 << 20), Some((FatKind::Fat32, 512)));
        assert_eq!(at(70 << 20), Some((FatKind::Fat32, 1024)));
        assert_eq!(at(1 << 30), Some((FatKind::Fat32, 4096)));
        assert_eq!(at(4096), None);
    }

    #[test]
    fn every_size_has_an_aligned_data_area() {
        for mib in 1..400 {
            let geometry = Geometry::for_size(mib << 20).expect("a geometry");
            assert_eq!(geometry.cluster_offset(2) % ALIGN_BYTES, 0, "{mib} MiB");
            let needed = geometry.kind.table_bytes(geometry.clusters + 2);
            assert!(needed <= geometry.table_sectors * SECTOR_BYTES, "{mib} MiB");
            let end = geometry.cluster_offset(geometry.clusters + 2);
            assert!(end <= mib << 20, "{mib} MiB");
        }
    }
}
