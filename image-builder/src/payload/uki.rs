//! Unified kernel image: one EFI program that holds kernel, initramfs and command line (UAPI
//! specification "Unified Kernel Image"). systemd-stub is the program; the rest are its sections.
//!
//! Kernel and initramfs begin on page boundaries of the file, so that an ISO 9660 record can point
//! at them while they are inside the image.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::content::{Content, Sha256Digest, sha256};
use crate::error::ReadError;
use crate::formats::pe::{self, Assembled, NewSection, PeError};
use crate::formats::timestamp::Timestamp;
use crate::regions::Span;
use crate::rope::Layout;
use crate::secureboot::{SecureBootError, Signer, authenticode};

/// Bytes read at once when digests are made; even, because checksums count 16-bit words.
const CHUNK_BYTES: usize = 256 * 1024;

/// A unified kernel image that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UkiError {
    /// The stub is no EFI program, or has no room.
    #[error("systemd-stub {0}")]
    Stub(#[from] PeError),
    /// The file given as stub is another EFI program.
    #[error("the stub is no systemd-stub")]
    NotSystemd,
    /// The command line would be misread.
    #[error("the kernel command line holds {0:?}; only printable ASCII gets through systemd-stub")]
    CommandLine(char),
    /// Signing failed.
    #[error("cannot sign the image")]
    Sign(#[from] SecureBootError),
    /// A part cannot be read.
    #[error("cannot read a part of the image")]
    Read(#[from] ReadError),
}

impl UkiError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Stub(_) | Self::NotSystemd => {
                Some("take linuxx64.efi.stub from Debian's systemd-boot-efi package".to_owned())
            }
            Self::Sign(error) => error.hint(),
            _ => None,
        }
    }
}

/// What a unified kernel image is made of.
#[derive(Debug, Clone)]
pub struct UkiParts {
    /// `linuxx64.efi.stub`.
    pub stub: Arc<[u8]>,
    /// `os-release` text.
    pub os_release: String,
    /// Kernel release.
    pub kernel_release: String,
    /// Kernel command line: ASCII, NUL padded where it is to be rewritten later.
    pub command_line: Vec<u8>,
    /// The kernel.
    pub kernel: Content,
    /// Initramfs archives in the order they are unpacked.
    pub initramfs: Vec<Content>,
    /// Time in the header.
    pub timestamp: Timestamp,
}

/// A finished unified kernel image.
#[derive(Debug, Clone)]
pub struct Uki {
    /// The file.
    pub layout: Layout,
    /// Where the kernel lies in the file.
    pub kernel: Span,
    /// Where the initramfs lies in the file.
    pub initramfs: Span,
    /// Where the command line lies in the file.
    pub command_line: Span,
    /// What TPM register 11 (SHA-256 bank) holds once systemd-stub has measured itself; `None` for a
    /// stub that does not measure, or whose order is not known here.
    pub pcr11: Option<Sha256Digest>,
    /// Authenticode digest of the program.
    pub authenticode_sha256: Sha256Digest,
    /// SHA-256 of the certificate it was signed with.
    pub signed_by: Option<Sha256Digest>,
}

impl UkiParts {
    /// Puts the image together; reads all parts once for the digests and signs it if a signer is
    /// given. The same parts and key give the same bytes.
    ///
    /// # Errors
    /// [`UkiError`].
    pub fn assemble(&self, signer: Option<&dyn Signer>) -> Result<Uki, UkiError> {
        let magic = pe::section_bytes(&self.stub, ".sdmagic").ok_or(UkiError::NotSystemd)?;
        let text = self.command_line.split(|byte| *byte == 0).next();
        if let Some(bad) = text
            .into_iter()
            .flatten()
            .find(|b| !(b' '..=b'~').contains(b))
        {
            return Err(UkiError::CommandLine(char::from(*bad)));
        }
        let texts = [
            (".osrel", self.os_release.as_bytes()),
            (".cmdline", &self.command_line[..]),
            (".uname", self.kernel_release.as_bytes()),
        ];
        let mut sections: Vec<NewSection> = texts
            .map(|(name, bytes)| NewSection {
                name,
                pieces: vec![Content::bytes(bytes)],
            })
            .into();
        sections.push(NewSection {
            name: ".linux",
            pieces: vec![self.kernel.clone()],
        });
        sections.push(NewSection {
            name: ".initrd",
            pieces: self.initramfs.clone(),
        });
        let program = pe::append(&self.stub, &sections, self.timestamp)?;
        let (authenticode_sha256, checksum) = digests(&program)?;
        let layout = match signer {
            Some(signer) => {
                let table = authenticode::certificate_table(signer, &authenticode_sha256)?;
                program.signed(table, checksum)?
            }
            // No checksum, which no firmware reads: the arguments may be rewritten in place, and two
            // farms' images differ in those alone.
            None => program.layout().clone(),
        };
        let pcr11 = match stub_version(magic).and_then(measured_sections) {
            Some(names) => Some(self.pcr11(&layout, &program, names)?),
            None => None,
        };
        Ok(Uki {
            kernel: span_of(&program, ".linux"),
            initramfs: span_of(&program, ".initrd"),
            command_line: span_of(&program, ".cmdline"),
            layout,
            pcr11,
            authenticode_sha256,
            signed_by: signer.map(|signer| signer.certificate().fingerprint()),
        })
    }

