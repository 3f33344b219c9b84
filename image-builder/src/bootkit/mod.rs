//! The bootkit: kernel, modules and boot loaders as one content-addressed directory with a lock
//! file.
//!
//! `image build` uses nothing but a bootkit, so what goes into an image never depends on what
//! happens to be installed. A bootkit is made from the host's apt ([`fetch::from_apt`]), from
//! packages given as files ([`fetch::from_debs`]), or from a kernel and a modules directory
//! ([`fetch::from_kernel`]). Layout of the directory:
//!
//! ```text
//! bootkit.lock              packages, versions, digests (TOML)
//! kernel/vmlinuz            kernel image, byte for byte as shipped
//! kernel/config             its configuration, if the package has it
//! kernel/modules.json       index of the modules: dependencies, aliases, firmware, digests
//! modules.pack              the modules, one zstd frame each
//! efi/*.efi, bios/*         boot loaders
//! copyright/PACKAGE         licence of each package
//! ```
//!
//! Digests are checked at use: kernel and loaders by [`Bootkit::open`] (read again only when they
//! have changed since), the index when it is parsed, each module when it is read.

mod apt;
pub mod archive;
pub mod authenticode;
pub mod control;
pub mod deb;
pub mod digest;
mod error;
pub mod fetch;
mod ipxe;
mod lock;
pub mod pack;
pub mod packages;
pub(crate) mod pe;
pub(crate) mod stamps;
pub(crate) mod store;
mod suite;
mod unpack;

use std::path::{Path, PathBuf};

pub use self::apt::is_there as apt_is_there;
pub use self::digest::Digest;
pub(crate) use self::error::NO_SPACE;
pub use self::error::{BootkitError, ModuleError};
use self::lock::LOCK_LIMIT_BYTES;
pub use self::lock::{FileEntry, KernelEntry, LOCK_FILE, LOCK_FORMAT, Lock, PackageEntry};
pub use self::pack::{ModuleEntry, ModuleStore, PackIndex};
use self::stamps::Stamps;

const KERNEL: &str = "kernel/vmlinuz";
const KERNEL_CONFIG: &str = "kernel/config";
const MODULES_INDEX: &str = "kernel/modules.json";
const MODULES_PACK: &str = "modules.pack";

/// A boot loader file of a bootkit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loader {
    /// shim, signed by Microsoft: `EFI/BOOT/BOOTX64.EFI`.
    Shim,
    /// MokManager, which shim starts to enrol keys: `mmx64.efi`.
    MokManager,
    /// GRUB for disks and CDs, signed by Debian; prefix `/EFI/debian`.
    Grub,
    /// GRUB for network boot, signed by Debian.
    GrubNet,
    /// ISOLINUX for El Torito.
    Isolinux,
    /// isohybrid MBR code, 432 bytes, for a stick whose partition table starts at block 0.
    IsohybridMbr,
    /// Core library that ISOLINUX loads.
    Ldlinux,
    /// Library of the menu.
    Libcom32,
    /// Library of the menu.
    Libutil,
    /// Text menu.
    Menu,
    /// systemd-stub, the program of a unified kernel image. Optional: see [`Loader::OPTIONAL`].
    SystemdStub,
    /// iPXE for BIOS, loaded like a Linux kernel.
    IpxeLkrn,
    /// iPXE for BIOS, loaded by PXE.
    Undionly,
    /// iPXE for UEFI with network drivers of its own.
    IpxeEfi,
    /// iPXE for UEFI that uses the firmware's network driver.
    SnponlyEfi,
}

impl Loader {
    /// Those that every bootkit has.
    pub const ALL: [Self; 10] = [
        Self::Shim,
        Self::MokManager,
        Self::Grub,
        Self::GrubNet,
        Self::Isolinux,
        Self::IsohybridMbr,
        Self::Ldlinux,
        Self::Libcom32,
        Self::Libutil,
        Self::Menu,
    ];

    /// Those that a bootkit has if the packages offered them; only some media need them.
    pub const OPTIONAL: [Self; 5] = [
        Self::SystemdStub,
        Self::IpxeLkrn,
        Self::Undionly,
        Self::IpxeEfi,
        Self::SnponlyEfi,
    ];

