//! qcow2 (QEMU's interop/qcow2 document): the guest's view of an image without compression,
//! encryption or a backing file.

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::ShowError;

/// The container's name.
pub const FORMAT: &str = "qcow2";
/// What it begins with.
pub const MAGIC: &[u8] = b"QFI\xFB";
/// Bits of an L1 or L2 entry that are an offset.
const OFFSET_MASK: u64 = 0x00FF_FFFF_FFFF_FE00;
/// L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// L1 or L2 entry: what it points at belongs to nothing else, no snapshot above all.
const EXCLUSIVE: u64 = 1 << 63;
/// Incompatible feature: somebody has it open, or did not close it, and the counts may be wrong.
const DIRTY: u64 = 1;
/// Incompatible feature: a compression other than zlib. Of no matter where nothing is compressed.
const COMPRESSION_TYPE: u64 = 1 << 3;
/// Longest L1 table, in entries.
const MOST_L1_ENTRIES: u32 = 1 << 16;

/// Where the guest's clusters lie.
#[derive(Debug)]
pub struct Tables {
    cluster_bits: u32,
    size: u64,
    l1_offset: u64,
    l1: Vec<u64>,
    /// Whether somebody else would have to be told of changes: a bitmap, or who has it open.
    is_read_only: bool,
}

/// Where a byte of the guest's disk lies in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// Nowhere: it reads as zero.
    Hole,
    /// At this offset.
    At {
        /// Offset in the container.
        offset: u64,
        /// Whether it may be written to.
        may_be_written: bool,
    },
}

impl Tables {
    /// Reads the tables; `None` when it is no qcow2, or only the beginning of one.
    ///
    /// # Errors
    /// [`ShowError::Container`] for what is not read here, [`ShowError::Read`].
    pub fn read<R: Read + Seek>(reader: &mut R) -> Result<Option<Self>, ShowError> {
        let mut head = [0; 104];
        if !fill(reader, 0, &mut head[..72])? || !head.starts_with(MAGIC) {
            return Ok(None);
        }
        let version = be32(&head, 4);
        if version >= 3 && !fill(reader, 72, &mut head[72..])? {
            return Ok(None);
        }
        let cluster_bits = be32(&head, 20);
        let size = be64(&head, 24);
        let l1_entries = be32(&head, 36);
        let incompatible = be64(&head, 72);
        let obstacles = [
            (!(2..=3).contains(&version), "a version that is not 2 or 3"),
            (be64(&head, 8) != 0, "a backing file"),
            (be32(&head, 32) != 0, "encrypted content"),
            (
                incompatible & !(DIRTY | COMPRESSION_TYPE) != 0,
                "features that are not known here",
            ),
            (
                !(9..=21).contains(&cluster_bits) || l1_entries > MOST_L1_ENTRIES,
                "tables of impossible sizes",
            ),
        ];
        if let Some((_, what)) = obstacles.into_iter().find(|(is_there, _)| *is_there) {
            return Err(ShowError::Container {
                format: FORMAT,
                what,
            });
        }
        // As QEMU has it: the tables must be able to hold the disk.
        let covered = u128::from(l1_entries) << (2 * cluster_bits - 3);
        if u128::from(size) > covered {
            return Err(ShowError::Container {
                format: FORMAT,
                what: "tables too small for its disk",
            });
        }
        let l1_offset = be64(&head, 40);
        let mut table = vec![0; l1_entries as usize * 8];
        if !fill(reader, l1_offset, &mut table)? {
            return Ok(None);
        }
        let auto_clear = be64(&head, 88);
        Ok(Some(Self {
            cluster_bits,
            size,
            l1_offset,
            l1: table.chunks_exact(8).map(|entry| be64(entry, 0)).collect(),
            is_read_only: auto_clear != 0 || incompatible & DIRTY != 0,
        }))
    }

