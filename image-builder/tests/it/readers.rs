//! Small readers of ISO 9660 and FAT, written from the standards and sharing nothing with the
//! writers: what firmware would find on a medium.

use image_builder::rope::Layout;

const BLOCK: u64 = 2048;
const FOLDER: u8 = 0x10;
const LONG_NAME: u8 = 0x0F;
const VOLUME_LABEL: u8 = 0x08;

fn bytes(layout: &Layout, offset: u64, length: usize) -> Vec<u8> {
    let mut buf = vec![0; length];
    assert_eq!(
        layout.read_at(offset, &mut buf).expect("readable"),
        length,
        "{length} bytes at {offset} of {}",
        layout.total()
    );
    buf
}

fn le16(bytes: &[u8], at: usize) -> u64 {
    u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn le32(bytes: &[u8], at: usize) -> u64 {
    le16(bytes, at) | le16(bytes, at + 2) << 16
}

/// The file `path` (`BOOT/VMLINUZ`) of the ISO 9660 tree (ECMA-119).
pub fn from_iso(layout: &Layout, path: &str) -> Option<Vec<u8>> {
    let descriptor = bytes(layout, 16 * BLOCK, BLOCK as usize);
    assert_eq!(&descriptor[..6], b"\x01CD001");
    let mut record = descriptor[156..190].to_vec();
    for part in path.split('/') {
        let folder = bytes(layout, le32(&record, 2) * BLOCK, le32(&record, 10) as usize);
        record = records(&folder).find(|(name, _)| name == part)?.1;
    }
    Some(bytes(
        layout,
        le32(&record, 2) * BLOCK,
        le32(&record, 10) as usize,
    ))
}

/// Names and records of a folder. A record never crosses a block; the rest of one is zero.
fn records(folder: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < folder.len() && folder[at] == 0 {
            at = (at / BLOCK as usize + 1) * BLOCK as usize;
        }
        let length = usize::from(*folder.get(at)?);
        let record = folder[at..at + length].to_vec();
        at += length;
        let name = &record[33..33 + usize::from(record[32])];
        let name = String::from_utf8_lossy(name);
        let name = name.trim_end_matches(";1").trim_end_matches('.');
        Some((name.to_owned(), record.clone()))
    })
}

/// The file `path`, by its short names, of the FAT volume at byte `start` (fatgen103).
pub fn from_fat(layout: &Layout, start: u64, path: &str) -> Option<Vec<u8>> {
    let volume = Volume::open(layout, start);
    let mut folder = volume.root();
    let mut parts = path.split('/').peekable();
    loop {
        let part = parts.next()?;
        let entry = folder
            .chunks_exact(32)
            .take_while(|entry| entry[0] != 0)
            .filter(|entry| entry[0] != 0xE5 && entry[11] != LONG_NAME)
            .filter(|entry| entry[11] & VOLUME_LABEL == 0)
            .find(|entry| short_name(entry) == part)?;
        let first = le16(entry, 26) | le16(entry, 20) << 16;
        let content = volume.chain(first);
        if parts.peek().is_none() {
            assert_eq!(entry[11] & FOLDER, 0, "{path} is a folder");
            let length = le32(entry, 28) as usize;
            assert!(content.len() >= length && content.len() < length + volume.cluster.max(1));
            return Some(content[..length].to_vec());
        }
        assert_ne!(entry[11] & FOLDER, 0, "{part} is no folder");
        folder = content;
    }
}

fn short_name(entry: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match text(&entry[8..11]) {
        extension if extension.is_empty() => text(&entry[..8]),
        extension => format!("{}.{extension}", text(&entry[..8])),
    }
}

struct Volume<'a> {
    layout: &'a Layout,
    start: u64,
    /// Bytes of a cluster.
    cluster: usize,
    fat: Vec<u8>,
    wide: bool,
    /// Byte of cluster 2.
    data: u64,
    root: (u64, usize),
    root_cluster: u64,
    clusters: u64,
}

impl<'a> Volume<'a> {
    fn open(layout: &'a Layout, start: u64) -> Self {
        let boot = bytes(layout, start, 512);
        assert_eq!(&boot[510..], b"\x55\xAA");
        let sector = le16(&boot, 11);
        let cluster = u64::from(boot[13]) * sector;
        let reserved = le16(&boot, 14) * sector;
        let root_bytes = le16(&boot, 17) * 32;
        let fat_sectors = match le16(&boot, 22) {
            0 => le32(&boot, 36),
            n => n,
        };
        let sectors = match le16(&boot, 19) {
            0 => le32(&boot, 32),
            n => n,
        };
        let fats = u64::from(boot[16]) * fat_sectors * sector;
        let data = reserved + fats + root_bytes;
        let clusters = (sectors * sector - data) / cluster;
        assert!(clusters >= 4085, "a FAT12 volume is for another reader");
        Self {
            layout,
            start,
            cluster: cluster as usize,
            fat: bytes(layout, start + reserved, (fat_sectors * sector) as usize),
            wide: clusters >= 65_525,
            data: start + data,
            root: (start + reserved + fats, root_bytes as usize),
            root_cluster: le32(&boot, 44),
            clusters,
        }
    }

    fn root(&self) -> Vec<u8> {
        if self.wide {
            self.chain(self.root_cluster)
        } else {
            bytes(self.layout, self.root.0, self.root.1)
        }
    }

    fn chain(&self, first: u64) -> Vec<u8> {
        let mut all = Vec::new();
        let mut cluster = first;
        while cluster != 0 && cluster < if self.wide { 0x0FFF_FFF8 } else { 0xFFF8 } {
            assert!(
                (2..self.clusters + 2).contains(&cluster),
                "cluster {cluster} of a volume at {}",
                self.start
            );
            let at = self.data + (cluster - 2) * self.cluster as u64;
            all.extend(bytes(self.layout, at, self.cluster));
            cluster = if self.wide {
                le32(&self.fat, cluster as usize * 4) & 0x0FFF_FFFF
            } else {
                le16(&self.fat, cluster as usize * 2)
            };
        }
        all
    }
}
