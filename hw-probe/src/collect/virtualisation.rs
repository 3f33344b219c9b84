//! Whether the machine is virtual, and by whom.
//!
//! A node in a virtual machine is never paid, so a false "virtual" costs a farmer his reward and a
//! false "real" pays for air. The processor's own answer goes before what the firmware's strings
//! suggest; names of clouds count only where the processor cannot answer, because clouds rent out
//! bare metal too.

use super::cpu::{CpuInfo, Family};
use crate::inventory::Virtualisation;
use crate::root::Root;
use crate::smbios::Firmware;

/// CPUID leaf 4000_0000h signatures.
const CPUID_SIGNATURES: [(&str, &str); 13] = [
    ("KVMKVMKVM", "kvm"),
    ("Linux KVM Hv", "kvm"),
    ("TCGTCGTCGTCG", "qemu"),
    ("VMwareVMware", "vmware"),
    ("Microsoft Hv", "hyperv"),
    ("XenVMMXenVMM", "xen"),
    ("VBoxVBoxVBox", "virtualbox"),
    ("bhyve bhyve", "bhyve"),
    ("prl hyperv", "parallels"),
    ("ACRNACRNACRN", "acrn"),
    ("QNXQVMBSQG", "qnx"),
    ("OpenBSDVMM58", "vmm"),
    ("HAXMHAXMHAXM", "haxm"),
];

