//! A directory or a Debian package as a tree of files to pick from: firmware, microcode.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::PayloadError;
use crate::bootkit::{BootkitError, deb};

/// Larger than any firmware a server needs.
const FILE_LIMIT_BYTES: u64 = 128 << 20;
/// Most entries of a directory tree that are looked at; `linux-firmware` has 5000.
const ENTRIES_LIMIT: usize = 500_000;
/// Links to links that are followed.
const LINKS_LIMIT: usize = 8;

/// Reads the wanted files of a tree by their paths from its root, without a leading `/`. Links to
/// files are followed; links to directories are not.
///
/// # Errors
/// [`PayloadError`] when the tree cannot be read.
pub(super) fn read(
    root: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, PayloadError> {
    let meta = fs::metadata(root).map_err(io_error("find", root))?;
    if meta.is_dir() {
        read_directory(root, wanted)
    } else {
        read_package(root, wanted)
    }
}

fn read_directory(
    root: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, PayloadError> {
    let mut found = BTreeMap::new();
    let mut seen = 0;
    let mut todo = vec![(root.to_owned(), String::new())];
    while let Some((at, prefix)) = todo.pop() {
        for entry in fs::read_dir(&at).map_err(io_error("list", &at))? {
            let entry = entry.map_err(io_error("list", &at))?;
            seen += 1;
            if seen > ENTRIES_LIMIT {
                let source =
                    io::Error::other("it holds more files than any collection of firmware");
                return Err(io_error("search", root)(source));
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = entry.path();
            let kind = entry.file_type().map_err(io_error("read", &path))?;
            let relative = format!("{prefix}{name}");
            if kind.is_dir() {
                todo.push((path, format!("{relative}/")));
            } else if wanted(&relative) && fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
                let bytes = read_file(&path).map_err(io_error("read", &path))?;
                found.insert(relative, bytes);
            }
        }
    }
    Ok(found)
}

/// Reads a file the user chose; a link to it is fine.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn read_package(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, PayloadError> {
    let links: BTreeMap<String, String> = deb::read_links(path)
        .map_err(BootkitError::from)?
        .into_iter()
        .collect();
    // Where each wanted link ends.
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for link in links.keys().filter(|link| wanted(link)) {
        let mut at = link.clone();
        for _ in 0..LINKS_LIMIT {
            match links.get(&at) {
                Some(target) => at = resolve(&at, target),
                None => break,
            }
        }
        ends.entry(at).or_default().push(link.clone());
    }
    let mut found = BTreeMap::new();
    deb::read(
        path,
        &mut |file| wanted(file) || ends.contains_key(file),
        &mut |_, entry| {
            if entry.size_bytes > FILE_LIMIT_BYTES {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, entry.path));
            }
            let mut bytes = Vec::with_capacity(entry.size_bytes as usize);
            entry.content.read_to_end(&mut bytes)?;
            for link in ends.get(entry.path).into_iter().flatten() {
                found.insert(link.clone(), bytes.clone());
            }
            if wanted(entry.path) {
                found.insert(entry.path.to_owned(), bytes);
            }
            Ok(())
        },
    )
    .map_err(BootkitError::from)?;
    Ok(found)
}

/// Where a link at `path` points, from the root; what leads above it stays at the root.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        path.split('/').collect()
    };
    // The link's own name.
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(super) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> PayloadError {
    let path: PathBuf = path.to_owned();
    move |source| PayloadError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_within_the_tree() {
        let link = "lib/firmware/qed/a.bin";
        assert_eq!(resolve(link, "b.bin"), "lib/firmware/qed/b.bin");
        assert_eq!(resolve(link, "../x/./b.bin"), "lib/firmware/x/b.bin");
        assert_eq!(resolve(link, "/usr/lib/b"), "usr/lib/b");
        assert_eq!(resolve(link, "../../../../../etc/passwd"), "etc/passwd");
    }
}
