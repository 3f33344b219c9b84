//! What is mounted where, from `/proc/self/mountinfo` and `/proc/swaps`.

use crate::root::Root;

const MOUNTINFO_MAX_BYTES: usize = 4 << 20;

/// One mounted file system or used swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR`. btrfs and others have numbers of no device; their `source` tells.
    number: String,
    /// What was mounted, often a device node.
    source: String,
    /// Where; `[SWAP]` for a swap area.
    pub point: String,
}

#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

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
                point: "[SWAP]".to_owned(),
            })
        });
        list.extend(swaps);
        Self(list)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// Where the device is mounted, each place once.
    pub(super) fn points(&self, number: Option<&str>, name: &str) -> Vec<String> {
        let mut points: Vec<String> = Vec::new();
        for mount in self.0.iter().filter(|mount| mount.is_of(number, name)) {
            if !points.contains(&mount.point) {
                points.push(mount.point.clone());
            }
        }
        points
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
    let source = unescape(origin.split_ascii_whitespace().nth(1)?);
    Some(Mount {
        number,
        source,
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
