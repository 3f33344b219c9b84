//! `farmer image build --format thin-iso|thin-usb|thin-efi|thin-krn|script`: iPXE and a script.

mod ask;
mod programs;
mod write;

use std::path::{Path, PathBuf};

use hw_probe::units::Bytes;
use image_builder::emit::{DirectoryWriter, EmitOptions};
use image_builder::error::EmitError;
use image_builder::medium::SerialConsole;
use image_builder::regions::PayloadKind;
use node_config::FarmId;
use serde::Serialize;

use super::built::show_file;
use super::outputs;
use super::{Target, target_file};
use crate::args::{ImageBuildArgs, ImageFormat};
use crate::blocking;
use crate::commands::Context;
use crate::commands::bootkit::{Wanted, apt_config};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::Page;
use crate::printer::{Printer, Show};

/// Stands for the farm's number in `--out`.
const FARM_MARK: &str = "{farm}";

/// Everything a build needs.
struct Job {
    ask: ask::Ask,
    format: ImageFormat,
    farms: Vec<FarmId>,
    payload: PayloadKind,
    out: PathBuf,
    overwrite: bool,
    options: EmitOptions,
    programs: programs::Wanted,
    serial: SerialConsole,
    cache_dir: PathBuf,
    timestamp: Option<u64>,
    printer: Printer,
}

impl Job {
    /// Where this farm's output goes.
    fn out(&self, farm: FarmId) -> PathBuf {
        let out = self.out.to_string_lossy();
        PathBuf::from(out.replace(FARM_MARK, &farm.to_string()))
    }

    fn target(&self, farm: FarmId) -> Outcome<Target> {
        let path = self.out(farm);
        if path != Path::new("-") {
            if self.format.is_bundle() && outputs::is_directory(self.format, &path) {
                DirectoryWriter::check(&path, write::marker(self.format), self.overwrite)?;
            } else if path.symlink_metadata().is_ok_and(|found| found.is_file()) && !self.overwrite
            {
                return Err(EmitError::Exists { path }.into());
            }
        }
        target_file(path, self.overwrite)
    }
}

/// What was written.
#[derive(Clone, Serialize)]
struct Built {
    path: String,
    format: &'static str,
    size_bytes: u64,
    /// Of the file; none of a directory, or with `--no-digest`.
    sha256: Option<String>,
    farm_id: FarmId,
    payload: PayloadKind,
    /// What it starts with: `bios`, `uefi`.
    firmware: Vec<&'static str>,
    /// The builds it was checked for.
    ipxe: Vec<String>,
    /// In the order it tries them.
    fetches: Vec<String>,
    /// What it hands over to the kernel it fetches.
    arguments: String,
    /// Of a disk only.
    disk_guid: Option<String>,
}

impl Show for Built {
    fn show(&self, page: &mut Page) {
        let sha256 = self.sha256.as_deref();
        show_file(page, &self.path, self.size_bytes, self.format, sha256);
        page.field("system", self.payload.name())
            .field("farm", self.farm_id)
            .field("starts with", self.firmware.join(" and ").to_uppercase());
        for build in &self.ipxe {
            page.field("checked for", build);
        }
        for address in &self.fetches {
            page.field("fetches", address);
        }
        page.field("arguments", &self.arguments);
        if let Some(guid) = &self.disk_guid {
            page.field("disk", guid);
        }
    }
}

/// One image for each of several farms.
#[derive(Serialize)]
struct Several {
    images: Vec<Built>,
}

impl Show for Several {
    fn show(&self, page: &mut Page) {
        if let (Some(first), Some(last)) = (self.images.first(), self.images.last()) {
            page.field("images", self.images.len())
                .field("first", &first.path)
                .field("last", &last.path)
                .field("size of each", Bytes(first.size_bytes));
        }
    }
}

/// Builds for one farm or several.
pub fn build(
    context: &Context<'_>,
    args: &ImageBuildArgs,
    format: ImageFormat,
) -> Outcome<ExitStatus> {
    ask::check(args)?;
    let out = match (&args.out, format) {
        (Some(out), _) => out.clone(),
        (None, ImageFormat::Script) => "-".into(),
        (None, _) => return Err(Failure::new(ExitStatus::Usage, "no output file is named")),
    };
    let farms = args.farm_id.all();
    if farms.len() > 1 && !out.to_string_lossy().contains(FARM_MARK) {
        return Err(Failure::new(
            ExitStatus::Usage,
            format!(
                "{} farms need {} files, and --out names one",
                farms.len(),
                farms.len()
            ),
        )
        .with_hint(format!(
            "put {FARM_MARK} where the farm's number belongs: --out 'farm-{FARM_MARK}.iso'"
        )));
    }
    let job = Job {
        ask: ask::Ask::new(args)?,
        format,
        farms,
        payload: match args.zero_os.zos {
            Some(_) => PayloadKind::ZeroOs,
            None => PayloadKind::FarmNode,
        },
        out,
        overwrite: args.force,
        options: EmitOptions {
            overwrite: args.force,
            digest: !args.result.no_digest,
            sync: !args.result.no_sync,
        },
        programs: programs::Wanted {
            files: args.thin.ipxe.clone(),
            package: args.thin.ipxe_package.clone(),
            kit: Wanted {
                apt_config: apt_config(context),
                bootkit: args.parts.bootkit.clone(),
                debs: args.parts.deb.clone(),
                suite: args.parts.suite.clone(),
                ..Wanted::default()
            },
        },
        serial: args.serial.unwrap_or_default(),
        cache_dir: context.environment.cache_dir()?,
        timestamp: context.environment.source_date_epoch()?,
        printer: context.printer.clone(),
    };
    for farm in &job.farms {
        job.target(*farm)?;
    }
    let to_stdout = job.out == Path::new("-");
    let mut built = blocking::run(|cancel| write::all(&job, cancel))?;
    let printer = context.printer.to_stdout();
    match (built.len(), built.pop()) {
        // Standard output is the image; its description must not end up inside.
        (1, Some(one)) if to_stdout => {
            if let (Some(sha256), false) = (&one.sha256, format == ImageFormat::Script) {
                context.printer.message(&format!("sha256 {sha256}"));
            }
        }
        (1, Some(one)) => printer.data(&one)?,
        (_, last) => {
            built.extend(last);
            printer.data(&Several { images: built })?;
        }
    }
    Ok(ExitStatus::Ok)
}
