//! FAT12/16/32 volumes whose files are contiguous extents (Microsoft FAT specification 1.03).
//!
//! The writer gets names and lengths and answers with the volume's metadata and the byte offset of
//! each file; it never sees contents. Data area and files start on 4 KiB boundaries, so that an
//! ISO 9660 record can point at a file and a copy-on-write file system can share its blocks. `fatfs`
//! and `hadris-fat` decide about clusters themselves, hence this module.

mod directory;
mod geometry;
mod names;

use std::collections::HashMap;
use std::sync::Arc;

pub use geometry::FatKind;

use crate::error::FormatError;
use crate::formats::timestamp::Timestamp;
use crate::formats::{SECTOR_BYTES, align_up, put};
use crate::rope::{Extent, Source};

use directory::{Directory, Tree};
use geometry::Geometry;

/// File starts and the data area are multiples of this many bytes.
pub const ALIGN_BYTES: u64 = 4096;

/// Starts of files of at least this size are multiples of it: the page cache then holds them in large
/// folios, and copying them into an image takes a quarter less time.
pub const LARGE_ALIGN_BYTES: u64 = 65_536;

/// A file to place.
#[derive(Debug, Clone)]
pub struct FatFile {
    /// Path from the root, `/` between names; directories are made as needed.
    pub path: String,
    /// Length in bytes.
    pub length: u64,
}

/// How large the volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeSize {
    /// Exactly so many bytes (a multiple of 4 KiB).
    Exact(u64),
    /// The smallest multiple of so many bytes (itself a multiple of 4 KiB) that holds the files.
    SmallestMultipleOf(u64),
}

/// What the volume looks like apart from its files.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Volume label: at most 11 characters of `A-Z0-9_-` and blanks.
    pub label: String,
    /// Volume serial number.
    pub serial: u32,
    /// Byte offset of the volume on its disk; a multiple of 4 KiB.
    pub disk_offset: u64,
    /// Time of every directory entry.
    pub timestamp: Timestamp,
    /// Size of the volume.
    pub size: VolumeSize,
}

/// A planned volume. Offsets are bytes from the start of the volume.
#[derive(Debug, Clone)]
pub struct Volume {
    /// FAT variant, by number of clusters.
    pub kind: FatKind,
    /// Size in bytes.
    pub length: u64,
    /// Bytes of one cluster.
    pub cluster_bytes: u64,
    /// Boot sectors, tables and directories.
    pub metadata: Vec<Extent>,
    /// Byte offset of each file, in the order they were given; an empty file has the offset of the
    /// next one.
    pub file_offsets: Vec<u64>,
}

/// Plans a volume that holds `files`, placed in the order given.
///
/// # Errors
/// [`FormatError`] when a name or length cannot be expressed or the files do not fit.
pub fn plan(spec: &VolumeSpec, files: &[FatFile]) -> Result<Volume, FormatError> {
    let label = label_bytes(&spec.label)?;
    let tree = Tree::build(files)?;
    let (geometry, allocation) = fit(spec.size, &tree, files)?;
    let free = geometry.clusters - allocation.used;
    let mut metadata = Vec::new();
    let mut place = |offset: u64, bytes: Arc<[u8]>| {
        let length = bytes.len() as u64;
        metadata.push(Extent {
            offset,
            length,
            source: Source::Bytes { bytes, start: 0 },
        });
    };

    let reserved = geometry.reserved_area(
        spec,
        &label,
        free,
        allocation.next.min(geometry.clusters + 1),
    );
    place(0, reserved.into());

    let table: Arc<[u8]> = render_table(&geometry, &allocation).into();
    let table_bytes = geometry.table_sectors * SECTOR_BYTES;
    let mut zeros = Vec::new();
    for copy in 0..2 {
        let offset = geometry.reserved_sectors * SECTOR_BYTES + copy * table_bytes;
        place(offset, Arc::clone(&table));
        zeros.push((
            offset + table.len() as u64,
            table_bytes - table.len() as u64,
        ));
    }

    for (index, directory) in tree.directories.iter().enumerate() {
        let bytes = tree.render(index, &label, spec.timestamp, &allocation);
        if index == 0 && geometry.kind != FatKind::Fat32 {
            let offset = geometry.fixed_root_offset();
            let room = geometry.root_sectors * SECTOR_BYTES;
            if bytes.len() as u64 > room {
                return Err(FormatError::DirectoryFull {
                    path: directory.path.clone(),
                });
            }
            zeros.push((offset + bytes.len() as u64, room - bytes.len() as u64));
            place(offset, bytes.into());
        } else {
            let offset = geometry.cluster_offset(allocation.directories[index]);
            let room = align_up(bytes.len() as u64, geometry.cluster_bytes());
            zeros.push((offset + bytes.len() as u64, room - bytes.len() as u64));
            place(offset, bytes.into());
        }
    }
    metadata.extend(
        zeros
            .into_iter()
            .filter(|(_, length)| *length > 0)
            .map(|(offset, length)| Extent {
                offset,
                length,
                source: Source::Zero,
            }),
    );

    Ok(Volume {
        kind: geometry.kind,
        length: geometry.total_sectors * SECTOR_BYTES,
        cluster_bytes: geometry.cluster_bytes(),
        metadata,
        file_offsets: allocation
            .files
            .iter()
            .map(|at| geometry.cluster_offset(at.first))
            .collect(),
    })
}

