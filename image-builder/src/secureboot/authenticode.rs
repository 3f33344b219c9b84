//! Authenticode signatures on EFI programs (Windows Authenticode Portable Executable Signature Format).

use der::Tag;
use der::asn1::{ObjectIdentifier, OctetString};

use super::cms::{attached, encode, explicit, sequence, sha256_algorithm, tlv};
use super::{SecureBootError, Signer};
use crate::content::Sha256Digest;

const SPC_INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
const SPC_PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
/// `WIN_CERT_REVISION_2_0`
const REVISION: u16 = 0x0200;
/// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`
const PKCS_SIGNED_DATA: u16 = 0x0002;

/// The attribute certificate table with one signature over a program whose Authenticode digest is
/// `digest` ([`Assembled::signed_ranges`](crate::formats::pe::Assembled::signed_ranges)).
///
/// # Errors
/// What the signer says.
pub fn certificate_table(
    signer: &dyn Signer,
    digest: &Sha256Digest,
) -> Result<Vec<u8>, SecureBootError> {
    let pkcs7 = attached(signer, SPC_INDIRECT_DATA, &indirect_data(digest)?)?;
    let length = 8 + pkcs7.len();
    let mut table = Vec::with_capacity(length + 7);
    // dwLength counts the padding for some readers and not for others; padded first, both agree.
    let padded = length.next_multiple_of(8);
    table.extend_from_slice(&(padded as u32).to_le_bytes());
    table.extend_from_slice(&REVISION.to_le_bytes());
    table.extend_from_slice(&PKCS_SIGNED_DATA.to_le_bytes());
    table.extend_from_slice(&pkcs7);
    table.resize(padded, 0);
    Ok(table)
}

/// `SpcIndirectDataContent`: what kind of file, and its digest.
fn indirect_data(digest: &Sha256Digest) -> Result<Vec<u8>, SecureBootError> {
    // SpcPeImageData: no flags, and the obsolete file link as an empty Unicode string.
    let no_flags = tlv(Tag::BitString, &[0])?;
    let empty_text = context_primitive(0)?;
    let link = explicit(0, &explicit(2, &empty_text)?)?;
    let image_data = sequence(&[
        &encode(&SPC_PE_IMAGE_DATA)?,
        &sequence(&[&no_flags, &link])?,
    ])?;
    let value = OctetString::new(&digest[..]).map_err(SecureBootError::crypto("sign"))?;
    let digest_info = sequence(&[&sha256_algorithm()?, &encode(&value)?])?;
    sequence(&[&image_data, &digest_info])
}

/// An empty primitive value under the context tag `number`.
fn context_primitive(number: u32) -> Result<Vec<u8>, SecureBootError> {
    let tag = Tag::ContextSpecific {
        constructed: false,
        number: der::TagNumber(number),
    };
    tlv(tag, &[])
}
