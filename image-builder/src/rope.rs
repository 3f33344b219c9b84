//! The image as a rope: an ordered, gap-free list of extents that says where every byte of a finished
//! image comes from. Format writers only place extents; emitting to a file, answering an HTTP range,
//! flashing a stick and computing a digest are walks over the same rope.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{LayoutError, ReadError};

/// An open file that extents read from. The handle is kept so that a file replaced between planning
/// and emitting (a cache update, say) cannot change the image.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl SourceFile {
    /// Opens a regular file for reading and notes its length in bytes.
    ///
    /// # Errors
    /// [`ReadError::Open`] when the file cannot be opened or is no regular file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Arc<Self>, ReadError> {
        let path = path.into();
        let opened = File::open(&path).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_file() {
                Ok((file, metadata.len()))
            } else {
                Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "not a regular file",
                ))
            }
        });
        match opened {
            Ok((file, length)) => Ok(Arc::new(Self { path, file, length })),
            Err(source) => Err(ReadError::Open { path, source }),
        }
    }

    /// Opens a regular file or a block device; a device is as long as its end says.
    ///
    /// # Errors
    /// [`ReadError::Open`] when it cannot be opened or is neither.
    pub fn open_medium(path: impl Into<PathBuf>) -> Result<Arc<Self>, ReadError> {
        let path = path.into();
        let opened = File::open(&path).and_then(|mut file| {
            let kind = file.metadata()?.file_type();
            if !kind.is_file() && !kind.is_block_device() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "neither a regular file nor a block device",
                ));
            }
            let length = file.seek(SeekFrom::End(0))?;
            Ok((file, length))
        });
        match opened {
            Ok((file, length)) => Ok(Arc::new(Self { path, file, length })),
            Err(source) => Err(ReadError::Open { path, source }),
        }
    }

    /// The path the file was opened by; for messages only.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Length in bytes when the file was opened.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buf` from byte `offset`.
    ///
    /// # Errors
    /// [`ReadError::Source`] when reading fails or the file has become shorter.
    pub fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.file
            .read_exact_at(buf, offset)
            .map_err(|source| ReadError::Source {
                path: self.path.clone(),
                offset,
                source,
            })
    }
}

/// Where the bytes of an extent come from.
#[derive(Clone)]
pub enum Source {
    /// Bytes in memory, from `start`; the extent's length says how many.
    Bytes {
        /// The shared buffer.
        bytes: Arc<[u8]>,
        /// First byte of the buffer that belongs to the extent.
        start: usize,
    },
    /// A range of a file.
    File {
        /// The open file.
        file: Arc<SourceFile>,
        /// First byte of the file that belongs to the extent.
        offset: u64,
    },
    /// Must read back as zero on every medium.
    Zero,
    /// Nobody ever reads it: a hole in a file, may be skipped on a device. Reads as zero here.
    Unused,
}

impl Source {
    /// All of `bytes`.
    #[must_use]
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes {
            bytes: bytes.into(),
            start: 0,
        }
    }

    /// All of `file`.
    #[must_use]
    pub fn file(file: Arc<SourceFile>) -> Self {
        Self::File { file, offset: 0 }
    }

    /// How many bytes the source can supply; `None` for the endless ones.
    fn available(&self) -> Option<u64> {
        match self {
            Self::Bytes { bytes, start } => {
                Some((bytes.len() as u64).saturating_sub(*start as u64))
            }
            Self::File { file, offset } => Some(file.length().saturating_sub(*offset)),
            Self::Zero | Self::Unused => None,
        }
    }

    /// The same source, `skip` bytes further on.
    fn advanced(&self, skip: u64) -> Self {
        match self {
            Self::Bytes { bytes, start } => Self::Bytes {
                bytes: Arc::clone(bytes),
                start: start.saturating_add(skip as usize),
            },
            Self::File { file, offset } => Self::File {
                file: Arc::clone(file),
                offset: offset.saturating_add(skip),
            },
            Self::Zero => Self::Zero,
            Self::Unused => Self::Unused,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { start, .. } => write!(f, "Bytes({start}..)"),
            Self::File { file, offset } => write!(f, "File({}, {offset}..)", file.path().display()),
            Self::Zero => f.write_str("Zero"),
            Self::Unused => f.write_str("Unused"),
        }
    }
}

