//! The host's apt as a sub-process: its sources, its keys, its proxies; no root, and nothing on
//! the host changes.
//!
//! apt gets a cache directory of ours (apt.conf(5), `Dir::Cache`), and for lists that the host lacks
//! a state directory of ours too. Hooks of the host are cleared: they expect root. The file with
//! `#clear` is given with `-c`, which is read after the host's configuration; `APT_CONFIG` is read
//! before it and could clear nothing. Signature checks stay on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::control::Stanza;
use super::digest::{Digest, Hasher};
use super::error::BootkitError;
use super::store;

/// Read after the host's configuration. `update` needs neither translations nor the indexes of
/// software centres.
const CONFIG: &str = r#"// Written by image-builder; read after the host's own configuration.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-hidpi::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-large::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
APT::Color "false";
"#;

/// Which package lists apt looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// The host's, as its administrator last updated them.
    Host,
    /// A copy of our own, made from the host's sources.
    Own,
    /// Lists of sources of our own.
    OwnSources,
}

/// A package version that apt can download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: Digest,
    pub(super) size_bytes: u64,
}

/// Whether this host has apt.
pub fn is_there() -> bool {
    let mut command = Command::new("apt-get");
    command.arg("--version").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(super) struct Apt {
    root: PathBuf,
    lists: Lists,
    /// Directory with `sources.list` and `lists/`, for [`Lists::OwnSources`].
    sources: PathBuf,
}

impl Apt {
    /// Prepares apt's directories below `<cache_dir>/apt`.
    pub(super) fn new(cache_dir: &Path, lists: Lists) -> Result<Self, BootkitError> {
        let root = cache_dir.join("apt");
        for dir in ["cache/archives/partial", "state/lists/partial"] {
            let dir = root.join(dir);
            store::private_dir(&dir).map_err(BootkitError::io("create", &dir))?;
        }
        let config = root.join("apt.conf");
        if store::read_limited(&config, CONFIG.len() as u64)
            .ok()
            .as_deref()
            != Some(CONFIG.as_bytes())
        {
            store::write_atomic(&config, CONFIG.as_bytes())
                .map_err(BootkitError::io("write", &config))?;
        }
        Ok(Self {
            sources: root.clone(),
            root,
            lists,
        })
    }

    /// apt with `sources.list` and `lists/` below `sources` instead of the host's.
    pub(super) fn with_sources(cache_dir: &Path, sources: PathBuf) -> Result<Self, BootkitError> {
        let apt = Self::new(cache_dir, Lists::OwnSources)?;
        Ok(Self { sources, ..apt })
    }

    /// The host's package indexes, one `URI|RELEASE|COMPONENT` a line (no network).
    pub(super) fn index_targets(&self) -> Result<String, BootkitError> {
        let format = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)";
        let args = ["indextargets", "--format", format, "Created-By: Packages"];
        self.run("apt-get", &args, None)
    }

    pub(super) fn lists(&self) -> Lists {
        self.lists
    }

    /// Whether `update` was ever run on lists of our own.
    pub(super) fn has_own_lists(&self) -> bool {
        let lists = match self.lists {
            Lists::OwnSources => self.sources.join("lists"),
            Lists::Host | Lists::Own => self.root.join("state/lists"),
        };
        fs::read_dir(lists).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|e| e.file_name().to_string_lossy().contains("_Packages"))
        })
    }

    /// Fetches lists of our own (network).
    pub(super) fn update(&self) -> Result<(), BootkitError> {
        // Without this option apt-get reports success when an index could not be fetched.
        let args = ["-q", "-o", "APT::Update::Error-Mode=any", "update"];
        self.run("apt-get", &args, None).map(drop)
    }

    /// The candidate version of each package, where apt can download one.
    pub(super) fn offers(
        &self,
        names: &[&str],
    ) -> Result<Vec<(Stanza, Option<Offer>)>, BootkitError> {
        let args: Vec<_> = ["show", "--no-all-versions"]
            .iter()
            .chain(names)
            .copied()
            .collect();
        let text = match self.run("apt-cache", &args, None) {
            Ok(text) => text,
            Err(BootkitError::AptFailed { messages, .. })
                if messages.contains("No packages found")
                    || messages.contains("Unable to locate package") =>
            {
                String::new()
            }
            Err(e) => return Err(e),
        };
        Ok(Stanza::parse_all(&text)
            .into_iter()
            .map(|s| (offer(&s), s))
            .map(|(o, s)| (s, o))
            .collect())
    }

    /// Suites (`bookworm-security/main`) that offer each package's candidate.
    pub(super) fn suites(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, Vec<String>>, BootkitError> {
        let args: Vec<_> = ["policy"].iter().chain(names).copied().collect();
        Ok(parse_policy(&self.run("apt-cache", &args, None)?))
    }

    /// Downloads packages into a directory (network).
    pub(super) fn download(&self, dir: &Path, offers: &[Offer]) -> Result<(), BootkitError> {
        let specs: Vec<_> = offers
            .iter()
            .map(|o| format!("{}={}", o.name, o.version))
            .collect();
        let args: Vec<_> = ["-q", "download"]
            .into_iter()
            .chain(specs.iter().map(String::as_str))
            .collect();
        self.run("apt-get", &args, Some(dir)).map(drop)
    }

    /// A value that changes when the lists, sources or preferences do: names, sizes and times of
    /// the files, so that an unchanged host costs some `stat`s. `environment` is what
    /// [`super::fetch::from_apt_in`] was told.
    pub(super) fn fingerprint(
        &self,
        environment: AptEnvironment<'_>,
    ) -> Result<Digest, BootkitError> {
        // The answer kept is that for the host's lists; others are elsewhere.
        let environment = match self.lists {
            Lists::Host => environment,
            Lists::Own | Lists::OwnSources => AptEnvironment::Unknown,
        };
        if let AptEnvironment::Known { lists, .. } = environment
            && let Some(known) = lists.get()
        {
            return Ok(*known);
        }
        let answer = self.root.join(ANSWER_FILE);
        let paths = match Answer::recall(&answer, environment) {
            Some(paths) => paths,
            None => {
                let paths = self.ask_paths()?;
                Answer::remember(&answer, environment, &paths);
                paths
            }
        };
        let mut hasher = Hasher::new();
        hasher
            .part(b"apt lists")
            .part(&super::LOCK_FORMAT.to_le_bytes());
        for path in &paths.contents {
            fingerprint_path(path, &mut hasher);
        }
        let fingerprint = hasher.finish();
        if let AptEnvironment::Known { lists, .. } = environment {
            // Whoever was first found the same.
            let _ = lists.set(fingerprint);
        }
        Ok(fingerprint)
    }

    fn ask_paths(&self) -> Result<Paths, BootkitError> {
        let text = self.run(
            "apt-config",
            &[
                // Named, so that apt need not ask dpkg: half of its time.
                "-o",
                "APT::Architectures::=amd64",
                "shell",
                "A",
                "Dir::State::lists/d",
                "B",
                "Dir::Etc::sourcelist/f",
                "C",
                "Dir::Etc::sourceparts/d",
                "D",
                "Dir::Etc::preferences/f",
                "E",
                "Dir::Etc::preferencesparts/d",
                "S1",
                "Dir::Etc::main/f",
                "S2",
                "Dir::Etc::parts/d",
            ],
            None,
        )?;
        let mut paths = Paths::default();
        for line in text.lines() {
            let Some((name, quoted)) = line.split_once('=') else {
                continue;
            };
            let path = PathBuf::from(quoted.trim_matches('\'').replace(r"'\''", "'"));
            if name.starts_with('S') {
                paths.settings.push(path);
            } else {
                paths.contents.push(path);
            }
        }
        Ok(paths)
    }

    fn run(
        &self,
        program: &'static str,
        args: &[&str],
        dir: Option<&Path>,
    ) -> Result<String, BootkitError> {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.root.join("apt.conf"));
        let mut option = |name: &str, value: &Path| {
            let mut text = std::ffi::OsString::from(format!("{name}="));
            text.push(value);
            command.arg("-o").arg(text);
        };
        option("Dir::Cache", &self.root.join("cache"));
        option("Dir::Cache::archives", Path::new("archives/"));
        let cache = match self.lists {
            Lists::Host => PathBuf::from("host.bin"),
            Lists::Own => PathBuf::from("own.bin"),
            Lists::OwnSources => self.sources.join("packages.bin"),
        };
        option("Dir::Cache::pkgcache", &cache);
        // Half as large again, and of use only to those who add and remove sources all day.
        option("Dir::Cache::srcpkgcache", Path::new(""));
        if self.lists == Lists::Own {
            option("Dir::State", &self.root.join("state"));
            option("Dir::State::lists", Path::new("lists/"));
        }
        if self.lists == Lists::OwnSources {
            option("Dir::State", &self.sources);
            option("Dir::State::lists", Path::new("lists/"));
            option("Dir::Etc::sourcelist", &self.sources.join("sources.list"));
            let none = Path::new("/dev/null");
            option("Dir::Etc::sourceparts", none);
            // The host's pins are about its own release.
            option("Dir::Etc::preferences", none);
            option("Dir::Etc::preferencesparts", none);
            option("APT::Default-Release", Path::new(""));
        }
        command.args(args).env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        let output = command.output().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BootkitError::AptMissing { program },
            _ => BootkitError::Io {
                action: "run",
                path: program.into(),
                source,
            },
        })?;
        if !output.status.success() {
            let verb = args
                .iter()
                .find(|a| a.bytes().all(|b| b.is_ascii_lowercase()));
            return Err(BootkitError::AptFailed {
                command: format!("{program} {}", verb.unwrap_or(&""))
                    .trim_end()
                    .to_owned(),
                status: output.status.to_string(),
                messages: messages(&output.stderr),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What is known of the environment that apt runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AptEnvironment<'a> {
    /// Nothing: apt is asked every time where it keeps its files.
    Unknown,
    /// What apt said last time holds until its settings change.
    Known {
        /// The value of `APT_CONFIG`, if it is set.
        apt_config: Option<&'a str>,
        /// The fingerprint of the host's lists, for all questions of one run.
        lists: &'a OnceLock<Digest>,
    },
}

/// What apt said last time.
const ANSWER_FILE: &str = "paths.json";
const ANSWER_LIMIT_BYTES: u64 = 64 << 10;

/// Where apt keeps its files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Paths {
    /// Lists, sources and preferences.
    contents: Vec<PathBuf>,
    /// Its own settings, which say where those are.
    settings: Vec<PathBuf>,
}

/// [`Paths`] and what they depend on. Asking apt takes longer than everything else about a build
/// whose parts are all there.
#[derive(Serialize, Deserialize)]
struct Answer {
    apt_config: Option<String>,
    /// Of apt's settings, by sizes and times.
    settings: Digest,
    paths: Paths,
}

impl Answer {
    fn recall(path: &Path, environment: AptEnvironment<'_>) -> Option<Paths> {
        let AptEnvironment::Known { apt_config, .. } = environment else {
            return None;
        };
        let bytes = store::read_limited(path, ANSWER_LIMIT_BYTES).ok()?;
        let answer: Self = serde_json::from_slice(&bytes).ok()?;
        let holds = answer.apt_config.as_deref() == apt_config
            && answer.settings == settings_fingerprint(&answer.paths, apt_config);
        holds.then_some(answer.paths)
    }

    /// Best effort: without it apt is asked again.
    fn remember(path: &Path, environment: AptEnvironment<'_>, paths: &Paths) {
        let AptEnvironment::Known { apt_config, .. } = environment else {
            return;
        };
        // What is included from elsewhere would change unseen.
        if settings_files(paths, apt_config)
            .iter()
            .any(|file| fs::read(file).is_ok_and(|text| includes_others(&text)))
        {
            return;
        }
        let answer = Self {
            apt_config: apt_config.map(str::to_owned),
            settings: settings_fingerprint(paths, apt_config),
            paths: paths.clone(),
        };
        if let Ok(json) = serde_json::to_vec(&answer) {
            let _ = store::write_atomic(path, &json);
        }
    }
}

fn includes_others(text: &[u8]) -> bool {
    text.windows(8).any(|word| word == b"#include")
}

/// Files and directories of apt's settings, and apt itself.
fn settings_places(paths: &Paths, apt_config: Option<&str>) -> Vec<PathBuf> {
    let mut places = paths.settings.clone();
    places.extend(apt_config.map(PathBuf::from));
    places.push("/usr/bin/apt-config".into());
    places
}

fn settings_files(paths: &Paths, apt_config: Option<&str>) -> Vec<PathBuf> {
    let mut files = paths.settings.clone();
    files.extend(apt_config.map(PathBuf::from));
    let inside: Vec<PathBuf> = files
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.extend(inside);
    files
}

fn settings_fingerprint(paths: &Paths, apt_config: Option<&str>) -> Digest {
    let mut hasher = Hasher::new();
    hasher.part(b"apt settings");
    for place in settings_places(paths, apt_config) {
        hasher.part(place.as_os_str().as_encoded_bytes());
        fingerprint_path(&place, &mut hasher);
    }
    hasher.finish()
}

fn offer(stanza: &Stanza) -> Option<Offer> {
    // A package that is installed but in no list has no digest here.
    Some(Offer {
        name: stanza.get("Package")?.to_owned(),
        version: stanza.get("Version")?.to_owned(),
        sha256: stanza.get("SHA256")?.parse().ok()?,
        size_bytes: stanza.get("Size")?.parse().ok()?,
    })
}

/// apt's error lines, in one line that is fit for a terminal.
fn messages(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let errors: Vec<_> = lines.iter().filter_map(|l| l.strip_prefix("E: ")).collect();
    let chosen = if errors.is_empty() { lines } else { errors };
    let mut joined = chosen.join("; ");
    joined.retain(|c| !c.is_control());
    if joined.chars().count() > 600 {
        joined = joined.chars().take(600).chain("...".chars()).collect();
    }
    if joined.is_empty() {
        "it printed no reason".to_owned()
    } else {
        joined
    }
}

/// `apt-cache policy`: package lines at column 0, ` *** VERSION PRIO` or `     VERSION PRIO`, and
/// below each version `        PRIO URL SUITE/COMPONENT ARCH Packages`.
fn parse_policy(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    let (mut package, mut candidate, mut inside) = (String::new(), String::new(), false);
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if !line.starts_with(' ') {
            package = line.trim_end().trim_end_matches(':').to_owned();
            inside = false;
        } else if let ["Candidate:", version] = words[..] {
            candidate = version.to_owned();
        } else if let ["***", version, _] | [version, _] = words[..]
            && !version.ends_with(':')
            && words.last().is_some_and(|w| w.parse::<i32>().is_ok())
        {
            inside = version == candidate;
        } else if inside && let [_, _, suite, _, "Packages"] = words[..] {
            all.entry(package.clone())
                .or_default()
                .push(suite.to_owned());
        }
    }
    all
}

