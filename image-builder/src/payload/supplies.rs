//! What a farmer adds to the payload: firmware, processor microcode, files of his own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::PayloadError;
use super::file_tree::{self, io_error};
use crate::bootkit::Digest;
use crate::bootkit::digest::Hasher;
use crate::bootkit::pack::decompress;

/// What goes in beside modules and node. Empty by default.
#[derive(Debug, Clone, Default)]
pub struct Supplies {
    /// Directories and `.deb` files to take the modules' firmware from; the first that has a file
    /// wins.
    pub firmware: Vec<PathBuf>,
    /// Directories and `.deb` files with processor microcode.
    pub microcode: Vec<PathBuf>,
    /// Files for the initramfs.
    pub added: Vec<AddedFile>,
}

/// A file or directory to add to the initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedFile {
    /// Where it is.
    pub source: PathBuf,
    /// Where it goes: a path from the root, without a leading `/`.
    pub destination: String,
}

/// An addition that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Not of the form `SOURCE:DESTINATION`.
    #[error("{0:?} is not of the form SOURCE:/DESTINATION")]
    Form(String),
    /// A destination that is relative, leads upwards or is the root itself.
    #[error("destination {0:?} is not an absolute path without . and ..")]
    Destination(String),
    /// What the node itself is made of.
    #[error("/{0} belongs to the node and cannot be replaced")]
    Reserved(String),
    /// A pseudo file system is mounted there.
    #[error("files in /{0} would be hidden: the node mounts another file system there")]
    Hidden(&'static str),
}

impl FromStr for AddedFile {
    type Err = AddError;

    /// `SOURCE:/DESTINATION`. A destination that ends with `/` is a directory for the source.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || AddError::Form(text.to_owned());
        let (source, destination) = text.rsplit_once(":/").ok_or_else(form)?;
        let source = PathBuf::from(source);
        let mut path = destination.to_owned();
        if path.is_empty() || path.ends_with('/') {
            let name = source.file_name().and_then(|n| n.to_str());
            path.push_str(name.ok_or_else(form)?);
        }
        if source.as_os_str().is_empty() {
            return Err(form());
        }
        let plain =
            |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
        if !path.split('/').all(plain) {
            return Err(AddError::Destination(format!("/{destination}")));
        }
        check_destination(&path)?;
        Ok(Self {
            source,
            destination: path,
        })
    }
}

fn check_destination(path: &str) -> Result<(), AddError> {
    let within = |directory: &str| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for reserved in ["init", "sbin/modprobe", "etc/farmer"] {
        if within(reserved) {
            return Err(AddError::Reserved(path.to_owned()));
        }
    }
    for hidden in ["dev", "proc", "sys", "run", "tmp"] {
        if within(hidden) {
            return Err(AddError::Hidden(hidden));
        }
    }
    Ok(())
}

/// A file of the layer of additions.
pub(super) struct Addition {
    pub path: String,
    pub mode: u32,
    pub bytes: Vec<u8>,
}

/// Reads all additions, directories with everything below them. Modes become 0755 for what its
/// owner may execute and 0644 for the rest: anything else has no meaning to a single program
/// that runs as root.
pub(super) fn read_additions(added: &[AddedFile]) -> Result<Vec<Addition>, PayloadError> {
    let mut additions = Vec::new();
    let mut todo: Vec<(PathBuf, String)> = added
        .iter()
        .rev()
        .map(|file| (file.source.clone(), file.destination.clone()))
        .collect();
    while let Some((source, destination)) = todo.pop() {
        check_destination(&destination)?;
        let meta = fs::metadata(&source).map_err(io_error("find", &source))?;
        if meta.is_dir() {
            let mut children = Vec::new();
            for entry in fs::read_dir(&source).map_err(io_error("list", &source))? {
                let entry = entry.map_err(io_error("list", &source))?;
                let name = entry.file_name().into_string().map_err(|name| {
                    AddError::Form(format!("{}/{}", source.display(), name.to_string_lossy()))
                })?;
                // A link to a directory may lead in a circle.
                let path = entry.path();
                if !(path.is_symlink() && path.is_dir()) {
                    children.push((path, format!("{destination}/{name}")));
                }
            }
            children.sort_unstable_by(|a, b| b.cmp(a));
            todo.extend(children);
            continue;
        }
        if !meta.is_file() {
            let source_error = std::io::Error::other("neither a file nor a directory");
            return Err(io_error("add", &source)(source_error));
        }
        let bytes = file_tree::read_file(&source).map_err(io_error("read", &source))?;
        let mode = if meta.permissions().mode() & 0o100 != 0 {
            0o755
        } else {
            0o644
        };
        additions.push(Addition {
            path: destination,
            mode,
            bytes,
        });
    }
    Ok(additions)
}

/// Finds firmware by its names below `/lib/firmware` in the sources; compressed files are unpacked,
/// because not every kernel reads them.
pub(super) fn read_firmware(
    names: &BTreeSet<&str>,
    source: &Path,
) -> Result<BTreeMap<String, Vec<u8>>, PayloadError> {
    let wanted = |path: &str| names.contains(firmware_name(path));
    let mut found = BTreeMap::new();
    // A plain file sorts before its compressed copies.
    for (path, bytes) in file_tree::read(source, &wanted)? {
        let name = firmware_name(&path).to_owned();
        if let std::collections::btree_map::Entry::Vacant(slot) = found.entry(name) {
            let plain = decompress(&path, bytes).map_err(|error| {
                io_error("decompress", &source.join(&path))(std::io::Error::other(error))
            })?;
            slot.insert(plain);
        }
    }
    Ok(found)
}

