//! cpio archives in the "newc" format the kernel unpacks (Documentation/driver-api/early-userspace/
//! buffer-format.rst). The `cpio` crate leaves parent directories, order and inode numbers to its
//! caller, which is most of what makes an archive reproducible; so the 110 bytes of header are
//! written here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Size of the config region of an image, unless the caller has a reason.
pub const CONFIG_REGION_BYTES: usize = 64 * 1024;

const MAGIC: &[u8; 6] = b"070701";
const TRAILER: &str = "TRAILER!!!";
const HEADER_BYTES: usize = 110;
const NAME_LIMIT_BYTES: usize = 4096;
const ENTRIES_LIMIT: usize = 100_000;

const S_IFMT: u32 = 0o170_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

/// An archive that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CpioError {
    /// A path is absolute, empty, too long or leads outside.
    #[error("cpio: unsafe or invalid path {0:?}")]
    Path(String),
    /// Two entries of one name that are not both directories.
    #[error("cpio: {0} is there twice")]
    Twice(String),
    /// A file does not fit the format's 32-bit length.
    #[error("cpio: {0} is larger than 4 GiB")]
    FileTooLarge(String),
    /// A lazily read file had another length than announced.
    #[error("cpio: {path} is {found_bytes} bytes, {expected_bytes} were announced")]
    Length {
        /// Path in the archive.
        path: String,
        /// Announced.
        expected_bytes: u64,
        /// Found.
        found_bytes: u64,
    },
    /// The settings do not fit the region the image has for them.
    #[error("the settings need {needed_bytes} bytes, the image's config region has {region_bytes}")]
    RegionTooSmall {
        /// Needed, rounded to 4.
        needed_bytes: u64,
        /// Available.
        region_bytes: u64,
    },
    /// Not an archive, or damaged.
    #[error("cpio: {what} at byte {offset}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where, from the start of the archive.
        offset: usize,
    },
    /// The content of an entry could not be read.
    #[error("cpio: cannot read {path}")]
    Content {
        /// Path in the archive.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("cpio: cannot write")]
    Write(#[from] io::Error),
}

type Reader<'a> = Box<dyn Fn() -> io::Result<Vec<u8>> + 'a>;

enum Node<'a> {
    Directory,
    Bytes(Cow<'a, [u8]>),
    Lazy(u64, Reader<'a>),
    Symlink(String),
    CharDevice { major: u32, minor: u32 },
}

impl Node<'_> {
    fn len_bytes(&self) -> u64 {
        match self {
            Self::Directory | Self::CharDevice { .. } => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Lazy(len, _) => *len,
            Self::Symlink(target) => target.len() as u64,
        }
    }

    fn type_bits(&self) -> u32 {
        match self {
            Self::Directory => S_IFDIR,
            Self::Bytes(_) | Self::Lazy(..) => S_IFREG,
            Self::Symlink(_) => S_IFLNK,
            Self::CharDevice { .. } => S_IFCHR,
        }
    }
}

/// A file tree to be written as one archive: sorted by path, owned by root, parents added as 0755
/// directories, inodes numbered in order. Paths are relative (`lib/modules/...`).
#[derive(Default)]
pub struct Tree<'a> {
    entries: BTreeMap<String, (u32, Node<'a>)>,
}

impl<'a> Tree<'a> {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<(), CpioError> {
        self.insert(path, mode, Node::Directory)
    }

    /// Adds a file from memory.
    pub fn file(
        &mut self,
        path: &str,
        mode: u32,
        content: impl Into<Cow<'a, [u8]>>,
    ) -> Result<(), CpioError> {
        self.insert(path, mode, Node::Bytes(content.into()))
    }

    /// Adds a file that is read when the archive is written, so that a large tree never is in memory
    /// at once.
    pub fn lazy_file(
        &mut self,
        path: &str,
        mode: u32,
        len_bytes: u64,
        read: impl Fn() -> io::Result<Vec<u8>> + 'a,
    ) -> Result<(), CpioError> {
        self.insert(path, mode, Node::Lazy(len_bytes, Box::new(read)))
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), CpioError> {
        self.insert(path, 0o777, Node::Symlink(target.to_owned()))
    }

    /// Adds a character device.
    pub fn char_device(
        &mut self,
        path: &str,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> Result<(), CpioError> {
        self.insert(path, mode, Node::CharDevice { major, minor })
    }

    fn insert(&mut self, path: &str, mode: u32, node: Node<'a>) -> Result<(), CpioError> {
        check_path(path)?;
        if node.len_bytes() > u64::from(u32::MAX) {
            return Err(CpioError::FileTooLarge(path.to_owned()));
        }
        let mut parent = path;
        while let Some((above, _)) = parent.rsplit_once('/') {
            let entry = self
                .entries
                .entry(above.to_owned())
                .or_insert((0o755, Node::Directory));
            if !matches!(entry.1, Node::Directory) {
                return Err(CpioError::Twice(above.to_owned()));
            }
            parent = above;
        }
        let is_directory = matches!(node, Node::Directory);
        match self.entries.get(path) {
            Some((_, Node::Directory)) if is_directory => {}
            Some(_) => return Err(CpioError::Twice(path.to_owned())),
            None => {}
        }
        self.entries.insert(path.to_owned(), (mode & 0o7777, node));
        Ok(())
    }

    /// Length of the archive in bytes.
    pub fn len_bytes(&self) -> u64 {
        let entry = |name: &str, content: u64| {
            let header = (HEADER_BYTES + name.len() + 1).next_multiple_of(4) as u64;
            header + content.next_multiple_of(4)
        };
        let entries: u64 = self
            .entries
            .iter()
            .map(|(path, (_, node))| entry(path, node.len_bytes()))
            .sum();
        entries + entry(TRAILER, 0)
    }

    /// Writes the archive; every entry gets the modification time `mtime_unix_s`.
    pub fn write(&self, out: &mut dyn Write, mtime_unix_s: u32) -> Result<(), CpioError> {
        for (ino, (path, (mode, node))) in (1u32..).zip(&self.entries) {
            let (major, minor) = match node {
                Node::CharDevice { major, minor } => (*major, *minor),
                _ => (0, 0),
            };
            let links = if matches!(node, Node::Directory) {
                2
            } else {
                1
            };
            let len = node.len_bytes();
            let mode = mode | node.type_bits();
            // Checked on insertion to fit 32 bits.
            let fields = [
                ino,
                mode,
                0,
                0,
                links,
                mtime_unix_s,
                len as u32,
                0,
                0,
                major,
                minor,
            ];
            write_header(out, fields, path)?;
            match node {
                Node::Directory | Node::CharDevice { .. } => {}
                Node::Bytes(bytes) => out.write_all(bytes)?,
                Node::Symlink(target) => out.write_all(target.as_bytes())?,
                Node::Lazy(expected_bytes, read) => {
                    let bytes = read().map_err(|source| CpioError::Content {
                        path: path.clone(),
                        source,
                    })?;
                    if bytes.len() as u64 != *expected_bytes {
                        return Err(CpioError::Length {
                            path: path.clone(),
                            expected_bytes: *expected_bytes,
                            found_bytes: bytes.len() as u64,
                        });
                    }
                    out.write_all(&bytes)?;
                }
            }
            pad(out, len as usize)?;
        }
        write_header(out, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], TRAILER)?;
        Ok(())
    }
}

fn write_header(out: &mut dyn Write, fields: [u32; 11], name: &str) -> io::Result<()> {
    out.write_all(MAGIC)?;
    for field in fields {
        write!(out, "{field:08x}")?;
    }
    let name_bytes = name.len() + 1;
    // The last field is a checksum that this variant of the format does not use.
    write!(out, "{name_bytes:08x}{:08x}{name}\0", 0)?;
    pad(out, HEADER_BYTES + name_bytes)
}

fn pad(out: &mut dyn Write, len: usize) -> io::Result<()> {
    out.write_all(&[0u8; 3][..len.next_multiple_of(4) - len])
}

fn check_path(path: &str) -> Result<(), CpioError> {
    let part_ok = |p: &str| !p.is_empty() && p != "." && p != ".." && !p.contains('\0');
    if path.len() < NAME_LIMIT_BYTES && path.split('/').all(part_ok) && path != TRAILER {
        return Ok(());
    }
    Err(CpioError::Path(path.to_owned()))
}

/// A file for the config layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile<'a> {
    /// Path in the node's root, relative.
    pub path: &'a str,
    /// Content.
    pub content: &'a [u8],
    /// Permission bits; 0600 for anything that is nobody else's business.
    pub mode: u32,
}

