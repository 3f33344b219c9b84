//! EFI programs: sections, revocation generations (SBAT) and the names in their signatures (PE/COFF
//! specification, sections 3 to 5; Authenticode).

use super::{FileEntry, Probe, u16_at, u32_at};
use crate::bootkit::pe::sbat_of_text;
use crate::error::ShowError;
use crate::regions::Span;

/// Longest part of a signature that is looked through.
const MOST_CERTIFICATE_BYTES: u64 = 256 * 1024;
/// Longest text section that is read.
const MOST_TEXT_BYTES: u64 = 64 * 1024;

/// An EFI program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EfiProgram {
    /// Processor: 0x8664 is x86-64.
    pub machine: u16,
    /// Sections with their place in the file.
    pub sections: Vec<(String, Span)>,
    /// SBAT entries, such as `grub,5`.
    pub sbat: Vec<String>,
    /// Common names in the signature's certificates, in their order; empty without a signature.
    pub signers: Vec<String>,
}

impl EfiProgram {
    /// The place of a section in the file.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Span> {
        self.sections
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, span)| *span)
    }

    /// Whether kernel and more are inside (unified kernel image).
    #[must_use]
    pub fn is_uki(&self) -> bool {
        self.section(".linux").is_some() && self.section(".initrd").is_some()
    }
}

/// Reads a program; `None` when the file is none.
///
/// # Errors
/// [`ShowError::Read`].
pub fn read(probe: &mut Probe<'_>, file: &FileEntry) -> Result<Option<EfiProgram>, ShowError> {
    let head = file.read(probe, 0, file.length.min(4096))?;
    let Some(head) = head.filter(|head| head.starts_with(b"MZ")) else {
        return Ok(None);
    };
    let pe = u32_at(&head, 0x3C) as usize;
    if pe > 2048 || head.get(pe..pe + 4) != Some(b"PE\0\0") {
        return Ok(None);
    }
    let optional = pe + 24;
    let table = optional + usize::from(u16_at(&head, pe + 20));
    let count = usize::from(u16_at(&head, pe + 6)).min(96);
    let mut program = EfiProgram {
        machine: u16_at(&head, pe + 4),
        ..EfiProgram::default()
    };
    for index in 0..count {
        let Some(header) = head.get(table + 40 * index..table + 40 * index + 40) else {
            break;
        };
        let name = String::from_utf8_lossy(&header[..8]);
        let name = name.trim_end_matches('\0').to_owned();
        let length = u32_at(header, 8).min(u32_at(header, 16));
        let span = Span {
            offset: u64::from(u32_at(header, 20)),
            length: u64::from(length),
        };
        program.sections.push((name, span));
    }
    if let Some(text) = program.text(probe, file, ".sbat")? {
        program.sbat = sbat_of_text(&text);
    }
    // Data directory 4 of a PE32+ header: a file offset, unlike the others.
    let directory = optional + 112 + 4 * 8;
    if u16_at(&head, optional) == 0x20B && u32_at(&head, optional + 108) > 4 {
        let offset = u64::from(u32_at(&head, directory));
        let length = u64::from(u32_at(&head, directory + 4)).min(MOST_CERTIFICATE_BYTES);
        if length > 8
            && let Some(bytes) = file.read(probe, offset, length)?
        {
            program.signers = common_names(&bytes);
        }
    }
    Ok(Some(program))
}

impl EfiProgram {
    /// A section as text, without the zeros behind it.
    ///
    /// # Errors
    /// [`ShowError::Read`].
    pub fn text(
        &self,
        probe: &mut Probe<'_>,
        file: &FileEntry,
        name: &str,
    ) -> Result<Option<String>, ShowError> {
        let Some(span) = self.section(name) else {
            return Ok(None);
        };
        let bytes = file.read(probe, span.offset, span.length.min(MOST_TEXT_BYTES))?;
        Ok(bytes.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            text.trim_matches('\0').trim_end().to_owned()
        }))
    }
}

/// Values of the attribute `commonName` (2.5.4.3) in DER, each once. Looks for the encoded attribute
/// instead of parsing all of PKCS #7: the answer is for people, not for a decision.
fn common_names(der: &[u8]) -> Vec<String> {
    const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    let mut names: Vec<String> = Vec::new();
    for at in 0..der.len().saturating_sub(COMMON_NAME.len() + 2) {
        if !der[at..].starts_with(COMMON_NAME) {
            continue;
        }
        let value = &der[at + COMMON_NAME.len()..];
        let length = usize::from(value[1]);
        // UTF8String, PrintableString, IA5String with a short length.
        if matches!(value[0], 0x0C | 0x13 | 0x16)
            && length < 0x80
            && let Some(text) = value.get(2..2 + length)
        {
            let text = String::from_utf8_lossy(text).into_owned();
            if !names.contains(&text) {
                names.push(text);
            }
        }
    }
    names
}
