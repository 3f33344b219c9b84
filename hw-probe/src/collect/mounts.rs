//! What is mounted where, from `/proc/self/mountinfo` and `/proc/swaps`.

use std::collections::{BTreeMap, BTreeSet};

use crate::root::Root;

const MOUNTINFO_MAX_BYTES: usize = 4 << 20;
/// Places of one device that are told.
const POINTS_MAX: usize = 64;

/// One mounted file system or used swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR`. btrfs and others have numbers of no device; their `source` tells.
    number: String,
    /// What was mounted, often a device node.
    pub source: String,
    /// Type of the file system.
    pub kind: String,
    /// Where; `[SWAP]` for a swap area.
    pub point: String,
}

#[derive(Debug, Default)]
pub(super) struct Mounts {
    list: Vec<Mount>,
    /// Places in the list by number and by the name of the device.
    by_number: BTreeMap<String, Vec<usize>>,
    by_name: BTreeMap<String, Vec<usize>>,
}

impl Mounts {
    pub(super) fn read(root: &Root) -> Self {
        let read = |path: &str| {
            let data = root
                .read_up_to(path, MOUNTINFO_MAX_BYTES)
                .unwrap_or_default();
            String::from_utf8_lossy(&data).into_owned()
        };
        let mut list: Vec<Mount> = read("/proc/self/mountinfo")
            .lines()
            .filter_map(mount)
            .collect();
        // A node behind a link (`/dev/mapper/root`) is a device by another name.
        for mount in &mut list {
            if mount.number.starts_with("0:") && mount.source.starts_with("/dev/") {
                mount.source = root.resolve(&mount.source).to_string_lossy().into_owned();
            }
        }
        let swaps = read("/proc/swaps");
        let swaps = swaps.lines().skip(1).filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let source = unescape(words.next()?);
            (words.next() == Some("partition")).then(|| Mount {
                number: String::new(),
                source: root.resolve(source).to_string_lossy().into_owned(),
                kind: "swap".to_owned(),
                point: "[SWAP]".to_owned(),
            })
        });
        list.extend(swaps);
        let mut mounts = Self::default();
        for (index, mount) in list.iter().enumerate() {
            let by_number = mounts.by_number.entry(mount.number.clone());
            by_number.or_default().push(index);
            if let Some(name) = mount.source.strip_prefix("/dev/") {
                let by_name = mounts.by_name.entry(name.to_owned());
                by_name.or_default().push(index);
            }
        }
        mounts.list = list;
        mounts
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.list.iter()
    }

    /// Where the device is mounted, each place once.
    pub(super) fn points(&self, number: Option<&str>, name: &str) -> Vec<String> {
        let by_number = number.and_then(|number| self.by_number.get(number));
        let indices: BTreeSet<usize> = by_number
            .into_iter()
            .chain(self.by_name.get(name))
            .flatten()
            .copied()
            .collect();
        let mut known = BTreeSet::new();
        indices
            .into_iter()
            .filter_map(|index| self.list.get(index))
            .filter(|mount| known.insert(mount.point.as_str()))
            .take(POINTS_MAX)
            .map(|mount| mount.point.clone())
            .collect()
    }
}

impl Mount {
    pub(super) fn is_of(&self, number: Option<&str>, name: &str) -> bool {
        Some(self.number.as_str()) == number
            || self
                .source
                .strip_prefix("/dev/")
                .is_some_and(|source| source == name)
    }
}

/// proc(5): id, parent, device, root, mount point, options, optional fields, `-`, type, source.
fn mount(line: &str) -> Option<Mount> {
    let (place, origin) = line.split_once(" - ")?;
    let mut place = place.split_ascii_whitespace().skip(2);
    let number = place.next()?.to_owned();
    let point = unescape(place.nth(1)?);
    let mut origin = origin.split_ascii_whitespace();
    let kind = unescape(origin.next()?);
    let source = unescape(origin.next()?);
    Some(Mount {
        number,
        source,
        kind,
        point,
    })
}

/// Undoes `\040` and its like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match rest {
            [b'\\', digits @ ..] => digits
                .get(..3)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| u8::from_str_radix(digits, 8).ok()),
            _ => None,
        };
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo() {
        let line = r"36 35 8:2 / /mnt/my\040disk rw,noatime master:1 - ext4 /dev/sda2 rw";
        let mount = mount(line).unwrap();
        assert_eq!(mount.point, "/mnt/my disk");
        assert!(mount.is_of(Some("8:2"), "other") && mount.is_of(None, "sda2"));
        assert!(!mount.is_of(Some("8:1"), "sda"));
        assert_eq!(super::mount("nonsense"), None);
    }
}
