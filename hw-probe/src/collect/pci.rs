//! Functions on the PCI buses, and the accelerators among them.
//!
//! A server has hundreds of functions. `uevent` has class, ids and driver in one file.

mod names;

use std::path::Path;

use crate::inventory::{Gpu, PciDevice};
use crate::root::Root;
use crate::smbios::meaningful;
use crate::text::Untrusted;
use crate::units::Bytes;

const DEVICES: &str = "/sys/bus/pci/devices";

/// What is on the buses, in the order of the addresses; `None` where nothing tells.
/// More functions than any machine has.
const DEVICES_MAX: usize = 4096;

pub(super) fn collect(root: &Root) -> Option<Vec<PciDevice>> {
    let mut found: Vec<(Address, String)> = root
        .read_dir(DEVICES)
        .ok()?
        .into_iter()
        .filter_map(|name| Some((Address::parse(&name)?, name)))
        .collect();
    found.sort_unstable();
    found.truncate(DEVICES_MAX);
    Some(
        found
            .into_iter()
            .map(|(_, name)| device(root, name))
            .collect(),
    )
}

/// Domain, bus, device and function.
type Numbers = (u32, u32, u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address(Numbers);

impl Address {
    /// `0000:01:00.0`; the domain may be longer.
    fn parse(text: &str) -> Option<Self> {
        let hex = |text: &str, digits: std::ops::RangeInclusive<usize>| {
            let plain = text.bytes().all(|b| b.is_ascii_hexdigit());
            (plain && digits.contains(&text.len()))
                .then(|| u32::from_str_radix(text, 16).ok())
                .flatten()
        };
        let (domain, rest) = text.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (device, function) = rest.split_once('.')?;
        Some(Self((
            hex(domain, 4..=8)?,
            hex(bus, 2..=2)?,
            hex(device, 2..=2)?,
            hex(function, 1..=1)?,
        )))
    }
}

/// The function that a device's path leads through last.
pub(super) fn address_in(path: &Path) -> Option<String> {
    path.components()
        .rev()
        .filter_map(|component| component.as_os_str().to_str())
        .find(|name| Address::parse(name).is_some())
        .map(str::to_owned)
}

fn device(root: &Root, address: String) -> PciDevice {
    let dir = format!("{DEVICES}/{address}");
    let mut device = PciDevice {
        address: Untrusted::new(address),
        ..PciDevice::default()
    };
    for line in root
        .text(format!("{dir}/uevent"))
        .unwrap_or_default()
        .lines()
    {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let ids = || value.split_once(':');
        match key {
            "DRIVER" => device.driver = Some(value.into()),
            "PCI_CLASS" => device.class = digits(value, 6),
            "PCI_ID" => {
                device.vendor_id = ids().and_then(|(vendor, _)| digits(vendor, 4));
                device.device_id = ids().and_then(|(_, id)| digits(id, 4));
            }
            "PCI_SUBSYS_ID" => {
                device.subsystem_vendor_id = ids().and_then(|(vendor, _)| digits(vendor, 4));
                device.subsystem_device_id = ids().and_then(|(_, id)| digits(id, 4));
            }
            _ => {}
        }
    }
    if device.vendor_id.is_none() {
        // Other people's snapshots have the single attributes.
        let attribute = |name: &str, width: usize| {
            root.text(format!("{dir}/{name}"))
                .and_then(|text| digits(&text, width))
        };
        device.class = attribute("class", 6);
        device.vendor_id = attribute("vendor", 4);
        device.device_id = attribute("device", 4);
        device.subsystem_vendor_id = attribute("subsystem_vendor", 4);
        device.subsystem_device_id = attribute("subsystem_device", 4);
        device.driver = root.link_name(format!("{dir}/driver")).map(Untrusted::new);
    }
    // Devices without a subsystem have zeros there.
    if device.subsystem_vendor_id.as_deref() == Some("0000") {
        device.subsystem_vendor_id = None;
        device.subsystem_device_id = None;
    }
    device.class_name = device
        .class
        .as_deref()
        .and_then(names::class)
        .map(str::to_owned);
    device.vendor = device
        .vendor_id
        .as_deref()
        .and_then(names::vendor)
        .map(str::to_owned);
    device
}

/// A hexadecimal number in lower case with all its digits, with or without `0x` in front.
fn digits(text: &str, width: usize) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let hex =
        !text.is_empty() && text.len() <= width && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| format!("{:0>width$}", text.to_ascii_lowercase()))
}

