//! Boot media as the terminal UI orders them. An [`Order`] is a command line of `farmer`: whoever
//! carries it out ([`Maker`]) goes by the same parser and the same code as the command line does,
//! and what the screen shows can be typed again elsewhere.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::source::Answer;

/// Formats of media: the name on the command line, the ending of a file, what it is for.
pub const FORMATS: [(&str, &str, &str); 6] = [
    (
        "iso",
        ".iso",
        "one file for CD, USB stick and disk, BIOS and UEFI",
    ),
    ("qcow2", ".qcow2", "the same disk for QEMU"),
    ("vhd", ".vhd", "the same disk for Hyper-V and Azure"),
    (
        "pxe",
        ".tar.gz",
        "what a network boot server serves, as an archive",
    ),
    ("initramfs", ".initramfs", "the whole initramfs as one file"),
    (
        "uki",
        ".efi",
        "the whole system as one EFI program, unsigned",
    ),
];

/// A medium to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// A new one.
    Build(Build),
    /// A finished one for another farm or address.
    Customize(Customize),
}

/// A new medium.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Build {
    /// Of the farm that the nodes join.
    pub farm_id: u32,
    /// One of [`FORMATS`].
    pub format: String,
    /// The file to write.
    pub file: PathBuf,
    /// Fixed address with its network, empty for DHCP.
    pub address: String,
    /// File with an enrolment token, empty for none.
    pub token_file: String,
    /// Further kernel arguments.
    pub kernel_arguments: Vec<String>,
    /// Whether the file may be replaced.
    pub overwrite: bool,
}

/// A finished medium, changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Customize {
    /// The image.
    pub image: PathBuf,
    /// Of the farm that the nodes join.
    pub farm_id: u32,
    /// Fixed address with its network, `dhcp`, or empty to leave it as it is.
    pub address: String,
    /// File with an enrolment token, empty to leave it as it is.
    pub token_file: String,
    /// Kernel arguments to add.
    pub kernel_arguments: Vec<String>,
    /// The changed copy; `None` changes the image itself.
    pub file: Option<PathBuf>,
    /// Whether the copy may replace a file.
    pub overwrite: bool,
}

impl Order {
    /// The arguments of `farmer`.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut line = Line(vec!["image".to_owned()]);
        match self {
            Self::Build(build) => {
                line.word("build")
                    .option("--farm-id", build.farm_id)
                    .option("--format", &build.format)
                    .some("--static", &build.address)
                    .some("--enrolment-token-file", &build.token_file)
                    .each("--kernel-arg", &build.kernel_arguments)
                    .flag("--force", build.overwrite)
                    .option("--out", build.file.display());
            }
            Self::Customize(change) => {
                line.word("customize")
                    .word(&change.image.display().to_string())
                    .option("--farm-id", change.farm_id)
                    .some("--enrolment-token-file", &change.token_file)
                    .each("--karg-append", &change.kernel_arguments)
                    .flag("--force", change.overwrite);
                match change.address.as_str() {
                    "dhcp" => line.word("--dhcp"),
                    address => line.some("--static", address),
                };
                match &change.file {
                    Some(file) => line.option("--out", file.display()),
                    None => line.word("--in-place"),
                };
            }
        }
        line.0
    }

    /// The command as a shell takes it.
    #[must_use]
    pub fn command_line(&self) -> String {
        let words = self.arguments();
        let quoted = words.iter().map(|word| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
            if !word.is_empty() && word.chars().all(is_plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        });
        format!("farmer {}", quoted.collect::<Vec<_>>().join(" "))
    }

    /// The file that is written.
    #[must_use]
    pub fn target(&self) -> &PathBuf {
        match self {
            Self::Build(build) => &build.file,
            Self::Customize(change) => change.file.as_ref().unwrap_or(&change.image),
        }
    }

    /// The same order, with leave to replace what is there.
    #[must_use]
    pub fn overwriting(mut self) -> Self {
        match &mut self {
            Self::Build(build) => build.overwrite = true,
            Self::Customize(change) => change.overwrite = change.file.is_some(),
        }
        self
    }

    /// `build node.iso`
    #[must_use]
    pub fn what(&self) -> String {
        let target = self.target().display();
        match self {
            Self::Build(_) => format!("build {target}"),
            Self::Customize(change) if change.file.is_none() => format!("change {target}"),
            Self::Customize(change) => format!("write {target} from {}", change.image.display()),
        }
    }
}

