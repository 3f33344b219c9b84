//! `bootkit.lock`: what a bootkit holds and where each part came from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, Hasher};
use super::error::BootkitError;
use super::store;

/// Version of the lock file and of the directory layout it describes.
pub const LOCK_FORMAT: u32 = 1;

/// Name of the lock file inside a bootkit.
pub const LOCK_FILE: &str = "bootkit.lock";

pub(super) const LOCK_LIMIT_BYTES: u64 = 4 << 20;

/// Reads a lock file.
pub(super) fn read(path: &Path) -> Result<Lock, BootkitError> {
    let bytes =
        store::read_limited(path, LOCK_LIMIT_BYTES).map_err(BootkitError::io("read", path))?;
    let malformed = |reason: String| BootkitError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let text = std::str::from_utf8(&bytes).map_err(|e| malformed(e.to_string()))?;
    // The version first: another format need not parse as this one.
    let table: toml::Table = toml::from_str(text).map_err(|e| malformed(e.to_string()))?;
    let found = table
        .get("format")
        .and_then(toml::Value::as_integer)
        .unwrap_or(0);
    if found != i64::from(LOCK_FORMAT) {
        return Err(BootkitError::Format {
            path: path.to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            supported: LOCK_FORMAT,
        });
    }
    toml::from_str(text).map_err(|e| malformed(e.to_string()))
}

/// The lock file, TOML on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`LOCK_FORMAT`].
    pub format: u32,
    /// Content address: derived from the packages' digests, or from the kernel's and modules'.
    pub id: Digest,
    /// Newest modification time in the payload's packages, seconds since 1970-01-01 UTC. It is the
    /// earliest time the node can be running at.
    pub newest_mtime_unix_s: u64,
    /// The kernel and its modules.
    pub kernel: KernelEntry,
    /// Debian packages the parts came from, sorted by name.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageEntry>,
    /// Every extracted file, sorted by path.
    #[serde(default, rename = "file")]
    pub files: Vec<FileEntry>,
}

/// The kernel of a bootkit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelEntry {
    /// What `uname -r` says once it runs; the name below `/lib/modules`.
    pub version: String,
    /// Whether the image came out of a distribution's signed package. Only such a kernel passes
    /// the distribution's own shim under Secure Boot.
    pub from_package: bool,
    /// Number of modules in the module pack (none for a kernel with everything built in).
    pub modules: u32,
}

/// One Debian package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageEntry {
    /// `Package`
    pub name: String,
    /// `Version`
    pub version: String,
    /// `Architecture`
    pub architecture: String,
    /// Suites that offered it (`bookworm-security/main`), empty for a file given by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// Source package and version, for the sources the GPL asks to offer.
    pub source: String,
    /// `Built-Using`: the sources a signed package was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_using: Option<String>,
    /// Digest of the `.deb`.
    pub sha256: Digest,
    /// Size of the `.deb` in bytes.
    pub size_bytes: u64,
    /// Whether apt verified it against a signed archive; a file given by path is trusted by its
    /// digest only.
    pub archive_verified: bool,
}

/// One file of a bootkit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the bootkit's directory.
    pub path: String,
    /// Digest of the content.
    pub sha256: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Package it came from; none for a file given by path or made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// SBAT entries of an EFI program (`grub,5`), without the header line.
    /// Source: shim's SBAT.md.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sbat: Vec<String>,
}

impl Lock {
    /// The entry of a path below the bootkit.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|f| f.path == path)
    }

    /// The entry of a package.
    pub fn package(&self, name: &str) -> Option<&PackageEntry> {
        self.packages.iter().find(|p| p.name == name)
    }

    /// One id for a set of package digests, whatever their order. Packages verified by apt and
    /// packages given as files make different bootkits: their locks differ.
    pub(super) fn id_of_packages(
        archive_verified: bool,
        digests: impl IntoIterator<Item = Digest>,
    ) -> Digest {
        let mut digests: Vec<_> = digests.into_iter().collect();
        digests.sort_unstable();
        digests.dedup();
        let mut hasher = Hasher::new();
        hasher
            .part(b"bootkit from packages")
            .part(&LOCK_FORMAT.to_le_bytes());
        hasher.part(&[u8::from(archive_verified)]);
        for digest in digests {
            hasher.part(digest.as_bytes());
        }
        hasher.finish()
    }
}