/// `length` bytes of the image, from byte `offset`.
#[derive(Debug, Clone)]
pub struct Extent {
    /// First byte in the image.
    pub offset: u64,
    /// Length in bytes; never 0 inside a [`Layout`].
    pub length: u64,
    /// Where the bytes come from.
    pub source: Source,
}

impl Extent {
    /// First byte after the extent.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Collects extents in any order; [`LayoutBuilder::finish`] checks and orders them.
#[derive(Debug, Default)]
pub struct LayoutBuilder {
    extents: Vec<Extent>,
}

impl LayoutBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Places `length` bytes of `source` at byte `offset`. Empty extents are dropped.
    pub fn place(&mut self, offset: u64, length: u64, source: Source) {
        if length > 0 {
            self.extents.push(Extent {
                offset,
                length,
                source,
            });
        }
    }

    /// Places a whole buffer at byte `offset`.
    pub fn place_bytes(&mut self, offset: u64, bytes: impl Into<Arc<[u8]>>) {
        let bytes = bytes.into();
        self.place(
            offset,
            bytes.len() as u64,
            Source::Bytes { bytes, start: 0 },
        );
    }

    /// Orders the extents, turns every gap up to `total` bytes into [`Source::Unused`] and checks
    /// that nothing overlaps, leaves the image or asks more of a source than it holds.
    ///
    /// # Errors
    /// [`LayoutError`] naming the offending offsets.
    pub fn finish(mut self, total: u64) -> Result<Layout, LayoutError> {
        self.extents.sort_by_key(|extent| extent.offset);
        let mut extents = Vec::with_capacity(self.extents.len() * 2);
        let mut at = 0_u64;
        for extent in self.extents {
            let end = extent
                .offset
                .checked_add(extent.length)
                .filter(|end| *end <= total)
                .ok_or(LayoutError::OutOfBounds {
                    offset: extent.offset,
                    length: extent.length,
                    total,
                })?;
            if extent.offset < at {
                return Err(LayoutError::Overlap {
                    offset: extent.offset,
                    previous_end: at,
                });
            }
            if let Some(available) = extent.source.available()
                && available < extent.length
            {
                return Err(LayoutError::ShortSource {
                    offset: extent.offset,
                    length: extent.length,
                    available,
                });
            }
            if extent.offset > at {
                let length = extent.offset - at;
                extents.push(Extent {
                    offset: at,
                    length,
                    source: Source::Unused,
                });
            }
            at = end;
            extents.push(extent);
        }
        if at < total {
            extents.push(Extent {
                offset: at,
                length: total - at,
                source: Source::Unused,
            });
        }
        Ok(Layout { extents, total })
    }
}

/// A complete image: extents in order, without overlap, without gap, from byte 0 to `total`.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Layout {
    extents: Vec<Extent>,
    total: u64,
}

impl Layout {
    /// The extents in order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Size of the image in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The extents that cover `length` bytes from byte `offset`, cut to that range and to the image.
    pub fn range(&self, offset: u64, length: u64) -> impl Iterator<Item = Extent> + '_ {
        let end = offset.saturating_add(length).min(self.total);
        let first = self
            .extents
            .partition_point(|extent| extent.end() <= offset);
        self.extents[first..]
            .iter()
            .take_while(move |extent| extent.offset < end)
            .map(move |extent| {
                let from = extent.offset.max(offset);
                let to = extent.end().min(end);
                Extent {
                    offset: from,
                    length: to - from,
                    source: extent.source.advanced(from - extent.offset),
                }
            })
    }

    /// Reads up to `buf.len()` bytes from byte `offset`; fewer only at the end of the image. `Zero`
    /// and `Unused` read as zero.
    ///
    /// # Errors
    /// [`ReadError`] when a source file cannot be read.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        let mut done = 0_usize;
        for extent in self.range(offset, buf.len() as u64) {
            let part = &mut buf[done..done + extent.length as usize];
            match &extent.source {
                Source::Bytes { bytes, start } => {
                    part.copy_from_slice(&bytes[*start..*start + part.len()]);
                }
                Source::File { file, offset } => file.read_exact_at(part, *offset)?,
                Source::Zero | Source::Unused => part.fill(0),
            }
            done += part.len();
        }
        Ok(done)
    }

    /// The same image with other bytes in some places: each patch is an offset and what stands there.
    ///
    /// # Errors
    /// [`LayoutError`] when patches overlap each other or leave the image.
    pub fn patched(&self, patches: Vec<(u64, Vec<u8>)>) -> Result<Self, LayoutError> {
        let mut builder = LayoutBuilder::new();
        let mut spans = Vec::with_capacity(patches.len());
        for (offset, bytes) in patches {
            if !bytes.is_empty() {
                spans.push((offset, bytes.len() as u64));
                builder.place_bytes(offset, bytes);
            }
        }
        spans.sort_unstable();
        let mut at = 0;
        for (offset, length) in spans {
            // Overlaps and bounds are found by `finish`.
            for kept in self.range(at, offset.saturating_sub(at)) {
                builder.place(kept.offset, kept.length, kept.source);
            }
            at = at.max(offset.saturating_add(length));
        }
        for kept in self.range(at, self.total.saturating_sub(at)) {
            builder.place(kept.offset, kept.length, kept.source);
        }
        builder.finish(self.total)
    }

    /// A seekable reader over the image, for everything that wants `Read`.
    #[must_use]
    pub fn reader(&self) -> LayoutReader<'_> {
        LayoutReader {
            layout: self,
            position: 0,
        }
    }
}

