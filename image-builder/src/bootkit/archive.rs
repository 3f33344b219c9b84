//! A bootkit as one file, to be carried to hosts without apt or without network: a tar archive in a
//! zstd frame, the lock first, then the files in the lock's order. The same bootkit always gives the
//! same bytes.

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use super::digest::{Digest, HashingWriter};
use super::error::BootkitError;
use super::fetch::bootkits_dir;
use super::lock::LOCK_FILE;
use super::{Bootkit, LOCK_LIMIT_BYTES, store};

/// Nearly everything is compressed already.
const LEVEL: i32 = 1;
/// No single file of a bootkit comes near (the module pack has 100 MB).
const FILE_LIMIT_BYTES: u64 = 2 << 30;
/// A bootkit has 30 files.
const FILES_LIMIT: usize = 10_000;

/// Writes a bootkit to `path`, replacing what is there; returns digest and length of the file.
/// Every file is checked against the lock before.
///
/// # Errors
/// [`BootkitError::Changed`], [`BootkitError::Io`].
pub fn export(kit: &Bootkit, path: &Path) -> Result<(Digest, u64), BootkitError> {
    kit.verify_all()?;
    let error = || BootkitError::io("write", path);
    let file = store::AtomicFile::create(path).map_err(error())?;
    let hashing = HashingWriter::new(BufWriter::with_capacity(1 << 20, file));
    let mut encoder = zstd::Encoder::new(hashing, LEVEL).map_err(error())?;
    encoder.include_checksum(true).map_err(error())?;
    let mut archive = tar::Builder::new(encoder);
    let lock = kit.dir().join(LOCK_FILE);
    let text =
        store::read_limited(&lock, LOCK_LIMIT_BYTES).map_err(BootkitError::io("read", &lock))?;
    let mtime = kit.lock().newest_mtime_unix_s;
    append(&mut archive, LOCK_FILE, text.len() as u64, mtime, &text[..]).map_err(error())?;
    for entry in &kit.lock().files {
        let source = kit.path_of(entry)?;
        let content = store::open_regular(&source).map_err(BootkitError::io("read", &source))?;
        let reader = BufReader::new(content);
        append(&mut archive, &entry.path, entry.size_bytes, mtime, reader).map_err(error())?;
    }
    let encoder = archive.into_inner().map_err(error())?;
    let (buffered, sha256, size_bytes) = encoder.finish().map_err(error())?.finish();
    let file = buffered.into_inner().map_err(|e| error()(e.into_error()))?;
    file.commit().map_err(error())?;
    Ok((sha256, size_bytes))
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    size_bytes: u64,
    mtime_unix_s: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size_bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime_unix_s);
    archive.append_data(&mut header, path, content)
}

/// Takes an exported bootkit into the cache. What it holds is checked against its own lock; that
/// the lock is the one that was exported is for the sha256 of the file to say.
///
/// An imported bootkit lies beside those that apt made here and is never taken for one of them: it
/// is used when it is named.
///
/// # Errors
/// [`BootkitError::Archive`] when it is none, is cut, or holds what a bootkit does not;
/// [`BootkitError::Changed`], [`BootkitError::Format`], [`BootkitError::Io`].
pub fn import(path: &Path, cache_dir: &Path) -> Result<Bootkit, BootkitError> {
    let refuse = |reason: String| BootkitError::Archive {
        path: path.to_owned(),
        reason,
    };
    let unreadable = |error: io::Error| refuse(format!("it cannot be read: {error}"));
    let file = fs::File::open(path).map_err(BootkitError::io("open", path))?;
    let decoder = zstd::Decoder::new(file).map_err(unreadable)?;
    let mut archive = tar::Archive::new(decoder);
    let dir = bootkits_dir(cache_dir);
    store::private_dir(&dir).map_err(BootkitError::io("create", &dir))?;
    let staging = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(&dir)
        .map_err(BootkitError::io("create a directory in", &dir))?;
    let mut files = 0;
    let mut target = None;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.into_owned();
        let name = name.to_str().unwrap_or_default().to_owned();
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        if !entry.header().entry_type().is_file() || !name.split('/').all(plain) {
            return Err(refuse(format!("it holds {name:?}, which is no plain file")));
        }
        let limit = if files == 0 {
            LOCK_LIMIT_BYTES
        } else {
            FILE_LIMIT_BYTES
        };
        if (files == 0) != (name == LOCK_FILE) {
            return Err(refuse(format!(
                "it is no bootkit: {name:?} is out of place"
            )));
        }
        files += 1;
        if entry.size() > limit || files > FILES_LIMIT {
            return Err(refuse(format!("{name:?} is larger than any of a bootkit")));
        }
        let place = staging.path().join(&name);
        if let Some(parent) = place.parent() {
            store::private_dir(parent).map_err(BootkitError::io("create", parent))?;
        }
        let write = || BootkitError::io("write", &place);
        let mut out = store::AtomicFile::create(&place).map_err(write())?;
        let mut buf = vec![0; 1 << 20];
        loop {
            let read = entry.read(&mut buf).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            out.write_all(&buf[..read]).map_err(write())?;
        }
        out.commit().map_err(write())?;
        if files == 1 {
            let lock = super::lock::read(&place)?;
            let known = dir.join(format!("imported-{}", lock.id.short()));
            // The same one again costs the reading of its lock.
            if let Ok(kit) = Bootkit::open(&known)
                && *kit.lock() == lock
            {
                return Ok(kit);
            }
            target = Some((lock, known));
        }
    }
    // The checksum stands behind the end of the tar archive.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    let Some((lock, target)) = target else {
        return Err(refuse("it is empty".to_owned()));
    };
    if files != lock.files.len() + 1 {
        let (has, wants) = (files - 1, lock.files.len());
        return Err(refuse(format!("it has {has} of {wants} files")));
    }
    Bootkit::open(staging.path())?.verify_all()?;
    match fs::remove_dir_all(&target) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(BootkitError::io("replace", &target)(e));
        }
        _ => {}
    }
    fs::rename(staging.path(), &target).map_err(BootkitError::io("create", &target))?;
    // The directory has moved; there is nothing left to clean up.
    let _ = staging.keep();
    Bootkit::open(&target)
}
