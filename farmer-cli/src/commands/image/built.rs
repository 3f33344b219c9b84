//! What `farmer image build` tells about its image.

use hw_probe::units::Bytes;
use image_builder::medium::{Plan, UkiFacts};
use image_builder::payload::devices::MissingFirmware;
use image_builder::payload::uki::Uki;
use image_builder::regions::PayloadKind;
use image_builder::zos::SecureBoot;
use node_config::FarmId;
use serde::Serialize;

use super::assemble::hex;
use crate::page::{Align, Page};
use crate::printer::Show;

/// What was built.
#[derive(Serialize)]
pub struct Built {
    pub path: String,
    pub format: &'static str,
    pub size_bytes: u64,
    /// Of the file; of a bundle's SHA256SUMS. None with `--no-digest`.
    pub sha256: Option<String>,
    /// Files beside the image.
    pub papers: Vec<String>,
    /// Checks their signature, as `minisign -P` takes it.
    pub signing_key: Option<String>,
    pub payload: PayloadKind,
    pub farm_id: FarmId,
    /// Of farm-node only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    pub flavour: &'static str,
    /// None for what is no disk and belongs to none.
    pub disk_guid: Option<String>,
    pub kernel: String,
    pub kernel_arguments: String,
    pub bootkit: String,
    /// Of farm-node only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_sha256: Option<String>,
    /// Of a bundle's system: what `--expect` of a thin medium takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_sha256: Option<String>,
    /// Of Zero-OS only: what a machine with Secure Boot does with its kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<SecureBoot>,
    pub regions: Vec<BuiltRegion>,
    #[serde(flatten)]
    pub uki: Option<BuiltUki>,
    pub firmware: Vec<String>,
    pub missing_firmware: Vec<MissingFirmware>,
    pub microcode: Vec<String>,
    pub added: Vec<String>,
}

/// What is known of a unified kernel image.
#[derive(Serialize)]
pub struct BuiltUki {
    /// TPM register 11, SHA-256 bank, after systemd-stub has measured the image as built.
    pub pcr11_sha256: Option<String>,
    pub authenticode_sha256: String,
    /// SHA-256 of the certificate.
    pub signed_by_sha256: Option<String>,
}

impl From<&UkiFacts> for BuiltUki {
    fn from(uki: &UkiFacts) -> Self {
        Self {
            pcr11_sha256: uki.pcr11.map(hex),
            authenticode_sha256: hex(uki.authenticode_sha256),
            signed_by_sha256: uki.signed_by.map(hex),
        }
    }
}

impl From<&Uki> for BuiltUki {
    fn from(uki: &Uki) -> Self {
        Self {
            pcr11_sha256: uki.pcr11.map(hex),
            authenticode_sha256: hex(uki.authenticode_sha256),
            signed_by_sha256: uki.signed_by.map(hex),
        }
    }
}

/// A range of the image that is this farm's own.
#[derive(Serialize)]
pub struct BuiltRegion {
    pub name: String,
    pub offset: u64,
    pub length: u64,
}

impl BuiltRegion {
    /// The regions of a plan, and where copies of what they were built with lie.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let table = &plan.regions;
        let regions = table.regions.iter();
        regions
            .map(|region| (region.name.clone(), region.span))
            .chain([("defaults".to_owned(), table.defaults)])
            .map(|(name, span)| Self {
                name,
                offset: span.offset,
                length: span.length,
            })
            .collect()
    }
}

/// The file itself, as every kind of build shows it.
pub fn show_file(page: &mut Page, path: &str, size_bytes: u64, format: &str, sha256: Option<&str>) {
    page.field("image", path)
        .field(
            "size",
            format!("{} ({size_bytes} bytes)", Bytes(size_bytes)),
        )
        .field("format", format);
    if let Some(sha256) = sha256 {
        page.field("sha256", sha256);
    }
}

impl Show for Built {
    fn show(&self, page: &mut Page) {
        let sha256 = self.sha256.as_deref();
        show_file(page, &self.path, self.size_bytes, self.format, sha256);
        for paper in &self.papers {
            page.field("paper", paper);
        }
        if let Some(key) = &self.signing_key {
            page.field("signed by", key);
        }
        page.field("system", self.payload.name())
            .field("farm", self.farm_id);
        if let Some(directory) = &self.directory {
            page.field("directory", directory);
        }
        page.field("kernel", &self.kernel);
        if !self.kernel_arguments.is_empty() {
            page.field("arguments", &self.kernel_arguments);
        }
        if let Some(system) = &self.system_sha256 {
            page.field("system sha256", system);
        }
        if let Some(secure_boot) = &self.secure_boot {
            page.field("Secure Boot", secure_boot.words());
        }
        for (name, files) in [
            ("microcode", &self.microcode),
            ("firmware", &self.firmware),
            ("added", &self.added),
        ] {
            if !files.is_empty() {
                page.field(name, summary(files));
            }
        }
        page.field("UEFI", self.flavour);
        if let Some(guid) = &self.disk_guid {
            page.field("disk", guid);
        }
        if let Some(uki) = &self.uki {
            if let Some(pcr11) = &uki.pcr11_sha256 {
                page.field("PCR 11", pcr11);
            }
            if let Some(certificate) = &uki.signed_by_sha256 {
                page.field("program signed by", certificate);
            }
        }
        let rows: Vec<Vec<String>> = self
            .regions
            .iter()
            .map(|r| vec![r.name.clone(), r.offset.to_string(), r.length.to_string()])
            .collect();
        if !rows.is_empty() {
            page.line("").table(
                &[
                    ("THIS FARM'S OWN", Align::Left),
                    ("OFFSET", Align::Right),
                    ("BYTES", Align::Right),
                ],
                &rows,
            );
        }
        let rows: Vec<Vec<String>> = self
            .missing_firmware
            .iter()
            .map(|missing| {
                let device = missing.device.as_deref().unwrap_or("-");
                let package = missing.package.as_deref().unwrap_or("-");
                vec![
                    format!("{device} ({})", missing.driver),
                    summary(&missing.files),
                    package.to_owned(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            page.line("").table(
                &[
                    ("WITHOUT FIRMWARE", Align::Left),
                    ("FILES", Align::Left),
                    ("DEBIAN PACKAGE", Align::Left),
                ],
                &rows,
            );
        }
    }
}

/// The first of some names, and how many more there are.
fn summary(names: &[String]) -> String {
    match names {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}