/// Firmware strings of hypervisors (any field contains), and what they are.
const DMI_HYPERVISORS: [(&str, &str); 13] = [
    ("VMware", "vmware"),
    ("VirtualBox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("KVM Virtual Machine", "kvm"),
    ("RHEV Hypervisor", "kvm"),
    ("oVirt", "kvm"),
    ("QEMU", "qemu"),
    ("Bochs", "qemu"),
    ("BHYVE", "bhyve"),
    ("Parallels", "parallels"),
    ("HVM domU", "xen"),
    ("OpenStack", "kvm"),
    ("Apple Virtualization", "apple"),
];

/// Firmware strings of clouds, which also rent out bare metal.
const DMI_CLOUDS: [(&str, &str); 6] = [
    ("Amazon EC2", "aws"),
    ("Google Compute Engine", "google_cloud"),
    ("Alibaba Cloud", "alibaba_cloud"),
    ("Tencent Cloud", "tencent_cloud"),
    ("Nutanix", "nutanix_ahv"),
    ("DigitalOcean", "digitalocean"),
];

pub(super) fn collect(
    root: &Root,
    signature: Option<&str>,
    cpu: &CpuInfo,
    firmware: &Firmware,
) -> Virtualisation {
    let mut found = Found::default();
    let told = |text: &str| CpuidAnswer {
        hypervisor: true,
        signature: Some(text.to_owned()),
    };
    let hypervisor_bit = match cpuid(root).or_else(|| signature.map(told)) {
        Some(answer) => {
            if let Some(signature) = &answer.signature {
                match CPUID_SIGNATURES
                    .iter()
                    .find(|(text, _)| signature.starts_with(text))
                {
                    Some((_, kind)) => found.kind(kind, "cpuid"),
                    None => found.unnamed("cpuid"),
                }
            }
            Some(answer.hypervisor)
        }
        None => cpu.hypervisor_flag(),
    };

    xen(root, &mut found);
    let strings = dmi_strings(root, firmware);
    let mentions = |needle: &str| strings.iter().any(|text| text.contains(needle));
    for (needle, kind) in DMI_HYPERVISORS {
        if mentions(needle) {
            found.kind(kind, "dmi");
        }
    }
    if mentions("Microsoft Corporation") && mentions("Virtual Machine") {
        found.kind("hyperv", "dmi");
    }
    if mentions("Amazon EC2") && mentions(".metal") {
        // Rented bare metal says so itself.
    } else if hypervisor_bit != Some(false) {
        for (needle, cloud) in DMI_CLOUDS {
            if mentions(needle) {
                found.cloud(cloud);
            }
        }
    }
    device_tree(root, &mut found);
    power(root, &mut found);
    if cpu.family == Family::S390 {
        s390(root, &mut found);
    }
    if cpu.field("vendor_id") == Some("User Mode Linux") {
        found.kind("uml", "cpuinfo");
    }
    if hypervisor_bit == Some(true) {
        found.unnamed("cpuinfo");
    }
    container(root, &mut found);
    found.conclude(hypervisor_bit, !strings.is_empty(), cpu)
}

#[derive(Default)]
struct Found {
    clouds: Vec<String>,
    kinds: Vec<String>,
    is_virtual: bool,
    source: Option<String>,
}

impl Found {
    fn kind(&mut self, kind: &str, source: &str) {
        if !self.kinds.iter().any(|known| known == kind) {
            self.kinds.push(kind.to_owned());
        }
        self.unnamed(source);
    }

    fn cloud(&mut self, cloud: &str) {
        if !self.clouds.iter().any(|known| known == cloud) {
            self.clouds.push(cloud.to_owned());
        }
        self.unnamed("dmi");
    }

    fn unnamed(&mut self, source: &str) {
        self.is_virtual = true;
        self.source.get_or_insert_with(|| source.to_owned());
    }

    fn conclude(mut self, bit: Option<bool>, has_dmi: bool, cpu: &CpuInfo) -> Virtualisation {
        // QEMU's firmware strings stay when KVM runs the machine: the accelerator is the kind.
        if self.kinds.iter().any(|kind| kind == "kvm") {
            self.kinds.retain(|kind| kind != "qemu");
        }
        let is_virtual = if self.is_virtual {
            Some(true)
        } else if bit.is_some() || (has_dmi && !cpu.is_empty()) {
            Some(false)
        } else {
            None
        };
        let kind = match is_virtual {
            Some(false) => Some("none".to_owned()),
            _ => self.kinds.first().or(self.clouds.first()).cloned(),
        };
        let mut facts = self.clouds;
        facts.append(&mut self.kinds);
        Virtualisation {
            kind,
            is_virtual,
            facts,
            source: self.source,
        }
    }
}

struct CpuidAnswer {
    hypervisor: bool,
    signature: Option<String>,
}

/// Asks the processor: bit 31 of leaf 1's ECX as one byte, then the signature. Only the processor
/// we run on can answer.
fn cpuid(root: &Root) -> Option<CpuidAnswer> {
    let answer = root.ask("cpuid", "hypervisor", ask_processor)?;
    let (present, signature) = answer.split_first()?;
    let hypervisor = *present != 0;
    let signature = String::from_utf8_lossy(signature);
    Some(CpuidAnswer {
        hypervisor,
        signature: hypervisor.then(|| signature.trim_matches(['\0', ' ']).to_owned()),
    })
}

#[cfg(target_arch = "x86_64")]
fn ask_processor() -> Option<Vec<u8>> {
    use std::arch::x86_64::__cpuid;
    const HYPERVISOR_PRESENT: u32 = 1 << 31;
    if __cpuid(1).ecx & HYPERVISOR_PRESENT == 0 {
        return Some(vec![0]);
    }
    let leaf = __cpuid(0x4000_0000);
    let mut answer = vec![1];
    for word in [leaf.ebx, leaf.ecx, leaf.edx] {
        answer.extend_from_slice(&word.to_le_bytes());
    }
    Some(answer)
}

#[cfg(not(target_arch = "x86_64"))]
fn ask_processor() -> Option<Vec<u8>> {
    None
}

fn xen(root: &Root, found: &mut Found) {
    if root.text("/sys/hypervisor/type").as_deref() == Some("xen")
        || root.exists("/proc/xen/capabilities")
    {
        found.kind("xen", "sysfs");
    }
}

/// What the firmware says, from its table or the kernel's copy.
fn dmi_strings(root: &Root, firmware: &Firmware) -> Vec<String> {
    let mut strings: Vec<String> = [
        &firmware.system.vendor,
        &firmware.system.product,
        &firmware.system.version,
        &firmware.board.vendor,
        &firmware.board.product,
        &firmware.bios.vendor,
        &firmware.bios.version,
    ]
    .into_iter()
    .flatten()
    .map(ToString::to_string)
    .collect();
    for name in ["product_family", "chassis_vendor", "chassis_asset_tag"] {
        strings.extend(root.text(format!("/sys/class/dmi/id/{name}")));
    }
    strings
}

fn device_tree(root: &Root, found: &mut Found) {
    for base in ["/proc/device-tree", "/sys/firmware/devicetree/base"] {
        let names = root.names(base);
        let text = |path: &str| root.text(format!("{base}/{path}")).unwrap_or_default();
        let hypervisor = text("hypervisor/compatible");
        if hypervisor.contains("xen") {
            found.kind("xen", "device-tree");
        } else if hypervisor.contains("vmware") || text("hypervisor/name").contains("vmware") {
            found.kind("vmware", "device-tree");
        } else if hypervisor.contains("kvm") {
            found.kind("kvm", "device-tree");
        }
        if names.iter().any(|name| name.starts_with("fw-cfg")) {
            found.kind("qemu", "device-tree");
        } else if text("compatible").contains("dummy-virt") {
            found.kind("lkvm", "device-tree");
        }
    }
}

/// Logical partitions of IBM POWER machines.
fn power(root: &Root, found: &mut Found) {
    let Some(config) = root.text("/proc/ppc64/lparcfg") else {
        return;
    };
    let value = |key: &str| {
        config
            .lines()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
    };
    match value("shared_processor_mode") {
        Some("1") => found.kind("ibm_power-lpar_shared", "procfs"),
        Some(_) => found.kind("ibm_power-lpar_dedicated", "procfs"),
        None => {}
    }
}

fn s390(root: &Root, found: &mut Found) {
    let info = root.text("/proc/sysinfo").unwrap_or_default();
    if info
        .lines()
        .any(|line| line.starts_with("VM00") && line.contains("KVM"))
    {
        found.kind("kvm", "procfs");
    } else if info
        .lines()
        .any(|line| line.starts_with("VM00") && line.contains("z/VM"))
    {
        found.kind("zvm", "procfs");
    } else if info.lines().any(|line| line.starts_with("LPAR")) {
        found.kind("ibm_systemz-lpar", "procfs");
    }
}

fn container(root: &Root, found: &mut Found) {
    let environment = root.read("/proc/1/environ").unwrap_or_default();
    let named = environment
        .split(|&b| b == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix("container="))
        .find(|name| !name.is_empty())
        .map(str::to_owned)
        .or_else(|| root.text("/run/systemd/container"));
    let plain = |name: &String| {
        name.len() <= 32
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if let Some(name) = named.filter(plain) {
        found.kind(&name, "container");
    } else if root.exists("/.dockerenv") {
        found.kind("docker", "container");
    } else if root.exists("/run/.containerenv") {
        found.kind("podman", "container");
    } else if root.exists("/proc/vz") && !root.exists("/proc/bc") {
        found.kind("openvz", "container");
    } else if let Some(groups) = root.text("/proc/self/cgroup") {
        for (mark, kind) in [("libpod", "podman"), ("docker", "docker"), ("/lxc/", "lxc")] {
            if groups.contains(mark) {
                found.kind(kind, "container");
                return;
            }
        }
    }
}
