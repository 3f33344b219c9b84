//! Making bootkits: from apt, from package files, from a kernel and its modules.
//!
//! Whatever is already there is used. A bootkit's id follows from the digests of its packages, so a
//! stored one is found by asking apt which versions it offers; and that question is remembered
//! under a fingerprint of apt's lists, so that an unchanged host answers in milliseconds and
//! without network.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub use super::apt::AptEnvironment;
use super::apt::{Apt, Lists, Offer};
use super::deb;
use super::digest::{Digest, Hasher};
use super::error::BootkitError;
use super::lock::Lock;
use super::unpack::{Source, Unpacker};
use super::{Bootkit, Event, KERNEL, Loader, store, suite};
use crate::payload::kernel;

/// The package whose dependency names the current kernel.
const KERNEL_META: &str = "linux-image-amd64";

/// Largest kernel image accepted; Zero-OS kernels carry their initramfs inside.
const KERNEL_LIMIT_BYTES: u64 = 256 << 20;

/// How to fetch with apt.
#[derive(Debug, Clone)]
pub struct AptOptions<'a> {
    /// Directory everything is kept in (`$XDG_CACHE_HOME/farmer`); made 0700 if missing.
    pub cache_dir: &'a Path,
    /// Fetch fresh package lists even if the host's would do, and check every stored file.
    pub refresh: bool,
    /// Debian release to take instead of the host's (`trixie`).
    pub suite: Option<&'a str>,
}

/// Where the bootkits below a cache directory are.
pub fn bootkits_dir(cache_dir: &Path) -> PathBuf {
    cache_dir.join("bootkits")
}

/// Fetches kernel and loaders with the host's own apt configuration, as an ordinary user.
///
/// The host's package lists are used as they are; only if they lack a package, or name one that the
/// mirror no longer has, lists of our own are fetched from the same sources. apt checks the
/// signatures, and the digests are compared once more.
///
/// # Errors
/// [`BootkitError::AptMissing`], [`BootkitError::MissingPackages`], [`BootkitError::AptFailed`] and
/// those of unpacking.
pub fn from_apt(
    options: &AptOptions<'_>,
    progress: &mut dyn FnMut(Event),
) -> Result<Bootkit, BootkitError> {
    from_apt_in(options, AptEnvironment::Unknown, progress)
}

/// [`from_apt`], knowing the environment: an unchanged host then answers without running apt.
///
/// # Errors
/// As [`from_apt`].
pub fn from_apt_in(
    options: &AptOptions<'_>,
    environment: AptEnvironment<'_>,
    progress: &mut dyn FnMut(Event),
) -> Result<Bootkit, BootkitError> {
    if let Some(name) = options.suite {
        return from_suite(options, name, progress);
    }
    let cache_dir = options.cache_dir;
    let host = Apt::new(cache_dir, Lists::Host)?;
    let memo = Memo::new(cache_dir, question(host.fingerprint(environment)?));
    if !options.refresh
        && let Some(kit) = memo.recall(cache_dir, progress)
    {
        return Ok(kit);
    }
    progress(Event::Resolving);
    let (mut apt, mut offers) = if options.refresh {
        let own = Apt::new(cache_dir, Lists::Own)?;
        update(&own, "a refresh was asked for", progress)?;
        let offers = resolve(&own)?;
        (own, offers)
    } else {
        match resolve(&host) {
            Ok(offers) => (host, offers),
            Err(BootkitError::MissingPackages { names }) => {
                resolve_own(cache_dir, &names, progress)?
            }
            Err(e) => return Err(e),
        }
    };
    let id = |offers: &[Offer]| Lock::id_of_packages(true, offers.iter().map(|o| o.sha256));
    if let Some(kit) = reuse(cache_dir, id(&offers), options.refresh, progress) {
        memo.remember(&kit)?;
        return Ok(kit);
    }
    let dir = downloads(cache_dir)?;
    if let Err(error) = download(&apt, &offers, dir.path(), progress) {
        // Old lists name versions that the mirror has replaced since.
        if apt.lists() == Lists::Own {
            return Err(error);
        }
        // If that does not help, the first failure is the one to report.
        let Ok(fresh) = download_fresh(cache_dir, dir.path(), progress) else {
            return Err(error);
        };
        (apt, offers) = fresh;
    }
    let kit = unpack_offers(&apt, &offers, dir.path(), cache_dir, id(&offers), progress)?;
    memo.remember(&kit)?;
    Ok(kit)
}

