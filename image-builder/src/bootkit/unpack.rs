//! Turning packages, or a kernel and a modules directory, into a bootkit directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::deb::{self, DebEntry};
use super::digest::{Digest, Hasher};
use super::error::BootkitError;
use super::lock::{FileEntry, KernelEntry, LOCK_FILE, LOCK_FORMAT, Lock, PackageEntry};
use super::pack::{MODULE_LIMIT_BYTES, PackIndex, PackWriter};
use super::{Bootkit, KERNEL, KERNEL_CONFIG, Loader, MODULES_INDEX, MODULES_PACK, pe, store};
use crate::payload::kernel;
use crate::payload::modules::modinfo;

/// Kernels and loaders are below 20 MB each; this leaves room for one with a built-in initramfs.
const PART_LIMIT_BYTES: u64 = 256 << 20;

/// Collects parts in a directory of its own and becomes a bootkit in one rename.
pub(super) struct Unpacker {
    staging: TempDir,
    files: Vec<FileEntry>,
    packages: Vec<PackageEntry>,
    newest_mtime_unix_s: u64,
    kernel_from_package: bool,
    modules_release: Option<String>,
    pack: PackWriter,
    index: PackIndex,
    /// An error of ours met inside the package reader's callback, which speaks `io::Error` only.
    pending: Option<BootkitError>,
}

/// A package to unpack and how far it is trusted.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) sha256: Digest,
    pub(super) size_bytes: u64,
    pub(super) suites: Vec<String>,
    pub(super) archive_verified: bool,
}

/// Where a package's file goes.
enum Part {
    Kernel,
    KernelConfig,
    Builtin,
    BuiltinModinfo,
    Module { release: String, path: String },
    File(String),
}

impl Unpacker {
    pub(super) fn new(bootkits_dir: &Path) -> Result<Self, BootkitError> {
        store::private_dir(bootkits_dir).map_err(BootkitError::io("create", bootkits_dir))?;
        let staging = tempfile::Builder::new()
            .prefix(".tmp-")
            .tempdir_in(bootkits_dir)
            .map_err(BootkitError::io("create a directory in", bootkits_dir))?;
        let pack = PackWriter::create(&staging.path().join(MODULES_PACK))?;
        Ok(Self {
            staging,
            files: Vec::new(),
            packages: Vec::new(),
            newest_mtime_unix_s: 0,
            kernel_from_package: false,
            modules_release: None,
            pack,
            index: PackIndex::default(),
            pending: None,
        })
    }

    /// Unpacks the wanted parts of a package.
    pub(super) fn add_deb(&mut self, source: Source<'_>) -> Result<(), BootkitError> {
        let info = deb::read_info(source.path)?;
        if info.architecture != "amd64" && info.architecture != "all" {
            return Err(BootkitError::Architecture {
                what: format!("package {}", info.package),
                architecture: info.architecture,
            });
        }
        let doc = format!("usr/share/doc/{}/copyright", info.package);
        let result = deb::read(
            source.path,
            &mut |path| path == doc || part_of(path).is_some(),
            &mut |info, entry| {
                let part = if entry.path == doc {
                    Some(Part::File(format!("copyright/{}", info.package)))
                } else {
                    part_of(entry.path)
                };
                let Some(part) = part else { return Ok(()) };
                self.add_part(part, entry, &info.package)
            },
        );
        let newest = match (self.pending.take(), result) {
            (Some(error), _) => return Err(error),
            (None, result) => result?.1,
        };
        self.newest_mtime_unix_s = self.newest_mtime_unix_s.max(newest);
        self.packages.push(PackageEntry {
            name: info.package,
            version: info.version,
            architecture: info.architecture,
            suites: source.suites,
            source: info.source,
            built_using: info.built_using,
            sha256: source.sha256,
            size_bytes: source.size_bytes,
            archive_verified: source.archive_verified,
        });
        Ok(())
    }

