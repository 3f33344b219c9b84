//! ISO 9660 metadata (ECMA-119, level 1: 8.3 names, no extensions) whose records may point at any
//! 2048-byte block of the image, such as a file inside a FAT partition.

use std::collections::BTreeMap;

use super::timestamp::Timestamp;
use super::{align_up, put};
use crate::error::FormatError;

/// Bytes of a logical block.
pub const BLOCK_BYTES: u64 = 2048;
/// Block of the primary volume descriptor; the 16 blocks before it are the system area.
pub const PVD_BLOCK: u32 = 16;
/// Block of the boot catalog in the trees written here.
pub const CATALOG_BLOCK: u32 = 19;
const PATH_TABLE_BLOCK: u32 = 20;

/// Directory flag of a record.
const FLAG_DIRECTORY: u8 = 0x02;

/// Where a file's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// First byte in the image; a multiple of 2048.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// What the volume says about itself.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Volume identifier: at most 32 of `A-Z0-9_`.
    pub volume_id: String,
    /// Application identifier: at most 128 ASCII characters.
    pub application_id: String,
    /// Time of the volume and of every record.
    pub timestamp: Timestamp,
    /// Size of the whole image in bytes; a multiple of 2048.
    pub total_bytes: u64,
}

#[derive(Debug, Default)]
struct Directory {
    parent: usize,
    /// Identifier in the path table; a zero byte for the root.
    name: String,
    /// Files and subdirectories by identifier.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    File(usize),
    Directory(usize),
}

/// A tree of names. Its metadata has a length that depends on the names only, so a medium can be
/// laid out before the locations are known.
#[derive(Debug)]
pub struct Tree {
    /// Breadth first, siblings by name: the order of the path table.
    directories: Vec<Directory>,
    paths: Vec<String>,
}

impl Tree {
    /// Builds the tree of `paths` (`/` between names, every name 8.3 of `A-Z0-9_`).
    ///
    /// # Errors
    /// [`FormatError::Name`] and [`FormatError::Duplicate`].
    pub fn new(paths: &[String]) -> Result<Self, FormatError> {
        let mut directories = vec![Directory::default()];
        for (index, path) in paths.iter().enumerate() {
            let invalid = || FormatError::Name {
                path: path.clone(),
                format: "ISO 9660",
            };
            let duplicate = || FormatError::Duplicate { path: path.clone() };
            let mut parts: Vec<&str> = path.split('/').collect();
            let file = parts
                .pop()
                .filter(|name| is_file_name(name))
                .ok_or_else(invalid)?;
            // ECMA-119 6.8.2.1: at most eight levels, the root included.
            if parts.len() > 7 || !parts.iter().all(|name| is_name(name, 8)) {
                return Err(invalid());
            }
            let mut at = 0;
            for name in parts {
                at = match directories[at].entries.get(name) {
                    Some(Entry::Directory(index)) => *index,
                    Some(Entry::File(_)) => return Err(duplicate()),
                    None => {
                        let index = directories.len();
                        directories.push(Directory {
                            parent: at,
                            name: name.to_owned(),
                            entries: BTreeMap::new(),
                        });
                        directories[at]
                            .entries
                            .insert(name.to_owned(), Entry::Directory(index));
                        index
                    }
                };
            }
            // A directory and a file may not share a name; the file's has a version behind it.
            let key = format!("{file};1");
            if directories[at].entries.contains_key(file)
                || directories[at]
                    .entries
                    .insert(key, Entry::File(index))
                    .is_some()
            {
                return Err(duplicate());
            }
        }
        for (at, directory) in directories.iter().enumerate() {
            for (name, entry) in &directory.entries {
                if let (Entry::File(index), Some(bare)) = (entry, name.strip_suffix(";1"))
                    && matches!(directories[at].entries.get(bare), Some(Entry::Directory(_)))
                {
                    return Err(FormatError::Duplicate {
                        path: paths[*index].clone(),
                    });
                }
            }
        }
        Ok(Self {
            directories: breadth_first(&directories),
            paths: paths.to_vec(),
        })
    }

    /// Bytes of all metadata from block 16 on: descriptors, catalog, path tables, directories.
    #[must_use]
    pub fn metadata_bytes(&self) -> u64 {
        let blocks = u64::from(self.first_directory_block() - PVD_BLOCK);
        let directories: u64 = (0..self.directories.len())
            .map(|at| self.directory_bytes(at))
            .sum();
        blocks * BLOCK_BYTES + directories
    }

