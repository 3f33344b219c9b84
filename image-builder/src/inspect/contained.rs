//! The medium in a file: the file itself, or the disk that a qcow2 holds. (A fixed VHD is the disk with a
//! footer behind it.)

use std::io::{self, Read, Seek, SeekFrom};

use super::qcow2::{Location, Qcow2Reader, Tables};
use crate::error::ShowError;
use crate::regions::Span;

/// `Read + Seek` over the medium in a file.
#[derive(Debug)]
pub enum Contained<'a, R> {
    /// The file is the medium.
    Itself(&'a mut R),
    /// The medium is the disk in a qcow2.
    Qcow2 {
        /// The guest's view.
        reader: Qcow2Reader<'a, R>,
        /// How many more clusters [`Self::places`] looks for: a hostile file could ask for ever.
        lookups_left: u32,
    },
}

/// Clusters of 256 GiB in QEMU's default size.
const MOST_LOOKUPS: u32 = 1 << 22;

/// Bytes of a medium that lie together in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub location: Location,
    /// How many.
    pub length: u64,
}

impl<'a, R: Read + Seek> Contained<'a, R> {
    /// Looks whether the file is a container. One that cannot be read here is a file like any other.
    ///
    /// # Errors
    /// [`ShowError::Read`].
    pub fn open(file: &'a mut R) -> Result<Self, ShowError> {
        let tables = match Tables::read(file) {
            // Tables that end beyond the file make it no container.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            tables => tables.map_err(|source| ShowError::Read { offset: 0, source })?,
        };
        Ok(match tables {
            Some(tables) => Self::Qcow2 {
                reader: Qcow2Reader::new(file, tables),
                lookups_left: MOST_LOOKUPS,
            },
            None => Self::Itself(file),
        })
    }

    /// Where a span of the medium lies in the file, in order.
    ///
    /// # Errors
    /// [`ShowError::Read`], also of what cannot be read here.
    pub fn places(&mut self, span: Span) -> Result<Vec<Place>, ShowError> {
        let (reader, lookups_left) = match self {
            Self::Itself(_) => {
                let location = Location::At {
                    offset: span.offset,
                    may_be_written: true,
                };
                return Ok(vec![Place {
                    location,
                    length: span.length,
                }]);
            }
            Self::Qcow2 {
                reader,
                lookups_left,
            } => (reader, lookups_left),
        };
        let mut places = Vec::new();
        let mut at = span.offset;
        while at < span.end() {
            let error = |source| ShowError::Read { offset: at, source };
            *lookups_left = lookups_left
                .checked_sub(1)
                .ok_or_else(|| error(io::Error::other("more clusters than any medium has")))?;
            let (location, together) = reader.locate(at).map_err(error)?;
            let length = together.min(span.end() - at);
            places.push(Place { location, length });
            at += length;
        }
        Ok(places)
    }
}

impl<R: Read + Seek> Read for Contained<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Itself(file) => file.read(buf),
            Self::Qcow2 { reader, .. } => reader.read(buf),
        }
    }
}

impl<R: Read + Seek> Seek for Contained<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Itself(file) => file.seek(to),
            Self::Qcow2 { reader, .. } => reader.seek(to),
        }
    }
}
