//! What the names of disks give away.

/// Whether vendor and model name a RAID controller's volume rather than a disk.
pub(crate) fn is_raid_volume(vendor: &str, model: &str) -> bool {
    const PHRASES: [&str; 4] = ["LOGICAL VOLUME", "SMART ARRAY", "VIRTUAL DRIVE", "DELLBOSS"];
    // Starts of words, so that no disk is caught by letters in the middle of its part number.
    const WORDS: [&str; 8] = [
        "PERC",
        "MEGARAID",
        "PRAID",
        "SERVERAID",
        "RAID",
        "LOGICALDRV",
        "ARECA",
        "BOSS",
    ];
    let name = format!("{vendor} {model}").to_ascii_uppercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    // MR416i, MR9361; Intel's RS3DC080.
    let is_model = |word: &str| {
        ["MR", "RS"].iter().any(|series| {
            word.strip_prefix(series).is_some_and(|rest| {
                rest.len() >= 3 && rest.starts_with(|c: char| c.is_ascii_digit())
            })
        })
    };
    PHRASES.iter().any(|phrase| name.contains(phrase))
        || words.any(|word| is_model(word) || WORDS.iter().any(|mark| word.starts_with(mark)))
        || ["LSI", "AVAGO", "BROADCOM", "ADAPTEC", "SMC", "AMCC", "3WARE", "ARECA"]
            .iter()
            .any(|maker| vendor.trim().eq_ignore_ascii_case(maker))
        // Dell's and IBM's older controllers name their volumes as hypervisors do.
        || (is_server_maker(vendor) && name.contains("VIRTUAL DISK"))
}

fn is_server_maker(vendor: &str) -> bool {
    ["DELL", "IBM", "LENOVO", "INTEL"]
        .iter()
        .any(|maker| vendor.trim().eq_ignore_ascii_case(maker))
}

/// Whether vendor and model name a hypervisor's disk.
#[cfg(feature = "probe")]
pub(crate) fn is_hypervisor_disk(vendor: &str, model: &str) -> bool {
    const MARKS: [&str; 8] = [
        "QEMU",
        "VBOX",
        "VMWARE",
        "VIRTUAL DISK",
        "VIRTUAL HD",
        "BHYVE",
        "PERSISTENTDISK",
        "PARALLELS",
    ];
    if is_raid_volume(vendor, model) {
        return false;
    }
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
            ("SMC", "SMC3108"),
            ("HPE", "MR416i-p Gen11"),
            ("FTS", "PRAID EP420i"),
            ("Intel", "RS3DC080"),
            ("AMCC", "9650SE-4LP DISK"),
            ("ATA", "DELLBOSS VD"),
            ("Dell", "VIRTUAL DISK"),
        ] {
            assert!(is_raid_volume(vendor, model), "{vendor} {model}");
        }
        assert!(!is_raid_volume("ATA", "Samsung SSD 860"));
        assert!(!is_raid_volume("SEAGATE", "ST4000NM0023"));
        for model in ["QEMU HARDDISK", "VBOX HARDDISK", "Virtual HD"] {
            assert!(is_hypervisor_disk("", model), "{model}");
        }
        for vendor in ["Msft", "VMware", ""] {
            assert!(is_hypervisor_disk(vendor, "Virtual disk"), "{vendor}");
        }
        assert!(!is_hypervisor_disk("Dell", "VIRTUAL DISK"));
        assert!(is_hypervisor_disk("VMware", "Disk"));
        assert!(!is_hypervisor_disk("ATA", "WDC WD40EFRX"));
    }
}