/// The same from another release than the host's, always with lists of our own.
fn from_suite(
    options: &AptOptions<'_>,
    name: &str,
    progress: &mut dyn FnMut(Event),
) -> Result<Bootkit, BootkitError> {
    let cache_dir = options.cache_dir;
    let apt = suite::apt_of(cache_dir, name)?;
    if options.refresh || !apt.has_own_lists() {
        update(&apt, &format!("those of {name}"), progress)?;
    } else if let Some(kit) = memo_of_suite(cache_dir, &apt)?.recall(cache_dir, progress) {
        return Ok(kit);
    }
    progress(Event::Resolving);
    let mut offers = resolve(&apt)?;
    let id = |offers: &[Offer]| Lock::id_of_packages(true, offers.iter().map(|o| o.sha256));
    let kit = match reuse(cache_dir, id(&offers), options.refresh, progress) {
        Some(kit) => kit,
        None => {
            let dir = downloads(cache_dir)?;
            if download(&apt, &offers, dir.path(), progress).is_err() {
                // Old lists name versions that the mirror has replaced since.
                update(
                    &apt,
                    "they name packages that cannot be downloaded",
                    progress,
                )?;
                offers = resolve(&apt)?;
                download(&apt, &offers, dir.path(), progress)?;
            }
            unpack_offers(&apt, &offers, dir.path(), cache_dir, id(&offers), progress)?
        }
    };
    memo_of_suite(cache_dir, &apt)?.remember(&kit)?;
    Ok(kit)
}

fn memo_of_suite(cache_dir: &Path, apt: &Apt) -> Result<Memo, BootkitError> {
    let lists = apt.fingerprint(AptEnvironment::Unknown)?;
    Ok(Memo::new(cache_dir, question(lists)))
}

/// A directory for downloads, removed with everything in it.
pub(super) fn downloads(cache_dir: &Path) -> Result<tempfile::TempDir, BootkitError> {
    let downloads = cache_dir.join("apt/downloads");
    store::private_dir(&downloads).map_err(BootkitError::io("create", &downloads))?;
    tempfile::tempdir_in(&downloads).map_err(BootkitError::io("create a directory in", &downloads))
}

/// What apt is asked for belongs to the question whose answer is remembered.
fn question(lists: Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.part(b"packages from apt").part(lists.as_bytes());
    for loader in Loader::ALL.into_iter().chain(Loader::OPTIONAL) {
        hasher.part(loader.package().as_bytes());
    }
    hasher.finish()
}

fn update(apt: &Apt, reason: &str, progress: &mut dyn FnMut(Event)) -> Result<(), BootkitError> {
    progress(Event::UpdatingLists {
        reason: reason.to_owned(),
    });
    apt.update()
}

fn download_fresh(
    cache_dir: &Path,
    dir: &Path,
    progress: &mut dyn FnMut(Event),
) -> Result<(Apt, Vec<Offer>), BootkitError> {
    let own = Apt::new(cache_dir, Lists::Own)?;
    let reason = "the host's lists name packages that cannot be downloaded";
    let offers = resolve_updated(&own, reason, progress)?;
    download(&own, &offers, dir, progress)?;
    Ok((own, offers))
}

fn resolve_own(
    cache_dir: &Path,
    missing: &[String],
    progress: &mut dyn FnMut(Event),
) -> Result<(Apt, Vec<Offer>), BootkitError> {
    let own = Apt::new(cache_dir, Lists::Own)?;
    if own.has_own_lists()
        && let Ok(offers) = resolve(&own)
    {
        return Ok((own, offers));
    }
    let reason = format!("the host's lists lack {}", missing.join(", "));
    let offers = resolve_updated(&own, &reason, progress)?;
    Ok((own, offers))
}

