//! Settings: flag beats environment beats file.
//!
//! What makes a directory trusted (pin, CA, leave for http) belongs to the URL it was written
//! beside: a settings file for one directory says nothing about another one named by a flag.

mod profiles;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hw_probe::overrides::DiskOverrides;
use node_config::{DirectoryConfig, DirectoryUrl, FarmId, Pin};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use crate::args::{ConnectionArgs, Signatures};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

pub use profiles::Profile;

/// `config.toml`. Keys are the long names of the flags.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct File {
    identity: Option<PathBuf>,
    directory: DirectoryProfile,
    disks: DiskOverrides,
    profiles: BTreeMap<String, ProfileTable>,
}

/// `[profiles.NAME]`: what it does not say is as without a profile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ProfileTable {
    farm: Option<FarmId>,
    identity: Option<PathBuf>,
    directory: DirectoryProfile,
}

/// `[directory]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct DirectoryProfile {
    url: Option<DirectoryUrl>,
    pin: Option<Pin>,
    ca: Option<PathBuf>,
    #[serde(alias = "insecure_http")]
    insecure_http: Option<bool>,
    signatures: Option<Signatures>,
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// The settings file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "${name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting in force, for `farmer config show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Dotted key, as in the file.
    pub key: String,
    /// The value, `null` when there is none.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: String,
}

/// The settings in force for one command.
#[derive(Debug, Clone)]
pub struct Settings {
    url: Option<DirectoryUrl>,
    pin: Option<Pin>,
    ca: Option<PathBuf>,
    insecure_http: bool,
    signatures: Signatures,
    identity: PathBuf,
    identity_is_named: bool,
    disks: DiskOverrides,
    listed: Vec<Setting>,
}

/// One source of directory settings.
struct Layer {
    origin: fn(&'static str) -> Origin,
    url: Option<DirectoryUrl>,
    pin: Option<Pin>,
    ca: Option<PathBuf>,
    insecure_http: Option<bool>,
    signatures: Option<Signatures>,
}

impl Settings {
    /// Puts flags, environment and file together.
    pub fn load(
        environment: &Environment,
        config: Option<&Path>,
        flags: &ConnectionArgs,
    ) -> Outcome<Self> {
        let (file, path) = find_file(environment, config)?;
        let identity_default = || Ok(environment.config_dir()?.join("identity.seed"));
        Self::resolve(environment, flags, file, &path, None, identity_default)
    }

