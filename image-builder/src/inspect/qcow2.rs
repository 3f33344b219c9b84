//! qcow2 (QEMU's interop/qcow2 document): the guest's view of an image without compression,
//! encryption or a backing file.

use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: &[u8] = b"QFI\xFB";
/// Bits of an L1 or L2 entry that are an offset.
const OFFSET_MASK: u64 = 0x00FF_FFFF_FFFF_FE00;
/// L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Longest L1 table, in entries.
const MOST_L1_ENTRIES: u32 = 1 << 16;

/// L1 or L2 entry: what it points at belongs to nothing else, no snapshot above all.
const EXCLUSIVE: u64 = 1 << 63;

/// Where the guest's clusters lie.
#[derive(Debug)]
pub struct Tables {
    cluster_bits: u32,
    size: u64,
    l1: Vec<u64>,
    /// Whether something, such as a bitmap, would have to be told of changes.
    is_observed: bool,
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
    /// Whether these first bytes are a qcow2 header.
    #[must_use]
    pub fn is_qcow2(head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    /// Reads the tables; `None` when it is no container that can be read here.
    ///
    /// # Errors
    /// What the reader says.
    pub fn read<R: Read + Seek>(reader: &mut R) -> io::Result<Option<Self>> {
        let mut head = [0; 104];
        reader.seek(SeekFrom::Start(0))?;
        match reader.read_exact(&mut head[..72]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        if !Self::is_qcow2(&head) {
            return Ok(None);
        }
        let cluster_bits = be32(&head, 20);
        let l1_entries = be32(&head, 36);
        let is_version_3 = be32(&head, 4) >= 3;
        if is_version_3 {
            reader.read_exact(&mut head[72..])?;
        }
        // Bit 0 (dirty) does not matter to a reader, nor does bit 3 (compression type) as long as no
        // cluster is compressed.
        let incompatible = be64(&head, 72) & !0b1001;
        let (backing, encryption) = (be64(&head, 8), be32(&head, 32));
        if !(9..=21).contains(&cluster_bits)
            || l1_entries > MOST_L1_ENTRIES
            || backing != 0
            || encryption != 0
            || incompatible != 0
        {
            return Ok(None);
        }
        let mut table = vec![0; l1_entries as usize * 8];
        reader.seek(SeekFrom::Start(be64(&head, 40)))?;
        reader.read_exact(&mut table)?;
        let auto_clear = be64(&head, 88);
        Ok(Some(Self {
            cluster_bits,
            size: be64(&head, 24),
            l1: table.chunks_exact(8).map(|entry| be64(entry, 0)).collect(),
            is_observed: auto_clear != 0,
        }))
    }

    /// Where the byte at `position` lies, and how many bytes from there lie together.
    fn locate<R: Read + Seek>(&self, reader: &mut R, position: u64) -> io::Result<(Location, u64)> {
        let cluster_bytes = 1 << self.cluster_bits;
        let in_cluster = position & (cluster_bytes - 1);
        let together = cluster_bytes - in_cluster;
        let cluster = position >> self.cluster_bits;
        let l2_bits = self.cluster_bits - 3;
        let l1 = self.l1.get((cluster >> l2_bits) as usize).copied();
        let l1 = l1.unwrap_or(0);
        let l2_table = l1 & OFFSET_MASK;
        if l2_table == 0 {
            return Ok((Location::Hole, together));
        }
        let index = cluster & ((1 << l2_bits) - 1);
        let mut entry = [0; 8];
        reader.seek(SeekFrom::Start(l2_table.saturating_add(index * 8)))?;
        reader.read_exact(&mut entry)?;
        let entry = u64::from_be_bytes(entry);
        if entry & COMPRESSED != 0 {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a compressed cluster",
            ));
        }
        let offset = entry & OFFSET_MASK;
        // Bit 0: the cluster reads as zeros.
        if offset == 0 || entry & 1 != 0 {
            return Ok((Location::Hole, together));
        }
        let at = Location::At {
            offset: offset | in_cluster,
            may_be_written: l1 & entry & EXCLUSIVE != 0 && !self.is_observed,
        };
        Ok((at, together))
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

    /// Where the byte at `position` lies, and how many bytes from there lie together.
    ///
    /// # Errors
    /// What the reader says; [`io::ErrorKind::Unsupported`] for a compressed cluster.
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
                self.inner.seek(SeekFrom::Start(offset))?;
                self.inner.read_exact(&mut buf[..length])?;
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
