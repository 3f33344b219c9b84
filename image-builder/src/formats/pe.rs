//! PE32+ images (Microsoft PE format, sections 2 to 4): reading headers, and appending sections to an
//! EFI program. Contents stay extents; only headers are rendered. `object` and `goblin` read PE but
//! cannot append a section, and `objcopy` leaves gaps that make the Authenticode digest ambiguous.

use crate::content::Content;
use crate::error::LayoutError;
use crate::formats::timestamp::Timestamp;
use crate::formats::{align_up, put};
use crate::regions::Span;
use crate::rope::{Layout, LayoutBuilder, Source};

/// Appended sections begin on multiples of this in the file and in memory, so that an ISO 9660
/// record can point at one and a copy-on-write file system can share its blocks.
pub const SECTION_ALIGN_BYTES: u64 = 4096;

const MACHINE_X86_64: u16 = 0x8664;
const MAGIC_PE32_PLUS: u16 = 0x20b;
const SECTION_HEADER_BYTES: usize = 40;
/// Initialised data, readable.
const DATA_CHARACTERISTICS: u32 = 0x4000_0040;

// Offsets from the start of the optional header (PE32+).
const SIZE_OF_INITIALIZED_DATA: usize = 8;
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
const SIZE_OF_IMAGE: usize = 56;
const SIZE_OF_HEADERS: usize = 60;
const CHECKSUM: usize = 64;
const DIRECTORY_COUNT: usize = 108;
const SECURITY_DIRECTORY: usize = 112 + 4 * 8;

/// Bytes that are no usable PE image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeError {
    /// No MZ or PE signature, or cut off.
    #[error("is no EFI program (PE image)")]
    NotPe,
    /// A 32-bit image, or one for another processor.
    #[error("is no EFI program for x86-64")]
    Architecture,
    /// A field contradicts the others or leaves the file.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// The headers have no room for more sections.
    #[error("has no room for {0} more sections in its headers")]
    NoRoom(usize),
    /// Offsets in a PE image are 32 bits.
    #[error("would be larger than 4 GiB")]
    TooLarge,
}

/// One row of the section table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name, NUL padded.
    pub name: [u8; 8],
    /// Bytes in memory.
    pub virtual_bytes: u32,
    /// Address in memory, from the image base.
    pub virtual_address: u32,
    /// Bytes in the file.
    pub raw_bytes: u32,
    /// Offset in the file.
    pub raw_offset: u32,
    /// Flags.
    pub characteristics: u32,
}

impl Section {
    /// The name without its padding.
    #[must_use]
    pub fn name(&self) -> String {
        let end = self.name.iter().position(|b| *b == 0).unwrap_or(8);
        String::from_utf8_lossy(&self.name[..end]).into_owned()
    }

    /// The bytes that count: those of the file that also exist in memory.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            offset: self.raw_offset.into(),
            length: self.raw_bytes.min(self.virtual_bytes).into(),
        }
    }
}

/// Headers of a PE32+ image for x86-64.
#[derive(Debug, Clone)]
pub struct Headers {
    /// Offset of the COFF header.
    coff_at: usize,
    /// Offset of the optional header.
    optional_at: usize,
    /// Offset of the section table.
    table_at: usize,
    /// Length of all headers in the file, padding included.
    headers_bytes: u32,
    section_alignment: u32,
    file_alignment: u32,
    /// Offset and length of the certificate table; (0, 0) without one.
    certificates: (u32, u32),
    /// The section table.
    pub sections: Vec<Section>,
}

