//! The machine's wired network ports, as sysfs shows them.

use std::path::Path;

/// `ARPHRD_ETHER` of linux/if_arp.h.
const ETHERNET: u32 = 1;

/// A wired port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Kernel name, `eth0`.
    pub name: String,
    /// Kernel index.
    pub index: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Whether a cable with life on it is plugged in; only known of ports that are switched on.
    pub carrier: bool,
}

/// All wired ports, in the kernel's order. Virtual interfaces and radios are left out.
pub fn wired_ports(root: &Path) -> Vec<Link> {
    let directory = root.join("sys/class/net");
    let entries = std::fs::read_dir(&directory);
    let mut links: Vec<Link> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| wired_port(&entry.path()))
        .collect();
    links.sort_by_key(|link| link.index);
    links
}

/// Name of the interface for the frames of `port` that carry this tag.
pub fn vlan_name(port: &str, tag: u16) -> String {
    // The kernel takes 15 bytes.
    let end = format!(".{tag}");
    let room = 15 - end.len();
    format!("{}{end}", port.get(..room).unwrap_or(port))
}

/// An interface by its name, whatever it is.
pub fn interface(root: &Path, name: &str) -> Option<Link> {
    link(&root.join("sys/class/net").join(name))
}

fn wired_port(path: &Path) -> Option<Link> {
    let kind = std::fs::read_to_string(path.join("type")).ok()?;
    let is_wired = kind.trim().parse() == Ok(ETHERNET)
        // Bridges, tunnels and the like belong to no device.
        && path.join("device").exists()
        && !path.join("wireless").exists()
        && !path.join("phy80211").exists();
    is_wired.then(|| link(path))?
}

fn link(path: &Path) -> Option<Link> {
    let read = |name: &str| std::fs::read_to_string(path.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u32>().ok();
    Some(Link {
        name: path.file_name()?.to_str()?.to_owned(),
        index: number("ifindex")?,
        mac: parse_mac(read("address")?.trim())?,
        // Reading it fails while the port is off.
        carrier: number("carrier") == Some(1),
    })
}

/// Reads `52:54:00:12:34:56`, in any letter case.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut bytes = text.split(':');
    for byte in &mut mac {
        let digits = bytes.next().filter(|digits| digits.len() == 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    bytes.next().is_none().then_some(mac)
}

/// Writes `52:54:00:12:34:56`.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// IPv6 addresses a port got by itself (router advertisements), without link-local ones: lines of
/// `/proc/net/if_inet6` (address, index, prefix length, scope, flags, name).
pub fn global_ipv6(text: &str, port: u32) -> Vec<(std::net::Ipv6Addr, u8)> {
    const TENTATIVE: u32 = 0x40;
    const SCOPE_GLOBAL: u32 = 0;
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u128::from_str_radix(words.next()?, 16).ok()?;
            let mut hex = || u32::from_str_radix(words.next()?, 16).ok();
            let (index, length, scope, flags) = (hex()?, hex()?, hex()?, hex()?);
            let is_usable = index == port && scope == SCOPE_GLOBAL && flags & TENTATIVE == 0;
            is_usable.then_some((address.into(), u8::try_from(length).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(root: &Path, name: &str, files: &[(&str, &str)]) {
        let path = root.join("sys/class/net").join(name);
        std::fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            if text.is_empty() {
                std::fs::create_dir_all(path.join(file)).unwrap();
            } else {
                std::fs::write(path.join(file), text).unwrap();
            }
        }
    }

    #[test]
    fn only_wired_ports_with_a_device_count() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mac = "52:54:00:aa:bb:cc\n";
        let ethernet = |index| {
            vec![
                ("type", "1\n"),
                ("ifindex", index),
                ("address", mac),
                ("device", ""),
            ]
        };
        add(root, "lo", &[("type", "772\n"), ("ifindex", "1\n")]);
        add(root, "eth1", &ethernet("3\n"));
        add(root, "eth0", &ethernet("2\n"));
        add(root, "eth0", &[("carrier", "1\n")]);
        add(root, "wlan0", &ethernet("4\n"));
        add(root, "wlan0", &[("phy80211", "")]);
        add(
            root,
            "br0",
            &[("type", "1\n"), ("ifindex", "5\n"), ("address", mac)],
        );
        let ports = wired_ports(root);
        let seen: Vec<_> = ports.iter().map(|p| (p.name.as_str(), p.carrier)).collect();
        assert_eq!(seen, [("eth0", true), ("eth1", false)]);
        assert_eq!(ports[0].mac, [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    }

    #[test]
    fn hardware_addresses() {
        let mac = parse_mac("52:54:00:AA:bb:0c").unwrap();
        assert_eq!(mac_text(mac), "52:54:00:aa:bb:0c");
        for bad in [
            "",
            "52:54:00:aa:bb",
            "52:54:00:aa:bb:cc:dd",
            "5:54:0:aa:bb:cc",
            "zz:54:00:aa:bb:cc",
        ] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_global_and_usable_ipv6_addresses_count() {
        let text = "\
fe80000000000000505400fffe123456 02 40 20 80     eth0
20010db8000000000000000000000005 02 40 00 00     eth0
20010db8000000000000000000000006 02 40 00 40     eth0
00000000000000000000000000000001 01 80 10 80       lo
";
        let expected = ("2001:db8::5".parse().unwrap(), 64);
        assert_eq!(global_ipv6(text, 2), [expected]);
        assert_eq!(global_ipv6("junk\n\n", 2), []);
    }
}
