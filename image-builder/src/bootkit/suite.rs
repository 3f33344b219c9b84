//! Another Debian release than the host's: its sources are the host's own Debian entries with the
//! release's name exchanged, so that mirror, proxy and components stay what they are here.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{Apt, Lists};
use super::error::BootkitError;
use super::store;

/// Names a Debian source can have; `-updates` and the like come behind them.
const RELEASES: [&str; 10] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];
/// Releases that are one suite, without updates and security beside it.
const ROLLING: [&str; 2] = ["sid", "unstable"];
/// Keys of all Debian releases, from the package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with the sources of that release and lists of its own.
pub(super) fn apt_of(cache_dir: &Path, suite: &str) -> Result<Apt, BootkitError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if suite.is_empty() || !suite.bytes().all(plain) || suite.starts_with('-') {
        return Err(BootkitError::Suite {
            suite: suite.escape_debug().to_string(),
            reason: "is not the name of a Debian release".to_owned(),
        });
    }
    let targets = Apt::new(cache_dir, Lists::Host)?.index_targets()?;
    let keyring = Some(Path::new(KEYRING)).filter(|path| path.is_file());
    let text = sources(&targets, suite, keyring).ok_or_else(|| BootkitError::Suite {
        suite: suite.to_owned(),
        reason: "cannot be derived: this host's apt has no Debian entry to take the mirror from"
            .to_owned(),
    })?;
    let root: PathBuf = cache_dir.join("apt").join(format!("suite-{suite}"));
    let lists = root.join("lists/partial");
    store::private_dir(&lists).map_err(BootkitError::io("create", &lists))?;
    let path = root.join("sources.list");
    // Unchanged sources keep their time: it is part of the fingerprint.
    if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        store::write_atomic(&path, text.as_bytes()).map_err(BootkitError::io("write", &path))?;
    }
    Apt::with_sources(cache_dir, root)
}

/// One-line sources (sources.list(5)) of `suite` from lines of `URI|RELEASE|COMPONENT`.
fn sources(targets: &str, suite: &str, keyring: Option<&Path>) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for target in targets.lines() {
        let mut fields = target.split('|');
        let (Some(uri), Some(release), Some(component)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (base, pocket) = match release.split_once('-') {
            Some((base, pocket)) => (base, Some(pocket)),
            None => (release, None),
        };
        let wanted = match pocket {
            None => suite.to_owned(),
            Some(pocket @ ("updates" | "security")) if !ROLLING.contains(&suite) => {
                format!("{suite}-{pocket}")
            }
            Some(_) => continue,
        };
        let clean = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !RELEASES.contains(&base) || ![uri, component].into_iter().all(clean) {
            continue;
        }
        let signed_by = keyring.map_or(String::new(), |path| {
            format!(" signed-by={}", path.display())
        });
        let line = format!("deb [arch=amd64{signed_by}] {uri} {wanted} {component}\n");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.sort_unstable();
    // Updates alone hold no release.
    let is_whole = lines
        .iter()
        .any(|line| line.contains(&format!(" {suite} main")));
    is_whole.then(|| lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_debian_entries_are_taken_over_and_no_others() {
        let targets = "http://m.example/debian/|bookworm|main\n\
                       http://m.example/debian/|bookworm|main\n\
                       http://m.example/debian/|bookworm|non-free-firmware\n\
                       http://m.example/debian/|bookworm-updates|main\n\
                       http://m.example/debian/|bookworm-backports|main\n\
                       http://s.example/security/|bookworm-security|main\n\
                       https://other.example/apt|nodistro|main\n\
                       https://other.example/apt|cloud-sdk-bookworm|main\n";
        assert_eq!(
            sources(targets, "trixie", Some(Path::new("/k.gpg"))).expect("derived"),
            "deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian/ trixie main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian/ trixie non-free-firmware\n\
             deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian/ trixie-updates main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://s.example/security/ trixie-security main\n"
        );
        assert_eq!(
            sources(targets, "sid", None).expect("derived"),
            "deb [arch=amd64] http://m.example/debian/ sid main\n\
             deb [arch=amd64] http://m.example/debian/ sid non-free-firmware\n"
        );
        assert_eq!(
            sources("http://u.example|jammy|main\n", "trixie", None),
            None
        );
        assert_eq!(sources("", "trixie", None), None);
    }
}