    /// Renders the metadata for byte 32768 of the image. `boot_record` and `catalog` come from
    /// [`el_torito`](super::el_torito); the catalog goes to block [`CATALOG_BLOCK`].
    /// `locations` are those of the paths, in the same order.
    ///
    /// # Errors
    /// [`FormatError`] when a location cannot be recorded or an identifier is no valid one.
    pub fn render(
        &self,
        spec: &VolumeSpec,
        boot_record: &[u8],
        catalog: &[u8],
        locations: &[Location],
    ) -> Result<Vec<u8>, FormatError> {
        for (path, location) in self.paths.iter().zip(locations) {
            check_location(path, *location)?;
        }
        let blocks = self.directory_blocks();
        let mut out = vec![0; self.metadata_bytes() as usize];
        let at = |block: u32| u64::from(block - PVD_BLOCK) as usize * BLOCK_BYTES as usize;
        let table = self.path_table(&blocks, u32::to_le_bytes, u16::to_le_bytes);
        let table_be = self.path_table(&blocks, u32::to_be_bytes, u16::to_be_bytes);
        let second_table = PATH_TABLE_BLOCK + self.path_table_blocks();
        put(
            &mut out,
            0,
            &self.descriptor(spec, &blocks, table.len() as u32, second_table)?,
        );
        put(&mut out, at(17), boot_record);
        put(&mut out, at(18), b"\xFFCD001\x01");
        put(&mut out, at(CATALOG_BLOCK), catalog);
        put(&mut out, at(PATH_TABLE_BLOCK), &table);
        put(&mut out, at(second_table), &table_be);
        for (index, block) in blocks.iter().enumerate() {
            let bytes = self.render_directory(index, &blocks, locations, spec.timestamp);
            put(&mut out, at(*block), &bytes);
        }
        Ok(out)
    }

    fn path_table_blocks(&self) -> u32 {
        let bytes: usize = self.directories.iter().map(path_record_bytes).sum();
        (bytes as u64).div_ceil(BLOCK_BYTES) as u32
    }

    fn first_directory_block(&self) -> u32 {
        PATH_TABLE_BLOCK + 2 * self.path_table_blocks()
    }

    fn directory_blocks(&self) -> Vec<u32> {
        let mut next = self.first_directory_block();
        (0..self.directories.len())
            .map(|index| {
                let own = next;
                next += (self.directory_bytes(index) / BLOCK_BYTES) as u32;
                own
            })
            .collect()
    }

    /// A whole number of blocks; no record straddles two.
    fn directory_bytes(&self, index: usize) -> u64 {
        let names = self.directories[index].entries.keys();
        let end = names.fold(2 * record_bytes(1), |at, name| {
            fit_in_block(at, record_bytes(name.len())) + record_bytes(name.len())
        });
        align_up(end, BLOCK_BYTES)
    }

    fn render_directory(
        &self,
        index: usize,
        blocks: &[u32],
        locations: &[Location],
        timestamp: Timestamp,
    ) -> Vec<u8> {
        let directory = &self.directories[index];
        let mut out = vec![0; self.directory_bytes(index) as usize];
        let directory_record = |target: usize, name: &[u8]| {
            let bytes = self.directory_bytes(target) as u32;
            record(name, blocks[target], bytes, FLAG_DIRECTORY, timestamp)
        };
        let mut at = 0;
        let mut push = |bytes: &[u8]| {
            at = fit_in_block(at, bytes.len() as u64);
            put(&mut out, at as usize, bytes);
            at += bytes.len() as u64;
        };
        push(&directory_record(index, &[0]));
        push(&directory_record(directory.parent, &[1]));
        for (name, entry) in &directory.entries {
            push(&match entry {
                Entry::Directory(target) => directory_record(*target, name.as_bytes()),
                Entry::File(file) => {
                    let Location { offset, length } = locations[*file];
                    let block = (offset / BLOCK_BYTES) as u32;
                    record(name.as_bytes(), block, length as u32, 0, timestamp)
                }
            });
        }
        out
    }