impl Headers {
    /// Reads the headers; the first 4 KiB of a file suffice.
    ///
    /// # Errors
    /// [`PeError`].
    pub fn parse(image: &[u8]) -> Result<Self, PeError> {
        if image.get(..2) != Some(b"MZ") {
            return Err(PeError::NotPe);
        }
        let pe_at = u32_at(image, 0x3c)? as usize;
        let coff_at = pe_at.checked_add(4).ok_or(PeError::NotPe)?;
        if image.get(pe_at..coff_at) != Some(b"PE\0\0") {
            return Err(PeError::NotPe);
        }
        let optional_at = coff_at + 20;
        if u16_at(image, coff_at)? != MACHINE_X86_64
            || u16_at(image, optional_at)? != MAGIC_PE32_PLUS
        {
            return Err(PeError::Architecture);
        }
        let count = usize::from(u16_at(image, coff_at + 2)?);
        let optional_bytes = usize::from(u16_at(image, coff_at + 16)?);
        let directories = u32_at(image, optional_at + DIRECTORY_COUNT)?;
        if directories < 5 || optional_bytes < SECURITY_DIRECTORY + 8 {
            return Err(PeError::Damaged("it has no certificate directory"));
        }
        let table_at = optional_at + optional_bytes;
        let mut sections = Vec::with_capacity(count);
        for index in 0..count {
            let at = table_at + index * SECTION_HEADER_BYTES;
            let mut name = [0; 8];
            name.copy_from_slice(image.get(at..at + 8).ok_or(PeError::NotPe)?);
            sections.push(Section {
                name,
                virtual_bytes: u32_at(image, at + 8)?,
                virtual_address: u32_at(image, at + 12)?,
                raw_bytes: u32_at(image, at + 16)?,
                raw_offset: u32_at(image, at + 20)?,
                characteristics: u32_at(image, at + 36)?,
            });
        }
        let field = |at: usize| u32_at(image, optional_at + at);
        Ok(Self {
            coff_at,
            optional_at,
            table_at,
            headers_bytes: field(SIZE_OF_HEADERS)?,
            section_alignment: field(SECTION_ALIGNMENT)?,
            file_alignment: field(FILE_ALIGNMENT)?,
            certificates: (field(SECURITY_DIRECTORY)?, field(SECURITY_DIRECTORY + 4)?),
            sections,
        })
    }

    /// Whether an Authenticode signature is attached; whose it is, or whether it is good, is not
    /// looked at.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.certificates.1 > 0
    }

    /// The section of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name() == name)
    }
}

/// The bytes of a section of a whole image; `None` without that section.
#[must_use]
pub fn section_bytes<'a>(image: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let span = Headers::parse(image).ok()?.section(name)?.span();
    image.get(span.offset as usize..(span.offset + span.length) as usize)
}

/// A section to append.
#[derive(Debug, Clone)]
pub struct NewSection {
    /// Name, at most 8 bytes.
    pub name: &'static str,
    /// What it holds, piece after piece; each piece begins on a multiple of 4 bytes.
    pub pieces: Vec<Content>,
}

