//! The module pack: every module of a kernel in one file, and an index of what each says about
//! itself.
//!
//! A kernel package unpacks to 4000 modules and 390 MB; a build reads 300 of them. The pack keeps
//! each module as one zstd frame, so any of them is one read away, and the index answers all
//! dependency questions without touching the pack. Digests are of the module as the kernel loads
//! it: decompressed, signature included.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, HashingWriter};
use super::error::{BootkitError, ModuleError};
use super::store;
use crate::payload::elf::Elf;
use crate::payload::modules::modinfo::{self, ModInfo};

/// Largest module accepted, decompressed. Debian's largest (amdgpu) is 20 MB.
pub const MODULE_LIMIT_BYTES: u64 = 128 << 20;
const INDEX_LIMIT_BYTES: u64 = 64 << 20;

/// One module of the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleEntry {
    /// Normalised name (`crc_t10dif`).
    pub name: String,
    /// Path below `/lib/modules/<release>`, without compression suffix.
    pub path: String,
    /// Digest of the decompressed module.
    pub sha256: Digest,
    /// Decompressed size.
    pub size_bytes: u64,
    /// Where its frame starts in the pack.
    pub offset: u64,
    /// Length of its frame.
    pub stored_bytes: u64,
    /// What it says about itself.
    pub info: ModInfo,
}

/// Index of a module pack, JSON on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackIndex {
    /// Modules, sorted by path.
    pub modules: Vec<ModuleEntry>,
    /// What is compiled into the kernel, by normalised name.
    pub builtin: BTreeMap<String, ModInfo>,
}

impl PackIndex {
    /// Adds the names in a `modules.builtin` file (one path per line).
    pub fn add_builtin(&mut self, text: &str) {
        for name in text
            .lines()
            .filter_map(|line| modinfo::name_of_path(line.trim()))
        {
            self.builtin.entry(name).or_default();
        }
    }

    /// Adds a `modules.builtin.modinfo` file: NUL-separated `module.key=value`.
    pub fn add_builtin_modinfo(&mut self, bytes: &[u8]) {
        for field in bytes.split(|&b| b == 0) {
            if let Some((key, value)) = modinfo::split_field(field)
                && let Some((module, key)) = key.split_once('.')
            {
                self.builtin
                    .entry(modinfo::normalise(module))
                    .or_default()
                    .add(key, &value);
            }
        }
    }
}

/// Modules in the order they were added, digest and length of the pack; or what went wrong.
type Packed = Result<(Vec<ModuleEntry>, Digest, u64), BootkitError>;

/// Writes a pack. Compression runs on a thread of its own beside the package's decompression.
pub(super) struct PackWriter {
    sender: Option<SyncSender<(String, Vec<u8>)>>,
    worker: Option<JoinHandle<Packed>>,
}

impl PackWriter {
    pub(super) fn create(path: &Path) -> Result<Self, BootkitError> {
        let file = File::create_new(path).map_err(BootkitError::io("create", path))?;
        let (sender, receiver) = sync_channel(16);
        let path = path.to_owned();
        let worker = std::thread::spawn(move || write_modules(&path, file, &receiver));
        Ok(Self {
            sender: Some(sender),
            worker: Some(worker),
        })
    }

    /// Queues one module. `path` is below `/lib/modules/<release>`.
    pub(super) fn add(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), BootkitError> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|s| s.send((path.to_owned(), bytes)).is_ok());
        // The worker hangs up only after an error.
        if sent {
            Ok(())
        } else {
            self.finish().map(|_| ())
        }
    }

    /// Modules in the order they were added, digest and length of the pack.
    pub(super) fn finish(&mut self) -> Packed {
        self.sender = None;
        let gone = || BootkitError::Io {
            action: "write",
            path: PathBuf::from("module pack"),
            source: io::Error::other("the compressing thread ended early"),
        };
        self.worker
            .take()
            .ok_or_else(gone)?
            .join()
            .map_err(|_| gone())?
    }
}

