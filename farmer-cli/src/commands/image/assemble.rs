//! From a job to a finished image: bootkit, payload, plan, one pass of writing.

use std::io::{self, Write as _};
use std::path::Path;

use image_builder::bootkit::{Bootkit, Loader};
use image_builder::content::Content;
use image_builder::emit::{self, EmitOptions, Emitted};
use image_builder::error::{EmitError, PlanError, ReadError};
use image_builder::formats::el_torito::UefiSectorCount;
use image_builder::formats::guid::Guid;
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::{InitramfsFile, Loaders, Plan, UniversalMedium};
use image_builder::payload::modules::selection::SelectionError;
use image_builder::payload::{
    self, CONFIG_REGION_BYTES, ConfigFile, CpioError, LayerKind, Payload, PayloadError,
    PayloadOptions, Selection, Warning, config_cpio,
};
use image_builder::rope::Layout;
use image_builder::show::CONFIG_FILE;
use node_config::SCHEMA_VERSION;

use super::{Built, BuiltRegion, BuiltUki, Job, Target};
use crate::blocking::Cancel;
use crate::commands::bootkit::fetch;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::printer::Printer;
use crate::progress::Progress;

/// `farm.toml` on a fresh medium: nothing is set, everything is explained.
const FARM_TOML: &str = "\
# Settings of this stick. Remove the # in front of a line to make it count;
# what is set here wins over what is built into the image.
#
# farm_id = 1
#
# [directory]
# url = \"https://directory.example\"
# pin = \"sha256/...\"
#
# [network]
# address = \"192.0.2.5/24\"
# gateway = \"192.0.2.1\"
# dns = [\"192.0.2.53\"]
";

impl Classify for EmitError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Exists { .. } | Self::NotRegular { .. } => ExitStatus::Refused,
            Self::NoFileName { .. } => ExitStatus::Usage,
            Self::Create { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ExitStatus::NotFound
            }
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => {
                Some("choose another name, or replace it with `--force`".to_owned())
            }
            _ => self.hint(),
        }
    }
}

impl Classify for PlanError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

impl Classify for PayloadError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Bootkit(error) => error.status(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ExitStatus::NotFound
            }
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

impl Classify for CpioError {
    fn advice(&self) -> Option<String> {
        matches!(self, Self::RegionTooSmall { .. })
            .then(|| "name fewer certificate authorities, or pin the directory's key".to_owned())
    }
}

impl Classify for ReadError {}
impl Classify for SelectionError {}

/// Makes the image; what stands in the way of nothing is told as a warning.
pub fn make(job: &Job, cancel: &Cancel) -> Outcome<Built> {
    let mut progress = Progress::new(&job.printer);
    let kit = fetch(&job.wanted, &job.cache_dir, &mut progress, cancel)
        .doing("getting kernel and boot loaders")?;
    let payload = make_payload(job, &kit, &mut progress, cancel)?;
    let made = if job.uefi.alone {
        unified(job, &kit, &payload)?
    } else {
        plan(job, &kit, &payload)?.into()
    };
    let emitted = write(job, &made.layout, &mut progress, cancel)?;
    progress.finish();
    for warning in &payload.warnings {
        tell_warning(&job.printer, warning);
    }
    let path = match &job.target {
        Target::File { path, .. } => path.display().to_string(),
        Target::Stdout => "-".to_owned(),
    };
    Ok(Built {
        path,
        size_bytes: emitted.bytes,
        sha256: emitted.sha256.map(hex).unwrap_or_default(),
        farm_id: job.config.farm_id,
        directory: job.config.directory.url.to_string(),
        flavour: job.uefi.name(),
        disk_guid: made.disk_guid.map(|guid| guid.to_string()),
        kernel: payload.kernel_version.clone(),
        bootkit: kit.id().to_string(),
        node_sha256: payload.manifest.node_sha256.to_string(),
        regions: made.regions,
        uki: made.uki,
        missing_firmware: payload.manifest.missing_firmware.clone(),
    })
}

/// What is about to be written.
struct Made {
    layout: Layout,
    disk_guid: Option<Guid>,
    regions: Vec<BuiltRegion>,
    uki: Option<BuiltUki>,
}

impl From<Plan> for Made {
    fn from(plan: Plan) -> Self {
        Self {
            disk_guid: Some(plan.disk_guid),
            regions: own_regions(&plan),
            uki: plan.uki.map(|uki| BuiltUki {
                pcr11_sha256: uki.pcr11.map(hex),
                authenticode_sha256: hex(uki.authenticode_sha256),
                signed_by_sha256: uki.signed_by.map(hex),
            }),
            layout: plan.layout,
        }
    }
}

/// The regions, and where copies of what they were built with lie.
fn own_regions(plan: &Plan) -> Vec<BuiltRegion> {
    let table = &plan.regions;
    let defaults = ("defaults".to_owned(), table.defaults);
    let regions = table
        .regions
        .iter()
        .map(|region| (region.name.clone(), region.span));
    regions
        .chain([defaults])
        .map(|(name, span)| BuiltRegion {
            name,
            offset: span.offset,
            length: span.length,
        })
        .collect()
}