/// An EFI program with sections appended; its headers are final but for checksum and certificate
/// table.
#[derive(Debug, Clone)]
pub struct Assembled {
    headers: Vec<u8>,
    optional_at: usize,
    /// Headers with zero checksum, and all sections.
    layout: Layout,
    /// Where the appended sections lie in the file.
    pub sections: Vec<(&'static str, Span)>,
}

/// Appends `new` to the program `stub`. Whatever follows the stub's own sections (symbols, a
/// signature) is left out, sections lie without gaps, and every appended one begins on a
/// [`SECTION_ALIGN_BYTES`] boundary.
///
/// # Errors
/// [`PeError`].
pub fn append(stub: &[u8], new: &[NewSection], timestamp: Timestamp) -> Result<Assembled, PeError> {
    let parsed = Headers::parse(stub)?;
    let (headers_bytes, coff, optional) = (
        parsed.headers_bytes as usize,
        parsed.coff_at,
        parsed.optional_at,
    );
    let mut headers = stub.get(..headers_bytes).ok_or(PeError::NotPe)?.to_vec();
    let count = parsed.sections.len() + new.len();
    let table_end = parsed.table_at + count * SECTION_HEADER_BYTES;
    if table_end > headers_bytes || count > usize::from(u16::MAX) {
        return Err(PeError::NoRoom(new.len()));
    }
    if !parsed.file_alignment.is_power_of_two() || !parsed.section_alignment.is_power_of_two() {
        return Err(PeError::Damaged("alignments are no powers of two"));
    }
    let file_align = u64::from(parsed.file_alignment);

    let (mut table, own) = repack(stub, &parsed, file_align)?;
    let mut end = align_up(headers_bytes as u64 + own.len() as u64, SECTION_ALIGN_BYTES);
    if let Some(last) = table.last_mut() {
        last.raw_bytes = fits(end - u64::from(last.raw_offset))?;
    }
    let mut builder = LayoutBuilder::new();
    builder.place_bytes(headers_bytes as u64, own);
    let memory_end = |table: &[Section]| {
        let ends = table
            .iter()
            .map(|s| u64::from(s.virtual_address) + u64::from(s.virtual_bytes));
        ends.max().unwrap_or(0)
    };
    let memory_align = SECTION_ALIGN_BYTES.max(parsed.section_alignment.into());
    let mut placed = Vec::with_capacity(new.len());
    for section in new {
        let start = end;
        let mut length = 0;
        for piece in &section.pieces {
            length = align_up(length, 4);
            builder.place(start + length, piece.length(), piece.source().clone());
            length += piece.length();
        }
        end = align_up(start + length, SECTION_ALIGN_BYTES.max(file_align));
        let mut name = [0; 8];
        name[..section.name.len()].copy_from_slice(section.name.as_bytes());
        table.push(Section {
            name,
            virtual_bytes: fits(length)?,
            virtual_address: fits(align_up(memory_end(&table), memory_align))?,
            raw_bytes: fits(end - start)?,
            raw_offset: fits(start)?,
            characteristics: DATA_CHARACTERISTICS,
        });
        placed.push((
            section.name,
            Span {
                offset: start,
                length,
            },
        ));
    }

    let added: u64 = table[parsed.sections.len()..]
        .iter()
        .map(|s| u64::from(s.raw_bytes))
        .sum();
    let data_bytes = u32_at(stub, optional + SIZE_OF_INITIALIZED_DATA)?;
    let image_bytes = align_up(memory_end(&table), parsed.section_alignment.into());
    let mut set = |at: usize, value: u32| put(&mut headers, at, &value.to_le_bytes());
    // A COFF time has 32 bits; a moment they cannot hold is as good as none.
    set(coff + 4, u32::try_from(timestamp.0).unwrap_or(0));
    set(coff + 8, 0); // no symbol table
    set(coff + 12, 0);
    set(
        optional + SIZE_OF_INITIALIZED_DATA,
        fits(u64::from(data_bytes) + added)?,
    );
    set(optional + SIZE_OF_IMAGE, fits(image_bytes)?);
    set(optional + CHECKSUM, 0);
    set(optional + SECURITY_DIRECTORY, 0);
    set(optional + SECURITY_DIRECTORY + 4, 0);
    put(&mut headers, coff + 2, &(count as u16).to_le_bytes());
    for (index, section) in table.iter().enumerate() {
        let at = parsed.table_at + index * SECTION_HEADER_BYTES;
        put(&mut headers, at, &section_header(section));
    }
    builder.place_bytes(0, headers.clone());
    let layout = zeroed(builder, fits(end)?.into())?;
    Ok(Assembled {
        headers,
        optional_at: optional,
        layout,
        sections: placed,
    })
}

impl Assembled {
    /// The program without a signature and with a zero checksum.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The ranges of bytes Authenticode covers, in order: everything but the checksum and the
    /// certificate table's directory entry (Windows Authenticode Portable Executable Signature
    /// Format, "Calculating the PE Image Hash").
    #[must_use]
    pub fn signed_ranges(&self) -> [Span; 3] {
        let (checksum, security) = (
            (self.optional_at + CHECKSUM) as u64,
            (self.optional_at + SECURITY_DIRECTORY) as u64,
        );
        let range = |from: u64, to: u64| Span {
            offset: from,
            length: to - from,
        };
        [
            range(0, checksum),
            range(checksum + 4, security),
            range(security + 8, self.layout.total()),
        ]
    }

    /// The program with the attribute certificate table `certificates` and its checksum. `sum` is the
    /// [`checksum_add`] sum of [`Self::layout`].
    ///
    /// # Errors
    /// [`PeError::TooLarge`].
    pub fn signed(&self, certificates: Vec<u8>, sum: u32) -> Result<Layout, PeError> {
        let at = self.layout.total();
        let total = at + certificates.len() as u64;
        let mut headers = self.headers.clone();
        let mut entry = [0; 8];
        put(&mut entry, 0, &fits(at)?.to_le_bytes());
        put(&mut entry, 4, &fits(total - at)?.to_le_bytes());
        put(&mut headers, self.optional_at + SECURITY_DIRECTORY, &entry);
        let sum = checksum_add(checksum_add(sum, &entry), &certificates);
        let checksum = u64::from(sum) + total;
        put(
            &mut headers,
            self.optional_at + CHECKSUM,
            &fits(checksum)?.to_le_bytes(),
        );
        let headers_bytes = headers.len() as u64;
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, headers);
        for extent in self.layout.range(headers_bytes, at) {
            builder.place(extent.offset, extent.length, extent.source);
        }
        builder.place_bytes(at, certificates);
        zeroed(builder, total)
    }
}

/// The PE checksum of more bytes: a sum of 16-bit words with the carry folded back. The bytes must
/// begin on an even offset; an odd last byte counts as if a zero followed.
#[must_use]
pub fn checksum_add(sum: u32, bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| {
        let high = pair.get(1).copied().unwrap_or(0);
        u64::from(u16::from_le_bytes([pair[0], high]))
    });
    let mut total = u64::from(sum) + words.sum::<u64>();
    while total > 0xFFFF {
        total = (total & 0xFFFF) + (total >> 16);
    }
    total as u32
}

