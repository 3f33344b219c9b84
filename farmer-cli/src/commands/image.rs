//! `farmer image`

mod assemble;
pub mod keys;
mod show;
mod uefi;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hw_probe::units::Bytes;
use image_builder::bootkit::Digest;
use image_builder::error::EmitError;
use node_config::NodeConfig;
use serde::Serialize;

use super::Context;
use super::bootkit::Wanted;
use crate::args::ImageBuildArgs;
use crate::blocking;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::{Printer, Show};

pub use show::show;

/// Digest of the `farm-node` this program was released with; development builds have none.
const RELEASED_NODE_SHA256: Option<&str> = option_env!("FARM_NODE_SHA256");

/// What was built.
#[derive(Serialize)]
struct Built {
    path: String,
    size_bytes: u64,
    sha256: String,
    farm_id: node_config::FarmId,
    directory: String,
    flavour: &'static str,
    disk_guid: Option<String>,
    kernel: String,
    bootkit: String,
    node_sha256: String,
    regions: Vec<BuiltRegion>,
    #[serde(flatten)]
    uki: Option<BuiltUki>,
    missing_firmware: BTreeMap<String, Vec<String>>,
}

/// What is known of a unified kernel image.
#[derive(Serialize)]
struct BuiltUki {
    /// TPM register 11, SHA-256 bank, after systemd-stub has measured the image as built.
    pcr11_sha256: Option<String>,
    authenticode_sha256: String,
    /// SHA-256 of the certificate.
    signed_by_sha256: Option<String>,
}

/// A range of the image that is this farm's own.
#[derive(Serialize)]
struct BuiltRegion {
    name: String,
    offset: u64,
    length: u64,
}

impl Show for Built {
    fn show(&self, page: &mut Page) {
        page.field("image", &self.path)
            .field(
                "size",
                format!("{} ({} bytes)", Bytes(self.size_bytes), self.size_bytes),
            )
            .field("sha256", &self.sha256)
            .field("farm", self.farm_id)
            .field("directory", &self.directory)
            .field("kernel", &self.kernel)
            .field("UEFI", self.flavour);
        if let Some(guid) = &self.disk_guid {
            page.field("disk", guid);
        }
        if let Some(uki) = &self.uki {
            if let Some(pcr11) = &uki.pcr11_sha256 {
                page.field("PCR 11", pcr11);
            }
            if let Some(certificate) = &uki.signed_by_sha256 {
                page.field("signed by", certificate);
            }
        }
        if self.regions.is_empty() {
            return;
        }
        let rows: Vec<Vec<String>> = self
            .regions
            .iter()
            .map(|r| vec![r.name.clone(), r.offset.to_string(), r.length.to_string()])
            .collect();
        page.line("").table(
            &[
                ("THIS FARM'S OWN", Align::Left),
                ("OFFSET", Align::Right),
                ("BYTES", Align::Right),
            ],
            &rows,
        );
    }
}

/// Everything a build needs, gathered before the work starts.
struct Job {
    config: NodeConfig,
    wanted: Wanted,
    node: PathBuf,
    level: i32,
    cache_dir: PathBuf,
    timestamp: Option<u64>,
    uefi: uefi::Uefi,
    target: Target,
    printer: Printer,
}

/// Where the image goes.
enum Target {
    File { path: PathBuf, overwrite: bool },
    Stdout,
}

/// `farmer image build`
pub async fn build(context: &Context<'_>, args: ImageBuildArgs) -> Outcome<ExitStatus> {
    let target = target(args.out, args.force)?;
    let uefi = uefi::Uefi::choose(&args.uefi, args.parts.kernel.is_some())?;
    uefi.tell(context.printer);
    let settings = context.settings(&args.connection)?;
    let directory = settings.directory()?;
    if directory.url.is_loopback() {
        context.printer.warning(&format!(
            "the image will look for the directory at {}, which is the node itself",
            directory.url
        ));
    }
    if !directory.url.is_encrypted() {
        context
            .printer
            .warning("the image will talk to its directory without encryption");
    }
    let mut config = NodeConfig::new(args.farm_id, directory);
    config.location = args.location.map(|location| location.0);
    config.debug = args.debug;
    if let Some(address) = args.static_address {
        config.addressing = address.0;
    }
    config.check()?;
    let parts = args.parts;
    let job = Job {
        node: find_node(parts.node, context.printer)?,
        wanted: Wanted {
            debs: parts.deb,
            kernel: parts.kernel.map(|kernel| (kernel, parts.modules)),
        },
        level: parts.compression_level,
        cache_dir: context.environment.cache_dir()?,
        timestamp: context.environment.source_date_epoch()?,
        uefi,
        target,
        config,
        printer: context.printer.clone(),
    };
    let to_stdout = matches!(job.target, Target::Stdout);
    let built = blocking::run(context.printer, move |cancel| assemble::make(&job, cancel)).await?;
    if to_stdout {
        // Standard output is the image; its description must not end up inside.
        context.printer.message(&format!("sha256 {}", built.sha256));
    } else {
        context.printer.to_stdout().data(&built)?;
    }
    Ok(ExitStatus::Ok)
}

/// Refuses at once what would be refused after minutes of work.
fn target(out: Option<PathBuf>, overwrite: bool) -> Outcome<Target> {
    let path = out.ok_or_else(|| Failure::new(ExitStatus::Usage, "no output file is named"))?;
    if path == Path::new("-") {
        return Ok(Target::Stdout);
    }
    if path.symlink_metadata().is_ok_and(|found| found.is_file()) && !overwrite {
        return Err(EmitError::Exists { path }.into());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Err(source) = directory.metadata() {
        return Err(EmitError::Create {
            directory: directory.to_owned(),
            source,
        }
        .into());
    }
    Ok(Target::File { path, overwrite })
}

/// The `farm-node` to put in: the one named, or the one this program came with.
fn find_node(named: Option<PathBuf>, printer: &Printer) -> Outcome<PathBuf> {
    if let Some(path) = named {
        return match path.metadata() {
            Ok(_) => Ok(path),
            Err(error) => Err(Failure::io("opening", &path, error)),
        };
    }
    let here = std::env::current_exe()
        .map_err(|error| Failure::io("finding", Path::new("this program"), error))?;
    let beside = here.parent().unwrap_or(Path::new("/"));
    let places = [
        beside.join("farm-node"),
        beside.join("../libexec/farmer/farm-node"),
    ];
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        return Err(Failure::new(
            ExitStatus::NotFound,
            format!(
                "there is no farm-node at {} or {}",
                places[0].display(),
                places[1].display()
            ),
        )
        .with_hint("name one with `--node FILE`"));
    };
    let Some(expected) = RELEASED_NODE_SHA256 else {
        printer.warning(&format!(
            "development build: {} is used unchecked",
            path.display()
        ));
        return Ok(path.clone());
    };
    let (found, _) = Digest::of_file(path).map_err(|error| Failure::io("reading", path, error))?;
    if found.to_string() == expected {
        return Ok(path.clone());
    }
    Err(Failure::new(
        ExitStatus::Mismatch,
        format!(
            "{} is not the farm-node this program was released with",
            path.display()
        ),
    )
    .with_hint("install both from one release, or name it with `--node` if you mean it"))
}