/// The config layer: an uncompressed archive, padded with zeros to the length of the image's config
/// region, so that another farm's settings can be written over it. All times are 0: the same
/// settings give the same bytes whatever they are put into.
///
/// # Errors
/// [`CpioError::RegionTooSmall`] says how much is needed.
pub fn config_cpio(files: &[ConfigFile<'_>], region_bytes: usize) -> Result<Vec<u8>, CpioError> {
    let mut tree = Tree::new();
    for file in files {
        tree.file(file.path, file.mode, file.content)?;
    }
    let needed_bytes = tree.len_bytes();
    if needed_bytes > region_bytes as u64 {
        return Err(CpioError::RegionTooSmall {
            needed_bytes,
            region_bytes: region_bytes as u64,
        });
    }
    let mut region = Vec::with_capacity(region_bytes);
    tree.write(&mut region, 0)?;
    region.resize(region_bytes, 0);
    Ok(region)
}

/// One entry of an archive that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path as stored.
    pub path: String,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Modification time, seconds since 1970-01-01 UTC.
    pub mtime_unix_s: u32,
    /// Device numbers (major, minor) of a device node.
    pub device: (u32, u32),
    /// Content of a file, target of a symbolic link.
    pub content: &'a [u8],
}

impl Entry<'_> {
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.mode & S_IFMT == S_IFREG
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR
    }
}