fn make_payload(
    job: &Job,
    kit: &Bootkit,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<Payload> {
    let selection = Selection::default_set()?;
    let options = PayloadOptions {
        bootkit: kit,
        node: &job.node,
        selection: &selection,
        cache_dir: &job.cache_dir,
        level: job.level,
        config_schema: SCHEMA_VERSION,
    };
    let name = |kind: LayerKind| match kind {
        LayerKind::Node => "farm-node",
        _ => "kernel modules",
    };
    Ok(payload::build(&options, &mut |event| {
        cancel.check();
        match event {
            payload::Event::LayerStarted { kind, .. } => {
                progress.stage(&format!("compressing {}", name(kind)));
            }
            payload::Event::LayerProgress {
                done_bytes,
                unpacked_bytes,
                ..
            } => {
                progress.bytes(done_bytes, unpacked_bytes);
            }
            _ => {}
        }
    })?)
}

/// This farm's settings as an initramfs archive.
fn config(job: &Job) -> Outcome<Vec<u8>> {
    let toml = job.config.to_toml();
    Ok(config_cpio(
        &[ConfigFile {
            path: CONFIG_FILE,
            content: toml.as_bytes(),
            mode: 0o600,
        }],
        CONFIG_REGION_BYTES,
    )?)
}

fn timestamp(job: &Job, payload: &Payload) -> Timestamp {
    Timestamp(job.timestamp.unwrap_or(payload.manifest.newest_mtime))
}

/// The unified kernel image alone.
fn unified(job: &Job, kit: &Bootkit, payload: &Payload) -> Outcome<Made> {
    let layers = payload.layers.iter().map(|layer| layer.part.content());
    let mut initramfs = layers.collect::<Result<Vec<_>, ReadError>>()?;
    initramfs.push(Content::bytes(config(job)?));
    let boot = job.uefi.unified(kit, payload)?;
    let kernel = payload.kernel.content()?;
    let uki = boot.image(&kernel, initramfs, "", timestamp(job, payload))?;
    Ok(Made {
        disk_guid: None,
        regions: Vec::new(),
        uki: Some(BuiltUki {
            pcr11_sha256: uki.pcr11.map(hex),
            authenticode_sha256: hex(uki.authenticode_sha256),
            signed_by_sha256: uki.signed_by.map(hex),
        }),
        layout: uki.layout,
    })
}

fn plan(job: &Job, kit: &Bootkit, payload: &Payload) -> Outcome<Plan> {
    let loader = |loader: Loader| -> Outcome<Content> {
        let entry = kit.loader_entry(loader).ok_or_else(|| {
            Failure::new(
                ExitStatus::NotFound,
                format!("the bootkit has no {}", loader.path()),
            )
        })?;
        Ok(Content::file(kit.loader(loader), *entry.sha256.as_bytes())?)
    };
    let config = config(job)?;
    let initramfs = payload
        .layers
        .iter()
        .map(|layer| {
            let name = match layer.kind {
                LayerKind::Node => "NODE.IMG",
                _ => "BASE.IMG",
            };
            Ok(InitramfsFile {
                name: name.to_owned(),
                content: layer.part.content()?,
            })
        })
        .collect::<Outcome<Vec<_>>>()?;
    let medium = UniversalMedium {
        title: "ThreeFold farm node".to_owned(),
        loaders: Loaders {
            isohdpfx: loader(Loader::IsohybridMbr)?.read()?.into(),
            isolinux: loader(Loader::Isolinux)?.read()?.into(),
            ldlinux: loader(Loader::Ldlinux)?,
            shim: loader(Loader::Shim)?,
            grub: loader(Loader::Grub)?,
            mok_manager: Some(loader(Loader::MokManager)?),
            grub_directory: "EFI/DEBIAN".to_owned(),
        },
        uefi: job.uefi.boot(kit, payload)?,
        kernel: payload.kernel.content()?,
        initramfs,
        kernel_arguments: String::new(),
        config,
        farm_toml: FARM_TOML.to_owned(),
        timestamp: timestamp(job, payload),
        uefi_sector_count: UefiSectorCount::default(),
    };
    Ok(medium.plan()?)
}

fn write(job: &Job, layout: &Layout, progress: &mut Progress, cancel: &Cancel) -> Outcome<Emitted> {
    let mut on_progress = |step: emit::Progress| {
        cancel.check();
        progress.bytes(step.done_bytes, step.total_bytes);
    };
    match &job.target {
        Target::File { path, overwrite } => {
            let options = EmitOptions {
                overwrite: *overwrite,
                digest: true,
                sync: true,
            };
            Ok(emit::to_file(layout, path, options, &mut on_progress)?)
        }
        Target::Stdout => {
            let mut out = io::stdout().lock();
            let emitted = emit::to_writer(layout, &mut out, true, &mut on_progress);
            let emitted = emitted.map_err(closed_stdout)?;
            out.flush()
                .map_err(|error| Failure::io("writing to", Path::new("standard output"), error))?;
            Ok(emitted)
        }
    }
}

fn closed_stdout(error: EmitError) -> Failure {
    match &error {
        EmitError::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            Failure::closed_stdout()
        }
        _ => error.into(),
    }
}

fn tell_warning(printer: &Printer, warning: &Warning) {
    match warning {
        Warning::MissingFirmware(missing) => {
            let modules: Vec<&str> = missing.keys().map(String::as_str).collect();
            printer.warning(&format!(
                "no firmware in the image for {} drivers; devices that need it will not work \
                 (`-v` lists them)",
                modules.len()
            ));
            tracing::info!(modules = %modules.join(" "), "drivers without firmware");
        }
        Warning::UnknownModules(modules) => {
            tracing::info!(modules = %modules.join(" "), "modules this kernel does not have");
        }
        Warning::UnresolvedDependencies(modules) => printer.warning(&format!(
            "dependencies that no module provides: {}",
            modules.join(", ")
        )),
        _ => {}
    }
}

pub fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