/// `Read + Seek` over a [`Layout`].
#[derive(Debug)]
pub struct LayoutReader<'a> {
    layout: &'a Layout,
    position: u64,
}

impl Read for LayoutReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self
            .layout
            .read_at(self.position, buf)
            .map_err(io::Error::other)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for LayoutReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.layout.total.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "seek before the start of the image",
            )
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Layout {
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(6, *b"world");
        builder.place(0, 2, Source::Zero);
        builder.place_bytes(2, *b"he");
        builder.finish(12).expect("valid layout")
    }

    #[test]
    fn gaps_become_unused_and_every_range_reads_back() {
        let layout = sample();
        assert_eq!(layout.extents().len(), 5);
        assert!(matches!(layout.extents()[2].source, Source::Unused));
        assert!(matches!(layout.extents()[4].source, Source::Unused));
        let whole = b"\0\0he\0\0world\0";
        for from in 0..=12 {
            for length in 0..=13 {
                let mut buf = vec![0xAA; length];
                let read = layout.read_at(from as u64, &mut buf).expect("read");
                let expected = &whole[from..(from + length).min(12)];
                assert_eq!(&buf[..read], expected, "{from}+{length}");
            }
        }
    }

    #[test]
    fn overlap_bounds_and_short_sources_are_refused() {
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, *b"abc");
        builder.place_bytes(2, *b"d");
        assert!(matches!(
            builder.finish(10),
            Err(LayoutError::Overlap {
                offset: 2,
                previous_end: 3
            })
        ));

        let mut builder = LayoutBuilder::new();
        builder.place_bytes(8, *b"abc");
        assert!(matches!(
            builder.finish(10),
            Err(LayoutError::OutOfBounds { .. })
        ));

        let mut builder = LayoutBuilder::new();
        builder.place(u64::MAX, 2, Source::Zero);
        assert!(matches!(
            builder.finish(10),
            Err(LayoutError::OutOfBounds { .. })
        ));

        let mut builder = LayoutBuilder::new();
        builder.place(0, 4, Source::bytes(*b"abc"));
        assert!(matches!(
            builder.finish(10),
            Err(LayoutError::ShortSource { available: 3, .. })
        ));
    }

    #[test]
    fn patches_replace_and_nothing_else_changes() {
        let layout = sample();
        let patched = layout
            .patched(vec![
                (7, b"XY".to_vec()),
                (0, b"A".to_vec()),
                (3, Vec::new()),
            ])
            .expect("patched");
        let mut buf = [0; 12];
        patched.read_at(0, &mut buf).expect("read");
        assert_eq!(&buf, b"A\0he\0\0wXYld\0");
        assert!(layout.patched(vec![(11, b"ab".to_vec())]).is_err());
        assert!(
            layout
                .patched(vec![(0, b"abc".to_vec()), (2, b"d".to_vec())])
                .is_err()
        );
    }

    #[test]
    fn reader_seeks() {
        let layout = sample();
        let mut reader = layout.reader();
        reader.seek(SeekFrom::End(-6)).expect("seek");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "world\0");
        assert!(reader.seek(SeekFrom::Current(-100)).is_err());
    }
}
