//! The firmware's key databases: signature lists (`.esl`) and signed updates of the variables that hold
//! them (`.auth`). UEFI specification 8.2.2 (authenticated variables) and 32.4.1 (signature lists).

use super::cms::detached;
use super::{Certificate, SecureBootError, Signer};
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;

/// `EFI_GLOBAL_VARIABLE`
const GLOBAL: Guid = Guid::from_fields(
    0x8BE4_DF61,
    0x93CA,
    0x11D2,
    [0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C],
);
/// `EFI_IMAGE_SECURITY_DATABASE_GUID`
const SECURITY_DATABASE: Guid = Guid::from_fields(
    0xD719_B2CB,
    0x3D3A,
    0x4596,
    [0xA3, 0xBC, 0xDA, 0xD0, 0x0E, 0x67, 0x65, 0x6F],
);
/// `EFI_CERT_X509_GUID`
const CERT_X509: Guid = Guid::from_fields(
    0xA5C0_59A1,
    0x94E4,
    0x4AA7,
    [0x87, 0xB5, 0xAB, 0x15, 0x5C, 0x2B, 0xF0, 0x72],
);
/// `EFI_CERT_TYPE_PKCS7_GUID`
const CERT_TYPE_PKCS7: Guid = Guid::from_fields(
    0x4AAF_D29D,
    0x68DF,
    0x49EE,
    [0x8A, 0xA9, 0x34, 0x7D, 0x37, 0x56, 0x65, 0xA7],
);
/// Non-volatile, boot-service and runtime access, time-based authenticated write.
const ATTRIBUTES: u32 = 0x01 | 0x02 | 0x04 | 0x20;
/// `WIN_CERT_TYPE_EFI_GUID`
const WIN_CERT_TYPE_EFI_GUID: u16 = 0x0EF1;

/// A variable that holds keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyVariable {
    /// Platform key: whoever owns the machine.
    Pk,
    /// Key exchange keys: who may change `db`.
    Kek,
    /// Whose programs are started.
    Db,
}

impl KeyVariable {
    /// All of them, from the owner down.
    pub const ALL: [Self; 3] = [Self::Pk, Self::Kek, Self::Db];

    /// Name of the variable and of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pk => "PK",
            Self::Kek => "KEK",
            Self::Db => "db",
        }
    }

    /// The vendor GUID it lives under.
    #[must_use]
    pub const fn vendor(self) -> Guid {
        match self {
            Self::Pk | Self::Kek => GLOBAL,
            Self::Db => SECURITY_DATABASE,
        }
    }
}

/// `EFI_SIGNATURE_LIST` of one X.509 certificate.
#[must_use]
pub fn signature_list(owner: Guid, certificate: &Certificate) -> Vec<u8> {
    let der = certificate.der();
    let signature_bytes = (16 + der.len()) as u32;
    let mut list = Vec::with_capacity(28 + signature_bytes as usize);
    list.extend_from_slice(&CERT_X509.0);
    list.extend_from_slice(&(28 + signature_bytes).to_le_bytes());
    list.extend_from_slice(&0_u32.to_le_bytes()); // no list header
    list.extend_from_slice(&signature_bytes.to_le_bytes());
    list.extend_from_slice(&owner.0);
    list.extend_from_slice(der);
    list
}

/// The X.509 certificates of signature lists, with their owners; entries of other kinds and whatever
/// follows damage are left out.
#[must_use]
pub fn parse_signature_lists(mut lists: &[u8]) -> Vec<(Guid, &[u8])> {
    let mut found = Vec::new();
    while let Some(header) = lists.get(..28) {
        let field = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
                as usize
        };
        let (list_bytes, header_bytes, signature_bytes) = (field(16), field(20), field(24));
        let Some(list) = lists.get(..list_bytes).filter(|list| list.len() >= 28) else {
            break;
        };
        let signatures = list.get(28_usize.saturating_add(header_bytes)..);
        if header[..16] == CERT_X509.0 && signature_bytes > 16 {
            for signature in signatures.unwrap_or_default().chunks_exact(signature_bytes) {
                let mut owner = [0; 16];
                owner.copy_from_slice(&signature[..16]);
                found.push((Guid(owner), &signature[16..]));
            }
        }
        lists = &lists[list_bytes..];
    }
    found
}

/// A signed update that sets `variable` to `list`: `EFI_VARIABLE_AUTHENTICATION_2` and the list.
/// Firmware accepts it if `time` is later than that of the last update.
///
/// # Errors
/// What the signer says.
pub fn signed_update(
    signer: &dyn Signer,
    variable: KeyVariable,
    list: &[u8],
    time: Timestamp,
) -> Result<Vec<u8>, SecureBootError> {
    let time = efi_time(time);
    let mut message: Vec<u8> = variable
        .name()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    message.extend_from_slice(&variable.vendor().0);
    message.extend_from_slice(&ATTRIBUTES.to_le_bytes());
    message.extend_from_slice(&time);
    message.extend_from_slice(list);
    let pkcs7 = detached(signer, &message)?;
    let mut update = Vec::with_capacity(40 + pkcs7.len() + list.len());
    update.extend_from_slice(&time);
    update.extend_from_slice(&((8 + 16 + pkcs7.len()) as u32).to_le_bytes());
    update.extend_from_slice(&0x0200_u16.to_le_bytes());
    update.extend_from_slice(&WIN_CERT_TYPE_EFI_GUID.to_le_bytes());
    update.extend_from_slice(&CERT_TYPE_PKCS7.0);
    update.extend_from_slice(&pkcs7);
    update.extend_from_slice(list);
    Ok(update)
}

/// `EFI_TIME`; the fields that must be zero in an update are.
fn efi_time(time: Timestamp) -> [u8; 16] {
    let (year, month, day, hour, minute, second) = time.fields();
    let mut out = [0; 16];
    out[..2].copy_from_slice(&year.to_le_bytes());
    out[2..7].copy_from_slice(&[month, day, hour, minute, second]);
    out
}