/// The graphics and compute accelerators among these.
pub(super) fn accelerators(root: &Root, devices: &[PciDevice]) -> Vec<Gpu> {
    devices
        .iter()
        .filter(|device| is_accelerator(device))
        .map(|device| gpu(root, device))
        .collect()
}

/// Display controllers (03) and processing accelerators (12), but not the console of a management
/// controller: it draws text for the remote keyboard and screen and computes nothing.
fn is_accelerator(device: &PciDevice) -> bool {
    const CONSOLES: [(&str, &[&str]); 4] = [
        // ASPEED AST1000 to AST2700, whatever the id.
        ("1a03", &[]),
        // Matrox G200 as built into the controllers of Dell, HPE, IBM and Supermicro. Matrox sells
        // real cards too.
        (
            "102b",
            &[
                "0522", "0524", "0530", "0532", "0533", "0534", "0536", "0538",
            ],
        ),
        // XGI Z7, Z9 and Z11.
        ("18ca", &[]),
        // Hi1710 and Hi1711 of Huawei.
        ("19e5", &["1710", "1711"]),
    ];
    let class = device.class.as_deref().unwrap_or("");
    let id = device.device_id.as_deref().unwrap_or("");
    let console = CONSOLES.iter().any(|(vendor, ids)| {
        device.vendor_id.as_deref() == Some(*vendor) && (ids.is_empty() || ids.contains(&id))
    });
    (class.starts_with("03") || class.starts_with("12")) && !console
}

fn gpu(root: &Root, device: &PciDevice) -> Gpu {
    let address = device.address.raw();
    let dir = format!("{DEVICES}/{address}");
    let nvidia = || {
        let text = root.text(format!("/proc/driver/nvidia/gpus/{address}/information"))?;
        let (_, model) = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == "Model")?;
        meaningful(model)
    };
    let amd = || {
        root.text(format!("{dir}/product_name"))
            .and_then(|name| meaningful(&name))
    };
    let (model, memory_bytes) = match device.vendor_id.as_deref() {
        Some("10de") => (nvidia(), None),
        Some("1002") => (amd(), root.number(format!("{dir}/mem_info_vram_total"))),
        _ => (None, None),
    };
    Gpu {
        address: device.address.clone(),
        vendor: device.vendor.clone(),
        vendor_id: device.vendor_id.clone(),
        device_id: device.device_id.clone(),
        model,
        driver: device.driver.clone(),
        memory_bytes: memory_bytes.filter(|bytes| *bytes > 0).map(Bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert!(Address::parse("0000:01:00.0").is_some());
        assert!(Address::parse("0000:ff:00.0") < Address::parse("10000:00:00.0"));
        for text in ["", "0000:01:00", "01:00.0", "0000:1:00.0", "0000:01:00.x"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
        let path = "/sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.1/virtio3/net/eth0";
        assert_eq!(address_in(Path::new(path)).as_deref(), Some("0000:02:00.1"));
        assert_eq!(address_in(Path::new("/sys/devices/pci0000:00/x")), None);
    }

    #[test]
    fn numbers_have_all_their_digits() {
        assert_eq!(digits("20000", 6).as_deref(), Some("020000"));
        assert_eq!(digits("0x10DE\n", 4).as_deref(), Some("10de"));
        assert_eq!(digits("0x", 4), None);
        assert_eq!(digits("12345", 4), None);
        assert_eq!(digits("\u{1b}[m", 4), None);
    }
}