fn write_modules(path: &Path, file: File, receiver: &Receiver<(String, Vec<u8>)>) -> Packed {
    let write_error = || BootkitError::io("write", path);
    let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 20, file));
    let mut compressor = zstd::bulk::Compressor::new(1).map_err(write_error())?;
    let mut entries = Vec::new();
    while let Ok((module, bytes)) = receiver.recv() {
        let error = |source| BootkitError::Module {
            module: module.clone(),
            source,
        };
        let bytes = decompress(&module, bytes).map_err(error)?;
        let elf = Elf::parse(&bytes).map_err(|e| error(e.into()))?;
        let section = elf
            .object_section(".modinfo")
            .map_err(|e| error(e.into()))?;
        let frame = compressor.compress(&bytes).map_err(write_error())?;
        let entry = ModuleEntry {
            name: modinfo::name_of_path(&module).ok_or_else(|| error(ModuleError::Name))?,
            path: modinfo::strip_compression(&module).to_owned(),
            sha256: Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
            offset: out.len_bytes(),
            stored_bytes: frame.len() as u64,
            info: ModInfo::parse(section.unwrap_or_default()),
        };
        out.write_all(&frame).map_err(write_error())?;
        entries.push(entry);
    }
    let (writer, digest, len_bytes) = out.finish();
    writer
        .into_inner()
        .map_err(|e| write_error()(e.into_error()))?;
    Ok((entries, digest, len_bytes))
}

pub(crate) fn decompress(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, ModuleError> {
    let input = bytes.as_slice();
    let mut out = Vec::new();
    let mut read = |reader: &mut dyn Read| {
        reader
            .take(MODULE_LIMIT_BYTES + 1)
            .read_to_end(&mut out)
            .map_err(ModuleError::Compression)
    };
    match path.rsplit('.').next() {
        Some("xz") => read(&mut liblzma::bufread::XzDecoder::new(input))?,
        Some("zst") => {
            read(&mut zstd::Decoder::with_buffer(input).map_err(ModuleError::Compression)?)?
        }
        Some("gz") => read(&mut flate2::bufread::MultiGzDecoder::new(input))?,
        _ => return Ok(bytes),
    };
    if out.len() as u64 > MODULE_LIMIT_BYTES {
        return Err(ModuleError::TooLarge {
            limit_bytes: MODULE_LIMIT_BYTES,
        });
    }
    Ok(out)
}

/// A module pack opened for reading.
pub struct ModuleStore {
    index: PackIndex,
    pack: File,
    path: PathBuf,
}

impl ModuleStore {
    pub(super) fn open(
        index: &Path,
        index_digest: Digest,
        pack: &Path,
    ) -> Result<Self, BootkitError> {
        let bytes = store::read_limited(index, INDEX_LIMIT_BYTES)
            .map_err(BootkitError::io("read", index))?;
        let found = Digest::of(&bytes);
        if found != index_digest {
            let path = index.to_owned();
            return Err(BootkitError::Changed {
                path,
                expected: index_digest,
                found,
            });
        }
        let index = serde_json::from_slice(&bytes).map_err(|e| BootkitError::Malformed {
            path: index.to_owned(),
            reason: e.to_string(),
        })?;
        let file = store::open_regular(pack).map_err(BootkitError::io("open", pack))?;
        Ok(Self {
            index,
            pack: file,
            path: pack.to_owned(),
        })
    }

    /// What is in it.
    pub fn index(&self) -> &PackIndex {
        &self.index
    }

    /// One module, byte for byte as shipped (decompressed), digest checked.
    ///
    /// # Errors
    /// [`BootkitError::Changed`] when the pack was altered, [`BootkitError::Io`].
    pub fn read(&self, entry: &ModuleEntry) -> Result<Vec<u8>, BootkitError> {
        let invalid = |m: &'static str| {
            BootkitError::io("read", &self.path)(io::Error::new(io::ErrorKind::InvalidData, m))
        };
        if entry.size_bytes > MODULE_LIMIT_BYTES || entry.stored_bytes > 2 * MODULE_LIMIT_BYTES {
            return Err(invalid("module larger than the limit"));
        }
        let mut frame = vec![0u8; entry.stored_bytes as usize];
        self.pack
            .read_exact_at(&mut frame, entry.offset)
            .map_err(BootkitError::io("read", &self.path))?;
        let bytes = zstd::bulk::decompress(&frame, entry.size_bytes as usize)
            .map_err(BootkitError::io("decompress", &self.path))?;
        let found = Digest::of(&bytes);
        if found != entry.sha256 {
            let path = self.path.join(&entry.path);
            return Err(BootkitError::Changed {
                path,
                expected: entry.sha256,
                found,
            });
        }
        Ok(bytes)
    }
}
