//! What an iPXE binary can do, read from its bytes.
//!
//! EFI programs have their words in plain sight. BIOS programs are packed: `ipxe.lkrn` still says
//! its version, and what builds of that version can do is known from running them; PXE programs
//! (`undionly.kpxe`) say nothing and are taken for the oldest.

use std::collections::BTreeSet;

use crate::core::Command;

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ipxe.lkrn`: BIOS, loaded like a Linux kernel.
    Lkrn,
    /// `undionly.kpxe`, `ipxe.pxe`: BIOS, loaded by PXE.
    Pxe,
    /// `ipxe.efi`, `snponly.efi`: UEFI, x86-64.
    EfiX64,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lkrn => "lkrn",
            Self::Pxe => "pxe",
            Self::EfiX64 => "efi",
        }
    }
}

/// Builds that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// Of Debian 12: iPXE of January 2019.
    Debian12,
    /// Of Debian 13: iPXE of May 2025.
    Debian13,
    /// iPXE 2.0 and later.
    V2,
}

impl Generation {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian12 => "Debian 12's",
            Self::Debian13 => "Debian 13's",
            Self::V2 => "iPXE 2",
        }
    }

    fn of_version(version: &str) -> Option<Self> {
        let date = version.split("+git").nth(1).map(|rest| {
            let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
            digits.get(..4).unwrap_or_default().parse().unwrap_or(0_u32)
        });
        let mut numbers = version.split(['.', '+', '-']).map(str::parse::<u32>);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(match (major, minor, date) {
            (2.., ..) => Self::V2,
            (1, 21.., Some(2024..)) => Self::Debian13,
            _ => Self::Debian12,
        })
    }
}

/// How the capabilities are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The words in the program.
    Words,
    /// Its version.
    Version,
    /// Nothing: the oldest build in use is taken.
    Assumed,
}

/// What a binary can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// What kind of program it is.
    pub kind: Kind,
    /// Its version, as it says it.
    pub version: Option<String>,
    /// The build it is like.
    pub generation: Generation,
    /// How this is known.
    pub evidence: Evidence,
    /// Its commands, of those this crate knows.
    pub commands: BTreeSet<&'static str>,
    /// What addresses it can fetch from, such as `http`.
    pub schemes: BTreeSet<&'static str>,
    /// Whether it looks for `autoexec.ipxe` beside itself.
    pub autoexec: bool,
    /// Whether it takes a script line from UEFI load options.
    pub load_options: bool,
}

/// Why a file is no iPXE that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// None of the forms iPXE comes in.
    #[error("this is no iPXE binary: neither ipxe.lkrn nor an EFI nor a PXE program")]
    Unknown,
    /// An EFI program of something else.
    #[error("this EFI program is not iPXE")]
    NotIpxe,
    /// For other machines.
    #[error(
        "this EFI program is for another architecture (machine type {0:#06x}); x86-64 is meant"
    )]
    OtherMachine(u16),
}

/// How scripts begin.
const MAGIC: &[u8] = b"#!ipxe";

/// Those of Debian 12, as its `help` lists them.
const DEBIAN_12: &[&str] = &[
    "autoboot",
    "boot",
    "chain",
    "choose",
    "clear",
    "config",
    "cpuid",
    "dhcp",
    "echo",
    "exit",
    "goto",
    "help",
    "ibstat",
    "ifclose",
    "ifconf",
    "ifopen",
    "ifstat",
    "imgargs",
    "imgexec",
    "imgfetch",
    "imgfree",
    "imgload",
    "imgselect",
    "imgstat",
    "inc",
    "initrd",
    "iseq",
    "isset",
    "item",
    "iwlist",
    "iwstat",
    "kernel",
    "login",
    "menu",
    "module",
    "prompt",
    "pxebs",
    "read",
    "reboot",
    "route",
    "sanboot",
    "sanhook",
    "sanunhook",
    "set",
    "shell",
    "show",
    "sleep",
    "sync",
];

/// What Debian 13 has beside those.
const DEBIAN_13: &[&str] = &[
    "certfree",
    "certstat",
    "certstore",
    "colour",
    "console",
    "cpair",
    "form",
    "iflinkwait",
    "ping",
    "poweroff",
    "present",
    "shim",
    "vcreate",
    "vdestroy",
];

/// In every build, and stored so that the search for words cannot tell: linkers let `boot` be the
/// end of `autoboot`.
const ALWAYS: &[&str] = &[
    "boot", "chain", "dhcp", "echo", "exit", "goto", "initrd", "iseq", "isset", "kernel", "set",
    "sleep",
];

/// Addresses that a build may fetch from.
const SCHEMES: &[&str] = &["http", "https", "ftp", "nfs", "tftp", "iscsi", "file"];

impl Capabilities {
    /// Reads them from a binary.
    ///
    /// # Errors
    /// [`BinaryError`] when it is none.
    pub fn of(binary: &[u8]) -> Result<Self, BinaryError> {
        let word = |at: usize| {
            let bytes = binary.get(at..at + 2)?;
            Some(u16::from_le_bytes([bytes[0], bytes[1]]))
        };
        if binary.get(0x202..0x206) == Some(b"HdrS") {
            let version =
                word(0x20e).and_then(|offset| c_text(binary, usize::from(offset) + 0x200));
            // A Linux kernel has the same header; iPXE's has the number 2.7 and no setup code.
            let Some(version) = version.filter(|v| Generation::of_version(v).is_some()) else {
                return Err(BinaryError::Unknown);
            };
            if version.contains(") #") {
                return Err(BinaryError::Unknown);
            }
            return Ok(Self::of_version(Kind::Lkrn, &version));
        }
        if binary.starts_with(b"MZ") {
            let header = binary.get(0x3c..0x40).and_then(|b| b.try_into().ok());
            let header = header.map_or(0, u32::from_le_bytes) as usize;
            if binary.get(header..header.saturating_add(4)) != Some(b"PE\0\0") {
                return Err(BinaryError::Unknown);
            }
            return match word(header + 4) {
                Some(0x8664) => Self::probe(binary),
                other => Err(BinaryError::OtherMachine(other.unwrap_or(0))),
            };
        }
        let head = &binary[..binary.len().min(4096)];
        if contains(head, b"PXENV+") && contains(head, b"!PXE") {
            return Ok(Self::oldest(Kind::Pxe));
        }
        Err(BinaryError::Unknown)
    }

    /// Those of the oldest build in use: what it takes, all take.
    pub fn oldest(kind: Kind) -> Self {
        Self::like(kind, Generation::Debian12, None, Evidence::Assumed)
    }

    /// Those of a build, for a program of this kind.
    pub fn of_version(kind: Kind, version: &str) -> Self {
        match Generation::of_version(version) {
            Some(generation) => Self::like(
                kind,
                generation,
                Some(version.to_owned()),
                Evidence::Version,
            ),
            None => Self::oldest(kind),
        }
    }

    fn like(
        kind: Kind,
        generation: Generation,
        version: Option<String>,
        evidence: Evidence,
    ) -> Self {
        let newer = generation > Generation::Debian12;
        let mut commands: BTreeSet<_> = DEBIAN_12.iter().copied().collect();
        let mut schemes = BTreeSet::from(["http", "tftp", "nfs", "iscsi"]);
        if newer {
            commands.extend(DEBIAN_13);
            schemes.insert("https");
        }
        if kind == Kind::EfiX64 {
            schemes.insert("file");
        }
        Self {
            kind,
            version,
            generation,
            evidence,
            commands,
            schemes,
            autoexec: newer && kind == Kind::EfiX64,
            load_options: newer && kind == Kind::EfiX64,
        }
    }

    fn probe(binary: &[u8]) -> Result<Self, BinaryError> {
        // Texts are a small part of a program, and all that is looked at twice.
        let texts = texts(binary);
        let says = |needle: &[u8]| texts.iter().any(|text| contains(text, needle));
        let asked: BTreeSet<&[u8]> = Command::all()
            .map(|command| command.name().as_bytes())
            .chain(SCHEMES.iter().map(|scheme| scheme.as_bytes()))
            .chain([MAGIC])
            .collect();
        let words: BTreeSet<&[u8]> = texts
            .iter()
            .copied()
            .filter(|text| asked.contains(text))
            .collect();
        if !says(b": command not found") || !words.contains(MAGIC) && !says(b"iPXE") {
            return Err(BinaryError::NotIpxe);
        }
        let version = texts
            .iter()
            .filter(|text| text.len() <= 64 && text.iter().all(u8::is_ascii_graphic))
            .filter_map(|text| std::str::from_utf8(text).ok())
            .filter(|text| is_version(text))
            .min()
            .map(str::to_owned);
        let mut commands: BTreeSet<_> = Command::all()
            .map(Command::name)
            .filter(|name| words.contains(name.as_bytes()) || ALWAYS.contains(name))
            .collect();
        // They come together, and "form" may be the end of "platform".
        if commands.contains("present") {
            commands.insert("form");
        }
        let schemes: BTreeSet<_> = SCHEMES
            .iter()
            .copied()
            // "ftp" may be the end of "tftp".
            .filter(|scheme| words.contains(scheme.as_bytes()) || *scheme == "tftp")
            .collect();
        let autoexec = says(b"autoexec.ipxe");
        let generation = version.as_deref().and_then(Generation::of_version);
        Ok(Self {
            kind: Kind::EfiX64,
            version,
            generation: generation.unwrap_or(if autoexec {
                Generation::Debian13
            } else {
                Generation::Debian12
            }),
            evidence: Evidence::Words,
            commands,
            schemes,
            load_options: autoexec && generation.is_none_or(|g| g > Generation::Debian12),
            autoexec,
        })
    }

    /// A scheme of addresses that builds may know, by its name.
    pub fn scheme(name: &str) -> Option<&'static str> {
        SCHEMES.iter().copied().find(|scheme| *scheme == name)
    }

    /// Whether it has a command.
    pub fn has(&self, command: &str) -> bool {
        self.commands.contains(command)
    }

    /// Whether it can fetch over TLS.
    pub fn https(&self) -> bool {
        self.schemes.contains("https")
    }

    /// How new its options are, as [`Command::options`] counts.
    pub fn level(&self) -> u8 {
        match self.generation {
            Generation::Debian12 => 0,
            Generation::Debian13 => 1,
            Generation::V2 => 2,
        }
    }

    /// Whether options and types of builds after 2019 are known to it.
    pub fn is_newer(&self) -> bool {
        self.generation > Generation::Debian12
    }
}

/// `1.0.0+git-20190125.36a4c85-5.1`, `2.0.0`: digits, a point, digits, and more.
fn is_version(word: &str) -> bool {
    let mut parts = word.splitn(3, '.');
    let number = |part: Option<&str>| {
        part.is_some_and(|p| !p.is_empty() && p.len() < 3 && p.bytes().all(|b| b.is_ascii_digit()))
    };
    number(parts.next())
        && number(parts.next())
        && parts.next().is_some_and(|rest| {
            rest.contains("git") || rest.bytes().all(|b| b.is_ascii_digit()) && !rest.is_empty()
        })
}

fn c_text(binary: &[u8], at: usize) -> Option<String> {
    let rest = binary.get(at..binary.len().min(at + 128))?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    text.bytes()
        .all(|b| b.is_ascii_graphic() || b == b' ')
        .then(|| text.to_owned())
}

/// What is shown, with line ends and escape sequences.
fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x1b)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// The texts of a program: what is readable from one zero byte to the next.
fn texts(binary: &[u8]) -> Vec<&[u8]> {
    let mut texts = Vec::new();
    let mut rest = binary;
    // A program is zeros for a good part of it: they are passed one by one.
    while let Some(begin) = rest.iter().position(|byte| *byte != 0) {
        rest = &rest[begin..];
        let end = memchr::memchr(0, rest).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(end);
        if text.len() > 1 && text.iter().all(|byte| is_text(*byte)) {
            texts.push(text);
        }
        rest = behind;
    }
    texts
}
