//! The layers of the initramfs, cached by the content of what they are made of.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use node_config::note::{self, NodeNote};
use serde::{Deserialize, Serialize};

use super::cpio::{CpioError, Tree};
use super::elf::Elf;
use super::modules::{self, Selection, index};
use super::{Layer, LayerKind, LayerRecord, Manifest, Part, Payload, PayloadError, Warning};
use crate::bootkit::digest::{Hasher, HashingWriter};
use crate::bootkit::stamps::Stamps;
use crate::bootkit::{Bootkit, Digest, store};

/// Changes whenever the same inputs give other bytes, so that no stale layer is taken from a cache.
pub const RECIPE_REVISION: u32 = 1;

/// Version of [`Manifest`].
const MANIFEST_SCHEMA: u32 = 1;
/// Where the node finds what its image is made of.
const PAYLOAD_JSON: &str = "etc/farmer/payload.json";
/// A node is 6 MB at most; a debug build can be 30 times that.
const NODE_LIMIT_BYTES: u64 = 512 << 20;
const RECORD_LIMIT_BYTES: u64 = 16 << 20;
/// The output does not depend on the number of workers as long as it is not 0, so a fixed small
/// number keeps memory low.
const ZSTD_WORKERS: u32 = 2;

/// What to build a payload from.
#[derive(Debug, Clone)]
pub struct PayloadOptions<'a> {
    /// Kernel, modules and loaders.
    pub bootkit: &'a Bootkit,
    /// Path of the static `farm-node`.
    pub node: &'a Path,
    /// Modules to include.
    pub selection: &'a Selection,
    /// Directory for cached layers (`$XDG_CACHE_HOME/farmer`).
    pub cache_dir: &'a Path,
    /// zstd level, 1 to 22: [`super::LEVEL_DEVELOPMENT`] or [`super::LEVEL_RELEASE`].
    pub level: i32,
    /// Version of the configuration schema to assume of a node that does not say which it accepts.
    pub config_schema: u32,
}

/// Progress of building a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A layer was taken from the cache.
    LayerCached {
        /// Which one.
        kind: LayerKind,
        /// Compressed size.
        size_bytes: u64,
    },
    /// A layer is being compressed.
    LayerStarted {
        /// Which one.
        kind: LayerKind,
        /// Size to compress.
        unpacked_bytes: u64,
        /// zstd level.
        level: i32,
    },
    /// Bytes compressed so far.
    LayerProgress {
        /// Which one.
        kind: LayerKind,
        /// Uncompressed bytes done.
        done_bytes: u64,
        /// Uncompressed bytes in all.
        unpacked_bytes: u64,
    },
    /// A layer is complete.
    LayerBuilt {
        /// Which one.
        kind: LayerKind,
        /// Compressed size.
        size_bytes: u64,
    },
}

/// What is kept beside a cached layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    sha256: Digest,
    size_bytes: u64,
    unpacked_bytes: u64,
    #[serde(default)]
    base: BaseFacts,
}

/// What the closure found; a cached base layer needs no second look at the modules.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct BaseFacts {
    modules: Vec<String>,
    unknown: Vec<String>,
    unresolved: Vec<String>,
    missing_firmware: BTreeMap<String, Vec<String>>,
}

/// `/etc/farmer/payload.json`. The node reads it leniently: unknown keys are ignored.
#[derive(Serialize)]
struct PayloadJson<'a> {
    schema: u32,
    recipe_revision: u32,
    kernel_version: &'a str,
    config_schema: u32,
    /// Seconds since 1970-01-01 UTC: the node's clock cannot be earlier.
    newest_mtime: u64,
    missing_firmware: &'a BTreeMap<String, Vec<String>>,
}

