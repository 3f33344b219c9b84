//! Which disk the node was started from, and where its FARMCFG partition is.
//!
//! The loader passes the disk's GUID; byte 32704 of the medium holds a locator with the same GUID.
//! Reading 64 bytes of every disk is all that is done to disks that are not ours.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use node_config::medium::{FARMCFG_LABEL, LOCATOR_LEN, LOCATOR_OFFSET, Locator, guid_text};

/// What the kernel argument `farm.medium` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// Started from a disk, a stick or a CD with this GUID.
    Disk(String),
    /// Started from a CD: nothing to wait for.
    Cd,
    /// Started over the network: nothing to wait for.
    Net,
    /// The loader does not say; a medium that happens to be there is used.
    Unsaid,
}

impl Medium {
    /// Reads the argument's value.
    pub fn from_argument(value: Option<&str>) -> Self {
        match value {
            None | Some("") => Self::Unsaid,
            Some("cd") => Self::Cd,
            Some("net") => Self::Net,
            Some(guid) => Self::Disk(guid.to_ascii_lowercase()),
        }
    }
}

/// What looking at the disks came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The partition's device and the disk's name (`sda`).
    Farmcfg {
        /// `/dev/sda1`.
        device: PathBuf,
        /// `sda`.
        disk: String,
    },
    /// The medium is a CD: it cannot be written to and its partitions are not visible.
    OnCd {
        /// `sr0`.
        disk: String,
    },
    /// The medium is there, but has no FARMCFG partition the kernel knows of.
    NoFarmcfg {
        /// `sda`.
        disk: String,
    },
    /// No such medium yet.
    Nothing,
}

/// Looks for the medium once. `root` is `/` but for tests.
pub fn find(root: &Path, wanted: &Medium) -> Found {
    if matches!(wanted, Medium::Cd | Medium::Net) {
        return Found::Nothing;
    }
    let mut result = Found::Nothing;
    for disk in whole_disks(root) {
        let Some(guid) = disk_guid(&root.join("dev").join(&disk)) else {
            continue;
        };
        if matches!(wanted, Medium::Disk(name) if *name != guid) {
            continue;
        }
        // A stick beats a CD of the same content: it can be written to.
        if disk.starts_with("sr") {
            if result == Found::Nothing {
                result = Found::OnCd { disk };
            }
            continue;
        }
        match farmcfg_of(root, &disk) {
            Some(device) => return Found::Farmcfg { device, disk },
            None => result = Found::NoFarmcfg { disk },
        }
    }
    result
}

fn whole_disks(root: &Path) -> Vec<String> {
    const NOT_MEDIA: [&str; 6] = ["loop", "ram", "zram", "dm-", "md", "nbd"];
    let entries = std::fs::read_dir(root.join("sys/class/block"));
    let mut disks: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !entry.path().join("partition").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !NOT_MEDIA.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    disks.sort();
    disks
}

fn disk_guid(device: &Path) -> Option<String> {
    let mut bytes = [0; LOCATOR_LEN];
    let file = File::open(device).ok()?;
    file.read_exact_at(&mut bytes, LOCATOR_OFFSET).ok()?;
    Locator::decode(&bytes).map(|locator| guid_text(&locator.disk_guid))
}

/// The partition the kernel found under the name FARMCFG in the disk's GPT.
fn farmcfg_of(root: &Path, disk: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(root.join("sys/class/block").join(disk)).ok()?;
    for entry in entries.flatten() {
        let uevent = std::fs::read_to_string(entry.path().join("uevent")).unwrap_or_default();
        let is_farmcfg = uevent
            .lines()
            .any(|line| line.strip_prefix("PARTNAME=") == Some(FARMCFG_LABEL));
        if is_farmcfg {
            return Some(root.join("dev").join(entry.file_name()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: [u8; 16] = *b"0123456789abcdef";

    fn add_disk(root: &Path, name: &str, guid: Option<[u8; 16]>) {
        let sys = root.join("sys/class/block").join(name);
        std::fs::create_dir_all(&sys).unwrap();
        std::fs::create_dir_all(root.join("dev")).unwrap();
        let mut image = vec![0; 65536];
        if let Some(disk_guid) = guid {
            let locator = Locator {
                disk_guid,
                table_offset: 1,
                table_length: 2,
            };
            let at = usize::try_from(LOCATOR_OFFSET).unwrap();
            image[at..at + LOCATOR_LEN].copy_from_slice(&locator.encode());
        }
        std::fs::write(root.join("dev").join(name), image).unwrap();
    }

    fn add_partition(root: &Path, disk: &str, name: &str, label: &str) {
        let sys = root.join("sys/class/block").join(disk).join(name);
        std::fs::create_dir_all(&sys).unwrap();
        std::fs::write(
            sys.join("uevent"),
            format!("DEVTYPE=partition\nPARTN=1\nPARTNAME={label}\n"),
        )
        .unwrap();
    }

    #[test]
    fn the_named_disk_is_found_among_others() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let wanted = Medium::from_argument(Some(&guid_text(&GUID).to_uppercase()));
        add_disk(root, "nvme0n1", None);
        add_disk(root, "sda", Some([1; 16]));
        add_partition(root, "sda", "sda1", "FARMCFG");
        assert_eq!(find(root, &wanted), Found::Nothing);

        add_disk(root, "sr0", Some(GUID));
        assert_eq!(find(root, &wanted), Found::OnCd { disk: "sr0".into() });

        add_disk(root, "sdb", Some(GUID));
        assert_eq!(find(root, &wanted), Found::NoFarmcfg { disk: "sdb".into() });

        add_partition(root, "sdb", "sdb2", "ESP");
        add_partition(root, "sdb", "sdb1", "FARMCFG");
        let found = Found::Farmcfg {
            device: root.join("dev/sdb1"),
            disk: "sdb".into(),
        };
        assert_eq!(find(root, &wanted), found);
    }

    #[test]
    fn network_boot_looks_at_no_disk_and_an_unsaid_medium_is_any() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        add_disk(root, "sda", Some(GUID));
        add_partition(root, "sda", "sda1", "FARMCFG");
        assert_eq!(
            find(root, &Medium::from_argument(Some("net"))),
            Found::Nothing
        );
        assert_eq!(
            find(root, &Medium::from_argument(Some("cd"))),
            Found::Nothing
        );
        let found = find(root, &Medium::from_argument(None));
        assert!(matches!(found, Found::Farmcfg { .. }));
    }

    #[test]
    fn short_devices_are_no_media() {
        let root = tempfile::tempdir().unwrap();
        add_disk(root.path(), "sda", None);
        std::fs::write(root.path().join("dev/sda"), b"short").unwrap();
        assert_eq!(find(root.path(), &Medium::Unsaid), Found::Nothing);
    }
}