/// Updates lists of our own and resolves. One unreachable source among the host's does not matter
/// as long as the others offer everything.
fn resolve_updated(
    own: &Apt,
    reason: &str,
    progress: &mut dyn FnMut(Event),
) -> Result<Vec<Offer>, BootkitError> {
    match (update(own, reason, progress), resolve(own)) {
        (Err(failed), Err(BootkitError::MissingPackages { .. })) => Err(failed),
        (_, offers) => offers,
    }
}

/// The packages a bootkit needs, at the versions apt would install.
fn resolve(apt: &Apt) -> Result<Vec<Offer>, BootkitError> {
    let mut wanted: Vec<&str> = Loader::ALL.map(Loader::package).to_vec();
    wanted.dedup();
    let mut optional = Loader::OPTIONAL.map(Loader::package).to_vec();
    optional.dedup();
    let query: Vec<&str> = wanted
        .iter()
        .chain(&optional)
        .copied()
        .chain([KERNEL_META])
        .collect();
    let mut found = apt.offers(&query)?;
    let meta = found
        .iter()
        .find(|(s, _)| s.get("Package") == Some(KERNEL_META));
    let kernel = meta.and_then(|(stanza, _)| {
        stanza
            .depends_on("Depends")
            .into_iter()
            .find(|d| d.starts_with("linux-image-"))
    });
    let kernel = kernel.map(str::to_owned);
    let mut names: Vec<String> = wanted.iter().map(|&n| n.to_owned()).collect();
    if let Some(kernel) = &kernel {
        found.extend(apt.offers(&[kernel])?);
    }
    names.push(kernel.unwrap_or_else(|| KERNEL_META.to_owned()));
    let mut offers = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        let offer = found
            .iter()
            .filter_map(|(_, o)| o.as_ref())
            .find(|o| o.name == name);
        match offer {
            Some(offer) if name != KERNEL_META => offers.push(offer.clone()),
            _ => missing.push(name),
        }
    }
    let offered = found.iter().filter_map(|(_, offer)| offer.as_ref());
    offers.extend(
        offered
            .filter(|offer| optional.contains(&offer.name.as_str()))
            .cloned(),
    );
    if missing.is_empty() {
        Ok(offers)
    } else {
        Err(BootkitError::MissingPackages { names: missing })
    }
}

fn download(
    apt: &Apt,
    offers: &[Offer],
    dir: &Path,
    progress: &mut dyn FnMut(Event),
) -> Result<(), BootkitError> {
    progress(Event::Downloading {
        packages: offers.iter().map(|o| o.name.clone()).collect(),
        size_bytes: offers.iter().map(|o| o.size_bytes).sum(),
    });
    apt.download(dir, offers)
}

fn unpack_offers(
    apt: &Apt,
    offers: &[Offer],
    dir: &Path,
    cache_dir: &Path,
    id: Digest,
    progress: &mut dyn FnMut(Event),
) -> Result<Bootkit, BootkitError> {
    let names: Vec<_> = offers.iter().map(|o| o.name.as_str()).collect();
    let mut suites = apt.suites(&names)?;
    // File names of packages escape some characters; the control file says what each one is.
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(BootkitError::io("list", dir))? {
        let path = entry.map_err(BootkitError::io("list", dir))?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            files.push((deb::read_info(&path)?, path));
        }
    }
    let mut unpacker = Unpacker::new(&bootkits_dir(cache_dir))?;
    for (number, offer) in (1..).zip(offers) {
        let is_it = |i: &deb::DebInfo| i.package == offer.name && i.version == offer.version;
        let Some((_, path)) = files.iter().find(|(info, _)| is_it(info)) else {
            return Err(BootkitError::AptFailed {
                command: "apt-get download".into(),
                status: "success".into(),
                messages: format!("it left no file of {} {}", offer.name, offer.version),
            });
        };
        let (found, size_bytes) = Digest::of_file(path).map_err(BootkitError::io("read", path))?;
        if found != offer.sha256 {
            return Err(BootkitError::AptDigest {
                package: offer.name.clone(),
                expected: offer.sha256,
                found,
            });
        }
        progress(Event::Unpacking {
            package: offer.name.clone(),
            number,
            total: offers.len(),
        });
        unpacker.add_deb(Source {
            path,
            sha256: found,
            size_bytes,
            suites: suites.remove(&offer.name).unwrap_or_default(),
            archive_verified: true,
        })?;
    }
    let kit = unpacker.finish(&bootkits_dir(cache_dir), Some(id))?;
    Ok(ready(kit, progress))
}

