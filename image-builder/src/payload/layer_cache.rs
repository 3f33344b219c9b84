//! Layers of the initramfs on disk, named after the digest of everything they are made of.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cpio::{CpioError, Tree};
use super::file_tree::io_error;
use super::initramfs::{Event, RECIPE_REVISION};
use super::{Layer, LayerKind, Part, PayloadError};
use crate::bootkit::digest::{Hasher, HashingWriter};
use crate::bootkit::stamps::Stamps;
use crate::bootkit::{Digest, store};

const RECORD_LIMIT_BYTES: u64 = 16 << 20;
/// The output does not depend on the number of workers as long as it is not 0, so a fixed small
/// number keeps memory low.
const ZSTD_WORKERS: u32 = 2;

/// What is kept beside a cached layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    sha256: Digest,
    size_bytes: u64,
    unpacked_bytes: u64,
    #[serde(default)]
    base: BaseFacts,
    /// Files of the other layers.
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    node: Option<NodeFacts>,
}

/// What the node layer's program says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NodeFacts {
    /// Description of its ELF note ([`node_config::note`]), if it has one.
    pub note: Option<Vec<u8>>,
}

/// What the closure found; a cached base layer needs no second look at the modules.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct BaseFacts {
    pub modules: Vec<String>,
    pub unknown: Vec<String>,
    pub unresolved: Vec<String>,
    pub missing_firmware: BTreeMap<String, Vec<String>>,
}

/// A layer that was there already.
pub(super) struct Cached {
    pub layer: Layer,
    pub base: BaseFacts,
    pub files: Vec<String>,
    pub node: Option<NodeFacts>,
}

/// What to remember with a layer.
#[derive(Default)]
pub(super) struct Facts {
    pub base: BaseFacts,
    pub files: Vec<String>,
    pub node: Option<NodeFacts>,
}

/// Layers by the digest of everything they are made of.
pub(super) struct Cache {
    pub dir: PathBuf,
    pub level: i32,
    pub stamps: Stamps,
}

impl Cache {
    /// The start of a key: what all layers depend on.
    pub(super) fn key(&self, kind: LayerKind) -> Hasher {
        let mut key = Hasher::new();
        key.part(b"initramfs layer")
            .part(&RECIPE_REVISION.to_le_bytes())
            .part(&[kind as u8]);
        // Another version of zstd may compress to other bytes.
        key.part(&zstd::zstd_safe::version_number().to_le_bytes());
        key.part(&self.level.to_le_bytes());
        key
    }

    fn paths(&self, kind: LayerKind, key: Digest) -> (PathBuf, PathBuf) {
        let name = match kind {
            LayerKind::Base => "base",
            LayerKind::Node => "node",
            LayerKind::Firmware => "firmware",
            LayerKind::Microcode => "microcode",
            LayerKind::Added => "added",
        };
        let stem = format!("{name}-{}", key.short());
        let suffix = if is_compressed(kind) { ".zst" } else { "" };
        (
            self.dir.join(format!("{stem}.cpio{suffix}")),
            self.dir.join(format!("{stem}.json")),
        )
    }

    /// A cached layer, if it is there and its digest is right; anything else means "build it".
    pub(super) fn get(
        &mut self,
        kind: LayerKind,
        key: Digest,
        progress: &mut dyn FnMut(Event),
    ) -> Option<Cached> {
        let (path, record_path) = self.paths(kind, key);
        let record = store::read_limited(&record_path, RECORD_LIMIT_BYTES).ok()?;
        let record: Record = serde_json::from_slice(&record).ok()?;
        let found = self.stamps.digest_of(&path).ok()?;
        if found != (record.sha256, record.size_bytes) {
            return None;
        }
        progress(Event::LayerCached {
            kind,
            size_bytes: record.size_bytes,
        });
        let part = Part {
            path,
            sha256: record.sha256,
            size_bytes: record.size_bytes,
        };
        Some(Cached {
            layer: Layer {
                kind,
                part,
                unpacked_bytes: record.unpacked_bytes,
            },
            base: record.base,
            files: record.files,
            node: record.node,
        })
    }