/// Reads uncompressed archives one after the other, as the kernel does: zeros between them are
/// skipped, the end is where the bytes end.
///
/// # Errors
/// [`CpioError::Damaged`] with the offset; never a panic, never more memory than the names need.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, CpioError> {
    let mut entries = Vec::new();
    let mut at = 0usize;
    while at < bytes.len() {
        if bytes[at] == 0 {
            at += zeros(&bytes[at..]);
            continue;
        }
        let damaged = |what| CpioError::Damaged { what, offset: at };
        let header = bytes
            .get(at..at + HEADER_BYTES)
            .ok_or_else(|| damaged("cut header"))?;
        if &header[..6] != MAGIC {
            return Err(damaged("no newc header"));
        }
        if !at.is_multiple_of(4) {
            return Err(damaged("a header that is not aligned to 4"));
        }
        let field = |index: usize| {
            let digits = &header[6 + index * 8..14 + index * 8];
            let text = std::str::from_utf8(digits)
                .ok()
                .filter(|t| !t.starts_with('+'));
            text.and_then(|t| u32::from_str_radix(t, 16).ok())
                .ok_or_else(|| damaged("bad number"))
        };
        let name_bytes = field(11)? as usize;
        if name_bytes == 0 || name_bytes > NAME_LIMIT_BYTES {
            return Err(damaged("bad name length"));
        }
        let name_at = at + HEADER_BYTES;
        let name = bytes
            .get(name_at..name_at + name_bytes)
            .ok_or_else(|| damaged("cut name"))?;
        let name = name
            .strip_suffix(&[0])
            .ok_or_else(|| damaged("unterminated name"))?;
        let path = std::str::from_utf8(name).map_err(|_| damaged("a name that is not UTF-8"))?;
        let content_at = (name_at + name_bytes).next_multiple_of(4);
        let content_end = content_at
            .checked_add(field(6)? as usize)
            .ok_or_else(|| damaged("bad length"))?;
        let content = bytes
            .get(content_at..content_end)
            .ok_or_else(|| damaged("cut content"))?;
        if path != TRAILER {
            if entries.len() >= ENTRIES_LIMIT {
                return Err(damaged("more entries than any initramfs has"));
            }
            entries.push(Entry {
                path: path.to_owned(),
                mode: field(1)?,
                mtime_unix_s: field(5)?,
                device: (field(9)?, field(10)?),
                content,
            });
        }
        at = content_end.next_multiple_of(4);
    }
    Ok(entries)
}