    fn path_table(
        &self,
        blocks: &[u32],
        u32_bytes: fn(u32) -> [u8; 4],
        u16_bytes: fn(u16) -> [u8; 2],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        for (directory, block) in self.directories.iter().zip(blocks) {
            let name = if directory.name.is_empty() {
                &[0][..]
            } else {
                directory.name.as_bytes()
            };
            out.extend_from_slice(&[name.len() as u8, 0]);
            out.extend_from_slice(&u32_bytes(*block));
            out.extend_from_slice(&u16_bytes(directory.parent as u16 + 1));
            out.extend_from_slice(name);
            if name.len() % 2 == 1 {
                out.push(0);
            }
        }
        out
    }

    fn descriptor(
        &self,
        spec: &VolumeSpec,
        blocks: &[u32],
        path_table_bytes: u32,
        second_table: u32,
    ) -> Result<Vec<u8>, FormatError> {
        let valid_id = is_name(&spec.volume_id, 32);
        let valid_application = spec.application_id.len() <= 128 && spec.application_id.is_ascii();
        if !valid_id || !valid_application {
            return Err(FormatError::Name {
                path: spec.volume_id.clone(),
                format: "ISO 9660 volume",
            });
        }
        let mut pvd = vec![0; BLOCK_BYTES as usize];
        put(&mut pvd, 0, b"\x01CD001\x01");
        // System, volume, set, publisher, preparer, application and three file identifiers.
        for (at, length) in [
            (8, 32),
            (40, 32),
            (190, 128),
            (318, 128),
            (446, 128),
            (574, 128),
        ] {
            pvd[at..at + length].fill(b' ');
        }
        pvd[702..813].fill(b' ');
        put(&mut pvd, 40, spec.volume_id.as_bytes());
        put(&mut pvd, 574, spec.application_id.as_bytes());
        put(
            &mut pvd,
            80,
            &both_u32((spec.total_bytes / BLOCK_BYTES) as u32),
        );
        put(&mut pvd, 120, &both_u16(1));
        put(&mut pvd, 124, &both_u16(1));
        put(&mut pvd, 128, &both_u16(BLOCK_BYTES as u16));
        put(&mut pvd, 132, &both_u32(path_table_bytes));
        put(&mut pvd, 140, &PATH_TABLE_BLOCK.to_le_bytes());
        put(&mut pvd, 148, &second_table.to_be_bytes());
        let root_bytes = self.directory_bytes(0) as u32;
        put(
            &mut pvd,
            156,
            &record(&[0], blocks[0], root_bytes, FLAG_DIRECTORY, spec.timestamp),
        );
        put(&mut pvd, 813, &spec.timestamp.iso_volume());
        put(&mut pvd, 830, &spec.timestamp.iso_volume());
        // Expiration and effective dates: not specified, which is all digits zero.
        put(&mut pvd, 847, b"0000000000000000\0");
        put(&mut pvd, 864, b"0000000000000000\0");
        pvd[881] = 1;
        Ok(pvd)
    }
}

/// Renumbers directories breadth first, children in the order of their names.
fn breadth_first(directories: &[Directory]) -> Vec<Directory> {
    let mut order = vec![0];
    let mut at = 0;
    while at < order.len() {
        let children = directories[order[at]].entries.values();
        let next: Vec<usize> = children
            .filter_map(|entry| match entry {
                Entry::Directory(index) => Some(*index),
                Entry::File(_) => None,
            })
            .collect();
        order.extend(next);
        at += 1;
    }
    let mut number = vec![0; directories.len()];
    for (new, old) in order.iter().enumerate() {
        number[*old] = new;
    }
    order
        .iter()
        .map(|old| {
            let directory = &directories[*old];
            Directory {
                parent: number[directory.parent],
                name: directory.name.clone(),
                entries: directory
                    .entries
                    .iter()
                    .map(|(name, entry)| {
                        let entry = match entry {
                            Entry::File(index) => Entry::File(*index),
                            Entry::Directory(index) => Entry::Directory(number[*index]),
                        };
                        (name.clone(), entry)
                    })
                    .collect(),
            }
        })
        .collect()
}

fn check_location(path: &str, location: Location) -> Result<(), FormatError> {
    if u32::try_from(location.length).is_err() {
        return Err(FormatError::FileTooLarge {
            path: path.to_owned(),
            length: location.length,
        });
    }
    if !location.offset.is_multiple_of(BLOCK_BYTES)
        || u32::try_from(location.offset / BLOCK_BYTES).is_err()
    {
        return Err(FormatError::Extent {
            path: path.to_owned(),
            offset: location.offset,
        });
    }
    Ok(())
}