/// Builds, or takes from the cache, the layers of a payload.
///
/// The bytes depend on the bootkit, `farm-node`, the selection, the level and
/// [`RECIPE_REVISION`]; not on directory, time, user or number of processors.
///
/// # Errors
/// [`PayloadError`].
pub fn build(
    options: &PayloadOptions<'_>,
    progress: &mut dyn FnMut(Event),
) -> Result<Payload, PayloadError> {
    if !(1..=22).contains(&options.level) {
        return Err(PayloadError::Level(options.level));
    }
    let kit = options.bootkit;
    let layers_dir = options.cache_dir.join("layers");
    store::private_dir(&layers_dir).map_err(io_error("create", &layers_dir))?;
    let mut cache = Cache {
        stamps: Stamps::load(&layers_dir),
        dir: layers_dir,
        level: options.level,
    };
    // Before minutes of compressing: a wrong file is refused at once.
    let (node_bytes, node_sha256, note) = read_node(options.node)?;
    let config_schema = note.as_ref().map_or(options.config_schema, |n| n.schema);
    let (base, facts) = base_layer(options, config_schema, &mut cache, progress)?;
    let node = node_layer(kit, &node_bytes, node_sha256, &mut cache, progress)?;
    cache.stamps.save();
    let layers = vec![base, node];

    let entry = kit
        .kernel_entry()
        .ok_or_else(|| crate::bootkit::BootkitError::MissingPart {
            part: "kernel".into(),
            package: "linux-image-amd64",
        })?;
    let kernel = Part {
        path: kit.kernel(),
        sha256: entry.sha256,
        size_bytes: entry.size_bytes,
    };
    let sbat = kit.lock().files.iter().filter(|f| !f.sbat.is_empty());
    let manifest = Manifest {
        schema: MANIFEST_SCHEMA,
        recipe_revision: RECIPE_REVISION,
        kernel_version: kit.kernel_version().to_owned(),
        kernel_sha256: kernel.sha256,
        node_sha256,
        config_schema,
        newest_mtime: kit.lock().newest_mtime_unix_s,
        level: options.level,
        layers: layers.iter().map(record_of).collect(),
        packages: kit.lock().packages.clone(),
        sbat: sbat.map(|f| (f.path.clone(), f.sbat.clone())).collect(),
        modules: facts.modules,
        missing_firmware: facts.missing_firmware.clone(),
    };
    let mut warnings = Vec::new();
    if !facts.unknown.is_empty() {
        warnings.push(Warning::UnknownModules(facts.unknown));
    }
    if !facts.unresolved.is_empty() {
        warnings.push(Warning::UnresolvedDependencies(facts.unresolved));
    }
    if !facts.missing_firmware.is_empty() {
        warnings.push(Warning::MissingFirmware(facts.missing_firmware));
    }
    let kernel_version = kit.kernel_version().to_owned();
    Ok(Payload {
        kernel_version,
        kernel,
        layers,
        node: note,
        manifest,
        warnings,
    })
}

fn record_of(layer: &Layer) -> LayerRecord {
    LayerRecord {
        kind: layer.kind,
        sha256: layer.part.sha256,
        size_bytes: layer.part.size_bytes,
        unpacked_bytes: layer.unpacked_bytes,
    }
}

