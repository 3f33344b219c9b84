//! Known weaknesses of the processor, in the kernel's words.

use crate::inventory::Vulnerability;
use crate::root::Root;

/// One file per weakness that this kernel knows; `None` where it has no such directory.
pub(super) fn collect(root: &Root) -> Option<Vec<Vulnerability>> {
    const DIR: &str = "/sys/devices/system/cpu/vulnerabilities";
    /// The kernel knows two dozen and says a line about each; a snapshot may say anything.
    const MOST: usize = 256;
    const STATUS_MAX_CHARS: usize = 1024;
    let names = root.read_dir(DIR).ok()?;
    let list = names
        .into_iter()
        .take(MOST)
        .filter_map(|name| {
            let status = root.text(format!("{DIR}/{name}"))?;
            let status: String = status.chars().take(STATUS_MAX_CHARS).collect();
            Some(Vulnerability {
                vulnerable: vulnerable(&status),
                name,
                status: status.into(),
            })
        })
        .collect();
    Some(list)
}

fn vulnerable(status: &str) -> Option<bool> {
    // Some weaknesses matter to hosts of virtual machines only, which every node is.
    let status = status.strip_prefix("KVM: ").unwrap_or(status);
    if status.starts_with("Vulnerable") {
        Some(true)
    } else if status.starts_with("Not affected") || status.starts_with("Mitigation") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words() {
        for (status, expected) in [
            ("Not affected", Some(false)),
            ("Mitigation: PTE Inversion; VMX: vulnerable", Some(false)),
            ("Vulnerable: No microcode", Some(true)),
            ("Vulnerable", Some(true)),
            ("KVM: Mitigation: VMX disabled", Some(false)),
            ("KVM: Vulnerable", Some(true)),
            ("Processor vulnerable", None),
            ("Unknown: No mitigations", None),
        ] {
            assert_eq!(vulnerable(status), expected, "{status}");
        }
    }
}