    fn add_part(&mut self, part: Part, entry: DebEntry<'_>, package: &str) -> io::Result<()> {
        if entry.size_bytes > PART_LIMIT_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, entry.path));
        }
        let mut bytes = Vec::with_capacity(entry.size_bytes as usize);
        entry.content.read_to_end(&mut bytes)?;
        let outcome = match part {
            Part::Kernel => {
                self.kernel_from_package = true;
                self.add_file(KERNEL, &bytes, Some(package))
            }
            Part::KernelConfig => self.add_file(KERNEL_CONFIG, &bytes, Some(package)),
            Part::File(path) => self.add_file(&path, &bytes, Some(package)),
            Part::Builtin => {
                self.index.add_builtin(&String::from_utf8_lossy(&bytes));
                Ok(())
            }
            Part::BuiltinModinfo => {
                self.index.add_builtin_modinfo(&bytes);
                Ok(())
            }
            Part::Module { release, path } => self
                .set_modules_release(&release)
                .and_then(|()| self.pack.add(&path, bytes)),
        };
        outcome.map_err(|error| {
            self.pending = Some(error);
            io::Error::other("stopped")
        })
    }

    fn set_modules_release(&mut self, release: &str) -> Result<(), BootkitError> {
        match &self.modules_release {
            Some(known) if known != release => Err(BootkitError::Duplicate {
                path: "lib/modules".into(),
                first: known.clone(),
                second: release.to_owned(),
            }),
            Some(_) => Ok(()),
            None => {
                self.modules_release = Some(release.to_owned());
                Ok(())
            }
        }
    }

    /// Stores one part under its path in the bootkit.
    pub(super) fn add_file(
        &mut self,
        path: &str,
        bytes: &[u8],
        package: Option<&str>,
    ) -> Result<(), BootkitError> {
        if let Some(known) = self.files.iter().find(|f| f.path == path) {
            let name = |p: Option<&str>| p.unwrap_or("a file given by path").to_owned();
            return Err(BootkitError::Duplicate {
                path: path.to_owned(),
                first: name(known.package.as_deref()),
                second: name(package),
            });
        }
        let target = self.staging.path().join(path);
        if let Some(parent) = target.parent() {
            store::private_dir(parent).map_err(BootkitError::io("create", parent))?;
        }
        store::write_atomic(&target, bytes).map_err(BootkitError::io("write", &target))?;
        self.files.push(FileEntry {
            path: path.to_owned(),
            sha256: Digest::of(bytes),
            size_bytes: bytes.len() as u64,
            package: package.map(str::to_owned),
            sbat: if path.starts_with("efi/") {
                pe::sbat_entries(bytes)
            } else {
                Vec::new()
            },
        });
        Ok(())
    }

    /// Takes a modules directory (`lib/modules/<release>`), in name order.
    pub(super) fn add_module_tree(
        &mut self,
        dir: &Path,
        release: &str,
    ) -> Result<(), BootkitError> {
        self.set_modules_release(release)?;
        for (path, file) in module_files(dir)? {
            let bytes = store::read_limited(&file, MODULE_LIMIT_BYTES)
                .map_err(BootkitError::io("read", &file))?;
            self.pack.add(&path, bytes)?;
        }
        let read_optional = |name: &str| {
            let path = dir.join(name);
            match store::read_limited(&path, 64 << 20) {
                Ok(bytes) => Ok(bytes),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(e) => Err(BootkitError::io("read", &path)(e)),
            }
        };
        let builtin = read_optional("modules.builtin")?;
        self.index.add_builtin(&String::from_utf8_lossy(&builtin));
        self.index
            .add_builtin_modinfo(&read_optional("modules.builtin.modinfo")?);
        Ok(())
    }

    /// Takes loaders and package records of another bootkit.
    pub(super) fn add_loaders_of(&mut self, base: &Bootkit) -> Result<(), BootkitError> {
        for file in &base.lock().files {
            let ours = ["efi/", "bios/", "copyright/"]
                .iter()
                .any(|p| file.path.starts_with(p));
            // Not the copyright of a kernel that is not taken along.
            let kernel = base.lock().file(KERNEL).and_then(|k| k.package.as_ref());
            if ours && (file.package.is_none() || file.package.as_ref() != kernel) {
                let bytes = base.read_file(&file.path)?;
                self.add_file(&file.path, &bytes, file.package.as_deref())?;
                let package = file.package.as_ref().and_then(|p| base.lock().package(p));
                if let Some(package) = package
                    && !self.packages.contains(package)
                {
                    self.packages.push(package.clone());
                }
            }
        }
        self.newest_mtime_unix_s = base.lock().newest_mtime_unix_s;
        Ok(())
    }

    /// Checks completeness, writes index and lock, and gives the directory its name
    /// `<bootkits_dir>/<id>`. An existing bootkit of that id is replaced. Without an id given, it is
    /// derived from the content.
    pub(super) fn finish(
        mut self,
        bootkits_dir: &Path,
        id: Option<Digest>,
    ) -> Result<Bootkit, BootkitError> {
        let (mut modules, sha256, size_bytes) = self.pack.finish()?;
        for loader in Loader::ALL {
            if !self.files.iter().any(|f| f.path == loader.path()) {
                let part = loader.path().to_owned();
                return Err(BootkitError::MissingPart {
                    part,
                    package: loader.package(),
                });
            }
        }
        let kernel_path = self.staging.path().join(KERNEL);
        let kernel = store::read_limited(&kernel_path, PART_LIMIT_BYTES).map_err(|_| {
            BootkitError::MissingPart {
                part: "kernel".into(),
                package: "linux-image-amd64",
            }
        })?;
        let kernel_error = |source| BootkitError::Kernel {
            path: KERNEL.into(),
            source,
        };
        let info = kernel::inspect(&kernel).map_err(kernel_error)?;
        if let Some(release) = self.modules_release.take()
            && release != info.release
        {
            return Err(BootkitError::ReleaseMismatch {
                kernel: info.release,
                modules: release,
            });
        }
        if self.kernel_from_package && modules.is_empty() {
            let part = format!("modules of kernel {}", info.release);
            return Err(BootkitError::MissingPart {
                part,
                package: "linux-image-amd64",
            });
        }
        modules.sort_by(|a, b| a.path.cmp(&b.path));
        let mut names: Vec<_> = modules.iter().map(|m| (&m.name, &m.path)).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|w| w[0].0 == w[1].0) {
            return Err(BootkitError::Duplicate {
                path: format!("module {}", pair[0].0),
                first: pair[0].1.clone(),
                second: pair[1].1.clone(),
            });
        }
        let count = modules.len() as u32;
        self.index.modules = modules;
        self.files.push(FileEntry {
            path: MODULES_PACK.into(),
            sha256,
            size_bytes,
            package: None,
            sbat: Vec::new(),
        });
        let index = serde_json::to_vec(&self.index).map_err(|e| BootkitError::Malformed {
            path: MODULES_INDEX.into(),
            reason: e.to_string(),
        })?;
        self.add_file(MODULES_INDEX, &index, None)?;
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.packages.sort_by(|a, b| a.name.cmp(&b.name));
        let lock = Lock {
            format: LOCK_FORMAT,
            id: id.unwrap_or_else(|| id_of_content(&self.files)),
            newest_mtime_unix_s: self.newest_mtime_unix_s,
            kernel: KernelEntry {
                version: info.release,
                from_package: self.kernel_from_package,
                modules: count,
            },
            packages: std::mem::take(&mut self.packages),
            files: std::mem::take(&mut self.files),
        };
        self.publish(bootkits_dir, &lock)
    }

    fn publish(self, bootkits_dir: &Path, lock: &Lock) -> Result<Bootkit, BootkitError> {
        let lock_path = self.staging.path().join(LOCK_FILE);
        let text = toml::to_string(lock).map_err(|e| BootkitError::Malformed {
            path: lock_path.clone(),
            reason: e.to_string(),
        })?;
        store::write_atomic(&lock_path, text.as_bytes())
            .map_err(BootkitError::io("write", &lock_path))?;
        let target = bootkits_dir.join(lock.id.short());
        match fs::remove_dir_all(&target) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(BootkitError::io("replace", &target)(e));
            }
            _ => {}
        }
        match fs::rename(self.staging.path(), &target) {
            Ok(()) => {
                // The directory has moved; there is nothing left to clean up.
                let _ = self.staging.keep();
            }
            // Another process published the same content in between.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(e) => return Err(BootkitError::io("create", &target)(e)),
        }
        Bootkit::open(&target)
    }
}