fn fingerprint_path(path: &Path, hasher: &mut Hasher) {
    let mut stat = |path: &Path| {
        if let Ok(meta) = fs::metadata(path)
            && meta.is_file()
        {
            hasher.part(path.as_os_str().as_encoded_bytes());
            for number in [
                meta.len() as i64,
                meta.mtime(),
                meta.mtime_nsec(),
                meta.ino() as i64,
            ] {
                hasher.part(&number.to_le_bytes());
            }
        }
    };
    if let Ok(entries) = fs::read_dir(path) {
        let mut files: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        files.sort_unstable();
        // apt's own lock file changes its time whenever apt runs.
        files.retain(|p| p.file_name().is_some_and(|n| n != "lock"));
        files.iter().for_each(|p| stat(p));
    } else {
        stat(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_of_the_candidate_only() {
        let text = "isolinux:\n  Installed: 3:6.04\n  Candidate: 3:6.04\n  Version table:\n \
                    *** 3:6.04 500\n        500 http://a.example/debian bookworm/main amd64 Packages\n        \
                    100 /var/lib/dpkg/status\nkernel:\n  Installed: (none)\n  Candidate: 2\n  \
                    Version table:\n     2 500\n        500 http://a.example/s bookworm-security/main \
                    amd64 Packages\n     1 500\n        500 http://a.example/debian bookworm/main amd64 \
                    Packages\n";
        let suites = parse_policy(text);
        assert_eq!(suites["isolinux"], ["bookworm/main"]);
        assert_eq!(suites["kernel"], ["bookworm-security/main"]);
    }

    #[test]
    fn what_apt_said_holds_until_its_settings_change() {
        let dir = tempfile::tempdir().unwrap();
        let (main, parts) = (dir.path().join("apt.conf"), dir.path().join("apt.conf.d"));
        fs::create_dir(&parts).unwrap();
        fs::write(&main, "A \"b\";\n").unwrap();
        let paths = Paths {
            contents: vec![dir.path().join("lists")],
            settings: vec![main.clone(), parts.clone()],
        };
        let file = dir.path().join("paths.json");
        let lists = OnceLock::new();
        let known = AptEnvironment::Known {
            apt_config: None,
            lists: &lists,
        };
        Answer::remember(&file, AptEnvironment::Unknown, &paths);
        assert!(!file.exists());
        Answer::remember(&file, known, &paths);
        assert_eq!(Answer::recall(&file, known), Some(paths.clone()));
        assert_eq!(Answer::recall(&file, AptEnvironment::Unknown), None);
        let other = AptEnvironment::Known {
            apt_config: Some("/etc/other"),
            lists: &lists,
        };
        assert_eq!(Answer::recall(&file, other), None);
        fs::write(parts.join("50lists"), "Dir::State::lists \"x\";\n").unwrap();
        assert_eq!(Answer::recall(&file, known), None);
        Answer::remember(&file, known, &paths);
        assert!(Answer::recall(&file, known).is_some());
        fs::write(&main, "#include \"/srv/apt\"\n").unwrap();
        fs::remove_file(&file).unwrap();
        Answer::remember(&file, known, &paths);
        assert!(!file.exists(), "what is included changes unseen");
    }

    #[test]
    fn messages_are_short_and_plain() {
        assert_eq!(
            messages(b"W: x\nE: first\x1b[31m\nE: second\n"),
            "first[31m; second"
        );
        assert_eq!(messages(b""), "it printed no reason");
        assert!(messages(&[b'a'; 5000]).len() < 700);
    }
}
