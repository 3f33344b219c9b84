//! The environment, read once when the program starts; nothing else looks at it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

/// The variables the program looks at, with what they mean; also the text of
/// `farmer help environment`.
pub const VARIABLES: [(&str, &str); 23] = [
    (
        "FARMER_DIRECTORY",
        "address of the directory, as --directory",
    ),
    (
        "FARMER_PIN",
        "key pin of the directory's certificate, as --pin",
    ),
    ("FARMER_CA", "file of certificate authorities, as --ca"),
    (
        "FARMER_INSECURE_HTTP",
        "1 allows unencrypted http, as --insecure-http",
    ),
    ("FARMER_SIGNATURES", "strict or compat, as --signatures"),
    (
        "FARMER_IDENTITY",
        "seed file of your identity, as --identity",
    ),
    (
        "FARMER_PASSPHRASE",
        "passphrase of an exported identity, as --passphrase-file",
    ),
    (
        "FARMER_DATABASE_URL",
        "PostgreSQL database of a directory server, see directory serve --help",
    ),
    (
        "FARMER_DISKS",
        "your word on disks: ID=ssd, ID=hdd or ID=ignore, with commas between",
    ),
    ("FARMER_CONFIG", "settings file, as --config"),
    (
        "FARMER_LOG",
        "log filter, such as directory=debug; beats -v",
    ),
    (
        "SOURCE_DATE_EPOCH",
        "time stamp of images, seconds since 1970",
    ),
    (
        "XDG_CONFIG_HOME",
        "parent of farmer/config.toml and farmer/identity.seed",
    ),
    (
        "XDG_CACHE_HOME",
        "parent of farmer/, where packages and layers are kept",
    ),
    (
        "XDG_STATE_HOME",
        "parent of farmer/, where the terminal UI remembers columns and filters",
    ),
    (
        "HOME",
        "the three above are .config, .cache and .local/state in it by default",
    ),
    ("APT_CONFIG", "apt's own settings file, read by apt"),
    ("NO_COLOR", "no colour, unless --color says otherwise"),
    ("CLICOLOR_FORCE", "colour also where there is no terminal"),
    (
        "TERM",
        "linux, dumb and vt* get ASCII shapes in the terminal UI",
    ),
    (
        "LC_ALL",
        "UTF-8 or not: Unicode or ASCII shapes in the terminal UI",
    ),
    ("LC_CTYPE", "as LC_ALL, if that is not set"),
    ("LANG", "as LC_CTYPE, if that is not set"),
];

/// The environment as it was when the program started.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Reads the known variables of this process. Empty ones count as unset.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn capture() -> Self {
        let known = VARIABLES.iter().filter_map(|(name, _)| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            // A path that is not UTF-8 cannot be typed into the settings file either.
            Some((*name, value.to_string_lossy().into_owned()))
        });
        Self(known.collect())
    }

    /// Gives PostgreSQL's client a user name. Without one it asks the C library who we are even
    /// where the address names a user, and a static glibc loads the host's name service modules.
    ///
    /// For the beginning of `main`, while the program has one thread.
    #[expect(
        unsafe_code,
        clippy::disallowed_methods,
        reason = "the one place that touches the environment"
    )]
    pub fn name_database_user() {
        if std::env::var_os("PGUSER").is_none() {
            // SAFETY: no other thread runs yet that could read the environment meanwhile.
            unsafe { std::env::set_var("PGUSER", "farmer") };
        }
    }

    /// A variable's value; only the known ones are there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The log filter.
    pub fn log_filter(&self) -> Option<&str> {
        self.get("FARMER_LOG")
    }

    /// `SOURCE_DATE_EPOCH` in seconds (https://reproducible-builds.org/specs/source-date-epoch/).
    pub fn source_date_epoch(&self) -> Outcome<Option<u64>> {
        let Some(text) = self.get("SOURCE_DATE_EPOCH") else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            Failure::new(
                ExitStatus::Usage,
                format!("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds since 1970"),
            )
        })
    }

    /// Whether the terminal can show more than ASCII: by its kind and the locale's character set.
    pub fn terminal_is_unicode(&self) -> bool {
        let term = self.get("TERM").unwrap_or_default();
        let is_plain = matches!(term, "linux" | "dumb") || term.starts_with("vt");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| self.get(name));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        !is_plain && (locale.contains("utf-8") || locale.contains("utf8"))
    }

    fn base(&self, variable: &str, below_home: &str) -> Outcome<PathBuf> {
        // The XDG base directory specification has relative paths ignored.
        let named = self
            .get(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let home = || {
            self.get("HOME")
                .map(|home| Path::new(home).join(below_home))
        };
        named
            .or_else(home)
            .map(|base| base.join("farmer"))
            .ok_or_else(|| {
                Failure::new(
                    ExitStatus::Failed,
                    format!("neither HOME nor {variable} is set"),
                )
                .with_hint(format!("set {variable} to a directory of yours"))
            })
    }

    /// Where settings and identity live.
    pub fn config_dir(&self) -> Outcome<PathBuf> {
        self.base("XDG_CONFIG_HOME", ".config")
    }

    /// Where the terminal UI remembers how it was left.
    pub fn state_dir(&self) -> Outcome<PathBuf> {
        self.base("XDG_STATE_HOME", ".local/state")
    }

    /// Where packages and layers are kept.
    pub fn cache_dir(&self) -> Outcome<PathBuf> {
        self.base("XDG_CACHE_HOME", ".cache")
    }
}

#[cfg(test)]
impl Environment {
    /// An environment of these variables.
    pub fn of(pairs: &[(&'static str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_xdg_directories_are_ignored() {
        let env = Environment::of(&[("XDG_CACHE_HOME", "cache"), ("HOME", "/home/f")]);
        assert_eq!(env.cache_dir().unwrap(), Path::new("/home/f/.cache/farmer"));
        assert!(Environment::of(&[]).cache_dir().unwrap_err().hint.is_some());
    }

    #[test]
    fn shapes_follow_terminal_and_locale() {
        for (term, locale, unicode) in [
            ("xterm-256color", "C.UTF-8", true),
            ("xterm-256color", "de_DE.utf8", true),
            ("xterm-256color", "POSIX", false),
            ("linux", "C.UTF-8", false),
            ("vt220", "C.UTF-8", false),
        ] {
            let env = Environment::of(&[("TERM", term), ("LANG", locale)]);
            assert_eq!(env.terminal_is_unicode(), unicode, "{term} {locale}");
        }
        let env = Environment::of(&[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]);
        assert!(!env.terminal_is_unicode(), "LC_ALL beats LANG");
    }
}