/// A command line under way.
struct Line(Vec<String>);

impl Line {
    fn word(&mut self, word: &str) -> &mut Self {
        self.0.push(word.to_owned());
        self
    }

    fn option(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        let value = value.to_string();
        // Alone it would be taken for a flag.
        if value.starts_with('-') {
            return self.word(&format!("{name}={value}"));
        }
        self.word(name).word(&value)
    }

    fn some(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            return self;
        }
        self.option(name, value)
    }

    fn each(&mut self, name: &str, values: &[String]) -> &mut Self {
        for value in values {
            self.option(name, value);
        }
        self
    }

    fn flag(&mut self, name: &str, is_set: bool) -> &mut Self {
        if is_set { self.word(name) } else { self }
    }
}

/// What there is to make media from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survey {
    /// Parts, with a line about each.
    pub parts: Vec<(String, String)>,
    /// Why no image can be built, and what to do about it; `None` if one can.
    pub no_build: Option<Lack>,
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lack {
    /// In words.
    pub why: String,
    /// What to do about it.
    pub advice: String,
}

/// An order that can be carried out, and what to know before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The order, with the paths it will be carried out with.
    pub order: Order,
    /// Whether a file would be replaced.
    pub replaces: bool,
    /// What would change, a line each: of an image that is changed.
    pub changes: Vec<String>,
}

/// A medium that was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Made {
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes; `None` of what was changed in place.
    pub size_bytes: Option<u64>,
    /// Digest of the file, in hex; `None` where none was computed.
    pub sha256: Option<String>,
    /// Further facts: a name and a value.
    pub facts: Vec<(String, String)>,
}

impl Made {
    /// A line about it.
    #[must_use]
    pub fn text(&self) -> String {
        let size = self.size_bytes.map_or(String::new(), |bytes| {
            format!(", {}", hw_probe::units::Bytes(bytes))
        });
        let sha256 = self
            .sha256
            .as_ref()
            .map_or(String::new(), |sha256| format!(", sha256 {sha256}"));
        format!("wrote {}{size}{sha256}", self.file.display())
    }
}

/// How the work on an order goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// The next stage begins.
    Stage(String),
    /// So much of the stage is done.
    Bytes {
        /// Done.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Something the farmer should know; the work goes on.
    Warning(String),
}

/// Told how the work goes on.
pub type Tell = Arc<dyn Fn(Progress) + Send + Sync>;

/// Tells work that it is no longer wanted.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Cancel {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Cancel {
    /// The work is no longer wanted.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is no longer wanted.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes boot media. Errors are one line for the screen.
pub trait Maker: Send + Sync {
    /// What there is to make media from.
    fn survey(&self) -> Answer<Survey>;
    /// Looks whether an order can be carried out; writes nothing.
    fn check(&self, order: Order) -> Answer<Checked>;
    /// Carries an order out.
    fn make(&self, order: Order, tell: Tell, cancel: Cancel) -> Answer<Made>;
}

impl fmt::Debug for dyn Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_command_that_a_shell_takes() {
        let build = Order::Build(Build {
            farm_id: 7,
            format: "iso".to_owned(),
            file: "my node's.iso".into(),
            kernel_arguments: vec!["console=ttyS1,115200".to_owned()],
            ..Build::default()
        });
        assert_eq!(
            build.command_line(),
            "farmer image build --farm-id 7 --format iso --kernel-arg console=ttyS1,115200 \
             --out 'my node'\\''s.iso'"
        );
        let change = Order::Customize(Customize {
            image: "node.iso".into(),
            farm_id: 2,
            address: "dhcp".to_owned(),
            ..Customize::default()
        });
        assert_eq!(
            change.clone().overwriting().command_line(),
            "farmer image customize node.iso --farm-id 2 --dhcp --in-place"
        );
        assert_eq!(change.what(), "change node.iso");
    }
}