    /// systemd-stub extends register 11 by each section's name with its NUL, then by its content.
    fn pcr11(
        &self,
        layout: &Layout,
        program: &Assembled,
        names: &[&str],
    ) -> Result<Sha256Digest, UkiError> {
        let mut register = [0; 32];
        let mut extend = |digest: Sha256Digest| {
            register = sha256(&[register, digest].concat());
        };
        for name in names {
            let digest = match *name {
                ".sbat" => match pe::section_bytes(&self.stub, name) {
                    Some(bytes) => sha256(bytes),
                    None => continue,
                },
                ".linux" => *self.kernel.sha256(),
                _ => digest_of(layout, span_of(program, name))?,
            };
            extend(sha256(format!("{name}\0").as_bytes()));
            extend(digest);
        }
        Ok(register)
    }
}

/// Sections that are measured, in the order of that systemd version, of those an image of ours has.
/// Sources: systemd's src/fundamental/tpm-pcr.h (252) and uki.h (254 and later).
fn measured_sections(version: u32) -> Option<&'static [&'static str]> {
    match version {
        252 => Some(&[".linux", ".osrel", ".cmdline", ".initrd"]),
        253 => Some(&[".linux", ".osrel", ".cmdline", ".initrd", ".uname"]),
        254..=258 => Some(&[".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"]),
        _ => None,
    }
}

/// The major version in `#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####`.
fn stub_version(magic: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(magic).ok()?;
    let version = text.split("systemd-stub ").nth(1)?;
    let digits = version.find(|c: char| !c.is_ascii_digit())?;
    version[..digits].parse().ok()
}

fn span_of(program: &Assembled, name: &str) -> Span {
    let nothing = Span {
        offset: 0,
        length: 0,
    };
    let placed = program.sections.iter().find(|(placed, _)| *placed == name);
    placed.map_or(nothing, |(_, span)| *span)
}

/// Authenticode digest and sum for the PE checksum, in one pass.
fn digests(program: &Assembled) -> Result<(Sha256Digest, u32), ReadError> {
    let mut hasher = Sha256::new();
    let mut sum = 0;
    for range in program.signed_ranges() {
        walk(program.layout(), range, &mut |part| {
            hasher.update(part);
            // What is left out between the ranges is zero.
            sum = pe::checksum_add(sum, part);
        })?;
    }
    Ok((hasher.finalize().into(), sum))
}

fn digest_of(layout: &Layout, span: Span) -> Result<Sha256Digest, ReadError> {
    let mut hasher = Sha256::new();
    walk(layout, span, &mut |part| hasher.update(part))?;
    Ok(hasher.finalize().into())
}

fn walk(layout: &Layout, span: Span, each: &mut dyn FnMut(&[u8])) -> Result<(), ReadError> {
    let mut buf = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < span.length {
        let part = (span.length - at).min(CHUNK_BYTES as u64) as usize;
        layout.read_at(span.offset + at, &mut buf[..part])?;
        each(&buf[..part]);
        at += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_magic() {
        let magic = b"#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0";
        assert_eq!(stub_version(magic), Some(252));
        assert_eq!(
            stub_version(b"#### LoaderInfo: systemd-boot 252 ####"),
            None
        );
        assert!(measured_sections(251).is_none() && measured_sections(1000).is_none());
    }
}
