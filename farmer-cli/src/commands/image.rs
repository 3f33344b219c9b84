//! `farmer image build` and `farmer image show`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hw_probe::units::Bytes;
use image_builder::bootkit::{Bootkit, Digest, Loader};
use image_builder::content::Content;
use image_builder::emit::{self, EmitOptions, Emitted};
use image_builder::error::{EmitError, PlanError, ReadError, ShowError};
use image_builder::formats::el_torito::UefiSectorCount;
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::{InitramfsFile, Loaders, Plan, UniversalMedium};
use image_builder::payload::modules::selection::SelectionError;
use image_builder::payload::{
    self, CONFIG_REGION_BYTES, ConfigFile, CpioError, LayerKind, Payload, PayloadError,
    PayloadOptions, Selection, Warning, config_cpio,
};
use image_builder::show::{CONFIG_FILE, MediumDescription, describe};
use node_config::{NodeConfig, SCHEMA_VERSION};
use serde::Serialize;

use super::Context;
use super::bootkit::{Wanted, fetch};
use crate::args::{ImageBuildArgs, ImageShowArgs};
use crate::blocking::{self, Cancel};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::{Printer, Show};
use crate::progress::Progress;

/// Digest of the `farm-node` this program was released with; development builds have none.
const RELEASED_NODE_SHA256: Option<&str> = option_env!("FARM_NODE_SHA256");

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
impl Classify for ShowError {}
impl Classify for SelectionError {}

/// What was built.
#[derive(Serialize)]
struct Built {
    path: String,
    size_bytes: u64,
    sha256: String,
    farm_id: node_config::FarmId,
    directory: String,
    disk_guid: String,
    kernel: String,
    bootkit: String,
    node_sha256: String,
    regions: Vec<BuiltRegion>,
    missing_firmware: BTreeMap<String, Vec<String>>,
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
            .field("disk", &self.disk_guid);
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
        target,
        config,
        printer: context.printer.clone(),
    };
    let to_stdout = matches!(job.target, Target::Stdout);
    let built = blocking::run(context.printer, move |cancel| make(&job, cancel)).await?;
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

fn make(job: &Job, cancel: &Cancel) -> Outcome<Built> {
    let mut progress = Progress::new(&job.printer);
    let kit = fetch(&job.wanted, &job.cache_dir, &mut progress, cancel)
        .doing("getting kernel and boot loaders")?;
    let payload = make_payload(job, &kit, &mut progress, cancel)?;
    let plan = plan(job, &kit, &payload)?;
    let emitted = write(job, &plan, &mut progress, cancel)?;
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
        disk_guid: plan.disk_guid.to_string(),
        kernel: payload.kernel_version.clone(),
        bootkit: kit.id().to_string(),
        node_sha256: payload.manifest.node_sha256.to_string(),
        regions: own_regions(&plan),
        missing_firmware: payload.manifest.missing_firmware.clone(),
    })
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
    let toml = job.config.to_toml();
    let config = config_cpio(
        &[ConfigFile {
            path: CONFIG_FILE,
            content: toml.as_bytes(),
            mode: 0o600,
        }],
        CONFIG_REGION_BYTES,
    )?;
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
        kernel: payload.kernel.content()?,
        initramfs,
        kernel_arguments: String::new(),
        config,
        farm_toml: FARM_TOML.to_owned(),
        timestamp: Timestamp(job.timestamp.unwrap_or(payload.manifest.newest_mtime)),
        uefi_sector_count: UefiSectorCount::default(),
    };
    Ok(medium.plan()?)
}

fn write(job: &Job, plan: &Plan, progress: &mut Progress, cancel: &Cancel) -> Outcome<Emitted> {
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
            Ok(emit::to_file(
                &plan.layout,
                path,
                options,
                &mut on_progress,
            )?)
        }
        Target::Stdout => {
            let mut out = io::stdout().lock();
            let emitted = emit::to_writer(&plan.layout, &mut out, true, &mut on_progress);
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

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A medium, as told.
#[derive(Serialize)]
struct Shown {
    path: String,
    #[serde(flatten)]
    medium: MediumDescription,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        let medium = &self.medium;
        page.field("image", &self.path);
        if let Some(guid) = &medium.disk_guid {
            page.field("disk", guid);
        }
        if let Some(label) = &medium.volume_id {
            page.field(
                "ISO volume",
                hw_probe::text::Untrusted::from(label.as_str()),
            );
        }
        if let Some(farm) = medium.farm_id {
            page.field("farm", farm);
        }
        if let Some(arguments) = &medium.kernel_arguments {
            page.field(
                "arguments",
                if arguments.is_empty() { "-" } else { arguments },
            );
        }
        let partitions: Vec<Vec<String>> = medium
            .partitions
            .iter()
            .map(|p| {
                let name = hw_probe::text::Untrusted::from(p.name.as_str()).to_string();
                vec![
                    p.number.to_string(),
                    name,
                    p.span.offset.to_string(),
                    Bytes(p.span.length).to_string(),
                ]
            })
            .collect();
        if !partitions.is_empty() {
            page.line("").table(
                &[
                    ("PARTITION", Align::Right),
                    ("NAME", Align::Left),
                    ("OFFSET", Align::Right),
                    ("SIZE", Align::Right),
                ],
                &partitions,
            );
        }
        let Some(regions) = &medium.regions else {
            page.line("")
                .line("this is not one of our images: it has no table of regions");
            return;
        };
        let rows: Vec<Vec<String>> = regions
            .iter()
            .map(|r| {
                let state = if r.customised {
                    "changed since"
                } else {
                    "as built"
                };
                vec![
                    r.name.clone(),
                    r.span.offset.to_string(),
                    r.span.length.to_string(),
                    state.to_owned(),
                ]
            })
            .collect();
        page.line("").table(
            &[
                ("REGION", Align::Left),
                ("OFFSET", Align::Right),
                ("BYTES", Align::Right),
                ("CONTENT", Align::Left),
            ],
            &rows,
        );
        if let Some(toml) = &medium.config_toml {
            page.heading("Settings in the image");
            for line in toml.lines() {
                page.line(hw_probe::text::Untrusted::from(line));
            }
        }
    }
}

/// `farmer image show`
pub fn show(context: &Context<'_>, args: &ImageShowArgs) -> Outcome<ExitStatus> {
    let path = &args.file;
    let mut file = File::open(path).map_err(|error| Failure::io("opening", path, error))?;
    let medium = describe(&mut file).doing(format!("looking into {}", path.display()))?;
    context.printer.data(&Shown {
        path: path.display().to_string(),
        medium,
    })?;
    Ok(ExitStatus::Ok)
}