    fn resolve(
        environment: &Environment,
        flags: &ConnectionArgs,
        file: File,
        path: &Path,
        profile: Option<ProfileTable>,
        identity_default: impl FnOnce() -> Outcome<PathBuf>,
    ) -> Outcome<Self> {
        let variables = Layer {
            origin: |key| {
                Origin::Variable(match key {
                    "directory" => "FARMER_DIRECTORY",
                    "pin" => "FARMER_PIN",
                    "ca" => "FARMER_CA",
                    "signatures" => "FARMER_SIGNATURES",
                    _ => "FARMER_INSECURE_HTTP",
                })
            },
            url: parsed(environment, "FARMER_DIRECTORY")?,
            pin: parsed(environment, "FARMER_PIN")?,
            ca: environment.get("FARMER_CA").map(PathBuf::from),
            insecure_http: environment
                .get("FARMER_INSECURE_HTTP")
                .map(|v| v == "1" || v == "true"),
            signatures: signatures(environment)?,
        };
        let given = Layer {
            origin: Origin::Flag,
            url: flags.directory.clone(),
            pin: flags.pin.clone(),
            ca: flags.ca.clone(),
            insecure_http: flags.insecure_http.then_some(true),
            signatures: flags.signatures,
        };
        let base = path.parent().unwrap_or(Path::new("."));
        let in_file = |table: DirectoryProfile| Layer {
            origin: |_| Origin::Default,
            url: table.url,
            pin: table.pin,
            // Relative to the file, not to wherever the command happens to run.
            ca: table.ca.map(|ca| base.join(ca)),
            insecure_http: table.insecure_http,
            signatures: table.signatures,
        };
        let profile_identity = profile.as_ref().and_then(|table| table.identity.clone());
        let profile = profile.map(|table| in_file(table.directory));
        // What is said beside no URL is not meant for the directory that a profile names.
        let layers = match profile {
            Some(profile) if profile.url.is_some() => vec![given, profile],
            Some(profile) => vec![given, profile, variables, in_file(file.directory)],
            None => vec![given, variables, in_file(file.directory)],
        };
        let url = pick(&layers, "directory", path, |layer| layer.url.clone());
        let trusted: Vec<&Layer> = layers
            .iter()
            .filter(|layer| {
                layer.url.is_none() || layer.url.as_ref() == url.as_ref().map(|(url, _)| url)
            })
            .collect();
        let pin = pick(trusted.iter().copied(), "pin", path, |layer| {
            layer.pin.clone()
        });
        let ca = pick(trusted.iter().copied(), "ca", path, |layer| {
            layer.ca.clone()
        });
        let insecure_http = pick(trusted.iter().copied(), "insecure-http", path, |layer| {
            layer.insecure_http
        });
        let signatures = pick(trusted.iter().copied(), "signatures", path, |layer| {
            layer.signatures
        });

        let named_identity = flags
            .identity
            .clone()
            .map(|path| (path, Origin::Flag("identity")))
            .or_else(|| Some((base.join(profile_identity?), Origin::File(path.to_owned()))))
            .or_else(|| {
                let path = environment.get("FARMER_IDENTITY")?;
                Some((path.into(), Origin::Variable("FARMER_IDENTITY")))
            })
            .or_else(|| Some((base.join(file.identity?), Origin::File(path.to_owned()))));
        let identity_is_named = named_identity.is_some();
        let identity = match named_identity {
            Some(named) => named,
            None => (identity_default()?, Origin::Default),
        };

        let mut listed = vec![
            setting(
                "directory.url",
                url.as_ref().map(|(v, o)| (v.to_string(), o)),
            ),
            setting(
                "directory.pin",
                pin.as_ref().map(|(v, o)| (v.to_string(), o)),
            ),
            setting(
                "directory.ca",
                ca.as_ref().map(|(v, o)| (v.display().to_string(), o)),
            ),
            setting(
                "directory.insecure-http",
                Some(insecure_http.as_ref().map_or_else(
                    || ("false".to_owned(), &Origin::Default),
                    |(v, o)| (v.to_string(), o),
                )),
            ),
            setting(
                "directory.signatures",
                Some(match &signatures {
                    Some((Signatures::Compat, origin)) => ("compat".to_owned(), origin),
                    Some((Signatures::Strict, origin)) => ("strict".to_owned(), origin),
                    None => ("strict".to_owned(), &Origin::Default),
                }),
            ),
            setting(
                "identity",
                Some((identity.0.display().to_string(), &identity.1)),
            ),
        ];
        let words = match environment.get("FARMER_DISKS") {
            Some(text) => DiskOverrides::parse_list(text).map_err(|error| {
                Failure::new(ExitStatus::Usage, error.to_string())
                    .context("reading the variable FARMER_DISKS")
            })?,
            None => Vec::new(),
        };
        for (name, table) in &file.profiles {
            let farm = table.farm.map_or("all".to_owned(), |farm| farm.to_string());
            let key = format!("profiles.{name}.farm");
            listed.push(setting(&key, Some((farm, &Origin::File(path.to_owned())))));
        }
        let mut disks = file.disks;
        let in_file = Origin::File(path.to_owned());
        let from_variable = Origin::Variable("FARMER_DISKS");
        let named: Vec<String> = words.iter().map(|word| word.id.clone()).collect();
        disks.extend(words);
        for (id, word) in disks.iter() {
            let is_named = named.iter().any(|name| name == id);
            let origin = if is_named { &from_variable } else { &in_file };
            let key = format!("disks.{id:?}");
            listed.push(setting(&key, Some((word.to_string(), origin))));
        }
        Ok(Self {
            url: url.map(|(url, _)| url),
            pin: pin.map(|(pin, _)| pin),
            ca: ca.map(|(ca, _)| ca),
            insecure_http: insecure_http.is_some_and(|(allowed, _)| allowed),
            signatures: signatures.map_or(Signatures::Strict, |(signatures, _)| signatures),
            identity: identity.0,
            identity_is_named,
            disks,
            listed,
        })
    }

    /// The directory to talk to.
    pub fn directory(&self) -> Outcome<DirectoryConfig> {
        let url = self.url.clone().ok_or_else(|| {
            Failure::new(ExitStatus::Usage, "no directory is set").with_hint(
                "name it with `--directory URL`, FARMER_DIRECTORY, or `url` below [directory] in \
                 config.toml",
            )
        })?;
        let ca_pem = match &self.ca {
            Some(path) => Some(read_pem(path)?),
            None => None,
        };
        let directory = DirectoryConfig {
            url,
            pin: self.pin.clone(),
            ca_pem,
            insecure_http: self.insecure_http,
        };
        directory.check()?;
        Ok(directory)
    }

    /// Which signatures the directory checks.
    pub fn signatures(&self) -> Signatures {
        self.signatures
    }