/// A run of clusters; `count` is 0 for an empty file.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    count: u64,
}

/// Which clusters belong to what.
#[derive(Debug)]
struct Allocation {
    /// First cluster of each directory; the root of FAT12/16 has 0.
    directories: Vec<u64>,
    runs: Vec<Run>,
    files: Vec<Run>,
    /// Clusters in use.
    used: u64,
    /// First cluster after everything.
    next: u64,
}

/// Hands out clusters in order: directories, then files on boundaries that suit their size.
fn allocate(tree: &Tree, files: &[FatFile], geometry: &Geometry) -> Allocation {
    let cluster_bytes = geometry.cluster_bytes();
    let mut next = 2;
    let mut runs = Vec::new();
    let mut take = |next: &mut u64, bytes: u64| {
        let run = Run {
            first: *next,
            count: bytes.div_ceil(cluster_bytes),
        };
        *next += run.count;
        if run.count > 0 {
            runs.push(run);
        }
        run
    };
    let mut directories = Vec::with_capacity(tree.directories.len());
    for (index, directory) in tree.directories.iter().enumerate() {
        let fixed_root = index == 0 && geometry.kind != FatKind::Fat32;
        directories.push(if fixed_root {
            0
        } else {
            take(&mut next, Directory::encoded_bytes(directory, index == 0)).first
        });
    }
    let mut placed = Vec::with_capacity(files.len());
    for file in files {
        let boundary = if file.length < LARGE_ALIGN_BYTES {
            ALIGN_BYTES
        } else {
            LARGE_ALIGN_BYTES
        };
        // Clusters are not larger than the smaller boundary, and the first one lies on it.
        let at = geometry.cluster_offset(next);
        next += (align_up(at, boundary) - at) / cluster_bytes;
        placed.push(take(&mut next, file.length));
    }
    let used = runs.iter().map(|run| run.count).sum();
    Allocation {
        directories,
        runs,
        files: placed,
        used,
        next,
    }
}

/// Finds a geometry that holds everything.
fn fit(
    size: VolumeSize,
    tree: &Tree,
    files: &[FatFile],
) -> Result<(Geometry, Allocation), FormatError> {
    let attempt = |bytes: u64| {
        let geometry = Geometry::for_size(bytes)?;
        let allocation = allocate(tree, files, &geometry);
        (allocation.next <= geometry.clusters + 2).then_some((geometry, allocation))
    };
    let limit = u64::from(u32::MAX) * SECTOR_BYTES;
    match size {
        VolumeSize::Exact(bytes) => {
            attempt(bytes).ok_or(FormatError::VolumeFull { capacity: bytes })
        }
        VolumeSize::SmallestMultipleOf(step) => {
            let content: u64 = files
                .iter()
                .map(|file| align_up(file.length, SECTOR_BYTES))
                .sum();
            let mut bytes = align_up(content.max(1), step);
            while bytes <= limit {
                if let Some(found) = attempt(bytes) {
                    return Ok(found);
                }
                bytes += step;
            }
            Err(FormatError::VolumeFull { capacity: limit })
        }
    }
}

/// The file allocation table up to the last entry in use.
fn render_table(geometry: &Geometry, allocation: &Allocation) -> Vec<u8> {
    let kind = geometry.kind;
    let mut entries = vec![0_u32; allocation.next as usize];
    entries[0] = kind.end_of_chain() & !0xFF | 0xF8;
    entries[1] = kind.end_of_chain();
    for run in &allocation.runs {
        for cluster in run.first..run.first + run.count {
            let last = cluster + 1 == run.first + run.count;
            entries[cluster as usize] = if last {
                kind.end_of_chain()
            } else {
                cluster as u32 + 1
            };
        }
    }
    let mut table = vec![0; kind.table_bytes(entries.len() as u64) as usize];
    for (index, entry) in entries.iter().enumerate() {
        match kind {
            FatKind::Fat12 => {
                let at = index * 3 / 2;
                let (shift, keep) = if index % 2 == 0 { (0, 0) } else { (4, 0x0F) };
                let word = (entry << shift) as u16 | u16::from(table[at] & keep);
                put(&mut table, at, &word.to_le_bytes());
            }
            FatKind::Fat16 => put(&mut table, index * 2, &(*entry as u16).to_le_bytes()),
            FatKind::Fat32 => put(&mut table, index * 4, &entry.to_le_bytes()),
        }
    }
    table
}

fn label_bytes(label: &str) -> Result<[u8; 11], FormatError> {
    let fits = (1..=11).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_- ".contains(&b));
    if !fits {
        return Err(FormatError::Name {
            path: label.to_owned(),
            format: "FAT volume",
        });
    }
    let mut out = [b' '; 11];
    put(&mut out, 0, label.as_bytes());
    Ok(out)
}

/// Case-insensitive lookup key, as FAT compares names.
fn fold(path: &str) -> String {
    path.to_uppercase()
}

type PathIndex = HashMap<String, usize>;
