//! Whether the system that runs is the one a thin medium expects (`farm.expect`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use node_config::system::listing;
use sha2::{Digest as _, Sha256};

/// Read at once: larger than most modules.
const BUFFER_BYTES: usize = 256 * 1024;

/// Digest of the files below `root`, in lower-case hexadecimal. Other file systems mounted below it
/// are left out.
///
/// # Errors
/// A file or directory that cannot be read.
pub fn digest(root: &Path) -> io::Result<String> {
    let device = fs::symlink_metadata(root)?.dev();
    let mut files = BTreeMap::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let path = entry.path();
            if metadata.dev() != device {
                continue;
            }
            if metadata.is_dir() {
                directories.push(path);
            } else if metadata.is_file() {
                let name = path.strip_prefix(root).unwrap_or(&path);
                let sha256 = digest_of(&path, &mut buffer)?;
                files.insert(name.to_string_lossy().into_owned(), sha256);
            }
        }
    }
    Ok(hex::encode(Sha256::digest(listing(&files))))
}

fn digest_of(path: &Path, buffer: &mut [u8]) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_list_of_sha256sum() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("init", "node"),
            ("etc/farmer/node.toml", "farm_id = 1"),
            ("lib/modules/a.ko", "module"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let before = digest(root.path()).unwrap();
        let output = std::process::Command::new("sh")
            .current_dir(root.path())
            .args(["-c", "sha256sum init lib/modules/a.ko | sha256sum"])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(told.split(' ').next(), Some(before.as_str()));

        fs::write(root.path().join("etc/farmer/node.toml"), "farm_id = 2").unwrap();
        assert_eq!(digest(root.path()).unwrap(), before, "a farm's own");
        fs::write(root.path().join("lib/modules/a.ko"), "modulE").unwrap();
        assert_ne!(digest(root.path()).unwrap(), before);
    }
}
