//! What a kernel module says about itself in its `.modinfo` section: NUL-separated `key=value`
//! (include/linux/module.h). `depmod` reads the same fields, and `depends=` is complete: modpost
//! computes it from the symbols at build time.

use serde::{Deserialize, Serialize};

/// The fields that decide what else has to be in the initramfs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModInfo {
    /// Modules it uses symbols of, normalised names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// Names or aliases to load before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub soft_pre: Vec<String>,
    /// Names or aliases to load after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub soft_post: Vec<String>,
    /// Names or aliases it may ask for at run time (Linux 6.11 and later).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weak: Vec<String>,
    /// Device and service patterns it answers to, as written (`pci:v00008086d...`, `fs-vfat`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Firmware files it may request, relative to `/lib/firmware`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<String>,
}

impl ModInfo {
    /// Parses the content of a `.modinfo` section.
    pub fn parse(section: &[u8]) -> Self {
        let mut info = Self::default();
        for field in section.split(|&b| b == 0) {
            if let Some((key, value)) = split_field(field) {
                info.add(&key, &value);
            }
        }
        info
    }

    /// Takes one `key=value` field; keys of no interest are ignored.
    pub fn add(&mut self, key: &str, value: &str) {
        let words = || {
            value
                .split([' ', '\t', ',', '\n'])
                .filter(|w| !w.is_empty())
        };
        match key {
            "depends" => self.depends.extend(words().map(normalise)),
            "softdep" => {
                let mut post = false;
                for word in words() {
                    match word {
                        "pre:" => post = false,
                        "post:" => post = true,
                        name if post => self.soft_post.push(name.to_owned()),
                        name => self.soft_pre.push(name.to_owned()),
                    }
                }
            }
            "weakdep" => self.weak.extend(words().map(str::to_owned)),
            "alias" => self.aliases.push(value.to_owned()),
            "firmware" => self.firmware.push(value.to_owned()),
            _ => {}
        }
    }
}

/// Splits `key=value`. A value with control characters would break the line-based index files and
/// terminals, so such a field is dropped.
pub(crate) fn split_field(field: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(field).ok()?;
    let (key, value) = text.split_once('=')?;
    let clean = |s: &str| !s.chars().any(char::is_control);
    (clean(key) && clean(value)).then(|| (key.to_owned(), value.to_owned()))
}

/// A module's name as the kernel writes it: dashes become underscores.
pub fn normalise(name: &str) -> String {
    name.replace('-', "_")
}

/// A module's name from its path: the file name without `.ko` and compression suffix.
pub fn name_of_path(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = strip_compression(file).strip_suffix(".ko")?;
    let plain = stem
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-.+".contains(&b));
    (plain && !stem.is_empty()).then(|| normalise(stem))
}

/// Path without `.xz`, `.zst` or `.gz`.
pub fn strip_compression(path: &str) -> &str {
    [".xz", ".zst", ".gz"]
        .iter()
        .find_map(|s| path.strip_suffix(s))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_interest() {
        let info = ModInfo::parse(
            b"license=GPL\0alias=fs-vfat\0depends=a-b,c\0softdep=pre: x y post: z\0softdep=w\0\
              firmware=bnx2/x.fw\0weakdep=q\0alias=evil\nalias\0depends=\0noequals\0\xff=\xff\0",
        );
        assert_eq!(info.depends, ["a_b", "c"]);
        assert_eq!(info.soft_pre, ["x", "y", "w"]);
        assert_eq!(info.soft_post, ["z"]);
        assert_eq!(info.weak, ["q"]);
        assert_eq!(info.aliases, ["fs-vfat"]);
        assert_eq!(info.firmware, ["bnx2/x.fw"]);
    }

    #[test]
    fn names() {
        assert_eq!(
            name_of_path("kernel/a/crc-t10dif.ko.xz").as_deref(),
            Some("crc_t10dif")
        );
        assert_eq!(name_of_path("kernel/a/x.ko").as_deref(), Some("x"));
        assert_eq!(name_of_path("kernel/a/x.o"), None);
        assert_eq!(name_of_path("kernel/a/b c.ko"), None);
        assert_eq!(name_of_path("kernel/a/.ko"), None);
    }
}
