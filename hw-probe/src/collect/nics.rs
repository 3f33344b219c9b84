//! Network interfaces, from `/sys/class/net`.

use std::path::Path;

use crate::inventory::{Nic, NicKind};
use crate::root::Root;
use crate::text::Untrusted;

pub(super) fn collect(root: &Root) -> Vec<Nic> {
    root.names("/sys/class/net")
        .into_iter()
        // `bonding_masters` is a file among the interfaces.
        .filter(|name| root.exists(format!("/sys/class/net/{name}/address")))
        .map(|name| nic(root, &name))
        .collect()
}

fn nic(root: &Root, name: &str) -> Nic {
    let dir = format!("/sys/class/net/{name}");
    let text = |attribute: &str| root.text(format!("{dir}/{attribute}"));
    let device_type: Option<u32> = root.number(format!("{dir}/type"));
    Nic {
        name: name.into(),
        mac: text("address")
            .filter(|mac| mac.bytes().any(|b| !matches!(b, b'0' | b':')))
            .map(|mac| Untrusted::new(mac.to_ascii_lowercase())),
        // -1, or an error, without link.
        speed_mbps: root
            .number::<i64>(format!("{dir}/speed"))
            .and_then(|speed| u32::try_from(speed).ok())
            .filter(|speed| *speed > 0 && *speed != u32::MAX),
        driver: root
            .link_name(format!("{dir}/device/driver"))
            .map(Untrusted::new),
        link: match text("carrier").as_deref() {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => None,
        },
        kind: kind(root, &dir, device_type),
        ..Nic::default()
    }
}

fn kind(root: &Root, dir: &str, device_type: Option<u32>) -> NicKind {
    const ARPHRD_ETHER: u32 = 1;
    const ARPHRD_INFINIBAND: u32 = 32;
    const ARPHRD_LOOPBACK: u32 = 772;
    let device = root.resolve(dir);
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