/// Makes a bootkit of package files given by path. They are trusted by their digest only.
///
/// # Errors
/// [`BootkitError::Deb`] names the file that is cut, damaged or no package;
/// [`BootkitError::MissingPart`] what no file contains.
pub fn from_debs(
    paths: &[PathBuf],
    cache_dir: &Path,
    progress: &mut dyn FnMut(Event),
) -> Result<Bootkit, BootkitError> {
    store::private_dir(cache_dir).map_err(BootkitError::io("create", cache_dir))?;
    let mut debs = Vec::new();
    for path in paths {
        // Both for a clear message early, and so that a directory is not hashed.
        deb::read_info(path)?;
        let file = fs::File::open(path);
        let digest = file.and_then(|mut f| Digest::of_reader(&mut f));
        let (sha256, size_bytes) = digest.map_err(BootkitError::io("read", path))?;
        debs.push((path, sha256, size_bytes));
    }
    let id = Lock::id_of_packages(false, debs.iter().map(|d| d.1));
    if let Some(kit) = reuse(cache_dir, id, false, progress) {
        return Ok(kit);
    }
    let mut unpacker = Unpacker::new(&bootkits_dir(cache_dir))?;
    for (number, (path, sha256, size_bytes)) in (1..).zip(debs) {
        let package = path.display().to_string();
        progress(Event::Unpacking {
            package,
            number,
            total: paths.len(),
        });
        unpacker.add_deb(Source {
            path,
            sha256,
            size_bytes,
            suites: Vec::new(),
            archive_verified: false,
        })?;
    }
    let kit = unpacker.finish(&bootkits_dir(cache_dir), Some(id))?;
    Ok(ready(kit, progress))
}

/// Makes a bootkit of a kernel image and its modules directory (`lib/modules/<release>`, or the root
/// it was installed under; none for a kernel with everything built in), with the loaders of another bootkit.
///
/// # Errors
/// [`BootkitError::Kernel`], [`BootkitError::ReleaseMismatch`] when the modules are not the
/// kernel's.
pub fn from_kernel(
    kernel_path: &Path,
    modules_dir: Option<&Path>,
    loaders: &Bootkit,
    cache_dir: &Path,
    progress: &mut dyn FnMut(Event),
) -> Result<Bootkit, BootkitError> {
    store::private_dir(cache_dir).map_err(BootkitError::io("create", cache_dir))?;
    let memo = Memo::new(
        cache_dir,
        kernel_fingerprint(kernel_path, modules_dir, loaders),
    );
    if let Some(kit) = memo.recall(cache_dir, progress) {
        return Ok(kit);
    }
    // The path comes from the user: a link (/vmlinuz) is fine here.
    let real = fs::canonicalize(kernel_path).map_err(BootkitError::io("find", kernel_path))?;
    let image = store::read_limited(&real, KERNEL_LIMIT_BYTES)
        .map_err(BootkitError::io("read", kernel_path))?;
    let info = kernel::inspect(&image).map_err(|source| BootkitError::Kernel {
        path: kernel_path.to_owned(),
        source,
    })?;
    if !info.is_x86_64 {
        return Err(BootkitError::Architecture {
            what: kernel_path.display().to_string(),
            architecture: "another processor (no 64-bit entry point)".into(),
        });
    }
    let mut unpacker = Unpacker::new(&bootkits_dir(cache_dir))?;
    progress(Event::Unpacking {
        package: kernel_path.display().to_string(),
        number: 1,
        total: 2,
    });
    unpacker.add_loaders_of(loaders)?;
    unpacker.add_file(KERNEL, &image, None)?;
    if let Some(dir) = modules_dir {
        progress(Event::Unpacking {
            package: dir.display().to_string(),
            number: 2,
            total: 2,
        });
        let (tree, release) = module_tree(dir, &info.release)?;
        unpacker.add_module_tree(&tree, &release)?;
    }
    let kit = unpacker.finish(&bootkits_dir(cache_dir), None)?;
    memo.remember(&kit)?;
    Ok(ready(kit, progress))
}

