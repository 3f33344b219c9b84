//! What a thin medium expects of the system it fetches: the digest of its files.
//!
//! The files of an initramfs are listed as `sha256sum` prints them, sorted by path, without those
//! that are a farm's own; the digest of that list names the system. It tells a stale, mixed or
//! damaged system from the one that was meant. Against somebody who replaces the node itself it is
//! no protection: that takes an encrypted connection or Secure Boot.

use std::collections::BTreeMap;

/// Kernel argument with the digest: `sha256:` and 64 hexadecimal digits.
pub const EXPECT_ARGUMENT: &str = "farm.expect";
/// What stands before the digits.
pub const SHA256_PREFIX: &str = "sha256:";
/// The image's settings, relative to the root: the one file that differs between farms.
pub const SETTINGS_FILE: &str = "etc/farmer/node.toml";

/// Whether a regular file is part of the system; `path` is relative to the root.
#[must_use]
pub fn belongs(path: &str) -> bool {
    path != SETTINGS_FILE
}

/// The list whose SHA-256 names the system. Keys are paths relative to the root, values the digests
/// of the files in lower-case hexadecimal.
#[must_use]
pub fn listing(files: &BTreeMap<String, String>) -> String {
    let files = files.iter().filter(|(path, _)| belongs(path));
    files
        .map(|(path, sha256)| format!("{sha256}  {path}\n"))
        .collect()
}

/// The digits of an argument's value, in lower case; `None` if it is no digest.
#[must_use]
pub fn expected(value: &str) -> Option<String> {
    let digits = value.strip_prefix(SHA256_PREFIX).unwrap_or(value);
    let good = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    good.then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_sha256sum_prints_without_the_settings() {
        let files = ["init", "etc/farmer/payload.json", SETTINGS_FILE];
        let files = files.map(|path| (path.to_owned(), "00".repeat(32)));
        let zeros = "0".repeat(64);
        assert_eq!(
            listing(&files.into()),
            format!("{zeros}  etc/farmer/payload.json\n{zeros}  init\n")
        );
    }

    #[test]
    fn digests_are_recognised() {
        let digits = "AB".repeat(32);
        assert_eq!(
            expected(&format!("sha256:{digits}")),
            Some(digits.to_lowercase())
        );
        assert_eq!(expected(&digits), Some(digits.to_lowercase()));
        for bad in ["", "sha256:", "sha256:12", &"g".repeat(64)] {
            assert_eq!(expected(bad), None, "{bad}");
        }
    }
}