/// How many zeros `bytes` begin with: an archive's padding can be most of it.
fn zeros(bytes: &[u8]) -> usize {
    const SOME: [u8; 256] = [0; 256];
    let pieces = bytes.chunks_exact(SOME.len());
    let whole = pieces.take_while(|piece| **piece == SOME).count() * SOME.len();
    let rest = bytes[whole..].iter().take_while(|byte| **byte == 0);
    whole + rest.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut tree = Tree::new();
        tree.file("etc/farmer/x", 0o600, &b"hello"[..]).unwrap();
        tree.char_device("dev/console", 0o600, 5, 1).unwrap();
        tree.symlink("sbin/modprobe", "/init").unwrap();
        tree.lazy_file("init", 0o755, 3, || Ok(b"abc".to_vec()))
            .unwrap();
        let mut out = Vec::new();
        tree.write(&mut out, 7).unwrap();
        assert_eq!(out.len() as u64, tree.len_bytes());
        out
    }

    #[test]
    fn round_trip_with_parents_and_order() {
        let bytes = sample();
        let entries = read(&bytes).unwrap();
        let paths: Vec<_> = entries.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "dev",
                "dev/console",
                "etc",
                "etc/farmer",
                "etc/farmer/x",
                "init",
                "sbin",
                "sbin/modprobe"
            ]
        );
        assert_eq!(entries[1].device, (5, 1));
        assert_eq!(
            (entries[5].content, entries[5].mode),
            (&b"abc"[..], 0o100_755)
        );
        assert!(entries.iter().all(|e| e.mtime_unix_s == 7));
    }

    #[test]
    fn conflicts_and_unsafe_paths() {
        let mut tree = Tree::new();
        tree.file("a", 0o644, &b""[..]).unwrap();
        assert!(matches!(
            tree.file("a", 0o644, &b""[..]),
            Err(CpioError::Twice(_))
        ));
        assert!(matches!(
            tree.file("a/b", 0o644, &b""[..]),
            Err(CpioError::Twice(_))
        ));
        for bad in ["", "/x", "x/", "a/../b", "./x", TRAILER] {
            assert!(
                matches!(tree.directory(bad, 0o755), Err(CpioError::Path(_))),
                "{bad}"
            );
        }
        let mut lying = Tree::new();
        lying.lazy_file("f", 0o644, 4, || Ok(vec![0; 3])).unwrap();
        assert!(matches!(
            lying.write(&mut Vec::new(), 0),
            Err(CpioError::Length { .. })
        ));
    }

    #[test]
    fn every_cut_is_an_error_or_a_shorter_list() {
        let bytes = sample();
        let whole = read(&bytes).unwrap().len();
        for len in 0..bytes.len() {
            if let Ok(entries) = read(&bytes[..len]) {
                assert!(entries.len() <= whole);
            }
        }
        let mut odd = bytes.clone();
        odd[54..62].copy_from_slice(b"ffffffff");
        assert!(read(&odd).is_err());
    }

    #[test]
    fn region_is_filled_exactly_or_refused() {
        let content = vec![b'x'; 1000];
        let files = [ConfigFile {
            path: "etc/farmer/farm.toml",
            content: &content,
            mode: 0o600,
        }];
        let region = config_cpio(&files, 4096).unwrap();
        assert_eq!(region.len(), 4096);
        let entries = read(&region).unwrap();
        assert_eq!(entries.last().unwrap().content, content);
        let Err(CpioError::RegionTooSmall { needed_bytes, .. }) = config_cpio(&files, 1000) else {
            panic!("1000 bytes of content cannot fit 1000 bytes of archive");
        };
        assert!(config_cpio(&files, needed_bytes as usize).is_ok());
        assert!(config_cpio(&files, needed_bytes as usize - 1).is_err());
    }
}
