//! The directory tree of a FAT volume and its entries.

use super::names::{self, StoredName};
use super::{Allocation, FatFile, PathIndex, fold};
use crate::error::FormatError;
use crate::formats::put;
use crate::formats::timestamp::Timestamp;

const ENTRY_BYTES: usize = 32;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_DIRECTORY: u8 = 0x10;
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
/// A directory has at most 65536 slots of 32 bytes.
const MOST_SLOTS: usize = 65_536;

/// What an entry names.
#[derive(Debug, Clone, Copy)]
enum Target {
    File { index: usize, length: u32 },
    Directory(usize),
}

#[derive(Debug)]
struct Entry {
    name: String,
    stored: StoredName,
    target: Target,
}

/// One directory.
#[derive(Debug)]
pub(super) struct Directory {
    /// Path from the root, empty for the root itself.
    pub path: String,
    parent: usize,
    entries: Vec<Entry>,
}

impl Directory {
    fn new(path: &str, parent: usize) -> Self {
        Self {
            path: path.to_owned(),
            parent,
            entries: Vec::new(),
        }
    }

    fn slots(&self) -> usize {
        // The label in the root, `.` and `..` elsewhere, and the end mark.
        3 + self
            .entries
            .iter()
            .map(|entry| entry.stored.slots())
            .sum::<usize>()
    }

    /// Bytes of the directory with its end mark; `root` has a label but no `.` and `..`.
    pub(super) fn encoded_bytes(&self, root: bool) -> u64 {
        ((self.slots() - usize::from(root)) * ENTRY_BYTES) as u64
    }
}

/// All directories, parents before children; the root is first.
#[derive(Debug)]
pub(super) struct Tree {
    pub directories: Vec<Directory>,
}

impl Tree {
    pub(super) fn build(files: &[FatFile]) -> Result<Self, FormatError> {
        let mut directories = vec![Directory::new("", 0)];
        let mut known: PathIndex = [(String::new(), 0)].into();
        let mut seen = std::collections::HashSet::new();
        for (index, file) in files.iter().enumerate() {
            let length = u32::try_from(file.length).map_err(|_| FormatError::FileTooLarge {
                path: file.path.clone(),
                length: file.length,
            })?;
            let (parent, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            let parent = ensure(&mut directories, &mut known, parent);
            if known.contains_key(&fold(&file.path)) || !seen.insert(fold(&file.path)) {
                return Err(FormatError::Duplicate {
                    path: file.path.clone(),
                });
            }
            directories[parent].entries.push(Entry {
                name: name.to_owned(),
                stored: unnamed(),
                target: Target::File { index, length },
            });
        }
        if let Some(path) = seen.iter().find(|path| known.contains_key(*path)) {
            return Err(FormatError::Duplicate { path: path.clone() });
        }
        for directory in &mut directories {
            let names: Vec<&str> = directory
                .entries
                .iter()
                .map(|entry| entry.name.as_str())
                .collect();
            let stored = names::store(&names)?;
            for (entry, stored) in directory.entries.iter_mut().zip(stored) {
                entry.stored = stored;
            }
            if directory.slots() > MOST_SLOTS {
                return Err(FormatError::DirectoryFull {
                    path: directory.path.clone(),
                });
            }
        }
        Ok(Self { directories })
    }

    /// The bytes of a directory, end mark included.
    pub(super) fn render(
        &self,
        index: usize,
        label: &[u8; 11],
        timestamp: Timestamp,
        allocation: &Allocation,
    ) -> Vec<u8> {
        let directory = &self.directories[index];
        let mut out = Vec::with_capacity(directory.encoded_bytes(index == 0) as usize);
        let mut push = |name: &[u8; 11], nt_case, attributes, cluster, length| {
            out.extend_from_slice(&entry(
                name, nt_case, attributes, cluster, length, timestamp,
            ));
        };
        if index == 0 {
            push(label, 0, ATTRIBUTE_LABEL, 0, 0);
        } else {
            // `..` of a child of the root says 0 even where the root has a cluster.
            let parent = match directory.parent {
                0 => 0,
                parent => allocation.directories[parent],
            };
            let own = allocation.directories[index];
            push(b".          ", 0, ATTRIBUTE_DIRECTORY, own, 0);
            push(b"..         ", 0, ATTRIBUTE_DIRECTORY, parent, 0);
        }
        for child in &directory.entries {
            for long in child.stored.long_entries() {
                out.extend_from_slice(&long);
            }
            let (attributes, cluster, length) = match child.target {
                Target::File { index, length } => {
                    let run = allocation.files[index];
                    let first = if run.count == 0 { 0 } else { run.first };
                    (ATTRIBUTE_ARCHIVE, first, length)
                }
                Target::Directory(index) => (ATTRIBUTE_DIRECTORY, allocation.directories[index], 0),
            };
            let StoredName { short, nt_case, .. } = &child.stored;
            out.extend_from_slice(&entry(
                short, *nt_case, attributes, cluster, length, timestamp,
            ));
        }
        out.extend_from_slice(&[0; ENTRY_BYTES]);
        out
    }
}

/// The index of directory `path`, made with its parents if need be.
fn ensure(directories: &mut Vec<Directory>, known: &mut PathIndex, path: &str) -> usize {
    if let Some(index) = known.get(&fold(path)) {
        return *index;
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = ensure(directories, known, parent);
    let index = directories.len();
    directories.push(Directory::new(path, parent));
    directories[parent].entries.push(Entry {
        name: name.to_owned(),
        stored: unnamed(),
        target: Target::Directory(index),
    });
    known.insert(fold(path), index);
    index
}

/// Stands in until the whole directory is known and short names can be made unique.
fn unnamed() -> StoredName {
    StoredName {
        short: [b' '; 11],
        nt_case: 0,
        long: None,
    }
}

fn entry(
    name: &[u8; 11],
    nt_case: u8,
    attributes: u8,
    cluster: u64,
    length: u32,
    timestamp: Timestamp,
) -> [u8; ENTRY_BYTES] {
    let (time, date) = timestamp.fat();
    let mut out = [0; ENTRY_BYTES];
    put(&mut out, 0, name);
    out[11] = attributes;
    out[12] = nt_case;
    put(&mut out, 14, &time.to_le_bytes());
    put(&mut out, 16, &date.to_le_bytes());
    put(&mut out, 18, &date.to_le_bytes());
    put(&mut out, 20, &((cluster >> 16) as u16).to_le_bytes());
    put(&mut out, 22, &time.to_le_bytes());
    put(&mut out, 24, &date.to_le_bytes());
    put(&mut out, 26, &(cluster as u16).to_le_bytes());
    put(&mut out, 28, &length.to_le_bytes());
    out
}
