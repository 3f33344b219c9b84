//! Microsoft's certificates out of a firmware image that carries them: the variable store of Debian's
//! `ovmf` package (EDK2 MdeModulePkg/Include/Guid/VariableFormat.h, authenticated form). Nothing of
//! Microsoft's is part of this program.

use super::Certificate;
use super::efivars::{KeyVariable, parse_signature_lists, signature_list};

/// Organisation in the subject of the certificates that are taken.
const MICROSOFT: &str = "O=Microsoft Corporation";
/// `gEfiAuthenticatedVariableGuid`
const STORE_GUID: [u8; 16] = [
    0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
];
const STORE_HEADER_BYTES: usize = 28;
const VARIABLE_HEADER_BYTES: usize = 60;
/// Start mark of a variable, and the state of one that is in force.
const START: [u8; 2] = [0xAA, 0x55];
const ADDED: u8 = 0x3F;

/// Certificates of Microsoft in `KEK` and `db`, each as a signature list with the owner it came with.
/// Empty when the image has none or is no variable store.
#[must_use]
pub fn microsoft_certificates(image: &[u8]) -> Vec<(KeyVariable, Certificate, Vec<u8>)> {
    let mut found = Vec::new();
    for (variable, lists) in key_variables(image).unwrap_or_default() {
        for (owner, der) in parse_signature_lists(lists) {
            let certificate = Certificate::decode(der)
                .filter(|certificate| certificate.subject().contains(MICROSOFT));
            if let Some(certificate) = certificate {
                let list = signature_list(owner, &certificate);
                found.push((variable, certificate, list));
            }
        }
    }
    found
}

/// Contents of `KEK` and `db`.
fn key_variables(image: &[u8]) -> Option<Vec<(KeyVariable, &[u8])>> {
    let u32_at = |at: usize| {
        let bytes = image.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    // The store follows the firmware volume's header, whose length is at byte 48.
    let header = image.get(48..50)?;
    let store = usize::from(u16::from_le_bytes([header[0], header[1]]));
    if image.get(store..store + 16)? != STORE_GUID {
        return None;
    }
    let mut found = Vec::new();
    let mut at = store + STORE_HEADER_BYTES;
    while image.get(at..at.checked_add(2)?)? == START {
        let (name_bytes, data_bytes) = (u32_at(at + 36)?, u32_at(at + 40)?);
        let vendor = image.get(at + 44..at + 60)?;
        let name_at = at + VARIABLE_HEADER_BYTES;
        let data_at = name_at.checked_add(name_bytes)?;
        let end = data_at.checked_add(data_bytes)?;
        let (name, data) = (image.get(name_at..data_at)?, image.get(data_at..end)?);
        for variable in [KeyVariable::Kek, KeyVariable::Db] {
            let expected = variable.name().encode_utf16().chain([0]);
            let expected: Vec<u8> = expected.flat_map(u16::to_le_bytes).collect();
            if image[at + 2] == ADDED && name == expected && vendor == variable.vendor().0 {
                found.push((variable, data));
            }
        }
        at = end.next_multiple_of(4);
    }
    Some(found)
}
