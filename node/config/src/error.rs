//! What can be wrong with a configuration.

/// A configuration that cannot be used, with the place and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not TOML, or has a key or a type the schema does not know.
    #[error("{origin}: {message}")]
    Syntax {
        /// Which file or region the text came from.
        origin: String,
        /// The parser's words, with line and column.
        message: String,
    },
    /// A value is of the right type but not allowed.
    #[error("{key}: {message}")]
    Value {
        /// Dotted name of the key.
        key: String,
        /// What is wrong with its value.
        message: String,
    },
    /// A value without which a node cannot start is set nowhere.
    #[error("{key} is not set")]
    Missing {
        /// Dotted name of the key.
        key: &'static str,
    },
    /// The text was written for a newer program.
    #[error("schema version {found} is newer than the version {known} this program knows")]
    NewerSchema {
        /// Version in the text.
        found: u32,
        /// Version this program accepts.
        known: u32,
    },
    /// An `http://` directory that is not on this machine, without leave.
    #[error("directory.url: {url} is not encrypted")]
    InsecureHttp {
        /// The refused URL.
        url: String,
    },
}

impl ConfigError {
    pub(crate) fn value(key: &str, message: impl Into<String>) -> Self {
        Self::Value {
            key: key.to_owned(),
            message: message.into(),
        }
    }

    /// What the user can do, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { key: "farm_id" } => Some(
                "set it with `--farm-id N`, in farm.toml on the stick, or with the kernel argument \
                 farmer_id=N"
                    .to_owned(),
            ),
            Self::Missing { key: "directory.url" } => {
                Some("set it with `--directory URL` or in farm.toml on the stick".to_owned())
            }
            Self::InsecureHttp { .. } => Some(
                "use https:// (a pinned self-signed certificate will do: `farmer directory serve \
                 --self-signed`), or allow it with `--insecure-http`"
                    .to_owned(),
            ),
            Self::NewerSchema { .. } => {
                Some("use the `farmer` that wrote it, or a newer one".to_owned())
            }
            Self::Syntax { .. } | Self::Value { .. } | Self::Missing { .. } => None,
        }
    }
}
