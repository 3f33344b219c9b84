//! Variables put into a firmware before it starts, as its factory would: written straight into OVMF's
//! variable store (EDK2 MdeModulePkg/Include/Guid/VariableFormat.h, authenticated form).

use anyhow::{Result, bail};

/// Offset of the store's header: behind the header of the firmware volume.
const STORE_OFFSET: usize = 72;
const STORE_HEADER_BYTES: usize = 28;
/// `gEfiAuthenticatedVariableGuid`
const STORE_GUID: [u8; 16] = [
    0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
];
/// Start mark and `VAR_ADDED`.
const ADDED: [u8; 4] = [0xAA, 0x55, 0x3F, 0x00];

/// A variable of the firmware.
#[derive(Debug, Clone)]
pub struct EfiVariable {
    /// Its name.
    pub name: String,
    /// Its vendor GUID in the byte order of the disk.
    pub vendor: [u8; 16],
    /// Its attributes.
    pub attributes: u32,
    /// Its content.
    pub data: Vec<u8>,
}

impl EfiVariable {
    /// One of the key databases of Secure Boot. A platform key among them turns it on.
    #[must_use]
    pub fn keys(name: &str, vendor: [u8; 16], list: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            vendor,
            attributes: 0x27, // non-volatile, boot and runtime, time-based authentication
            data: list,
        }
    }
}

/// Adds variables to an empty store.
pub(crate) fn add(store: &mut [u8], variables: &[EfiVariable]) -> Result<()> {
    let mut at = STORE_OFFSET + STORE_HEADER_BYTES;
    if store.get(STORE_OFFSET..STORE_OFFSET + 16) != Some(&STORE_GUID[..]) {
        bail!("the firmware's variable store has another format");
    }
    for variable in variables {
        let mut bytes = ADDED.to_vec();
        bytes.extend_from_slice(&variable.attributes.to_le_bytes());
        bytes.extend_from_slice(&[0; 8 + 16 + 4]); // monotonic count, time, key index
        let name: Vec<u8> = variable
            .name
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        bytes.extend_from_slice(&u32::try_from(name.len())?.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(variable.data.len())?.to_le_bytes());
        bytes.extend_from_slice(&variable.vendor);
        bytes.extend_from_slice(&name);
        bytes.extend_from_slice(&variable.data);
        let Some(place) = store.get_mut(at..at + bytes.len()) else {
            bail!("the firmware's variable store is full");
        };
        if place.iter().any(|byte| *byte != 0xFF) {
            bail!("the firmware's variable store is not empty");
        }
        place.copy_from_slice(&bytes);
        at = (at + bytes.len()).next_multiple_of(4);
    }
    Ok(())
}