/// The stub's sections one after the other, with the table that says so.
fn repack(
    stub: &[u8],
    parsed: &Headers,
    file_align: u64,
) -> Result<(Vec<Section>, Vec<u8>), PeError> {
    let mut order: Vec<usize> = (0..parsed.sections.len()).collect();
    order.sort_by_key(|index| parsed.sections[*index].raw_offset);
    let mut table = parsed.sections.clone();
    let mut bytes = Vec::new();
    for index in order {
        let section = &mut table[index];
        if section.raw_bytes == 0 {
            continue;
        }
        let from = section.raw_offset as usize;
        let content = stub
            .get(from..from + section.raw_bytes as usize)
            .ok_or(PeError::Damaged("a section lies outside the file"))?;
        let at = u64::from(parsed.headers_bytes) + bytes.len() as u64;
        section.raw_offset = fits(at)?;
        section.raw_bytes = fits(align_up(content.len() as u64, file_align))?;
        bytes.extend_from_slice(content);
        bytes.resize(
            (at - u64::from(parsed.headers_bytes)) as usize + section.raw_bytes as usize,
            0,
        );
    }
    if u64::from(parsed.headers_bytes) % file_align != 0 {
        return Err(PeError::Damaged("headers do not end on the file alignment"));
    }
    Ok((table, bytes))
}

fn section_header(section: &Section) -> [u8; SECTION_HEADER_BYTES] {
    let mut header = [0; SECTION_HEADER_BYTES];
    put(&mut header, 0, &section.name);
    for (at, value) in [
        (8, section.virtual_bytes),
        (12, section.virtual_address),
        (16, section.raw_bytes),
        (20, section.raw_offset),
        (36, section.characteristics),
    ] {
        put(&mut header, at, &value.to_le_bytes());
    }
    header
}

/// Padding counts in digests, so it is zero rather than unused.
fn zeroed(builder: LayoutBuilder, total: u64) -> Result<Layout, PeError> {
    let wrong = |_: LayoutError| PeError::Damaged("its sections overlap");
    let layout = builder.finish(total).map_err(wrong)?;
    let mut zeroed = LayoutBuilder::new();
    for extent in layout.extents() {
        let source = match &extent.source {
            Source::Unused => Source::Zero,
            other => other.clone(),
        };
        zeroed.place(extent.offset, extent.length, source);
    }
    zeroed.finish(total).map_err(wrong)
}

fn fits(value: u64) -> Result<u32, PeError> {
    u32::try_from(value).map_err(|_| PeError::TooLarge)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, PeError> {
    let end = at.checked_add(2).ok_or(PeError::NotPe)?;
    match bytes.get(at..end) {
        Some(found) => Ok(u16::from_le_bytes([found[0], found[1]])),
        None => Err(PeError::NotPe),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, PeError> {
    let low = u16_at(bytes, at)?;
    let high = u16_at(bytes, at.checked_add(2).ok_or(PeError::NotPe)?)?;
    Ok(u32::from(low) | u32::from(high) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_does_not_depend_on_how_the_bytes_are_split() {
        let bytes: Vec<u8> = (0..4000_u32).flat_map(|n| (n * 77).to_le_bytes()).collect();
        let whole = checksum_add(0, &bytes);
        for part in [2, 254, 4096] {
            let split = bytes.chunks(part).fold(0, checksum_add);
            assert_eq!(split, whole, "{part}");
        }
        assert_eq!(checksum_add(0xFFFF, &[1, 0]), 1);
    }

    #[test]
    fn garbage_is_refused() {
        let mut image = vec![0u8; 1024];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c] = 0x40;
        image[0x40..0x44].copy_from_slice(b"PE\0\0");
        for length in 0..image.len() {
            assert!(Headers::parse(&image[..length]).is_err());
        }
        image[0x44..0x46].copy_from_slice(&MACHINE_X86_64.to_le_bytes());
        image[0x58..0x5a].copy_from_slice(&MAGIC_PE32_PLUS.to_le_bytes());
        assert!(matches!(Headers::parse(&image), Err(PeError::Damaged(_))));
        image[0x3c..0x40].copy_from_slice(&[0xff; 4]);
        assert_eq!(Headers::parse(&image).unwrap_err(), PeError::NotPe);
    }
}