fn id_of_content(files: &[FileEntry]) -> Digest {
    let mut hasher = Hasher::new();
    hasher
        .part(b"bootkit from files")
        .part(&LOCK_FORMAT.to_le_bytes());
    for file in files {
        hasher
            .part(file.path.as_bytes())
            .part(file.sha256.as_bytes());
    }
    hasher.finish()
}

fn part_of(path: &str) -> Option<Part> {
    if let Some(release) = path.strip_prefix("boot/vmlinuz-") {
        return (!release.contains('/')).then_some(Part::Kernel);
    }
    if path
        .strip_prefix("boot/config-")
        .is_some_and(|r| !r.contains('/'))
    {
        return Some(Part::KernelConfig);
    }
    // Debian 13 merged /lib into /usr/lib in its packages.
    if let Some(rest) = path
        .strip_prefix("usr/")
        .unwrap_or(path)
        .strip_prefix("lib/modules/")
    {
        let (release, rest) = rest.split_once('/')?;
        return match rest {
            "modules.builtin" => Some(Part::Builtin),
            "modules.builtin.modinfo" => Some(Part::BuiltinModinfo),
            _ if modinfo::name_of_path(rest).is_some() => Some(Part::Module {
                release: release.to_owned(),
                path: rest.to_owned(),
            }),
            _ => None,
        };
    }
    let loader = Loader::ALL
        .into_iter()
        .chain(Loader::OPTIONAL)
        .find(|l| l.debian_paths().contains(&path))?;
    Some(Part::File(loader.path().to_owned()))
}

/// Modules below a directory as (relative path, file), sorted. Links (`build`, `source`) are not
/// followed.
fn module_files(dir: &Path) -> Result<Vec<(String, PathBuf)>, BootkitError> {
    let mut found = Vec::new();
    let mut todo = vec![(dir.to_owned(), String::new())];
    while let Some((at, prefix)) = todo.pop() {
        let error = || BootkitError::io("list", &at);
        for entry in fs::read_dir(&at).map_err(error())? {
            let entry = entry.map_err(error())?;
            let kind = entry.file_type().map_err(error())?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let relative = format!("{prefix}{name}");
            if kind.is_dir() {
                todo.push((entry.path(), format!("{relative}/")));
            } else if kind.is_file() && modinfo::name_of_path(&relative).is_some() {
                found.push((relative, entry.path()));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
