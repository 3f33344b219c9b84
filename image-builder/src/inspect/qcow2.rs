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

/// `Read + Seek` over what a guest would see.
pub struct Qcow2Reader<'a, R> {
    inner: &'a mut R,
    cluster_bits: u32,
    size: u64,
    l1: Vec<u64>,
    position: u64,
}

impl<'a, R: Read + Seek> Qcow2Reader<'a, R> {
    /// Whether these first bytes are a qcow2 header.
    #[must_use]
    pub fn is_qcow2(head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    /// Opens the container; `None` when it is none that can be read here.
    ///
    /// # Errors
    /// What the underlying reader says.
    pub fn open(inner: &'a mut R) -> io::Result<Option<Self>> {
        let mut head = [0; 104];
        inner.seek(SeekFrom::Start(0))?;
        match inner.read_exact(&mut head[..72]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        if !Self::is_qcow2(&head) {
            return Ok(None);
        }
        let cluster_bits = be32(&head, 20);
        let l1_entries = be32(&head, 36);
        let incompatible = if be32(&head, 4) >= 3 {
            inner.read_exact(&mut head[72..])?;
            // Bit 0 (dirty) does not matter to a reader, nor does bit 3 (compression type) as
            // long as no cluster is compressed.
            be64(&head, 72) & !0b1001
        } else {
            0
        };
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
        inner.seek(SeekFrom::Start(be64(&head, 40)))?;
        inner.read_exact(&mut table)?;
        Ok(Some(Self {
            inner,
            cluster_bits,
            size: be64(&head, 24),
            l1: table.chunks_exact(8).map(|entry| be64(entry, 0)).collect(),
            position: 0,
        }))
    }

    /// Where the byte at `position` lies in the container; `None` for a hole.
    fn locate(&mut self, position: u64) -> io::Result<Option<u64>> {
        let cluster = position >> self.cluster_bits;
        let l2_bits = self.cluster_bits - 3;
        let l1 = self.l1.get((cluster >> l2_bits) as usize).copied();
        let l2_table = l1.unwrap_or(0) & OFFSET_MASK;
        if l2_table == 0 {
            return Ok(None);
        }
        let index = cluster & ((1 << l2_bits) - 1);
        let mut entry = [0; 8];
        self.inner
            .seek(SeekFrom::Start(l2_table.saturating_add(index * 8)))?;
        self.inner.read_exact(&mut entry)?;
        let entry = u64::from_be_bytes(entry);
        if entry & COMPRESSED != 0 {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a compressed cluster",
            ));
        }
        let offset = entry & OFFSET_MASK;
        // Bit 0: the cluster reads as zeros.
        Ok((offset != 0 && entry & 1 == 0)
            .then_some(offset | (position & ((1 << self.cluster_bits) - 1))))
    }
}

impl<R: Read + Seek> Read for Qcow2Reader<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.position);
        let in_cluster = self.position & ((1 << self.cluster_bits) - 1);
        let room = ((1 << self.cluster_bits) - in_cluster).min(left);
        let length = (buf.len() as u64).min(room) as usize;
        if length == 0 {
            return Ok(0);
        }
        match self.locate(self.position)? {
            Some(offset) => {
                self.inner.seek(SeekFrom::Start(offset))?;
                self.inner.read_exact(&mut buf[..length])?;
            }
            None => buf[..length].fill(0),
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl<R: Read + Seek> Seek for Qcow2Reader<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.size.checked_add_signed(delta),
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