    /// Path below the bootkit's directory.
    pub fn path(self) -> &'static str {
        match self {
            Self::Shim => "efi/shimx64.efi",
            Self::MokManager => "efi/mmx64.efi",
            Self::Grub => "efi/grubx64.efi",
            Self::GrubNet => "efi/grubnetx64.efi",
            Self::Isolinux => "bios/isolinux.bin",
            Self::IsohybridMbr => "bios/isohdpfx.bin",
            Self::Ldlinux => "bios/ldlinux.c32",
            Self::Libcom32 => "bios/libcom32.c32",
            Self::Libutil => "bios/libutil.c32",
            Self::Menu => "bios/menu.c32",
            Self::SystemdStub => "efi/linuxx64.efi.stub",
            Self::IpxeLkrn => "bios/ipxe.lkrn",
            Self::Undionly => "bios/undionly.kpxe",
            Self::IpxeEfi => "efi/ipxe.efi",
            Self::SnponlyEfi => "efi/snponly.efi",
        }
    }

    /// Debian package that ships it.
    pub fn package(self) -> &'static str {
        match self {
            Self::Shim => "shim-signed",
            Self::MokManager => "shim-helpers-amd64-signed",
            Self::Grub | Self::GrubNet => "grub-efi-amd64-signed",
            Self::Isolinux | Self::IsohybridMbr => "isolinux",
            Self::Ldlinux | Self::Libcom32 | Self::Libutil | Self::Menu => "syslinux-common",
            Self::SystemdStub => "systemd-boot-efi",
            Self::IpxeLkrn | Self::Undionly | Self::IpxeEfi | Self::SnponlyEfi => "ipxe",
        }
    }

    /// Paths inside that package, of which it has one.
    fn debian_paths(self) -> &'static [&'static str] {
        match self {
            Self::Shim => &["usr/lib/shim/shimx64.efi.signed"],
            Self::MokManager => &["usr/lib/shim/mmx64.efi.signed"],
            Self::Grub => &["usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"],
            Self::GrubNet => &["usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"],
            Self::Isolinux => &["usr/lib/ISOLINUX/isolinux.bin"],
            Self::IsohybridMbr => &["usr/lib/ISOLINUX/isohdpfx.bin"],
            Self::Ldlinux => &["usr/lib/syslinux/modules/bios/ldlinux.c32"],
            Self::Libcom32 => &["usr/lib/syslinux/modules/bios/libcom32.c32"],
            Self::Libutil => &["usr/lib/syslinux/modules/bios/libutil.c32"],
            Self::Menu => &["usr/lib/syslinux/modules/bios/menu.c32"],
            Self::SystemdStub => &["usr/lib/systemd/boot/efi/linuxx64.efi.stub"],
            // Debian 12 has them in /boot, Debian 13 does not.
            Self::IpxeLkrn => &["boot/ipxe.lkrn", "usr/lib/ipxe/ipxe.lkrn"],
            Self::Undionly => &["usr/lib/ipxe/undionly.kpxe"],
            Self::IpxeEfi => &["boot/ipxe.efi", "usr/lib/ipxe/ipxe-amd64.efi"],
            Self::SnponlyEfi => &["usr/lib/ipxe/snponly.efi"],
        }
    }
}

/// Progress of making a bootkit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A complete bootkit was already there; nothing was fetched.
    Reused {
        /// Its id.
        id: Digest,
    },
    /// A stored bootkit was damaged and is made anew.
    Damaged {
        /// Its directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Asking apt which versions there are (no network).
    Resolving,
    /// apt refreshes package lists of our own (network).
    UpdatingLists {
        /// Why the host's lists do not do.
        reason: String,
    },
    /// apt downloads packages (network).
    Downloading {
        /// Their names.
        packages: Vec<String>,
        /// Sum of their sizes.
        size_bytes: u64,
    },
    /// A package is being unpacked.
    Unpacking {
        /// Its name or path.
        package: String,
        /// Its place among `total`, from 1.
        number: usize,
        /// How many there are.
        total: usize,
    },
    /// The bootkit is complete.
    Ready {
        /// Its id.
        id: Digest,
        /// Kernel release.
        kernel: String,
        /// Number of modules.
        modules: u32,
    },
}

/// A bootkit whose kernel and loaders were checked against its lock.
#[derive(Debug, Clone)]
pub struct Bootkit {
    dir: PathBuf,
    lock: Lock,
}

impl Bootkit {
    /// Opens a bootkit directory and checks the digests of kernel, loaders and index.
    ///
    /// # Errors
    /// [`BootkitError::Changed`] names the file that differs from the lock.
    pub fn open(dir: &Path) -> Result<Self, BootkitError> {
        let lock = lock::read(&dir.join(LOCK_FILE))?;
        let kit = Self {
            dir: dir.to_owned(),
            lock,
        };
        let mut stamps = Stamps::load(dir);
        kit.check(&|path| path != MODULES_PACK, &mut |path| {
            stamps.digest_of(path)
        })?;
        stamps.save();
        for (path, package) in Loader::ALL
            .map(|l| (l.path(), l.package()))
            .into_iter()
            .chain([
                (KERNEL, "linux-image-amd64"),
                (MODULES_INDEX, "linux-image-amd64"),
            ])
        {
            if kit.lock.file(path).is_none() {
                return Err(BootkitError::MissingPart {
                    part: path.to_owned(),
                    package,
                });
            }
        }
        Ok(kit)
    }

    /// Checks every file, the module pack included.
    ///
    /// # Errors
    /// As [`Bootkit::open`].
    pub fn verify_all(&self) -> Result<(), BootkitError> {
        self.check(&|_| true, &mut Digest::of_file)
    }