    /// The identity file, which need not exist.
    pub fn identity(&self) -> &Path {
        &self.identity
    }

    /// Whether the user named the identity file: then it must exist.
    pub fn identity_is_named(&self) -> bool {
        self.identity_is_named
    }

    /// The operator's word on disks: variable before file.
    pub fn disks(&self) -> &DiskOverrides {
        &self.disks
    }

    /// Every setting with its origin.
    pub fn listed(&self) -> &[Setting] {
        &self.listed
    }
}

fn pick<'a, T>(
    layers: impl IntoIterator<Item = &'a Layer>,
    key: &'static str,
    path: &Path,
    get: impl Fn(&Layer) -> Option<T>,
) -> Option<(T, Origin)> {
    layers.into_iter().find_map(|layer| {
        let origin = match (layer.origin)(key) {
            Origin::Default => Origin::File(path.to_owned()),
            origin => origin,
        };
        get(layer).map(|value| (value, origin))
    })
}

fn setting(key: &str, value: Option<(String, &Origin)>) -> Setting {
    match value {
        Some((value, origin)) => Setting {
            key: key.to_owned(),
            value: Some(value),
            origin: origin.to_string(),
        },
        None => Setting {
            key: key.to_owned(),
            value: None,
            origin: Origin::Default.to_string(),
        },
    }
}

fn parsed<T>(environment: &Environment, name: &'static str) -> Outcome<Option<T>>
where
    T: std::str::FromStr<Err = node_config::ConfigError>,
{
    let Some(text) = environment.get(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|error: node_config::ConfigError| {
            Failure::from(error).context(format!("reading the variable {name}"))
        })
}

fn signatures(environment: &Environment) -> Outcome<Option<Signatures>> {
    use clap::ValueEnum as _;
    let Some(text) = environment.get("FARMER_SIGNATURES") else {
        return Ok(None);
    };
    Signatures::from_str(text, true).map(Some).map_err(|_| {
        Failure::new(
            ExitStatus::Usage,
            format!("{text:?} is neither strict nor compat"),
        )
        .context("reading the variable FARMER_SIGNATURES")
    })
}

/// The settings file that is named or usual, and where it is.
fn find_file(environment: &Environment, config: Option<&Path>) -> Outcome<(File, PathBuf)> {
    let named = config
        .map(Path::to_owned)
        .or_else(|| environment.get("FARMER_CONFIG").map(PathBuf::from));
    let path = match &named {
        Some(path) => path.clone(),
        None => environment.config_dir()?.join("config.toml"),
    };
    Ok((read_file(&path, named.is_some())?, path))
}

fn read_file(path: &Path, must_exist: bool) -> Outcome<File> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
            return Ok(File::default());
        }
        Err(error) => return Err(Failure::io("reading the settings file", path, error)),
    };
    toml::from_str(&text).map_err(|error| {
        Failure::new(ExitStatus::Failed, error.to_string().trim_end().to_owned())
            .context(format!("reading the settings file {}", path.display()))
            .with_hint(
                "its keys: identity; below [directory] url, pin, ca, insecure-http, signatures; below \
                 [profiles.NAME] farm, identity, and directory with the same keys; below \
                 [disks.\"WWN or serial number\"] kind = \"ssd\" or \"hdd\", ignore = true",
            )
    })
}

/// The certificate authorities in a PEM file, some of which can be used. It goes into images and to
/// nodes, so it must hold nothing secret.
pub fn read_pem(path: &Path) -> Outcome<String> {
    let text = read_text("reading the certificate authorities in", path)?;
    let refuse = |what: &str| {
        let message = format!("{} {what}", path.display());
        Failure::new(ExitStatus::Failed, message).with_hint(
            "it has to hold certificates, each from a line `-----BEGIN CERTIFICATE-----` on",
        )
    };
    if text.contains("PRIVATE KEY-----") {
        return Err(refuse("holds a private key, which must stay where it is"));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|_| refuse("is damaged"))?;
        // Bundles of whole systems hold some that nobody can use.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(refuse("holds no certificate that can be used"));
    }
    Ok(text)
}

/// Longest text that is taken from a file: a disk image named by mistake is none.
const MOST_TEXT_BYTES: u64 = 1 << 20;

