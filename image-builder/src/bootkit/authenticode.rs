//! Who signed an EFI program: the names in its certificate table (PE/COFF specification, "The
//! Attribute Certificate Table"; RFC 2315 for what lies inside). The signature itself is for the
//! firmware and shim to check; here it only has to be told to a person before a server refuses to
//! boot. A crate for CMS would bring a dozen others for these two names, so the few DER elements on the
//! way are read here.

use std::ops::Range;

/// Whose key signed a program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Signer {
    /// Common name of the signing certificate.
    pub name: String,
    /// Common name of the authority that issued it.
    pub issuer: String,
}

/// Where the certificate table lies in the file, in bytes; `None` for an unsigned or foreign file.
/// `head` is the beginning of the file, with its PE header.
pub fn certificate_table(head: &[u8]) -> Option<(u64, u64)> {
    let pe = u32_at(head, 0x3c)? as usize;
    if head.get(..2)? != b"MZ" || head.get(pe..pe.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let optional = pe + 24;
    // 0x20b is PE32+, the only kind x86-64 firmware loads; directory 4 is the certificate table.
    if head.get(optional..optional + 2)? != [0x0b, 0x02] || u32_at(head, optional + 108)? < 5 {
        return None;
    }
    let entry = optional + 112 + 4 * 8;
    let (offset, length) = (u32_at(head, entry)?, u32_at(head, entry + 4)?);
    (offset != 0 && length != 0).then_some((offset.into(), length.into()))
}

/// The processor a PE file is for (0x8664 is x86-64).
pub fn machine(head: &[u8]) -> Option<u16> {
    let pe = u32_at(head, 0x3c)? as usize;
    if head.get(pe..pe.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let at = pe + 4;
    Some(u16::from_le_bytes([*head.get(at)?, *head.get(at + 1)?]))
}

/// The parts of a PE32+ file of `file_bytes` that its Authenticode digest is over: all but the checksum,
/// the entry of the certificate table and that table ("Windows Authenticode Portable Executable Signature
/// Format", Calculating the PE Image Hash; in a file without gaps that is the order of its bytes).
/// `None` for an unsigned file.
pub fn digested(head: &[u8], file_bytes: u64) -> Option<[Range<u64>; 3]> {
    let (table, length) = certificate_table(head)?;
    let optional = u64::from(u32_at(head, 0x3c)?) + 24;
    let (checksum, entry) = (optional + 64, optional + 112 + 4 * 8);
    let is_last = table.checked_add(length)? == file_bytes && entry + 8 <= table;
    is_last.then_some([0..checksum, checksum + 4..entry, entry + 8..table])
}

/// The digests that the signatures in a certificate table are for.
pub fn signed_digests(table: &[u8]) -> Vec<Vec<u8>> {
    certificates(table)
        .filter_map(|der| {
            // ContentInfo { type, [0] SignedData { version, algorithms, ContentInfo { type,
            // [0] SpcIndirectDataContent { data, DigestInfo { algorithm, digest } } }, ... } }
            let content_info = children(Element::read(der)?.0.content);
            let signed_data = children(content_info.get(1)?.content);
            let parts = children(signed_data.first()?.content);
            let content = children(parts.get(2)?.content);
            let indirect = children(content.get(1)?.content);
            let fields = children(indirect.first()?.content);
            let digest_info = children(fields.get(1)?.content);
            Some(digest_info.get(1)?.content.to_vec())
        })
        .collect()
}

/// Signers in a certificate table. What cannot be read is left out.
pub fn signers(table: &[u8]) -> Vec<Signer> {
    certificates(table)
        .flat_map(|der| signers_of(der).unwrap_or_default())
        .collect()
}

/// The PKCS #7 messages in a certificate table.
fn certificates(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    let entries = std::iter::from_fn(move || {
        let length = u32_at(table, at)? as usize;
        let entry = table.get(at..at.saturating_add(length))?;
        at += length.next_multiple_of(8);
        (length > 0).then_some(entry)
    });
    // WIN_CERT_TYPE_PKCS_SIGNED_DATA
    entries
        .filter(|entry| entry.len() > 8 && entry[6..8] == [2, 0])
        .map(|entry| &entry[8..])
}

fn signers_of(der: &[u8]) -> Option<Vec<Signer>> {
    // ContentInfo { type, [0] SignedData { version, digests, content, [0] certificates?, [1] crls?,
    // signers } }
    let content_info = children(Element::read(der)?.0.content);
    let signed_data = children(content_info.get(1)?.content);
    let parts = children(signed_data.first()?.content);
    let certificates: Vec<Certificate<'_>> = parts
        .iter()
        .filter(|part| part.tag == CONTEXT_0)
        .flat_map(|part| children(part.content))
        .filter_map(|certificate| Certificate::read(certificate.content))
        .collect();
    let infos = parts.last().filter(|part| part.tag == SET)?;
    let signer = |info: Element<'_>| {
        // SignerInfo { version, { issuer, serial }, ... }
        let fields = children(info.content);
        let id = children(fields.get(1)?.content);
        let (issuer, serial) = (id.first()?, id.get(1)?);
        let certificate = certificates
            .iter()
            .find(|c| c.issuer == issuer.content && c.serial == serial.content);
        Some(Signer {
            name: certificate
                .and_then(|c| common_name(c.subject))
                .unwrap_or_else(|| "an unnamed key".to_owned()),
            issuer: common_name(issuer.content)
                .unwrap_or_else(|| "an unnamed authority".to_owned()),
        })
    };
    Some(
        children(infos.content)
            .into_iter()
            .filter_map(signer)
            .collect(),
    )
}

struct Certificate<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// TBSCertificate { [0] version?, serial, algorithm, issuer, validity, subject, ... }
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let fields = children(Element::read(certificate)?.0.content);
        let first = usize::from(fields.first()?.tag == CONTEXT_0);
        let field = |index: usize| fields.get(first + index).map(|field| field.content);
        Some(Self {
            serial: field(0)?,
            issuer: field(2)?,
            subject: field(4)?,
        })
    }
}

/// The last common name of a distinguished name, fit for a terminal.
fn common_name(name: &[u8]) -> Option<String> {
    let attributes = children(name)
        .into_iter()
        .flat_map(|set| children(set.content));
    let mut found = None;
    for attribute in attributes {
        let parts = children(attribute.content);
        if let [oid, value] = parts[..]
            && oid.content == COMMON_NAME
        {
            let text = String::from_utf8_lossy(value.content);
            found = Some(text.chars().filter(|c| !c.is_control()).take(80).collect());
        }
    }
    found
}

const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// A DER element.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element and what follows it.
    fn read(der: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = der.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let bytes = rest.get(..count)?;
            let length = bytes.iter().fold(0, |n, &b| n << 8 | usize::from(b));
            (length, &rest[count..])
        };
        let content = rest.get(..length)?;
        Some((Self { tag, content }, &rest[length..]))
    }
}

fn children(mut der: &[u8]) -> Vec<Element<'_>> {
    let mut found = Vec::new();
    while let Some((element, rest)) = Element::read(der) {
        found.push(element);
        der = rest;
    }
    found
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_has_no_signers() {
        let mut state = 1u32;
        for length in 0..300usize {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let _ = certificate_table(&bytes);
            let mut table = vec![0; 8];
            table[..4].copy_from_slice(&(length as u32 + 8).to_le_bytes());
            table[6] = 2;
            table.extend(bytes);
            let _ = signers(&table);
            let _ = signed_digests(&table);
        }
        assert!(signers(&[0; 64]).is_empty());
    }
}
