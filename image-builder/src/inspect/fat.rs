//! FAT12/16/32 volumes (Microsoft FAT specification 1.03), long names included.

use std::cell::Cell;
use std::collections::HashSet;

use super::{FileEntry, MOST_FILES, MOST_LEVELS, Probe, u16_at, u32_at};
use crate::error::ShowError;
use crate::formats::fat::FatKind;
use crate::regions::Span;

/// Largest table that is read; larger volumes are described without files.
const MOST_TABLE_BYTES: u64 = 16 << 20;
/// Most bytes of one directory.
const MOST_DIRECTORY_BYTES: u64 = 2 << 20;

/// A volume.
#[derive(Debug, Clone)]
pub struct FatVolume {
    /// First byte on the medium.
    pub offset: u64,
    /// Length in bytes, as the boot sector says.
    pub length: u64,
    /// Variant.
    pub kind: FatKind,
    /// Label: untrusted text.
    pub label: String,
    /// Each copy of the table.
    pub tables: Vec<Span>,
    /// First byte behind the tables (and behind the root directory of FAT12/16).
    pub data: u64,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// What does not read: a place and what is wrong there.
    pub damage: Vec<(u64, String)>,
    root: Root,
    cluster_bytes: u64,
    clusters: u64,
    table: Vec<u8>,
    /// Steps along chains that are still allowed: chains of a sound volume share no cluster.
    steps: Cell<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Root {
    Fixed(Span),
    Cluster(u64),
}

/// Reads the volume that begins at byte `offset`; `None` when there is none.
///
/// # Errors
/// [`ShowError::Read`].
pub fn read(probe: &mut Probe<'_>, offset: u64) -> Result<Option<FatVolume>, ShowError> {
    let Some(boot) = probe.bytes(offset, 512)? else {
        return Ok(None);
    };
    let Some(mut volume) = geometry(&boot, offset) else {
        return Ok(None);
    };
    let first = volume.tables[0];
    if first.length > MOST_TABLE_BYTES {
        return Ok(Some(volume));
    }
    let Some(table) = probe.bytes(first.offset, first.length)? else {
        let what = "the allocation table lies beyond the end".to_owned();
        volume.damage.push((first.offset, what));
        return Ok(Some(volume));
    };
    volume.table = table;
    for copy in volume.tables.clone().into_iter().skip(1) {
        let other = probe.bytes(copy.offset, copy.length)?.unwrap_or_default();
        if let Some(at) = (0..volume.table.len()).find(|at| other.get(*at) != volume.table.get(*at))
        {
            let what = "the copies of the allocation table differ".to_owned();
            volume.damage.push((copy.offset + at as u64, what));
        }
    }
    let mut walk = Walk {
        seen: HashSet::new(),
        files: Vec::new(),
        damage: Vec::new(),
    };
    let extents = match volume.root {
        Root::Fixed(span) => vec![span],
        Root::Cluster(first) => volume.chain(first).0,
    };
    volume.directory(probe, "", &extents, 0, &mut walk)?;
    volume.files = walk.files;
    volume.damage.append(&mut walk.damage);
    Ok(Some(volume))
}

fn geometry(boot: &[u8], offset: u64) -> Option<FatVolume> {
    let sector = u64::from(u16_at(boot, 11));
    let per_cluster = u64::from(boot[13]);
    let copies = u64::from(boot[16]);
    if boot[510..] != [0x55, 0xAA]
        || !matches!(boot[0], 0xEB | 0xE9)
        || !matches!(sector, 512 | 1024 | 2048 | 4096)
        || !per_cluster.is_power_of_two()
        || !(1..=2).contains(&copies)
    {
        return None;
    }
    let reserved = u64::from(u16_at(boot, 14));
    let total = match u16_at(boot, 19) {
        0 => u64::from(u32_at(boot, 32)),
        sectors => u64::from(sectors),
    };
    let table = match u16_at(boot, 22) {
        0 => u64::from(u32_at(boot, 36)),
        sectors => u64::from(sectors),
    };
    let root_bytes = u64::from(u16_at(boot, 17)) * 32;
    let root_sectors = root_bytes.div_ceil(sector);
    let data = reserved + copies * table + root_sectors;
    let clusters = total.checked_sub(data)? / per_cluster;
    if reserved == 0 || table == 0 || clusters == 0 {
        return None;
    }
    let kind = match clusters {
        0..4085 => FatKind::Fat12,
        4085..65_525 => FatKind::Fat16,
        _ => FatKind::Fat32,
    };
    let at = |sectors: u64| offset.saturating_add(sectors * sector);
    let extended = if kind == FatKind::Fat32 { 64 } else { 36 };
    let root = if kind == FatKind::Fat32 {
        Root::Cluster(u64::from(u32_at(boot, 44)))
    } else {
        Root::Fixed(Span {
            offset: at(reserved + copies * table),
            length: root_bytes,
        })
    };
    let label = String::from_utf8_lossy(&boot[extended + 7..extended + 18]);
    Some(FatVolume {
        offset,
        length: total * sector,
        kind,
        label: label.trim_end_matches([' ', '\0']).to_owned(),
        tables: (0..copies)
            .map(|copy| Span {
                offset: at(reserved + copy * table),
                length: table * sector,
            })
            .collect(),
        data: at(data),
        files: Vec::new(),
        damage: Vec::new(),
        root,
        cluster_bytes: per_cluster * sector,
        clusters,
        table: Vec::new(),
        steps: Cell::new(clusters.saturating_mul(2)),
    })
}

struct Walk {
    seen: HashSet<u64>,
    files: Vec<FileEntry>,
    damage: Vec<(u64, String)>,
}

impl FatVolume {
    fn entry(&self, cluster: u64) -> u64 {
        let cluster = cluster as usize;
        match self.kind {
            FatKind::Fat12 => {
                let word = u64::from(u16_at(&self.table, cluster * 3 / 2));
                if cluster.is_multiple_of(2) {
                    word & 0xFFF
                } else {
                    word >> 4
                }
            }
            FatKind::Fat16 => u64::from(u16_at(&self.table, cluster * 2)),
            FatKind::Fat32 => u64::from(u32_at(&self.table, cluster * 4)) & 0x0FFF_FFFF,
        }
    }