/// A text file that a flag names.
pub fn read_text(doing: &str, path: &Path) -> Outcome<String> {
    let failed = |error| Failure::io(doing, path, error);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let read = file.take(MOST_TEXT_BYTES + 1).read_to_string(&mut text);
    if read.map_err(failed)? as u64 > MOST_TEXT_BYTES {
        let message = format!("{} is too long for what it should be", path.display());
        return Err(
            Failure::new(ExitStatus::Usage, message).with_hint("did you mean another file?")
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn resolve(env: &[(&'static str, &str)], flags: &ConnectionArgs, file: &str) -> Settings {
        let path = Path::new("/etc/farmer/config.toml");
        let file = toml::from_str(file).unwrap();
        Settings::resolve(&Environment::of(env), flags, file, path, None, || {
            Ok("/home/id".into())
        })
        .unwrap()
    }

    fn origin(settings: &Settings, key: &str) -> String {
        settings
            .listed()
            .iter()
            .find(|s| s.key == key)
            .unwrap()
            .origin
            .clone()
    }

    #[test]
    fn flag_beats_variable_beats_file() {
        let file = "[directory]\nurl = \"https://file\"";
        let none = ConnectionArgs::default();
        let flag = ConnectionArgs {
            directory: Some("https://flag".parse().unwrap()),
            ..none.clone()
        };
        let env = [("FARMER_DIRECTORY", "https://env")];
        for (settings, url, from) in [
            (
                resolve(&[], &none, file),
                "https://file",
                "/etc/farmer/config.toml",
            ),
            (
                resolve(&env, &none, file),
                "https://env",
                "$FARMER_DIRECTORY",
            ),
            (resolve(&env, &flag, file), "https://flag", "--directory"),
        ] {
            assert_eq!(settings.directory().unwrap().url.as_str(), url);
            assert_eq!(origin(&settings, "directory.url"), from);
        }
    }

    #[test]
    fn trust_belongs_to_the_url_beside_it() {
        let file =
            format!("[directory]\nurl = \"https://file\"\npin = \"{PIN}\"\ninsecure-http = true");
        let none = ConnectionArgs::default();
        let same = resolve(&[], &none, &file).directory().unwrap();
        assert!(same.pin.is_some() && same.insecure_http);
        let flag = ConnectionArgs {
            directory: Some("https://other".parse().unwrap()),
            ..none.clone()
        };
        let other = resolve(&[], &flag, &file).directory().unwrap();
        assert!(other.pin.is_none() && !other.insecure_http);
        // A pin that stands alone is meant for whatever directory is named.
        let alone = resolve(&[("FARMER_PIN", PIN)], &flag, &file)
            .directory()
            .unwrap();
        assert!(alone.pin.is_some());
    }

    #[test]
    fn http_to_another_machine_needs_leave() {
        let none = ConnectionArgs::default();
        let file = "[directory]\nurl = \"http://192.0.2.1\"";
        let failure = resolve(&[], &none, file).directory().unwrap_err();
        assert_eq!(failure.status, ExitStatus::Refused);
        assert!(failure.hint.unwrap().contains("--insecure-http"));
        assert!(
            resolve(&[], &none, "[directory]\nurl = \"http://[::1]:8080\"")
                .directory()
                .is_ok()
        );
        assert!(
            resolve(&[("FARMER_INSECURE_HTTP", "1")], &none, file)
                .directory()
                .is_ok()
        );
    }

    #[test]
    fn an_identity_of_the_file_lies_beside_the_file() {
        let settings = resolve(&[], &ConnectionArgs::default(), "identity = \"my.seed\"");
        assert_eq!(settings.identity(), Path::new("/etc/farmer/my.seed"));
        assert!(settings.identity_is_named());
        let settings = resolve(&[], &ConnectionArgs::default(), "");
        assert_eq!(settings.identity(), Path::new("/home/id"));
        assert!(!settings.identity_is_named());
    }

    #[test]
    fn words_on_disks_come_from_variable_and_file() {
        let file = "[disks.\"naa.5000C5\"]\nkind = \"hdd\"\n[disks.S1]\nignore = true";
        let env = [("FARMER_DISKS", "0x5000c5=ssd, S2=hdd")];
        let settings = resolve(&env, &ConnectionArgs::default(), file);
        let words: Vec<String> = settings
            .disks()
            .iter()
            .map(|(id, word)| format!("{id}={word}"))
            .collect();
        assert_eq!(
            words,
            ["S1=ignore", "0x5000c5=ssd", "S2=hdd"],
            "the later last"
        );
        assert_eq!(origin(&settings, "disks.\"S1\""), "/etc/farmer/config.toml");
        assert_eq!(origin(&settings, "disks.\"S2\""), "$FARMER_DISKS");
    }

    #[test]
    fn a_wrong_word_on_a_disk_names_its_line() {
        let text = "identity = \"x\"\n[disks.S1]\nkind = \"nvme\"";
        let error = toml::from_str::<File>(text).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("nvme"),
            "{error}"
        );
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(toml::from_str::<File>("[directory]\nurll = \"x\"").is_err());
    }
}
