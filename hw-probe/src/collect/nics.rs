//! Network interfaces, from `/sys/class/net` and, for what is in no file, from their drivers.

use std::path::Path;
use std::time::Duration;

use super::deadline::within;
use super::ethtool::{self, Answer};
use super::pci;
use crate::inventory::{Nic, NicKind, Warning};
use crate::root::Root;
use crate::smbios::meaningful;
use crate::text::Untrusted;

/// Drivers answer in microseconds, or wait for a lock that a stuck one holds.
const DRIVERS_DEADLINE: Duration = Duration::from_secs(2);
/// More interfaces than any host of containers has.
const NICS_MAX: usize = 4096;

pub(super) fn collect(root: &Root, warnings: &mut Vec<Warning>) -> Vec<Nic> {
    // Speed and carrier are questions to the driver, under the lock that a stuck one holds.
    let with_links = match root.try_clone().filter(|_| root.is_live()) {
        Some(own) => within(DRIVERS_DEADLINE, move || read(&own, true)),
        None => Some(read(root, true)),
    };
    let Some(mut nics) = with_links else {
        warnings.push(Warning::new(
            "nics",
            "the network drivers do not answer: links, speeds, permanent addresses and firmware \
             unknown",
        ));
        return read(root, false);
    };
    ask_drivers(root, &mut nics, warnings);
    nics
}

fn read(root: &Root, links: bool) -> Vec<Nic> {
    root.names("/sys/class/net")
        .into_iter()
        // `bonding_masters` is a file among the interfaces.
        .filter(|name| root.exists(format!("/sys/class/net/{name}/address")))
        .take(NICS_MAX)
        .map(|name| nic(root, &name, links))
        .collect()
}

fn is_hardware(nic: &Nic) -> bool {
    !matches!(nic.kind, NicKind::Loopback | NicKind::Virtual)
}

fn ask_drivers(root: &Root, nics: &mut [Nic], warnings: &mut Vec<Warning>) {
    if !root.answers_questions() {
        return;
    }
    let names: Vec<String> = nics
        .iter()
        .filter(|nic| is_hardware(nic))
        .map(|nic| nic.name.raw().to_owned())
        .collect();
    let mut answers = Vec::new();
    if root.is_live() && !names.is_empty() {
        match within(DRIVERS_DEADLINE, move || ethtool::ask(&names)) {
            Some(all) => answers = all,
            None => warnings.push(Warning::new(
                "nics",
                "the network drivers do not answer: permanent addresses and firmware unknown",
            )),
        }
    }
    let mut answers = answers.into_iter();
    for nic in nics.iter_mut().filter(|nic| is_hardware(nic)) {
        let Answer {
            permanent_address,
            firmware,
        } = answers.next().unwrap_or_default();
        let name = nic.name.raw();
        let address = root.ask(name, "permanent-mac", || permanent_address);
        let firmware = root.ask(name, "nic-firmware", || firmware);
        nic.permanent_mac = address.as_deref().and_then(address_text);
        nic.firmware = firmware.and_then(|text| meaningful(&String::from_utf8_lossy(&text)));
    }
}

fn address_text(address: &[u8]) -> Option<Untrusted> {
    let bytes: Vec<String> = address.iter().map(|byte| format!("{byte:02x}")).collect();
    (!bytes.is_empty()).then(|| Untrusted::new(bytes.join(":")))
}

fn nic(root: &Root, name: &str, links: bool) -> Nic {
    let dir = format!("/sys/class/net/{name}");
    let text = |attribute: &str| root.text(format!("{dir}/{attribute}"));
    let device_type: Option<u32> = root.number(format!("{dir}/type"));
    let device = root.resolve(&dir);
    let kind = kind(root, &dir, &device, device_type);
    // Behind a USB adapter is the USB controller, which is not the network card.
    let pci_address = match kind {
        NicKind::Usb | NicKind::Loopback | NicKind::Virtual => None,
        _ => pci::address_in(&device)
            .or_else(|| pci::address_in(&root.resolve(format!("{dir}/device")))),
    };
    let functions = |attribute: &str| {
        pci_address.as_ref()?;
        root.number(format!("{dir}/device/{attribute}"))
    };
    Nic {
        name: name.into(),
        mac: text("address")
            .filter(|mac| mac.bytes().any(|b| !matches!(b, b'0' | b':')))
            .map(|mac| Untrusted::new(mac.to_ascii_lowercase())),
        // -1, or an error, without link.
        speed_mbps: links
            .then(|| root.number::<i64>(format!("{dir}/speed")))
            .flatten()
            .and_then(|speed| u32::try_from(speed).ok())
            .filter(|speed| *speed > 0 && *speed != u32::MAX),
        driver: root
            .link_name(format!("{dir}/device/driver"))
            .map(Untrusted::new),
        link: match links.then(|| text("carrier")).flatten().as_deref() {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => None,
        },
        sriov_total_vfs: functions("sriov_totalvfs"),
        sriov_vfs: functions("sriov_numvfs"),
        is_virtual_function: pci_address
            .as_ref()
            .map(|_| root.exists(format!("{dir}/device/physfn"))),
        pci_address: pci_address.map(Untrusted::new),
        kind,
        ..Nic::default()
    }
}

fn kind(root: &Root, dir: &str, device: &Path, device_type: Option<u32>) -> NicKind {
    const ARPHRD_ETHER: u32 = 1;
    const ARPHRD_INFINIBAND: u32 = 32;
    const ARPHRD_LOOPBACK: u32 = 772;
    let is_under = |part: &str| device.components().any(|c| starts(c.as_os_str(), part));
    if device_type == Some(ARPHRD_LOOPBACK) {
        NicKind::Loopback
    } else if device.starts_with("/sys/devices/virtual") || !root.exists(format!("{dir}/device")) {
        NicKind::Virtual
    } else if device_type == Some(ARPHRD_INFINIBAND) {
        NicKind::Infiniband
    } else if root.exists(format!("{dir}/wireless")) || root.exists(format!("{dir}/phy80211")) {
        NicKind::Wifi
    } else if is_under("usb") {
        NicKind::Usb
    } else if device_type == Some(ARPHRD_ETHER) {
        NicKind::Ethernet
    } else {
        NicKind::Other
    }
}

fn starts(component: &std::ffi::OsStr, prefix: &str) -> bool {
    Path::new(component)
        .to_str()
        .and_then(|name| name.strip_prefix(prefix))
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
