//! How a disk is attached, read off its place in the kernel's device tree.

use std::path::{Path, PathBuf};

use crate::inventory::Transport;
use crate::root::Root;

/// More controllers than any namespace is reached by.
const CONTROLLERS_MAX: usize = 64;

/// Whether any component of the path passes the test.
pub(super) fn under(path: &Path, test: impl Fn(&str) -> bool) -> bool {
    path.components()
        .any(|part| part.as_os_str().to_str().is_some_and(&test))
}

/// Transport of the disk `name` at `device` below `/sys/devices`.
pub(super) fn of(root: &Root, name: &str, device: &Path) -> Option<Transport> {
    let numbered = |part: &str, prefix: &str| {
        part.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let any = |prefix: &str| under(device, |part| numbered(part, prefix));
    if name.starts_with("nvme") {
        return Some(nvme_transport(root, name, device));
    }
    Some(if any("usb") {
        Transport::Usb
    } else if any("fw") {
        Transport::Firewire
    } else if under(device, |part| part == "mmc_host") || name.starts_with("mmcblk") {
        Transport::Mmc
    } else if any("virtio") {
        Transport::Virtio
    } else if name.starts_with("xvd") || any("vbd-") {
        Transport::Xen
    } else if any("rport-") {
        Transport::Fc
    } else if any("session") {
        Transport::Iscsi
    } else if any("end_device-") {
        Transport::Sas
    } else if any("ata") {
        Transport::Ata
    } else if device.starts_with("/sys/devices/virtual") {
        Transport::Virtual
    } else if any("host") {
        match host_driver(root, device).as_deref() {
            Some("hv_storvsc") => Transport::Hyperv,
            Some("vmw_pvscsi") => Transport::VmwarePvscsi,
            _ if under(device, |part| part.starts_with("VMBUS:")) => Transport::Hyperv,
            _ => Transport::Scsi,
        }
    } else {
        return None;
    })
}

/// Driver of the nearest ancestor that has one above the SCSI host.
fn host_driver(root: &Root, device: &Path) -> Option<String> {
    let host = device.ancestors().find(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("host"))
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    })?;
    root.link_name(host.parent()?.join("driver"))
}

/// A namespace is remote only if every controller it is reached by is.
fn nvme_transport(root: &Root, name: &str, device: &Path) -> Transport {
    let parent = device.parent().unwrap_or(Path::new("/")).to_owned();
    let mut controllers: Vec<PathBuf> =
        vec![parent.clone(), format!("/sys/block/{name}/device").into()];
    for child in root
        .names(&parent)
        .iter()
        .filter(|child| child.starts_with("nvme"))
        .take(CONTROLLERS_MAX)
    {
        controllers.push(parent.join(child));
    }
    let transports: Vec<String> = controllers
        .iter()
        .filter_map(|path| root.text(path.join("transport")))
        .collect();
    let fabrics = if transports.is_empty() {
        under(device, |part| part == "nvme-fabrics")
    } else {
        transports.iter().all(|transport| transport != "pcie")
    };
    if fabrics {
        Transport::NvmeFabrics
    } else {
        Transport::Nvme
    }
}