    /// Where the byte at `position` lies, and how many bytes from there lie together.
    fn locate<R: Read + Seek>(&self, reader: &mut R, position: u64) -> io::Result<(Location, u64)> {
        let cluster_bytes = 1 << self.cluster_bits;
        let in_cluster = position & (cluster_bytes - 1);
        let cluster = position >> self.cluster_bits;
        let l2_bits = self.cluster_bits - 3;
        let index = cluster & ((1 << l2_bits) - 1);
        let l1 = self.l1.get((cluster >> l2_bits) as usize).copied();
        let l1 = l1.unwrap_or(0);
        let l2_table = self.aligned(l1)?;
        if l2_table == 0 {
            let clusters = (1 << l2_bits) - index;
            return Ok((Location::Hole, clusters * cluster_bytes - in_cluster));
        }
        let together = cluster_bytes - in_cluster;
        let mut entry = [0; 8];
        read_exact_at(reader, l2_table + index * 8, &mut entry)?;
        let entry = u64::from_be_bytes(entry);
        if entry & COMPRESSED != 0 {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a compressed cluster of a qcow2",
            ));
        }
        let offset = self.aligned(entry)?;
        // Bit 0: the cluster reads as zeros.
        if offset == 0 || entry & 1 != 0 {
            return Ok((Location::Hole, together));
        }
        // A damaged table may point at another one.
        let is_table = offset == l2_table || self.is_table(offset);
        let may_be_written = l1 & entry & EXCLUSIVE != 0 && !self.is_read_only && !is_table;
        let at = Location::At {
            offset: offset | in_cluster,
            may_be_written,
        };
        Ok((at, together))
    }

    /// The offset in an entry; a damaged one may point anywhere, but not between clusters.
    fn aligned(&self, entry: u64) -> io::Result<u64> {
        let offset = entry & OFFSET_MASK;
        if offset & ((1 << self.cluster_bits) - 1) == 0 {
            return Ok(offset);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a damaged table of a qcow2",
        ))
    }

    /// Whether the header or the L1 table lies in this cluster.
    fn is_table(&self, offset: u64) -> bool {
        let end = offset + (1 << self.cluster_bits);
        let l1_end = self.l1_offset.saturating_add(self.l1.len() as u64 * 8);
        offset == 0 || (offset < l1_end && end > self.l1_offset)
    }
}

/// `Read + Seek` over what a guest would see.
#[derive(Debug)]
pub struct Qcow2Reader<'a, R> {
    inner: &'a mut R,
    tables: Tables,
    position: u64,
}

impl<'a, R: Read + Seek> Qcow2Reader<'a, R> {
    /// The guest's view of a container with these tables.
    pub fn new(inner: &'a mut R, tables: Tables) -> Self {
        Self {
            inner,
            tables,
            position: 0,
        }
    }

    /// Size of the guest's disk in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tables.size
    }

    /// Where the byte at `position` lies, and how many bytes from there lie together.
    ///
    /// # Errors
    /// What the reader says; [`io::ErrorKind::Unsupported`] for a compressed cluster,
    /// [`io::ErrorKind::InvalidData`] for a damaged table.
    pub fn locate(&mut self, position: u64) -> io::Result<(Location, u64)> {
        self.tables.locate(self.inner, position)
    }
}

impl<R: Read + Seek> Read for Qcow2Reader<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.tables.size.saturating_sub(self.position);
        if left == 0 || buf.is_empty() {
            return Ok(0);
        }
        let (location, together) = self.locate(self.position)?;
        let length = (buf.len() as u64).min(together).min(left) as usize;
        match location {
            Location::At { offset, .. } => {
                read_exact_at(self.inner, offset, &mut buf[..length])?;
            }
            Location::Hole => buf[..length].fill(0),
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl<R: Read + Seek> Seek for Qcow2Reader<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.tables.size.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

fn read_exact_at<R: Read + Seek>(reader: &mut R, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    let sought = reader.seek(SeekFrom::Start(offset));
    sought.map_err(beyond_the_end)?;
    reader.read_exact(buf)
}

/// No file is so long that its system cannot even look there.
fn beyond_the_end(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => io::ErrorKind::UnexpectedEof.into(),
        _ => error,
    }
}

/// Fills `buf`; `false` when the file ends before.
pub(super) fn fill<R: Read + Seek>(
    reader: &mut R,
    offset: u64,
    buf: &mut [u8],
) -> Result<bool, ShowError> {
    match read_exact_at(reader, offset, buf) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(source) => Err(ShowError::Read { offset, source }),
    }
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |b| u32::from_be_bytes(*b))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |b| u64::from_be_bytes(*b))
}
