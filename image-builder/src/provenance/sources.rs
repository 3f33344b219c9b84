//! The source packages behind the binary ones. Whoever gives an image away must be able to offer the
//! sources of its GPL parts (kernel, GRUB, SYSLINUX), in the versions that are in it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bootkit::PackageEntry;

/// A Debian source package and what was built of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcePackage {
    /// Its name.
    pub source: String,
    /// Its version.
    pub version: String,
    /// Binary packages in the image that were built of it, directly or as `Built-Using` says.
    pub packages: Vec<String>,
    /// The command that fetches it, on a machine with `deb-src` lines.
    pub fetch: String,
}

/// The sources of these packages, by name.
#[must_use]
pub fn of_packages(packages: &[PackageEntry]) -> Vec<SourcePackage> {
    let mut all: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for package in packages {
        let own = parse(&package.source).unwrap_or_else(|| {
            let name = package.source.trim();
            (name.to_owned(), package.version.clone())
        });
        let used = package.built_using.iter().flat_map(|text| text.split(','));
        for source in used.filter_map(parse).chain([own]) {
            let users = all.entry(source).or_default();
            if !users.contains(&package.name) {
                users.push(package.name.clone());
            }
        }
    }
    all.into_iter()
        .map(|((source, version), packages)| SourcePackage {
            fetch: format!("apt-get source {source}={version}"),
            source,
            version,
            packages,
        })
        .collect()
}

/// `name (version)` or `name (= version)`.
fn parse(text: &str) -> Option<(String, String)> {
    let (name, rest) = text.split_once('(')?;
    let version = rest.trim_end().strip_suffix(')')?;
    let version = version.trim_start_matches(['=', ' ']).trim();
    Some((name.trim().to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootkit::Digest;

    #[test]
    fn signed_packages_lead_to_what_they_were_signed_of() {
        let package = |name: &str, source: &str, built_using: Option<&str>| PackageEntry {
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            suites: Vec::new(),
            source: source.to_owned(),
            built_using: built_using.map(str::to_owned),
            sha256: Digest::of(b""),
            size_bytes: 0,
            archive_verified: false,
        };
        let sources = of_packages(&[
            package("isolinux", "syslinux (3:6.04-1)", None),
            package("syslinux-common", "syslinux (3:6.04-1)", None),
            package(
                "linux-image",
                "linux-signed-amd64 (6.1.1+1)",
                Some("linux (= 6.1.1-1)"),
            ),
        ]);
        let told: Vec<_> = sources
            .iter()
            .map(|s| (s.fetch.as_str(), s.packages.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("apt-get source linux=6.1.1-1", 1),
                ("apt-get source linux-signed-amd64=6.1.1+1", 1),
                ("apt-get source syslinux=3:6.04-1", 2),
            ]
        );
    }
}
