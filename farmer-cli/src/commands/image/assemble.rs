//! From a job to a finished image: bootkit, payload, plan, one pass of writing.

use std::io;
use std::path::Path;

use image_builder::bootkit::Bootkit;
use image_builder::bootkit::packages::fetch_offered;
use image_builder::customize;
use image_builder::error::{EmitError, PlanError, ReadError};
use image_builder::payload::devices::{self, describe_missing};
use image_builder::payload::modules::selection::SelectionError;
use image_builder::payload::{
    self, CpioError, LayerKind, Payload, PayloadError, PayloadOptions, Selection, Supplies, Warning,
};
use image_builder::provenance;
use image_builder::zos::{SecureBoot, ZosKernel, ZosKernelError};
use node_config::{Layer, SCHEMA_VERSION};

use super::built::{Built, BuiltRegion, BuiltUki};
use super::outputs::{self, Parts, Written};
use super::{Job, System, Target, medium};
use crate::args::ImageFormat;
use crate::blocking::Cancel;
use crate::commands::bootkit;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Outcome};
use crate::printer::Printer;
use crate::progress::Progress;

impl Classify for EmitError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Exists { .. } | Self::NotRegular { .. } | Self::NotOurs { .. } => {
                ExitStatus::Refused
            }
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

impl Classify for ZosKernelError {
    fn status(&self) -> ExitStatus {
        match self {
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

impl Classify for ReadError {}
impl Classify for SelectionError {}

/// Debian's packages of processor microcode.
const MICROCODE_PACKAGES: [&str; 2] = ["amd64-microcode", "intel-microcode"];

/// Makes the image; what stands in the way of nothing is told as a warning.
pub fn make(job: &Job, cancel: &Cancel) -> Outcome<Built> {
    let mut progress = Progress::new(&job.printer);
    let kit = bootkit::get(&job.wanted, &job.cache_dir, &mut progress, cancel)
        .doing("getting kernel and boot loaders")?;
    match &job.system {
        System::FarmNode { config, node } => {
            let payload = make_payload(job, node, &kit, &mut progress, cancel)?;
            // An older farm-node, named with `--node`, would refuse at its first boot what it does
            // not know.
            customize::check_known(&Layer::from(&**config), &payload.facts())?;
            let medium = medium::farm_node(job, config, &kit, &payload)?;
            let plan = medium.plan()?;
            let parts = Parts {
                job,
                kit: &kit,
                system: provenance::System::FarmNode(&payload),
                farm_id: config.farm_id,
                medium: &medium,
                plan: &plan,
            };
            let written = outputs::write(&parts, &mut progress, cancel)?;
            progress.finish();
            for warning in &payload.warnings {
                tell_warning(&job.printer, warning);
            }
            let built = built(&parts, written);
            let manifest = payload.manifest;
            Ok(Built {
                directory: Some(config.directory.url.to_string()),
                kernel: payload.kernel_version,
                node_sha256: Some(manifest.node_sha256.to_string()),
                firmware: manifest.firmware,
                missing_firmware: describe_missing(&manifest.missing_firmware),
                microcode: manifest.microcode,
                added: manifest.added,
                ..built
            })
        }
        System::ZeroOs { kernel, farm_id } => {
            progress.stage(&format!("checking {}", kernel.display()));
            let kernel = ZosKernel::open(kernel)?;
            let medium = medium::zero_os(job, &kit, &kernel)?;
            let plan = medium.plan()?;
            let parts = Parts {
                job,
                kit: &kit,
                system: provenance::System::ZeroOs(&kernel),
                farm_id: *farm_id,
                medium: &medium,
                plan: &plan,
            };
            let written = outputs::write(&parts, &mut progress, cancel)?;
            progress.finish();
            if !matches!(kernel.secure_boot, SecureBoot::Accepted { .. }) {
                let words = kernel.secure_boot.words();
                job.printer
                    .warning(&format!("the Zero-OS kernel is {words}"));
            }
            let built = built(&parts, written);
            Ok(Built {
                kernel: kernel.info.release,
                secure_boot: Some(kernel.secure_boot),
                ..built
            })
        }
    }
}

/// What every image has.
fn built(parts: &Parts<'_>, written: Written) -> Built {
    let Parts { job, kit, plan, .. } = *parts;
    let format = job.request.format();
    let path = match &job.target {
        Target::File { path, .. } => path.display().to_string(),
        Target::Stdout => "-".to_owned(),
    };
    Built {
        path,
        format: format.name(),
        size_bytes: written.size_bytes,
        sha256: written.sha256.map(|digest| digest.to_string()),
        papers: written
            .papers
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        signing_key: written.public_key,
        payload: parts.system.kind(),
        farm_id: parts.farm_id,
        directory: None,
        flavour: job.uefi.name(),
        disk_guid: (format != ImageFormat::Uki).then(|| plan.disk_guid.to_string()),
        kernel: String::new(),
        kernel_arguments: job.kernel_arguments.clone(),
        bootkit: kit.id().to_string(),
        node_sha256: None,
        system_sha256: written.system_sha256.map(|digest| digest.to_string()),
        secure_boot: None,
        uki: if format.is_disk() {
            plan.uki.as_ref().map(BuiltUki::from)
        } else {
            written.uki
        },
        regions: if format.is_disk() {
            BuiltRegion::all(plan)
        } else {
            Vec::new()
        },
        firmware: Vec::new(),
        missing_firmware: Vec::new(),
        microcode: Vec::new(),
        added: Vec::new(),
    }
}

/// What the farmer gave, and behind it what apt offers. Nobody is kept from an image by firmware
/// that cannot be fetched.
fn supplies(job: &Job, progress: &mut Progress, cancel: &Cancel) -> Supplies {
    let mut supplies = job.supplies.clone();
    if !job.wanted.is_from_apt() {
        return supplies;
    }
    let firmware = devices::packages();
    let names: Vec<&str> = firmware
        .iter()
        .map(String::as_str)
        .chain(MICROCODE_PACKAGES)
        .collect();
    let apt = job.wanted.apt(&job.cache_dir);
    let fetched = fetch_offered(&apt, job.wanted.environment(), &names, &mut |event| {
        cancel.check();
        bootkit::tell(progress, &event);
    });
    match fetched {
        Ok(packages) => {
            for package in packages {
                if MICROCODE_PACKAGES.contains(&package.name.as_str()) {
                    supplies.microcode.push(package.path);
                } else {
                    supplies.firmware.push(package.path);
                }
            }
        }
        Err(error) => job.printer.warning(&format!(
            "apt's packages of firmware and microcode are left out: {error}"
        )),
    }
    supplies
}

fn make_payload(
    job: &Job,
    node: &Path,
    kit: &Bootkit,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<Payload> {
    let selection = Selection::default_set()?;
    let supplies = supplies(job, progress, cancel);
    let options = PayloadOptions {
        bootkit: kit,
        node,
        selection: &selection,
        cache_dir: &job.cache_dir,
        level: job.level,
        config_schema: SCHEMA_VERSION,
        supplies: &supplies,
    };
    let name = |kind: LayerKind| match kind {
        LayerKind::Node => "farm-node",
        LayerKind::Firmware => "firmware",
        LayerKind::Microcode => "microcode",
        LayerKind::Added => "added files",
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

fn tell_warning(printer: &Printer, warning: &Warning) {
    match warning {
        Warning::MissingFirmware(missing) => {
            printer.warning(&format!(
                "firmware of {} drivers is not in the image; devices that need it will not work. \
                 Give it with --firmware, or offer Debian's non-free-firmware to apt",
                missing.len()
            ));
            for missing in describe_missing(missing) {
                let device = missing.device.as_deref().unwrap_or("devices");
                let files = missing.files.join(" ");
                tracing::info!("no firmware for {device} ({}): {files}", missing.driver);
            }
        }
        Warning::UnknownModules(modules) => printer.warning(&format!(
            "this kernel does not have {} of the drivers that images carry: {}",
            modules.len(),
            modules.join(", ")
        )),
        Warning::UnresolvedDependencies(modules) => printer.warning(&format!(
            "dependencies that no module provides: {}",
            modules.join(", ")
        )),
        _ => {}
    }
}

pub(super) fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