    fn check(
        &self,
        which: &dyn Fn(&str) -> bool,
        digest_of: &mut dyn FnMut(&Path) -> std::io::Result<(Digest, u64)>,
    ) -> Result<(), BootkitError> {
        for file in self.lock.files.iter().filter(|f| which(&f.path)) {
            let path = self.path_of(file)?;
            let (found, _) = digest_of(&path).map_err(BootkitError::io("read", &path))?;
            if found != file.sha256 {
                return Err(BootkitError::Changed {
                    path,
                    expected: file.sha256,
                    found,
                });
            }
        }
        Ok(())
    }

    /// A lock may come from elsewhere: its paths must stay inside the directory.
    fn path_of(&self, file: &FileEntry) -> Result<PathBuf, BootkitError> {
        let plain = |c: &str| !c.is_empty() && c != "." && c != "..";
        if !file.path.split('/').all(plain) {
            return Err(BootkitError::Malformed {
                path: self.dir.join(LOCK_FILE),
                reason: format!("unsafe path {:?}", file.path),
            });
        }
        Ok(self.dir.join(&file.path))
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, BootkitError> {
        let full = self.dir.join(path);
        store::read_limited(&full, 256 << 20).map_err(BootkitError::io("read", &full))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its lock.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Its content address.
    pub fn id(&self) -> Digest {
        self.lock.id
    }

    /// Kernel release (`uname -r`).
    pub fn kernel_version(&self) -> &str {
        &self.lock.kernel.version
    }

    /// Path of the kernel image.
    pub fn kernel(&self) -> PathBuf {
        self.dir.join(KERNEL)
    }

    /// Path of the kernel's configuration, if it came with one.
    pub fn kernel_config(&self) -> Option<PathBuf> {
        self.lock
            .file(KERNEL_CONFIG)
            .map(|f| self.dir.join(&f.path))
    }

    /// The copyright file of a package, as its package shipped it.
    pub fn copyright(&self, package: &str) -> Option<String> {
        let file = self.lock.file(&format!("copyright/{package}"))?;
        let path = self.path_of(file).ok()?;
        let bytes = store::read_limited(&path, LOCK_LIMIT_BYTES).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Path of a loader.
    pub fn loader(&self, loader: Loader) -> PathBuf {
        self.dir.join(loader.path())
    }

    /// The lock's entry of the kernel image.
    pub fn kernel_entry(&self) -> Option<&FileEntry> {
        self.lock.file(KERNEL)
    }

    /// The lock's entry of a loader: digest, size, SBAT generations.
    pub fn loader_entry(&self, loader: Loader) -> Option<&FileEntry> {
        self.lock.file(loader.path())
    }

    /// Digest that stands for the content of all modules.
    pub fn modules_digest(&self) -> Option<Digest> {
        self.lock.file(MODULES_INDEX).map(|f| f.sha256)
    }

    /// The modules.
    ///
    /// # Errors
    /// [`BootkitError::Changed`], [`BootkitError::Malformed`], [`BootkitError::Io`].
    pub fn modules(&self) -> Result<ModuleStore, BootkitError> {
        let entry = self
            .lock
            .file(MODULES_INDEX)
            .ok_or_else(|| BootkitError::MissingPart {
                part: MODULES_INDEX.into(),
                package: "linux-image-amd64",
            })?;
        ModuleStore::open(
            &self.dir.join(&entry.path),
            entry.sha256,
            &self.dir.join(MODULES_PACK),
        )
    }
}

/// The bootkit somebody means: the beginning of a stored one's id, a directory, or an exported file,
/// which is imported.
///
/// # Errors
/// [`BootkitError::Unknown`], and those of [`Bootkit::open`] and [`archive::import`].
pub fn find(wanted: &str, cache_dir: &Path) -> Result<Bootkit, BootkitError> {
    let path = Path::new(wanted);
    if path.is_file() {
        return archive::import(path, cache_dir);
    }
    if path.is_dir() {
        return Bootkit::open(path);
    }
    let kits = stored(cache_dir);
    let is_meant = |kit: &&Bootkit| wanted.len() >= 4 && kit.id().to_string().starts_with(wanted);
    if let Some(kit) = kits.iter().find(is_meant) {
        return Ok(kit.clone());
    }
    Err(BootkitError::Unknown {
        wanted: wanted.to_owned(),
        stored: kits.iter().map(|kit| kit.id().short()).collect(),
    })
}

/// Directories of all bootkits stored below a cache directory, whole or not, by name.
pub fn stored_dirs(cache_dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(fetch::bootkits_dir(cache_dir)) else {
        return Vec::new();
    };
    let mut dirs: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
        .map(|e| e.path())
        .collect();
    dirs.sort_unstable();
    dirs
}

/// Bootkits stored below a cache directory that open cleanly, newest payload first.
pub fn stored(cache_dir: &Path) -> Vec<Bootkit> {
    let mut kits: Vec<_> = stored_dirs(cache_dir)
        .iter()
        .filter_map(|dir| Bootkit::open(dir).ok())
        .collect();
    kits.sort_by_key(|k| (std::cmp::Reverse(k.lock.newest_mtime_unix_s), k.lock.id));
    kits
}
