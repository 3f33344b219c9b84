//! What a block device is by its name and place alone.

use std::path::Path;

/// The classes that capacity tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Virtual,
    Optical,
    Mmc,
    Pmem,
    NotADisk,
    Disk,
}

impl Class {
    /// Whether the name is that of a device without hardware of its own.
    pub(super) fn is_virtual_name(name: &str) -> bool {
        const VIRTUAL: [&str; 12] = [
            "loop", "ram", "zram", "dm-", "md", "nbd", "drbd", "rbd", "bcache", "zd", "nullb",
            "ublkb",
        ];
        VIRTUAL.iter().any(|prefix| numbered(name, prefix))
    }

    pub(super) fn of(name: &str, device: &Path, scsi_type: Option<u32>) -> Self {
        let numbered = |prefix: &str| numbered(name, prefix);
        // eMMC has its boot code and a replay protected area beside the disk itself.
        let is_mmc_area = numbered("mmcblk") && (name.contains("boot") || name.ends_with("rpmb"));
        if Self::is_virtual_name(name) {
            Self::Virtual
        } else if numbered("sr") || numbered("scd") || numbered("fd") {
            Self::Optical
        } else if is_mmc_area {
            Self::NotADisk
        } else if numbered("mmcblk") {
            Self::Mmc
        } else if numbered("pmem") {
            Self::Pmem
        } else if numbered("mtdblock") || numbered("ubiblock") {
            Self::NotADisk
        } else if device.starts_with("/sys/devices/virtual/block") {
            Self::Virtual
        } else {
            // SPC-5, peripheral device type: 0 disk, 5 and 7 optical, 0Eh and 14h kinds of disk.
            match scsi_type {
                None | Some(0 | 0x0e | 0x14) => Self::Disk,
                Some(5 | 7) => Self::Optical,
                Some(_) => Self::NotADisk,
            }
        }
    }
}

fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_name() {
        let of = |name: &str| Class::of(name, Path::new("/sys/devices/pci0000:00/x"), None);
        for name in [
            "loop0", "ram1", "zram0", "dm-3", "md127", "md_d0", "nbd0", "drbd1", "rbd0", "zd16",
        ] {
            assert_eq!(of(name), Class::Virtual, "{name}");
        }
        for name in ["sr0", "fd0", "scd1"] {
            assert_eq!(of(name), Class::Optical, "{name}");
        }
        assert_eq!(of("mmcblk0"), Class::Mmc);
        assert_eq!(of("mmcblk0boot0"), Class::NotADisk);
        assert_eq!(of("pmem0"), Class::Pmem);
        for name in ["sda", "vda", "nvme0n1", "xvda", "hda", "cciss!c0d0"] {
            assert_eq!(of(name), Class::Disk, "{name}");
        }
        let typed = |kind| Class::of("sda", Path::new("/sys/devices/pci0000:00/x"), Some(kind));
        assert_eq!(
            (typed(0), typed(5), typed(13)),
            (Class::Disk, Class::Optical, Class::NotADisk)
        );
    }
}
