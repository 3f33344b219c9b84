//! The medium in a file: the file itself, or the disk that a qcow2 holds. (A fixed VHD is the disk with a
//! footer behind it.) Other containers are told from damaged media.

use std::io::{self, Read, Seek, SeekFrom};

use super::Probe;
use super::qcow2::{Location, Qcow2Reader, Tables, fill};
use crate::container::vhd;
use crate::error::ShowError;
use crate::formats::SECTOR_BYTES;
use crate::regions::Span;

/// Most clusters that are looked for one by one: those of 16 GiB in QEMU's default size. A hostile file
/// could ask for ever.
const MOST_LOOKUPS: u32 = 1 << 18;

/// `Read + Seek` over the medium in a file.
#[derive(Debug)]
pub enum Contained<'a, R> {
    /// The file is the medium.
    Itself(&'a mut R),
    /// The medium is the disk in a qcow2.
    Qcow2 {
        /// The guest's view.
        reader: Qcow2Reader<'a, R>,
        /// How many more clusters [`Self::places`] looks for.
        lookups_left: u32,
    },
}

/// Bytes of a medium that lie together in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub location: Location,
    /// How many.
    pub length: u64,
}

impl Place {
    /// Takes up what follows, if it lies right behind.
    fn join(&mut self, next: &Self) -> bool {
        let follows = match (self.location, next.location) {
            (Location::Hole, Location::Hole) => true,
            (
                Location::At {
                    offset,
                    may_be_written,
                },
                Location::At {
                    offset: next_offset,
                    may_be_written: next_may,
                },
            ) => offset + self.length == next_offset && may_be_written == next_may,
            _ => false,
        };
        if follows {
            self.length += next.length;
        }
        follows
    }
}

impl<'a, R: Read + Seek> Contained<'a, R> {
    /// Looks whether the file is a container.
    ///
    /// # Errors
    /// [`ShowError::Container`] for one that is not read here, [`ShowError::Read`].
    pub fn open(file: &'a mut R) -> Result<Self, ShowError> {
        let mut head = [0; 68];
        if fill(file, 0, &mut head)? {
            let others: [(&str, usize, &[u8]); 5] = [
                ("VMDK", 0, b"KDMV"),
                ("VMDK", 0, b"# Disk DescriptorFile"),
                ("VHDX", 0, b"vhdxfile"),
                ("VDI", 64, &0xBEDA_107F_u32.to_le_bytes()),
                ("dynamic VHD", 0, vhd::MAGIC),
            ];
            let found = others
                .into_iter()
                .find(|(_, at, magic)| head[*at..].starts_with(magic));
            if let Some((format, ..)) = found {
                return Err(ShowError::Container {
                    format,
                    what: "tables of its own",
                });
            }
        }
        Ok(match Tables::read(file)? {
            Some(tables) => Self::Qcow2 {
                reader: Qcow2Reader::new(file, tables),
                lookups_left: MOST_LOOKUPS,
            },
            None => Self::Itself(file),
        })
    }

    /// Whether there is a container around the medium.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        matches!(self, Self::Qcow2 { .. })
    }

    /// Where a span of the medium lies in the file, in order.
    ///
    /// # Errors
    /// [`ShowError::Read`], also of what cannot be read here or lies behind the end.
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
        let mut places: Vec<Place> = Vec::new();
        let mut at = span.offset;
        while at < span.end() {
            let error = |source| ShowError::Read { offset: at, source };
            if span.end() > reader.size() {
                return Err(error(io::ErrorKind::UnexpectedEof.into()));
            }
            *lookups_left = lookups_left
                .checked_sub(1)
                .ok_or_else(|| error(io::Error::other("more clusters than any medium has")))?;
            let (location, together) = reader.locate(at).map_err(error)?;
            let length = together.min(span.end() - at);
            let place = Place { location, length };
            if !places.last_mut().is_some_and(|last| last.join(&place)) {
                places.push(place);
            }
            at += length;
        }
        Ok(places)
    }
}

/// The last sector of a VHD, which describes it: a fixed one is the disk, rounded up to MiB, and this.
///
/// # Errors
/// [`ShowError::Read`].
pub fn vhd_footer(probe: &mut Probe<'_>) -> Result<Option<Vec<u8>>, ShowError> {
    let Some(at) = probe.size().checked_sub(SECTOR_BYTES) else {
        return Ok(None);
    };
    let sector = probe.bytes(at, SECTOR_BYTES)?;
    Ok(sector.filter(|sector| sector.starts_with(vhd::MAGIC)))
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
