//! PKCS#7 `SignedData` (RFC 2315) with one signer: the two forms UEFI knows. Every set in it has one
//! or two members, so it is put together from `der`'s building blocks; the `cms` crate has no stable
//! release for this version of `der`.

use der::asn1::{Any, Null, ObjectIdentifier, OctetString};
use der::{Encode, Tag, TagNumber};

use super::{SecureBootError, Signer};
use crate::content::sha256;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// `ContentInfo` of `SignedData` that carries `content`, a DER value of type `content_type`, with
/// signed attributes. No signing time: the same input gives the same bytes.
pub(super) fn attached(
    signer: &dyn Signer,
    content_type: ObjectIdentifier,
    content: &[u8],
) -> Result<Vec<u8>, SecureBootError> {
    // PKCS#7 digests the value without its tag and length.
    let value = value_of(content)?;
    let digest = encode(&OctetString::new(&sha256(value)[..]).map_err(failed)?)?;
    let mut attributes = [
        attribute(CONTENT_TYPE, &encode(&content_type)?)?,
        attribute(MESSAGE_DIGEST, &digest)?,
    ];
    attributes.sort(); // DER orders the members of a set
    let attributes = attributes.concat();
    // Signed as a SET, stored under its context tag (RFC 2315, 9.3).
    let signature = signer.sign(&tlv(Tag::Set, &attributes)?)?;
    let content = sequence(&[&encode(&content_type)?, &explicit(0, content)?])?;
    let signer_info = signer_info(signer, &explicit(0, &attributes)?, &signature)?;
    let signed_data = signed_data(signer, &content, &signer_info)?;
    sequence(&[&encode(&SIGNED_DATA)?, &explicit(0, &signed_data)?])
}

/// Bare `SignedData` over `message`, which it does not carry, without attributes: the form of
/// authenticated variables (UEFI specification 8.2.2).
pub(super) fn detached(signer: &dyn Signer, message: &[u8]) -> Result<Vec<u8>, SecureBootError> {
    let signature = signer.sign(message)?;
    let content = sequence(&[&encode(&DATA)?])?;
    let signer_info = signer_info(signer, &[], &signature)?;
    signed_data(signer, &content, &signer_info)
}

fn signed_data(
    signer: &dyn Signer,
    content_info: &[u8],
    signer_info: &[u8],
) -> Result<Vec<u8>, SecureBootError> {
    sequence(&[
        &encode(&1_u8)?,
        &tlv(Tag::Set, &sha256_algorithm()?)?,
        content_info,
        &explicit(0, signer.certificate().der())?,
        &tlv(Tag::Set, signer_info)?,
    ])
}

fn signer_info(
    signer: &dyn Signer,
    attributes: &[u8],
    signature: &[u8],
) -> Result<Vec<u8>, SecureBootError> {
    let certificate = signer.certificate();
    sequence(&[
        &encode(&1_u8)?,
        &sequence(&[certificate.issuer(), certificate.serial()])?,
        &sha256_algorithm()?,
        attributes,
        &algorithm(RSA_ENCRYPTION)?,
        &encode(&OctetString::new(signature).map_err(failed)?)?,
    ])
}

fn attribute(oid: ObjectIdentifier, value: &[u8]) -> Result<Vec<u8>, SecureBootError> {
    sequence(&[&encode(&oid)?, &tlv(Tag::Set, value)?])
}

/// `AlgorithmIdentifier` of SHA-256.
pub(super) fn sha256_algorithm() -> Result<Vec<u8>, SecureBootError> {
    algorithm(SHA_256)
}

fn algorithm(oid: ObjectIdentifier) -> Result<Vec<u8>, SecureBootError> {
    sequence(&[&encode(&oid)?, &encode(&Null)?])
}

/// A SEQUENCE of values that are DER already.
pub(super) fn sequence(parts: &[&[u8]]) -> Result<Vec<u8>, SecureBootError> {
    tlv(Tag::Sequence, &parts.concat())
}

/// A constructed value under the context tag `number`.
pub(super) fn explicit(number: u32, content: &[u8]) -> Result<Vec<u8>, SecureBootError> {
    let tag = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    };
    tlv(tag, content)
}

pub(super) fn tlv(tag: Tag, content: &[u8]) -> Result<Vec<u8>, SecureBootError> {
    encode(&Any::new(tag, content).map_err(failed)?)
}

pub(super) fn encode(value: &impl Encode) -> Result<Vec<u8>, SecureBootError> {
    value.to_der().map_err(failed)
}

fn value_of(der: &[u8]) -> Result<&[u8], SecureBootError> {
    use der::Decode as _;
    let any = der::asn1::AnyRef::from_der(der).map_err(failed)?;
    Ok(any.value())
}

fn failed(error: der::Error) -> SecureBootError {
    SecureBootError::crypto("encode a signature")(error)
}