/// Stands for what a source has of these names: a package is not unpacked for it.
pub(super) fn firmware_digest(
    names: &BTreeSet<&str>,
    source: &Path,
) -> Result<Digest, PayloadError> {
    if source.is_file() {
        return Ok(Digest::of_file(source).map_err(io_error("read", source))?.0);
    }
    let mut hasher = Hasher::new();
    for (name, bytes) in read_firmware(names, source)? {
        hasher.part(name.as_bytes()).part(&bytes);
    }
    Ok(hasher.finish())
}

/// The name below `/lib/firmware` of a path in a package, in an installed system or in a
/// collection of firmware.
fn firmware_name(path: &str) -> &str {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let path = path.strip_prefix("lib/firmware/").unwrap_or(path);
    let path = path.strip_prefix("updates/").unwrap_or(path);
    [".xz", ".zst"]
        .iter()
        .find_map(|suffix| path.strip_suffix(suffix))
        .unwrap_or(path)
}

/// Processor makers whose microcode the kernel takes from the first archive of the initramfs
/// (Documentation/arch/x86/microcode.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Maker {
    Amd,
    Intel,
}

impl Maker {
    /// Where the kernel looks.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Amd => "kernel/x86/microcode/AuthenticAMD.bin",
            Self::Intel => "kernel/x86/microcode/GenuineIntel.bin",
        }
    }

    /// Whose microcode a file holds, by the name that linux-firmware and Intel give it.
    fn of_name(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        let is_intel = |name: &str| {
            // Family, model, stepping: 06-55-04.
            let parts: Vec<&str> = name.split('-').collect();
            let hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            parts.len() == 3 && parts.iter().all(hex)
        };
        match name {
            "AuthenticAMD.bin" => Some(Self::Amd),
            "GenuineIntel.bin" => Some(Self::Intel),
            name if name.starts_with("microcode_amd") && name.ends_with(".bin") => Some(Self::Amd),
            name if is_intel(name) => Some(Self::Intel),
            _ => None,
        }
    }

    /// First four bytes: AMD's container magic, the header version of an Intel update.
    fn magic(self) -> [u8; 4] {
        match self {
            Self::Amd => *b"DMA\0",
            Self::Intel => [1, 0, 0, 0],
        }
    }
}

/// Joins all microcode of the sources into the one file per maker that the kernel reads.
pub(super) fn read_microcode(
    sources: &[PathBuf],
) -> Result<BTreeMap<Maker, Vec<u8>>, PayloadError> {
    let mut joined = BTreeMap::new();
    for source in sources {
        let files = file_tree::read(source, &|path| Maker::of_name(path).is_some())?;
        for (path, bytes) in files {
            let Some(maker) = Maker::of_name(&path) else {
                continue;
            };
            if !bytes.starts_with(&maker.magic()) {
                return Err(PayloadError::Microcode {
                    path: source.join(path),
                });
            }
            joined.entry(maker).or_insert_with(Vec::new).extend(bytes);
        }
    }
    if joined.is_empty()
        && let Some(source) = sources.first()
    {
        return Err(PayloadError::NoMicrocode {
            path: source.clone(),
        });
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_parsed_and_what_the_node_needs_is_refused() {
        let added: AddedFile = "a:b/c.txt:/etc/x.conf".parse().expect("accepted");
        assert_eq!(added.source, Path::new("a:b/c.txt"));
        assert_eq!(added.destination, "etc/x.conf");
        let added: AddedFile = "keys/ca.pem:/etc/ssl/".parse().expect("accepted");
        assert_eq!(added.destination, "etc/ssl/ca.pem");
        let refused = |text: &str| text.parse::<AddedFile>().expect_err(text);
        assert!(matches!(refused("file"), AddError::Form(_)));
        assert!(matches!(refused(":/x"), AddError::Form(_)));
        assert!(matches!(refused("a:relative"), AddError::Form(_)));
        for path in ["/../x", "/a/../b", "/a//b", "/./a"] {
            assert!(
                matches!(refused(&format!("f:{path}")), AddError::Destination(_)),
                "{path}"
            );
        }
        for path in [
            "/init",
            "/init/x",
            "/sbin/modprobe",
            "/etc/farmer/node.toml",
        ] {
            assert!(
                matches!(refused(&format!("f:{path}")), AddError::Reserved(_)),
                "{path}"
            );
        }
        assert!(matches!(refused("f:/dev/x"), AddError::Hidden("dev")));
        assert!("f:/initial".parse::<AddedFile>().is_ok());
    }

    #[test]
    fn firmware_and_microcode_are_known_by_name() {
        for path in [
            "bnx2/a.fw",
            "lib/firmware/bnx2/a.fw",
            "usr/lib/firmware/bnx2/a.fw.zst",
            "lib/firmware/updates/bnx2/a.fw.xz",
        ] {
            assert_eq!(firmware_name(path), "bnx2/a.fw");
        }
        assert_eq!(Maker::of_name("x/intel-ucode/06-55-04"), Some(Maker::Intel));
        assert_eq!(
            Maker::of_name("amd-ucode/microcode_amd_fam17h.bin"),
            Some(Maker::Amd)
        );
        assert_eq!(Maker::of_name("intel-ucode/06-4f-01.initramfs"), None);
        assert_eq!(Maker::of_name("README"), None);
    }
}