    /// The extents of a chain, neighbours joined, and whether it ended as it should.
    fn chain(&self, first: u64) -> (Vec<Span>, bool) {
        let mut extents: Vec<Span> = Vec::new();
        let mut cluster = first;
        let end = u64::from(self.kind.end_of_chain()) & !7;
        while self.steps.get() > 0 {
            self.steps.set(self.steps.get() - 1);
            if !(2..self.clusters + 2).contains(&cluster) {
                return (extents, cluster >= end);
            }
            let offset = self.data + (cluster - 2) * self.cluster_bytes;
            match extents.last_mut() {
                Some(last) if last.end() == offset => last.length += self.cluster_bytes,
                _ => extents.push(Span {
                    offset,
                    length: self.cluster_bytes,
                }),
            }
            cluster = self.entry(cluster);
        }
        (extents, cluster >= end)
    }

    fn directory(
        &self,
        probe: &mut Probe<'_>,
        path: &str,
        extents: &[Span],
        level: usize,
        walk: &mut Walk,
    ) -> Result<(), ShowError> {
        let Some(first) = extents.first() else {
            return Ok(());
        };
        if level > MOST_LEVELS
            || !walk.seen.insert(first.offset)
            || walk.seen.len() + walk.files.len() > MOST_FILES
        {
            return Ok(());
        }
        let length: u64 = extents.iter().map(|e| e.length).sum();
        let whole = FileEntry {
            path: path.to_owned(),
            length,
            extents: extents.to_vec(),
        };
        let bytes = if length <= MOST_DIRECTORY_BYTES {
            whole.read(probe, 0, length)?
        } else {
            None
        };
        let Some(bytes) = bytes else {
            let what = format!("directory /{path} cannot be read");
            walk.damage.push((first.offset, what));
            return Ok(());
        };
        let mut long = LongName::default();
        for entry in bytes.chunks_exact(32) {
            match (entry[0], entry[11]) {
                (0, _) => break,
                (0xE5, _) => long = LongName::default(),
                (_, attributes) if attributes & 0x3F == 0x0F => long.add(entry),
                // Volume label.
                (_, attributes) if attributes & 0x08 != 0 => long = LongName::default(),
                (b'.', _) => long = LongName::default(),
                _ => self.child(probe, path, entry, &std::mem::take(&mut long), level, walk)?,
            }
        }
        Ok(())
    }

    fn child(
        &self,
        probe: &mut Probe<'_>,
        path: &str,
        entry: &[u8],
        long: &LongName,
        level: usize,
        walk: &mut Walk,
    ) -> Result<(), ShowError> {
        let name = long.name(entry).unwrap_or_else(|| short_name(entry));
        let child = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        let first = u64::from(u16_at(entry, 26)) | u64::from(u16_at(entry, 20)) << 16;
        let (extents, ended) = self.chain(first);
        if entry[11] & 0x10 != 0 {
            return self.directory(probe, &child, &extents, level + 1, walk);
        }
        let length = u64::from(u32_at(entry, 28));
        let held: u64 = extents.iter().map(|e| e.length).sum();
        let empty = length == 0 && first == 0;
        if !empty && (!ended || held != length.div_ceil(self.cluster_bytes) * self.cluster_bytes) {
            let place = extents.first().map_or(self.offset, |e| e.offset);
            let what = format!("{child} has {length} bytes and clusters for {held}");
            walk.damage.push((place, what));
        }
        walk.files.push(FileEntry {
            path: child,
            length,
            extents,
        });
        Ok(())
    }
}

/// A long name in the making: its parts come last first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    checksum: u8,
}

impl LongName {
    fn add(&mut self, entry: &[u8]) {
        if entry[0] & 0x40 != 0 {
            self.units.clear();
        }
        self.checksum = entry[13];
        let places = (1..11)
            .step_by(2)
            .chain((14..26).step_by(2))
            .chain([28, 30]);
        let mut units: Vec<u16> = places.map(|at| u16_at(entry, at)).collect();
        units.append(&mut self.units);
        // 20 entries is what a name can have.
        units.truncate(260);
        self.units = units;
    }

    fn name(&self, entry: &[u8]) -> Option<String> {
        let sum = entry[..11]
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.units.is_empty() || sum != self.checksum {
            return None;
        }
        let end = self.units.iter().position(|unit| *unit == 0);
        Some(String::from_utf16_lossy(
            &self.units[..end.unwrap_or(self.units.len())],
        ))
    }
}

/// The 8.3 name, with the lower-case bits of Windows NT.
fn short_name(entry: &[u8]) -> String {
    let part = |bytes: &[u8], lower: bool| {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if lower { text.to_lowercase() } else { text }
    };
    let base = part(&entry[..8], entry[12] & 0x08 != 0);
    let extension = part(&entry[8..11], entry[12] & 0x10 != 0);
    if extension.is_empty() {
        base
    } else {
        format!("{base}.{extension}")
    }
}
