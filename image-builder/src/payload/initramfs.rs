//! The layers of the initramfs, cached by the content of what they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use node_config::note::{self, NodeNote};
use serde::Serialize;

use super::cpio::Tree;
use super::elf::Elf;
use super::file_tree::io_error;
use super::layer_cache::{BaseFacts, Cache, Facts, NodeFacts};
use super::modules::{self, Selection, index};
use super::supplies::{self, Supplies};
use super::{
    Layer, LayerKind, LayerRecord, Manifest, Part, Payload, PayloadError, Warning, devices,
};
use crate::bootkit::stamps::Stamps;
use crate::bootkit::{Bootkit, Digest, store};

/// Changes whenever the same inputs give other bytes, so that no stale layer is taken from a cache.
pub const RECIPE_REVISION: u32 = 2;

/// Version of [`Manifest`].
const MANIFEST_SCHEMA: u32 = 1;
/// Where the node finds what its image is made of.
const PAYLOAD_JSON: &str = "etc/farmer/payload.json";
/// A node is 6 MB at most; a debug build can be 30 times that.
const NODE_LIMIT_BYTES: u64 = 512 << 20;

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
    /// Firmware, microcode and files to add.
    pub supplies: &'a Supplies,
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
    /// What people call the devices of the drivers in `missing_firmware`.
    device_names: BTreeMap<String, String>,
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
    // First: a file that is no node is refused before minutes of compressing.
    let (node, node_sha256, note) = node_layer(options, &mut cache, progress)?;
    let config_schema = note.as_ref().map_or(options.config_schema, |n| n.schema);
    let microcode = microcode_layer(options, &mut cache, progress)?;
    let (base, mut facts) = base_layer(options, config_schema, &mut cache, progress)?;
    let firmware = firmware_layer(options, config_schema, &mut facts, &mut cache, progress)?;
    let added = added_layer(options, &mut cache, progress)?;
    cache.stamps.save();
    let mut layers = Vec::new();
    let mut files = BTreeMap::new();
    for (layer, names) in [
        microcode,
        Some((base, Vec::new())),
        firmware,
        Some((node, Vec::new())),
        added,
    ]
    .into_iter()
    .flatten()
    {
        files.insert(layer.kind as u8, names);
        layers.push(layer);
    }
    let mut files_of = |kind: LayerKind| files.remove(&(kind as u8)).unwrap_or_default();

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
        firmware: files_of(LayerKind::Firmware),
        missing_firmware: facts.missing_firmware.clone(),
        microcode: files_of(LayerKind::Microcode),
        added: files_of(LayerKind::Added),
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
    for (module, request) in &options.selection.requests {
        key.part(module.as_bytes())
            .part(request.modules.join(" ").as_bytes());
    }
    let key = key.finish();
    if let Some(cached) = cache.get(LayerKind::Base, key, progress) {
        return Ok((cached.layer, cached.base));
    }

    let store = kit.modules()?;
    let plan = modules::plan(store.index(), options.selection);
    let facts = BaseFacts {
        modules: plan.modules.iter().map(|m| m.name.clone()).collect(),
        unknown: plan.unknown.clone(),
        unresolved: plan.unresolved.clone(),
        // Firmware is a layer of its own: to this one, all that may be asked for is missing.
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
    let json = payload_json(options, config_schema, &facts.missing_firmware)?;
    tree.file(PAYLOAD_JSON, 0o644, json)?;
    let known = Facts {
        base: facts.clone(),
        ..Facts::default()
    };
    let layer = cache.put(LayerKind::Base, key, &tree, mtime, known, progress)?;
    Ok((layer, facts))
}

