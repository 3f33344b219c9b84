//! Kernel arguments that a farmer may add: those that mean something to the system on the medium or
//! to difficult hardware. A mistyped one would go unnoticed until the server stands in a rack.

use crate::regions::PayloadKind;

/// Arguments that Zero-OS itself reads.
const ZERO_OS: [&str; 17] = [
    "activation",
    "bcdb",
    "disable-gpu",
    "flist",
    "light",
    "missing-ssd",
    "noautonic",
    "pub:mac",
    "relay",
    "secret",
    "ssh-user",
    "substrate",
    "vlan:priv",
    "vlan:pub",
    "zerotier",
    "zos-debug",
    "zos-debug-vm",
];
/// Arguments that farm-node itself reads.
const FARM_NODE: [&str; 2] = ["farm.rescue", "vlan"];
/// Arguments of the kernel that get difficult hardware to work, or show why it does not, and those
/// that both systems read.
const KERNEL: [&str; 27] = [
    "acpi",
    "amd_iommu",
    "clocksource",
    "console",
    "debug",
    "dis_ucode_ldr",
    "earlycon",
    "earlyprintk",
    "ignore_loglevel",
    "intel_idle.max_cstate",
    "intel_iommu",
    "iommu",
    "ip",
    "loglevel",
    "mce",
    "mitigations",
    "net.ifnames",
    "noapic",
    "nolapic",
    "nosmt",
    "nvme_core.default_ps_max_latency_us",
    "pci",
    "pcie_aspm",
    "processor.max_cstate",
    "quiet",
    "reboot",
    "tsc",
];

/// An argument that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelArgumentError {
    /// It is made from another setting.
    #[error("kernel argument {key} is set by {by}")]
    Ours {
        /// Its name.
        key: String,
        /// What sets it.
        by: &'static str,
    },
    /// Nobody listens to it.
    #[error("kernel argument {argument:?} means nothing to this system")]
    Unknown {
        /// The argument.
        argument: String,
        /// Names that are known.
        known: Vec<&'static str>,
    },
}

impl KernelArgumentError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ours { .. } => None,
            Self::Unknown { known, .. } => Some(format!("known are {}", known.join(" "))),
        }
    }
}

/// Checks one argument, `KEY` or `KEY=VALUE`.
///
/// # Errors
/// [`KernelArgumentError`].
pub fn check(payload: PayloadKind, argument: &str) -> Result<(), KernelArgumentError> {
    let key = argument.split_once('=').map_or(argument, |(key, _)| key);
    let is_zero_os = payload == PayloadKind::ZeroOs;
    let by = match key {
        "farmer_id" => "--farm-id",
        "runmode" => "--network",
        "version" if is_zero_os => "--release",
        "panic" | "nomodeset" if is_zero_os => "every Zero-OS image",
        _ => {
            let own: &[&'static str] = if is_zero_os { &ZERO_OS } else { &FARM_NODE };
            if KERNEL.contains(&key) || own.contains(&key) {
                return Ok(());
            }
            let mut known: Vec<&'static str> = own.iter().copied().chain(KERNEL).collect();
            known.sort_unstable();
            return Err(KernelArgumentError::Unknown {
                argument: argument.to_owned(),
                known,
            });
        }
    };
    Err(KernelArgumentError::Ours {
        key: key.to_owned(),
        by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked_for_the_system_at_hand() {
        for good in [
            "disable-gpu",
            "missing-ssd",
            "vlan:priv=none",
            "console=ttyS1,9600",
        ] {
            assert_eq!(check(PayloadKind::ZeroOs, good), Ok(()), "{good}");
        }
        assert_eq!(check(PayloadKind::FarmNode, "pci=nomsi"), Ok(()));
        assert_eq!(check(PayloadKind::FarmNode, "vlan=10"), Ok(()));
        assert_eq!(check(PayloadKind::FarmNode, "farm.rescue=1"), Ok(()));
        assert!(check(PayloadKind::ZeroOs, "vlan=10").is_err());
        assert!(check(PayloadKind::FarmNode, "disable-gpu").is_err());
        assert!(matches!(
            check(PayloadKind::ZeroOs, "farmer_id=2"),
            Err(KernelArgumentError::Ours {
                by: "--farm-id",
                ..
            })
        ));
        let error = check(PayloadKind::ZeroOs, "farm_id=2").expect_err("nobody listens");
        assert!(error.hint().expect("a hint").contains("missing-ssd"));
    }
}
