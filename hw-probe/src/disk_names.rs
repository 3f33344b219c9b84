//! What the names of disks give away.

/// Whether vendor and model name a RAID controller's volume rather than a disk.
pub(crate) fn is_raid_volume(vendor: &str, model: &str) -> bool {
    const PHRASES: [&str; 3] = ["LOGICAL VOLUME", "SMART ARRAY", "VIRTUAL DRIVE"];
    // Starts of words, so that no disk is caught by letters in the middle of its part number.
    const WORDS: [&str; 8] = [
        "PERC",
        "MEGARAID",
        "MR9",
        "SERVERAID",
        "RAID",
        "LOGICALDRV",
        "ARECA",
        "BOSS",
    ];
    let name = format!("{vendor} {model}").to_ascii_uppercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    PHRASES.iter().any(|phrase| name.contains(phrase))
        || words.any(|word| WORDS.iter().any(|mark| word.starts_with(mark)))
        || ["LSI", "AVAGO", "ADAPTEC"]
            .iter()
            .any(|maker| vendor.trim().eq_ignore_ascii_case(maker))
}

/// Whether vendor and model name a hypervisor's disk.
#[cfg(feature = "probe")]
pub(crate) fn is_hypervisor_disk(vendor: &str, model: &str) -> bool {
    const MARKS: [&str; 9] = [
        "QEMU",
        "VBOX",
        "VMWARE",
        "VIRTUAL DISK",
        "VIRTUAL HD",
        "VIRTUAL-DISK",
        "BHYVE",
        "PERSISTENTDISK",
        "PARALLELS",
    ];
    let name = format!("{vendor} {model}").to_ascii_uppercase();
    MARKS.iter().any(|mark| name.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_volumes_and_hypervisors() {
        for (vendor, model) in [
            ("HP", "LOGICAL VOLUME"),
            ("DELL", "PERC H730 Mini"),
            ("LSI", "MR9271-8i"),
            ("IBM", "ServeRAID M5110e"),
            ("AVAGO", "SMC3108"),
        ] {
            assert!(is_raid_volume(vendor, model), "{vendor} {model}");
        }
        assert!(!is_raid_volume("ATA", "Samsung SSD 860"));
        assert!(!is_raid_volume("SEAGATE", "ST4000NM0023"));
        for model in ["QEMU HARDDISK", "VBOX HARDDISK", "Virtual disk"] {
            assert!(is_hypervisor_disk("", model), "{model}");
        }
        assert!(is_hypervisor_disk("VMware", "Disk"));
        assert!(!is_hypervisor_disk("ATA", "WDC WD40EFRX"));
    }
}