/// Whether `name` is 1 to `most` d-characters (ECMA-119 7.4.1).
fn is_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_file_name(name: &str) -> bool {
    match name.split_once('.') {
        Some((base, extension)) => is_name(base, 8) && is_name(extension, 3),
        None => is_name(name, 8),
    }
}

fn record_bytes(name_bytes: usize) -> u64 {
    let bytes = 33 + name_bytes;
    (bytes + bytes % 2) as u64
}

fn path_record_bytes(directory: &Directory) -> usize {
    let name = directory.name.len().max(1);
    8 + name + name % 2
}

/// Where a record of `length` bytes goes when the next free byte is `at`.
fn fit_in_block(at: u64, length: u64) -> u64 {
    if at % BLOCK_BYTES + length > BLOCK_BYTES {
        align_up(at, BLOCK_BYTES)
    } else {
        at
    }
}

fn record(name: &[u8], block: u32, length: u32, flags: u8, timestamp: Timestamp) -> Vec<u8> {
    let mut out = vec![0; record_bytes(name.len()) as usize];
    out[0] = out.len() as u8;
    put(&mut out, 2, &both_u32(block));
    put(&mut out, 10, &both_u32(length));
    put(&mut out, 18, &timestamp.iso_record());
    out[25] = flags;
    put(&mut out, 28, &both_u16(1));
    out[32] = name.len() as u8;
    put(&mut out, 33, name);
    out
}

/// ECMA-119 7.3.3: little endian, then big endian.
fn both_u32(value: u32) -> [u8; 8] {
    let mut out = [0; 8];
    put(&mut out, 0, &value.to_le_bytes());
    put(&mut out, 4, &value.to_be_bytes());
    out
}

/// ECMA-119 7.2.3.
fn both_u16(value: u16) -> [u8; 4] {
    let mut out = [0; 4];
    put(&mut out, 0, &value.to_le_bytes());
    put(&mut out, 2, &value.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Result<Tree, FormatError> {
        Tree::new(
            &paths
                .iter()
                .map(|path| (*path).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn names_are_checked() {
        for bad in [
            "boot",
            "TOOLONGNAME",
            "A.LONG",
            "A/",
            "/A",
            "A-B",
            "A.B.C",
            "",
            "A/B.C/D",
        ] {
            assert!(
                matches!(tree(&[bad]), Err(FormatError::Name { .. })),
                "{bad:?}"
            );
        }
        assert!(tree(&["A/B/C/D/E/F/G/H.I"]).is_ok());
        assert!(tree(&["A/B/C/D/E/F/G/H/I"]).is_err());
        for bad in [&["A", "A"][..], &["A", "A/B"], &["A/B", "A"]] {
            assert!(
                matches!(tree(bad), Err(FormatError::Duplicate { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn records_never_straddle_a_block() {
        let paths: Vec<String> = (0..200).map(|n| format!("DIR/FILE{n:04}.TXT")).collect();
        let tree = Tree::new(&paths).expect("tree");
        // 200 records of 46 bytes, 44 to a block.
        assert_eq!(tree.directory_bytes(1), 5 * BLOCK_BYTES);
        let locations = vec![
            Location {
                offset: 65_536,
                length: 1
            };
            200
        ];
        let spec = VolumeSpec {
            volume_id: "TEST".to_owned(),
            application_id: String::new(),
            timestamp: Timestamp(0),
            total_bytes: 1 << 20,
        };
        let out = tree.render(&spec, &[], &[], &locations).expect("rendered");
        assert_eq!(out.len() as u64, tree.metadata_bytes());
    }

    #[test]
    fn unaligned_locations_are_refused() {
        let tree = tree(&["A"]).expect("tree");
        let spec = VolumeSpec {
            volume_id: "TEST".to_owned(),
            application_id: String::new(),
            timestamp: Timestamp(0),
            total_bytes: 1 << 20,
        };
        let at = |offset, length| tree.render(&spec, &[], &[], &[Location { offset, length }]);
        assert!(matches!(at(512, 1), Err(FormatError::Extent { .. })));
        assert!(matches!(
            at(2048, 1 << 32),
            Err(FormatError::FileTooLarge { .. })
        ));
    }
}
