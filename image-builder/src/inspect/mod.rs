//! Readers of what others, or we, once wrote: partition tables, FAT, ISO 9660, EFI programs, disk
//! containers. Every byte is hostile: nothing here panics, loops for ever or takes more memory than
//! a few MiB, and what cannot be read is left out.

pub mod contained;
pub mod farmcfg;
pub mod fat;
pub mod gpt;
pub mod iso;
pub mod mbr;
pub mod pe;
pub mod qcow2;

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::ShowError;
use crate::regions::Span;

/// Longest piece that is read into memory at once.
const MOST_BYTES: u64 = 16 << 20;
/// Most files listed of one volume.
pub(crate) const MOST_FILES: usize = 8192;
/// Deepest directory that is entered.
pub(crate) const MOST_LEVELS: usize = 16;

/// What media are read through.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// A medium of known size, read at any place.
pub struct Probe<'a> {
    reader: &'a mut dyn ReadSeek,
    size: u64,
}

impl<'a> Probe<'a> {
    /// Takes a medium; its end tells its size.
    ///
    /// # Errors
    /// [`ShowError::Read`].
    pub fn new(reader: &'a mut dyn ReadSeek) -> Result<Self, ShowError> {
        let size = reader
            .seek(SeekFrom::End(0))
            .map_err(|source| ShowError::Read { offset: 0, source })?;
        Ok(Self { reader, size })
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buf` from `offset`; `false` when the medium ends before.
    ///
    /// # Errors
    /// [`ShowError::Read`].
    pub fn fill(&mut self, offset: u64, buf: &mut [u8]) -> Result<bool, ShowError> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Ok(false);
        }
        let read = self
            .reader
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.reader.read_exact(buf));
        match read {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(ShowError::Read { offset, source }),
        }
    }

    /// `length` bytes from `offset`; `None` when the medium ends before, or when it is too much.
    ///
    /// # Errors
    /// [`ShowError::Read`].
    pub fn bytes(&mut self, offset: u64, length: u64) -> Result<Option<Vec<u8>>, ShowError> {
        if length > MOST_BYTES || offset.checked_add(length).is_none_or(|end| end > self.size) {
            return Ok(None);
        }
        let mut buf = vec![0; length as usize];
        Ok(self.fill(offset, &mut buf)?.then_some(buf))
    }
}

/// A file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Path from the root of the volume, `/` between names: untrusted text.
    pub path: String,
    /// Length in bytes, as the directory says.
    pub length: u64,
    /// Where its bytes lie on the medium; together at least as long as the file unless the volume
    /// is damaged.
    pub extents: Vec<Span>,
}

impl FileEntry {
    /// The one range the file lies in; `None` when it is in pieces or its chain is cut.
    #[must_use]
    pub fn contiguous(&self) -> Option<Span> {
        let first = self.extents.first()?;
        (first.length >= self.length).then_some(Span {
            offset: first.offset,
            length: self.length,
        })
    }

    /// `length` bytes from byte `at` of the file; `None` when it is shorter or cannot be read.
    ///
    /// # Errors
    /// [`ShowError::Read`].
    pub fn read(
        &self,
        probe: &mut Probe<'_>,
        at: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, ShowError> {
        if at.checked_add(length).is_none_or(|end| end > self.length) || length > MOST_BYTES {
            return Ok(None);
        }
        let mut out = Vec::new();
        let mut skip = at;
        for extent in &self.extents {
            if skip >= extent.length {
                skip -= extent.length;
                continue;
            }
            let part = (extent.length - skip).min(length - out.len() as u64);
            match probe.bytes(extent.offset.saturating_add(skip), part)? {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => return Ok(None),
            }
            skip = 0;
            if out.len() as u64 == length {
                return Ok(Some(out));
            }
        }
        Ok((out.len() as u64 == length).then_some(out))
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |b| u16::from_le_bytes(*b))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |b| u64::from_le_bytes(*b))
}
