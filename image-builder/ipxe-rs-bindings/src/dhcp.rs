//! The DHCP options between iPXE and servers: 77 (user class) and 175 (iPXE's own).

/// iPXE's user class, as it sends it: the bare text, without the length RFC 3004 wants.
pub const USER_CLASS: &[u8] = b"iPXE";

/// Whether option 77 says iPXE: bare, or as RFC 3004 has it.
pub fn is_ipxe_user_class(option: &[u8]) -> bool {
    if option == USER_CLASS {
        return true;
    }
    let mut rest = option;
    while let Some((length, behind)) = rest.split_first() {
        let Some((class, behind)) = behind.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if class == USER_CLASS {
            return true;
        }
        rest = behind;
    }
    false
}

/// Features that a client reports in option 175, by number.
pub const FEATURES: &[(u8, &str)] = &[
    (17, "iscsi"),
    (18, "aoe"),
    (19, "http"),
    (20, "https"),
    (21, "tftp"),
    (23, "dns"),
    (24, "bzimage"),
    (33, "pxe"),
    (34, "elf"),
    (36, "efi"),
    (38, "vlan"),
    (39, "menu"),
    (41, "nfs"),
];

const PRIORITY: u8 = 1;
const KEEP_SAN: u8 = 8;
const NO_PXEDHCP: u8 = 176;
const BUS_ID: u8 = 177;
const VERSION: u8 = 235;

/// What an iPXE client says of itself in option 175.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// Numbers of the features it has; see [`FEATURES`].
    pub features: Vec<u8>,
    /// Its version: three numbers.
    pub version: Option<[u8; 3]>,
    /// Vendor and device of the PCI card.
    pub pci: Option<(u16, u16)>,
}

/// What a server tells iPXE in option 175.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// Do not wait for a ProxyDHCP server.
    pub no_pxedhcp: bool,
    /// Keep a SAN disk for the system.
    pub keep_san: bool,
    /// Prefer these settings to others; higher is stronger.
    pub priority: Option<i8>,
}

/// Why an option 175 cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("option 175 is cut off at byte {at}")]
pub struct OptionError {
    /// Where.
    pub at: usize,
}

/// The options inside, until 255 or the end.
fn inner(option: &[u8]) -> Result<Vec<(u8, &[u8])>, OptionError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(tag) = option.get(at) {
        match tag {
            0 => at += 1,
            255 => break,
            tag => {
                let length = option.get(at + 1).ok_or(OptionError { at })?;
                let end = at + 2 + usize::from(*length);
                found.push((*tag, option.get(at + 2..end).ok_or(OptionError { at })?));
                at = end;
            }
        }
    }
    Ok(found)
}

impl ClientOptions {
    /// Reads option 175 of a client.
    ///
    /// # Errors
    /// [`OptionError`]
    pub fn decode(option: &[u8]) -> Result<Self, OptionError> {
        let mut client = Self::default();
        for (tag, value) in inner(option)? {
            match (tag, value) {
                (VERSION, [major, minor, patch, ..]) => {
                    client.version = Some([*major, *minor, *patch]);
                }
                (BUS_ID, [1, v1, v0, d1, d0, ..]) => {
                    let number = |high, low| u16::from_be_bytes([high, low]);
                    client.pci = Some((number(*v1, *v0), number(*d1, *d0)));
                }
                (16..=41, value) if value.first().is_none_or(|first| *first != 0) => {
                    client.features.push(tag);
                }
                _ => {}
            }
        }
        Ok(client)
    }

    /// Writes option 175 as a client does.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some((vendor, device)) = self.pci {
            out.extend([BUS_ID, 5, 1]);
            out.extend(vendor.to_be_bytes());
            out.extend(device.to_be_bytes());
        }
        if let Some(version) = self.version {
            out.extend([VERSION, 3]);
            out.extend(version);
        }
        for feature in &self.features {
            out.extend([*feature, 1, 1]);
        }
        out
    }

    /// Whether it has a feature of this name.
    pub fn has(&self, name: &str) -> bool {
        let mut known = FEATURES.iter();
        known.any(|(tag, known)| *known == name && self.features.contains(tag))
    }
}

impl ServerOptions {
    /// Writes option 175 for an answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(priority) = self.priority {
            out.extend([PRIORITY, 1, priority.to_be_bytes()[0]]);
        }
        if self.keep_san {
            out.extend([KEEP_SAN, 1, 1]);
        }
        if self.no_pxedhcp {
            out.extend([NO_PXEDHCP, 1, 1]);
        }
        out
    }

    /// Reads option 175 of an answer.
    ///
    /// # Errors
    /// [`OptionError`]
    pub fn decode(option: &[u8]) -> Result<Self, OptionError> {
        let mut server = Self::default();
        for (tag, value) in inner(option)? {
            let on = value.iter().any(|byte| *byte != 0);
            match tag {
                PRIORITY => server.priority = value.first().map(|byte| i8::from_be_bytes([*byte])),
                KEEP_SAN => server.keep_san = on,
                NO_PXEDHCP => server.no_pxedhcp = on,
                _ => {}
            }
        }
        Ok(server)
    }
}
