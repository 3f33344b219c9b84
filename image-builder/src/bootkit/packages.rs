//! Single packages beside the bootkit's: firmware and microcode, where the host's apt offers them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::apt::{Apt, AptEnvironment, Lists, Offer};
use super::digest::{Digest, Hasher};
use super::error::BootkitError;
use super::fetch::{AptOptions, bootkits_dir, downloads};
use super::stamps::Stamps;
use super::{Event, Loader, deb, store, suite};

/// Loaders have a few MB.
const LOADER_LIMIT_BYTES: u64 = 64 << 20;
/// A list of offers is short.
const MEMO_LIMIT_BYTES: u64 = 1 << 20;

/// A package that apt offers, fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The package's name.
    pub name: String,
    /// Its file in the cache.
    pub path: PathBuf,
}

/// Fetches those of the named packages that apt offers, and returns them in the order of the names. Package lists are taken as they are: what they do not offer is left out,
/// and nothing is updated for it.
///
/// # Errors
/// As [`super::fetch::from_apt`].
pub fn fetch_offered(
    options: &AptOptions<'_>,
    environment: AptEnvironment<'_>,
    names: &[&str],
    progress: &mut dyn FnMut(Event),
) -> Result<Vec<Fetched>, BootkitError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let cache_dir = options.cache_dir;
    let apt = match options.suite {
        Some(name) => suite::apt_of(cache_dir, name)?,
        None => Apt::new(cache_dir, Lists::Host)?,
    };
    let (apt, offers) = match offers(&apt, environment, cache_dir, names)? {
        // A host whose lists were never fetched: those fetched for the kernel know more.
        none if none.is_empty() && apt.lists() == Lists::Host => {
            let own = Apt::new(cache_dir, Lists::Own)?;
            let offers = if own.has_own_lists() {
                offers(&own, environment, cache_dir, names)?
            } else {
                none
            };
            (own, offers)
        }
        offers => (apt, offers),
    };
    let dir = cache_dir.join("packages");
    store::private_dir(&dir).map_err(BootkitError::io("create", &dir))?;
    let place = |offer: &Offer| dir.join(format!("{}_{}.deb", offer.name, offer.sha256.short()));
    let mut stamps = Stamps::load(&dir);
    let mut is_there = |offer: &&Offer| {
        let found = stamps.digest_of(&place(offer));
        found.is_ok_and(|(sha256, _)| sha256 == offer.sha256)
    };
    let missing: Vec<Offer> = offers.iter().filter(|o| !is_there(o)).cloned().collect();
    stamps.save();
    if !missing.is_empty() {
        progress(Event::Downloading {
            packages: missing.iter().map(|o| o.name.clone()).collect(),
            size_bytes: missing.iter().map(|o| o.size_bytes).sum(),
        });
        let temporary = downloads(cache_dir)?;
        apt.download(temporary.path(), &missing)?;
        take(temporary.path(), &missing, &place)?;
    }
    Ok(offers
        .iter()
        .map(|offer| Fetched {
            name: offer.name.clone(),
            path: place(offer),
        })
        .collect())
}

/// Loaders out of a Debian package that is given as a file, those of `wanted` that it has, and the
/// newest modification time in it (seconds since 1970-01-01 UTC).
///
/// # Errors
/// [`BootkitError::Deb`] for what is no package.
pub fn loaders_of(
    package: &Path,
    wanted: &[Loader],
) -> Result<(Vec<(Loader, Vec<u8>)>, u64), BootkitError> {
    let loader_at = |path: &str| {
        let mut all = wanted.iter().copied();
        all.find(|loader| loader.debian_paths().contains(&path))
    };
    let mut found = Vec::new();
    let (_, newest) = deb::read(
        package,
        &mut |path| loader_at(path).is_some(),
        &mut |_, entry| {
            if entry.size_bytes > LOADER_LIMIT_BYTES {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, entry.path));
            }
            let mut bytes = Vec::with_capacity(entry.size_bytes as usize);
            entry.content.read_to_end(&mut bytes)?;
            found.extend(loader_at(entry.path).map(|loader| (loader, bytes)));
            Ok(())
        },
    )?;
    Ok((found, newest))
}

/// Moves downloaded files to their places, each checked against apt's lists.
fn take(
    dir: &Path,
    wanted: &[Offer],
    place: &dyn Fn(&Offer) -> PathBuf,
) -> Result<(), BootkitError> {
    let mut left: Vec<&Offer> = wanted.iter().collect();
    for entry in fs::read_dir(dir).map_err(BootkitError::io("list", dir))? {
        let path = entry.map_err(BootkitError::io("list", dir))?.path();
        let (sha256, _) = Digest::of_file(&path).map_err(BootkitError::io("read", &path))?;
        if let Some(at) = left.iter().position(|offer| offer.sha256 == sha256) {
            let target = place(left.swap_remove(at));
            fs::rename(&path, &target).map_err(BootkitError::io("create", &target))?;
        }
    }
    match left.first() {
        None => Ok(()),
        Some(offer) => Err(BootkitError::AptFailed {
            command: "apt-get download".into(),
            status: "success".into(),
            messages: format!("it left no file of {} {}", offer.name, offer.version),
        }),
    }
}

/// What apt offers of these; remembered as long as its lists do not change.
fn offers(
    apt: &Apt,
    environment: AptEnvironment<'_>,
    cache_dir: &Path,
    names: &[&str],
) -> Result<Vec<Offer>, BootkitError> {
    let mut key = Hasher::new();
    key.part(b"offers")
        .part(apt.fingerprint(environment)?.as_bytes());
    for name in names {
        key.part(name.as_bytes());
    }
    let known = bootkits_dir(cache_dir).join(".known");
    let memo = known.join(format!("{}.json", key.finish().short()));
    let remembered = store::read_limited(&memo, MEMO_LIMIT_BYTES)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok());
    if let Some(offers) = remembered {
        return Ok(offers);
    }
    let found = apt.offers(names)?;
    let mut found: Vec<Offer> = found.into_iter().filter_map(|(_, offer)| offer).collect();
    found.sort_by_key(|offer| names.iter().position(|name| *name == offer.name));
    found.retain(|offer| names.contains(&offer.name.as_str()));
    store::private_dir(&known).map_err(BootkitError::io("create", &known))?;
    if let Ok(json) = serde_json::to_vec(&found) {
        store::write_atomic(&memo, &json).map_err(BootkitError::io("write", &memo))?;
    }
    Ok(found)
}