/// The directory the modules lie in, and the release it is named after. An installation root
/// (`make modules_install` with INSTALL_MOD_PATH) and `lib/modules` itself are understood too.
fn module_tree(dir: &Path, release: &str) -> Result<(PathBuf, String), BootkitError> {
    for inside in ["lib/modules", "usr/lib/modules", "."] {
        let tree = dir.join(inside).join(release);
        if tree.is_dir() {
            return Ok((tree, release.to_owned()));
        }
    }
    let real = fs::canonicalize(dir).map_err(BootkitError::io("find", dir))?;
    let named = real
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok((real, named))
}

fn ready(kit: Bootkit, progress: &mut dyn FnMut(Event)) -> Bootkit {
    progress(Event::Ready {
        id: kit.id(),
        kernel: kit.kernel_version().to_owned(),
        modules: kit.lock().kernel.modules,
    });
    kit
}

/// The stored bootkit of an id if it is whole. A damaged one is reported and will be replaced.
fn reuse(
    cache_dir: &Path,
    id: Digest,
    verify_all: bool,
    progress: &mut dyn FnMut(Event),
) -> Option<Bootkit> {
    let dir = bootkits_dir(cache_dir).join(id.short());
    let opened = Bootkit::open(&dir).and_then(|kit| {
        if verify_all {
            kit.verify_all()?;
        }
        Ok(kit)
    });
    match opened {
        Ok(kit) if kit.id() == id => {
            progress(Event::Reused { id });
            Some(kit)
        }
        Ok(_) => None,
        Err(BootkitError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            progress(Event::Damaged {
                dir,
                reason: error.to_string(),
            });
            None
        }
    }
}

/// Remembers which bootkit belongs to a fingerprint of inputs.
struct Memo(PathBuf);

impl Memo {
    fn new(cache_dir: &Path, fingerprint: Digest) -> Self {
        Self(
            bootkits_dir(cache_dir)
                .join(".known")
                .join(fingerprint.short()),
        )
    }

    fn recall(&self, cache_dir: &Path, progress: &mut dyn FnMut(Event)) -> Option<Bootkit> {
        let text = store::read_limited(&self.0, 256).ok()?;
        let id = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
        reuse(cache_dir, id, false, progress)
    }

    fn remember(&self, kit: &Bootkit) -> Result<(), BootkitError> {
        if let Some(dir) = self.0.parent() {
            store::private_dir(dir).map_err(BootkitError::io("create", dir))?;
        }
        store::write_atomic(&self.0, format!("{}\n", kit.id()).as_bytes())
            .map_err(BootkitError::io("write", &self.0))
    }
}

/// Names, sizes and change times: as `make` does, content is read only when they differ.
fn kernel_fingerprint(kernel: &Path, modules: Option<&Path>, loaders: &Bootkit) -> Digest {
    let mut hasher = Hasher::new();
    hasher.part(b"kernel by path").part(loaders.id().as_bytes());
    let mut todo = vec![kernel.to_owned()];
    todo.extend(modules.map(Path::to_owned));
    while let Some(path) = todo.pop() {
        hasher.part(path.as_os_str().as_encoded_bytes());
        let top = path == kernel || Some(path.as_path()) == modules;
        let meta = if top {
            fs::metadata(&path)
        } else {
            fs::symlink_metadata(&path)
        };
        let Ok(meta) = meta else { continue };
        for number in [
            meta.len() as i64,
            meta.ctime(),
            meta.ctime_nsec(),
            meta.ino() as i64,
        ] {
            hasher.part(&number.to_le_bytes());
        }
        if meta.is_dir()
            && let Ok(entries) = fs::read_dir(&path)
        {
            let mut children: Vec<_> = entries.flatten().map(|e| e.path()).collect();
            children.sort_unstable();
            todo.extend(children);
        }
    }
    hasher.finish()
}