fn base_layer(
    options: &PayloadOptions<'_>,
    config_schema: u32,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<(Layer, BaseFacts), PayloadError> {
    let kit = options.bootkit;
    let mtime = kit.lock().newest_mtime_unix_s;
    let mut key = cache.key(LayerKind::Base);
    key.part(kit.kernel_version().as_bytes())
        .part(&mtime.to_le_bytes());
    key.part(&config_schema.to_le_bytes());
    if let Some(modules) = kit.modules_digest() {
        key.part(modules.as_bytes());
    }
    for (module, group) in options.selection.names() {
        // The group appears in the facts kept with the layer.
        key.part(module.as_bytes())
            .part(group.name.as_bytes())
            .part(&[u8::from(group.optional)]);
    }
    let key = key.finish();
    if let Some((layer, facts)) = cache.get(LayerKind::Base, key, progress) {
        return Ok((layer, facts));
    }

    let store = kit.modules()?;
    let plan = modules::plan(store.index(), options.selection);
    let facts = BaseFacts {
        modules: plan.modules.iter().map(|m| m.name.clone()).collect(),
        unknown: plan.unknown.clone(),
        unresolved: plan.unresolved.clone(),
        // No firmware is carried yet, so all that may be asked for is missing.
        missing_firmware: plan.firmware.clone(),
    };
    let mut tree = Tree::new();
    for dir in ["dev", "proc", "sys", "run", "etc/farmer", "lib/firmware"] {
        tree.directory(dir, 0o755)?;
    }
    tree.directory("root", 0o700)?;
    tree.directory("tmp", 0o1777)?;
    // The kernel opens it for init's standard streams before anything is mounted.
    tree.char_device("dev/console", 0o600, 5, 1)?;
    let top = format!("lib/modules/{}", kit.kernel_version());
    for &module in &plan.modules {
        let store = &store;
        let read = move || store.read(module).map_err(io::Error::other);
        tree.lazy_file(
            &format!("{top}/{}", module.path),
            0o644,
            module.size_bytes,
            read,
        )?;
    }
    for (name, text) in [
        ("modules.dep", index::modules_dep(&plan)),
        ("modules.alias", index::modules_alias(&plan)),
        ("modules.softdep", index::modules_softdep(&plan)),
    ] {
        tree.file(&format!("{top}/{name}"), 0o644, text.into_bytes())?;
    }
    let json = serde_json::to_vec_pretty(&PayloadJson {
        schema: MANIFEST_SCHEMA,
        recipe_revision: RECIPE_REVISION,
        kernel_version: kit.kernel_version(),
        config_schema,
        newest_mtime: mtime,
        missing_firmware: &facts.missing_firmware,
    })
    .map_err(|e| io_error("write", Path::new(PAYLOAD_JSON))(e.into()))?;
    tree.file(PAYLOAD_JSON, 0o644, json)?;
    let layer = cache.put(LayerKind::Base, key, &tree, mtime, facts.clone(), progress)?;
    Ok((layer, facts))
}

fn node_layer(
    kit: &Bootkit,
    node: &[u8],
    sha256: Digest,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<Layer, PayloadError> {
    let mtime = kit.lock().newest_mtime_unix_s;
    let mut key = cache.key(LayerKind::Node);
    key.part(sha256.as_bytes()).part(&mtime.to_le_bytes());
    let key = key.finish();
    if let Some((layer, _)) = cache.get(LayerKind::Node, key, progress) {
        return Ok(layer);
    }
    let mut tree = Tree::new();
    tree.file("init", 0o755, node)?;
    // The kernel's request_module() runs /sbin/modprobe; the node answers to that name.
    tree.symlink("sbin/modprobe", "/init")?;
    tree.file(
        "etc/hosts",
        0o644,
        &b"127.0.0.1 localhost\n::1 localhost\n"[..],
    )?;
    tree.file(
        "etc/passwd",
        0o644,
        &b"root:x:0:0:root:/root:/sbin/nologin\n"[..],
    )?;
    tree.file("etc/group", 0o644, &b"root:x:0:\n"[..])?;
    cache.put(
        LayerKind::Node,
        key,
        &tree,
        mtime,
        BaseFacts::default(),
        progress,
    )
}

fn read_node(path: &Path) -> Result<(Vec<u8>, Digest, Option<NodeNote>), PayloadError> {
    // The user names it; a link to it is fine.
    let real = fs::canonicalize(path).map_err(io_error("find", path))?;
    let bytes = store::read_limited(&real, NODE_LIMIT_BYTES).map_err(io_error("read", path))?;
    let note = Elf::parse(&bytes)
        .and_then(|elf| {
            elf.require_static_program()?;
            elf.note(note::OWNER, note::KIND)
        })
        .map_err(|source| PayloadError::Node {
            path: path.to_owned(),
            source,
        })?
        .and_then(NodeNote::decode);
    let digest = Digest::of(&bytes);
    Ok((bytes, digest, note))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PayloadError {
    let path = path.to_owned();
    move |source| PayloadError::Io {
        action,
        path,
        source,
    }
}

/// Compressed layers by the digest of everything they are made of.
struct Cache {
    dir: PathBuf,
    level: i32,
    stamps: Stamps,
}

impl Cache {
    /// The start of a key: what all layers depend on.
    fn key(&self, kind: LayerKind) -> Hasher {
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
        };
        let stem = format!("{name}-{}", key.short());
        (
            self.dir.join(format!("{stem}.cpio.zst")),
            self.dir.join(format!("{stem}.json")),
        )
    }

    /// A cached layer, if it is there and its digest is right; anything else means "build it".
    fn get(
        &mut self,
        kind: LayerKind,
        key: Digest,
        progress: &mut dyn FnMut(Event),
    ) -> Option<(Layer, BaseFacts)> {
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
        Some((
            Layer {
                kind,
                part,
                unpacked_bytes: record.unpacked_bytes,
            },
            record.base,
        ))
    }

    fn put(
        &self,
        kind: LayerKind,
        key: Digest,
        tree: &Tree<'_>,
        mtime_unix_s: u64,
        base: BaseFacts,
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
        let buffered = io::BufWriter::with_capacity(1 << 20, file);
        let encoder = compressor(
            HashingWriter::new(buffered),
            level,
            ZSTD_WORKERS,
            unpacked_bytes,
        )
        .map_err(error())?;
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
            base,
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