    pub(super) fn put(
        &self,
        kind: LayerKind,
        key: Digest,
        tree: &Tree<'_>,
        mtime_unix_s: u64,
        facts: Facts,
        progress: &mut dyn FnMut(Event),
    ) -> Result<Layer, PayloadError> {
        let (path, record_path) = self.paths(kind, key);
        let error = || io_error("write", &path);
        let unpacked_bytes = tree.len_bytes();
        let level = self.level;
        progress(Event::LayerStarted {
            kind,
            unpacked_bytes,
            level,
        });
        let file = store::AtomicFile::create(&path).map_err(error())?;
        store::remove_abandoned(&self.dir, &file);
        let buffered = io::BufWriter::with_capacity(1 << 20, file);
        let hashing = HashingWriter::new(buffered);
        let encoder = if is_compressed(kind) {
            Encoder::Zstd(
                compressor(hashing, level, ZSTD_WORKERS, unpacked_bytes).map_err(error())?,
            )
        } else {
            Encoder::Plain(hashing)
        };
        let mut metered = Metered {
            inner: encoder,
            done_bytes: 0,
            report: &mut |done_bytes| {
                progress(Event::LayerProgress {
                    kind,
                    done_bytes,
                    unpacked_bytes,
                });
            },
        };
        // newc has 32 bits for the time, enough until 2106.
        let mtime = u32::try_from(mtime_unix_s).unwrap_or(u32::MAX);
        tree.write(&mut metered, mtime).map_err(|e| match e {
            CpioError::Write(e) => error()(e),
            e => e.into(),
        })?;
        let (buffered, sha256, size_bytes) = metered.inner.finish().map_err(error())?.finish();
        let file = buffered.into_inner().map_err(|e| error()(e.into_error()))?;
        file.commit().map_err(error())?;
        let record = Record {
            sha256,
            size_bytes,
            unpacked_bytes,
            base: facts.base,
            files: facts.files,
            node: facts.node,
        };
        let json = serde_json::to_vec(&record).map_err(|e| error()(e.into()))?;
        store::write_atomic(&record_path, &json).map_err(io_error("write", &record_path))?;
        progress(Event::LayerBuilt { kind, size_bytes });
        Ok(Layer {
            kind,
            part: Part {
                path,
                sha256,
                size_bytes,
            },
            unpacked_bytes,
        })
    }
}

/// The kernel looks for microcode before it can decompress anything.
fn is_compressed(kind: LayerKind) -> bool {
    kind != LayerKind::Microcode
}

enum Encoder<W: Write> {
    Zstd(zstd::Encoder<'static, W>),
    Plain(W),
}

impl<W: Write> Encoder<W> {
    fn finish(self) -> io::Result<W> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Plain(out) => Ok(out),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(buf),
            Self::Plain(out) => out.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Plain(out) => out.flush(),
        }
    }
}

/// One zstd frame with content size and checksum.
fn compressor<W: Write>(
    out: W,
    level: i32,
    workers: u32,
    len_bytes: u64,
) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(out, level)?;
    encoder.multithread(workers)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(len_bytes))?;
    Ok(encoder)
}

/// Reports progress about every 4 MiB.
struct Metered<'p, W> {
    inner: W,
    done_bytes: u64,
    report: &'p mut dyn FnMut(u64),
}

impl<W: Write> Write for Metered<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        const STEP_BYTES: u64 = 4 << 20;
        let n = self.inner.write(buf)?;
        let before = self.done_bytes / STEP_BYTES;
        self.done_bytes += n as u64;
        if self.done_bytes / STEP_BYTES != before {
            (self.report)(self.done_bytes);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_do_not_depend_on_the_number_of_workers() {
        // Compressible, and long enough for several jobs at level 9.
        let mut state = 1u32;
        let data: Vec<u8> = (0..24 << 20)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 29) as u8
            })
            .collect();
        let compress = |workers| {
            let mut encoder = compressor(Vec::new(), 9, workers, data.len() as u64).unwrap();
            encoder.write_all(&data).unwrap();
            encoder.finish().unwrap()
        };
        let one = compress(1);
        assert!(one.len() < data.len() / 2);
        assert_eq!(one, compress(2));
        assert_eq!(one, compress(5));
    }
}
