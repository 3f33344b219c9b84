//! The uki flavour: a unified kernel image is what UEFI starts, and BIOS reads kernel and initramfs out
//! of it.

use std::sync::Arc;

use node_config::medium::CREDENTIAL_NAME;

use super::loader_config::{self, LoaderConfig};
use super::region_contents::RegionContents;
use super::serial::SerialConsole;
use super::universal::{CONFIG_PATH, KERNEL_PATH, PlacedFile, UniversalMedium, placed};
use super::volumes::{Body, TreeFile};
use crate::content::{Content, Sha256Digest};
use crate::error::PlanError;
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::payload::uki::{Uki, UkiError, UkiParts};
use crate::regions::{self, Span};
use crate::secureboot::Signer;

/// Where firmware looks on a removable medium.
const UKI_PATH: &str = "EFI/BOOT/BOOTX64.EFI";
/// Where ISO 9660 shows the `.initrd` section.
pub(super) const INITRAMFS_PATH: &str = "BOOT/INITRD.IMG";
/// Directory systemd-boot enrols keys from; the last part is the name it shows.
const KEYS_DIRECTORY: &str = "loader/keys/farm";
const README_PATH: &str = "README.TXT";

/// What a unified kernel image needs beside kernel and initramfs.
#[derive(Debug, Clone)]
pub struct UkiBoot {
    /// `linuxx64.efi.stub`.
    pub stub: Content,
    /// `os-release` text.
    pub os_release: String,
    /// Kernel release.
    pub kernel_release: String,
    /// Who signs it.
    pub signer: Option<Arc<dyn Signer>>,
    /// Files to enrol the signer's key with.
    pub enrolment: Vec<Enrolment>,
}

/// A file that brings a key into a firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Name, such as `PK.auth`.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What is known of the unified kernel image on a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UkiFacts {
    /// TPM register 11 (SHA-256 bank) after a boot with the arguments it was built with.
    pub pcr11: Option<Sha256Digest>,
    /// Authenticode digest.
    pub authenticode_sha256: Sha256Digest,
    /// SHA-256 of the certificate it was signed with.
    pub signed_by: Option<Sha256Digest>,
    /// Where it lies in the image.
    pub span: Span,
}

impl UkiBoot {
    /// What makes two media differ, for their identity.
    pub(super) fn identity(&self) -> Vec<(&'static str, Sha256Digest)> {
        let mut parts = vec![
            ("stub", *self.stub.sha256()),
            (
                "os-release",
                crate::content::sha256(self.os_release.as_bytes()),
            ),
        ];
        if let Some(signer) = &self.signer {
            parts.push(("signer", signer.certificate().fingerprint()));
        }
        for file in &self.enrolment {
            parts.push(("enrolment", crate::content::sha256(&file.bytes)));
        }
        parts
    }

    pub(super) fn command_line(
        &self,
        medium: &UniversalMedium,
        guid: Guid,
        contents: &RegionContents,
    ) -> Result<LoaderConfig, PlanError> {
        let region = contents.get(regions::KARGS_UKI);
        let arguments = match region {
            Some(padded) => padded.to_vec(),
            None => regions::normal_arguments(&medium.kernel_arguments)?.into_bytes(),
        };
        let mut line = loader_config::command_line(&medium.entries(guid, &[]), &arguments);
        if region.is_none() {
            line.text = line.text.trim_ascii_end().to_vec();
        }
        Ok(line)
    }

    /// The unified kernel image as a file of its own, for an EFI partition or a network boot server of
    /// someone else's. The last of `initramfs` is the farm's config: there is no region to hold it.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn image(
        &self,
        kernel: &Content,
        initramfs: Vec<Content>,
        (serial, arguments): (Option<SerialConsole>, &str),
        timestamp: Timestamp,
    ) -> Result<Uki, PlanError> {
        let arguments = regions::normal_arguments(arguments)?;
        let parts = UkiParts {
            command_line: loader_config::standalone_command_line(serial, &arguments),
            ..self.parts(kernel, initramfs, timestamp)?
        };
        Ok(parts.assemble(self.signer.as_deref())?)
    }

    /// All parts but the command line.
    fn parts(
        &self,
        kernel: &Content,
        initramfs: Vec<Content>,
        timestamp: Timestamp,
    ) -> Result<UkiParts, PlanError> {
        Ok(UkiParts {
            stub: self.stub.read().map_err(UkiError::from)?.into(),
            os_release: self.os_release.clone(),
            kernel_release: self.kernel_release.clone(),
            command_line: Vec::new(),
            kernel: kernel.clone(),
            initramfs,
            timestamp,
        })
    }

    pub(super) fn assemble(
        &self,
        medium: &UniversalMedium,
        command_line: &LoaderConfig,
    ) -> Result<Uki, PlanError> {
        let initramfs = medium.initramfs.iter().map(|file| file.content.clone());
        let parts = UkiParts {
            command_line: command_line.text.clone(),
            ..self.parts(&medium.kernel, initramfs.collect(), medium.timestamp)?
        };
        Ok(parts.assemble(self.signer.as_deref())?)
    }

    /// Files of the EFI partition.
    pub(super) fn esp_files(&self, uki: &Uki, contents: &RegionContents) -> Vec<TreeFile> {
        let bytes = |path: String, bytes: &[u8]| TreeFile {
            path,
            body: Body::Content(Content::bytes(bytes)),
        };
        let readme = match (&self.signer, self.enrolment.is_empty()) {
            (None, _) => include_str!("esp-readme-unsigned.txt"),
            (Some(_), true) => include_str!("esp-readme-signed.txt"),
            (Some(_), false) => include_str!("esp-readme-keys.txt"),
        };
        let mut files = Vec::new();
        if let Some(config) = contents.get(regions::CONFIG) {
            files.push(bytes(credential_path(), config));
        }
        files.push(bytes(
            README_PATH.to_owned(),
            readme.replace('\n', "\r\n").as_bytes(),
        ));
        files.extend(
            self.enrolment
                .iter()
                .map(|file| bytes(format!("{KEYS_DIRECTORY}/{}", file.name), &file.bytes)),
        );
        files.push(TreeFile {
            path: UKI_PATH.to_owned(),
            body: Body::Layout(uki.layout.clone()),
        });
        files
    }
}

/// Where systemd-stub looks for credentials of the image it is part of.
fn credential_path() -> String {
    format!("{UKI_PATH}.extra.d/{CREDENTIAL_NAME}")
}

/// Where the unified kernel image lies.
pub(super) fn uki_span(files: &[PlacedFile]) -> Span {
    placed(files, UKI_PATH)
}

/// Where the config region lies.
pub(super) fn config_span(files: &[PlacedFile]) -> Span {
    placed(files, &credential_path())
}

/// The files BIOS sees: parts of the image under names of their own.
pub(super) fn iso_files(uki: &Uki, files: &[PlacedFile]) -> Vec<PlacedFile> {
    let start = uki_span(files).offset;
    let inside = |path: &str, span: Span| PlacedFile {
        path: path.to_owned(),
        span: Span {
            offset: start + span.offset,
            length: span.length,
        },
    };
    vec![
        inside(KERNEL_PATH, uki.kernel),
        inside(INITRAMFS_PATH, uki.initramfs),
        PlacedFile {
            path: CONFIG_PATH.to_owned(),
            span: config_span(files),
        },
        PlacedFile {
            path: README_PATH.to_owned(),
            span: placed(files, README_PATH),
        },
    ]
}