fn payload_json(
    options: &PayloadOptions<'_>,
    config_schema: u32,
    missing_firmware: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<u8>, PayloadError> {
    serde_json::to_vec_pretty(&PayloadJson {
        schema: MANIFEST_SCHEMA,
        recipe_revision: RECIPE_REVISION,
        kernel_version: options.bootkit.kernel_version(),
        config_schema,
        newest_mtime: options.bootkit.lock().newest_mtime_unix_s,
        missing_firmware,
        device_names: devices::names(missing_firmware.keys()),
    })
    .map_err(|e| io_error("write", Path::new(PAYLOAD_JSON))(e.into()))
}

/// A layer with the names of what it holds; `None` when there is nothing to put in.
type Supplied = Option<(Layer, Vec<String>)>;

/// Firmware of exactly the modules in the base layer. Takes what it carries out of
/// `facts.missing_firmware`.
fn firmware_layer(
    options: &PayloadOptions<'_>,
    config_schema: u32,
    facts: &mut BaseFacts,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<Supplied, PayloadError> {
    let missing = &mut facts.missing_firmware;
    let mut wanted: BTreeSet<&str> = missing.values().flatten().map(String::as_str).collect();
    if options.supplies.firmware.is_empty() || wanted.is_empty() {
        return Ok(None);
    }
    let mtime = options.bootkit.lock().newest_mtime_unix_s;
    let mut key = cache.key(LayerKind::Firmware);
    key.part(&mtime.to_le_bytes());
    key.part(&payload_json(options, config_schema, missing)?);
    for source in &options.supplies.firmware {
        key.part(supplies::firmware_digest(&wanted, source)?.as_bytes());
    }
    let key = key.finish();
    if let Some(cached) = cache.get(LayerKind::Firmware, key, progress) {
        *missing = cached.base.missing_firmware;
        return Ok(Some((cached.layer, cached.files)));
    }
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for source in &options.supplies.firmware {
        found.extend(supplies::read_firmware(&wanted, source)?);
        wanted.retain(|name| !found.contains_key(*name));
    }
    if found.is_empty() {
        return Ok(None);
    }
    missing.retain(|_, files| {
        files.retain(|file| !found.contains_key(file));
        !files.is_empty()
    });
    let mut tree = Tree::new();
    for (name, bytes) in &found {
        tree.file(&format!("lib/firmware/{name}"), 0o644, bytes.as_slice())?;
    }
    // The kernel takes the last copy: this one knows what is here.
    tree.file(
        PAYLOAD_JSON,
        0o644,
        payload_json(options, config_schema, missing)?,
    )?;
    let known = Facts {
        base: BaseFacts {
            missing_firmware: missing.clone(),
            ..BaseFacts::default()
        },
        files: found.keys().cloned().collect(),
        ..Facts::default()
    };
    let files = known.files.clone();
    let layer = cache.put(LayerKind::Firmware, key, &tree, mtime, known, progress)?;
    Ok(Some((layer, files)))
}

fn microcode_layer(
    options: &PayloadOptions<'_>,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<Supplied, PayloadError> {
    let microcode = supplies::read_microcode(&options.supplies.microcode)?;
    if microcode.is_empty() {
        return Ok(None);
    }
    let mtime = options.bootkit.lock().newest_mtime_unix_s;
    let mut key = cache.key(LayerKind::Microcode);
    key.part(&mtime.to_le_bytes());
    let mut tree = Tree::new();
    let mut files = Vec::new();
    for (maker, bytes) in &microcode {
        key.part(maker.path().as_bytes());
        key.part(Digest::of(bytes).as_bytes());
        tree.file(maker.path(), 0o644, bytes.as_slice())?;
        files.push(maker.path().to_owned());
    }
    supplied(
        LayerKind::Microcode,
        key.finish(),
        &tree,
        mtime,
        files,
        cache,
        progress,
    )
}

fn added_layer(
    options: &PayloadOptions<'_>,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<Supplied, PayloadError> {
    let added = supplies::read_additions(&options.supplies.added)?;
    if added.is_empty() {
        return Ok(None);
    }
    let mtime = options.bootkit.lock().newest_mtime_unix_s;
    let mut key = cache.key(LayerKind::Added);
    key.part(&mtime.to_le_bytes());
    let mut tree = Tree::new();
    let mut files = Vec::new();
    for file in &added {
        key.part(file.path.as_bytes())
            .part(&file.mode.to_le_bytes());
        key.part(Digest::of(&file.bytes).as_bytes());
        tree.file(&file.path, file.mode, file.bytes.as_slice())?;
        files.push(file.path.clone());
    }
    supplied(
        LayerKind::Added,
        key.finish(),
        &tree,
        mtime,
        files,
        cache,
        progress,
    )
}

/// The layer from the cache, or written now.
fn supplied(
    kind: LayerKind,
    key: Digest,
    tree: &Tree<'_>,
    mtime_unix_s: u64,
    files: Vec<String>,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<Supplied, PayloadError> {
    if let Some(cached) = cache.get(kind, key, progress) {
        return Ok(Some((cached.layer, cached.files)));
    }
    let facts = Facts {
        files: files.clone(),
        ..Facts::default()
    };
    let layer = cache.put(kind, key, tree, mtime_unix_s, facts, progress)?;
    Ok(Some((layer, files)))
}

/// `farm-node` as the initramfs holds it, with its digest and what it says about itself. The program is
/// read only when it changed.
fn node_layer(
    options: &PayloadOptions<'_>,
    cache: &mut Cache,
    progress: &mut dyn FnMut(Event),
) -> Result<(Layer, Digest, Option<NodeNote>), PayloadError> {
    let path = options.node;
    let mtime = options.bootkit.lock().newest_mtime_unix_s;
    let key_of = |cache: &Cache, sha256: Digest| {
        let mut key = cache.key(LayerKind::Node);
        key.part(sha256.as_bytes()).part(&mtime.to_le_bytes());
        key.finish()
    };
    // The user names it; a link to it is fine.
    let real = fs::canonicalize(path).map_err(io_error("find", path))?;
    let (sha256, _) = cache
        .stamps
        .digest_of(&real)
        .map_err(io_error("read", path))?;
    if let Some(cached) = cache.get(LayerKind::Node, key_of(cache, sha256), progress)
        && let Some(node) = cached.node
    {
        let note = node.note.as_deref().and_then(NodeNote::decode);
        return Ok((cached.layer, sha256, note));
    }
    let bytes = store::read_limited(&real, NODE_LIMIT_BYTES).map_err(io_error("read", path))?;
    let note = Elf::parse(&bytes)
        .and_then(|elf| {
            elf.require_static_program()?;
            elf.note(note::OWNER, note::KIND)
        })
        .map_err(|source| PayloadError::Node {
            path: path.to_owned(),
            source,
        })?;
    let mut tree = Tree::new();
    tree.file("init", 0o755, bytes.as_slice())?;
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
    let facts = Facts {
        node: Some(NodeFacts {
            note: note.map(<[u8]>::to_vec),
        }),
        ..Facts::default()
    };
    // Of the bytes at hand: the file may have changed since.
    let sha256 = Digest::of(&bytes);
    let key = key_of(cache, sha256);
    let layer = cache.put(LayerKind::Node, key, &tree, mtime, facts, progress)?;
    Ok((layer, sha256, note.and_then(NodeNote::decode)))
}
