//! `farmer image`

mod assemble;
mod built;
mod bundle;
mod customize;
mod extract;
pub mod keys;
mod medium;
mod order;
mod outputs;
mod papers;
mod serve;
mod show;
mod sources;
mod thin;
mod uefi;
mod verify;
mod zero_os;

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image_builder::bootkit::Digest;
use image_builder::error::EmitError;
use image_builder::kernel_arguments::{self, KernelArgumentError};
use image_builder::medium::SerialConsole;
use image_builder::payload::Supplies;
use image_builder::regions::PayloadKind;
use node_config::{EnrolmentToken, FarmId, NodeConfig};

use super::Context;
use super::bootkit::{Wanted, apt_config};
use crate::args::ImageBuildArgs;
use crate::blocking;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::printer::Printer;
use crate::settings::read_text;

pub use customize::{customize, reset};
pub use extract::extract;
pub use order::MediaMaker;
pub use serve::serve;
pub use show::show;
pub use sources::sources;
pub use verify::verify;

use outputs::Request;

impl Classify for KernelArgumentError {
    fn status(&self) -> ExitStatus {
        ExitStatus::Usage
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Digest of the `farm-node` this program was released with; development builds have none.
const RELEASED_NODE_SHA256: Option<&str> = option_env!("FARM_NODE_SHA256");

/// Everything a build needs, gathered before the work starts.
struct Job {
    system: System,
    wanted: Wanted,
    serial: Option<SerialConsole>,
    kernel_arguments: String,
    supplies: Supplies,
    level: i32,
    cache_dir: PathBuf,
    timestamp: Option<u64>,
    uefi: uefi::Uefi,
    target: Target,
    request: Request,
    printer: Printer,
}

/// What the image starts.
enum System {
    FarmNode {
        config: Box<NodeConfig>,
        node: PathBuf,
    },
    ZeroOs {
        kernel: PathBuf,
        farm_id: FarmId,
    },
}

/// Where the image goes.
enum Target {
    File { path: PathBuf, overwrite: bool },
    Stdout,
}

/// `farmer image build`
pub fn build(context: &Context<'_>, args: ImageBuildArgs) -> Outcome<ExitStatus> {
    let format = outputs::format(&args.result, args.out.as_deref())?;
    if format.is_thin() {
        return thin::build(context, &args, format);
    }
    let job = prepare(context, args)?;
    let to_stdout = matches!(job.target, Target::Stdout);
    let built = blocking::run(|cancel| assemble::make(&job, cancel))?;
    if to_stdout {
        // Standard output is the image; its description must not end up inside.
        if let Some(sha256) = &built.sha256 {
            context.printer.message(&format!("sha256 {sha256}"));
        }
    } else {
        context.printer.to_stdout().data(&built)?;
    }
    Ok(ExitStatus::Ok)
}

/// Understands what is asked for, and refuses at once what would be refused after minutes of work.
fn prepare(context: &Context<'_>, args: ImageBuildArgs) -> Outcome<Job> {
    let farm_id = one_farm(&args)?;
    let request = Request::new(&args.result, args.out.as_deref())?;
    let kind = match args.zero_os.zos {
        Some(_) => PayloadKind::ZeroOs,
        None => PayloadKind::FarmNode,
    };
    request.check_system(kind)?;
    let own_kernel = args.parts.kernel.is_some();
    let uefi = uefi::Uefi::choose(&args.uefi, request.format(), kind, own_kernel)?;
    uefi.tell(context.printer);
    let target = target(args.out.clone(), args.force, &request)?;
    for argument in &args.kernel_arg {
        kernel_arguments::check(kind, argument)?;
    }
    let (system, kernel_arguments) = match kind {
        PayloadKind::ZeroOs => zero_os::system(context, &args, farm_id)?,
        PayloadKind::FarmNode => {
            let config = Box::new(node_config(context, &args, farm_id)?);
            let node = find_node(args.parts.node.clone(), context.printer)?;
            (System::FarmNode { config, node }, args.kernel_arg.join(" "))
        }
    };
    let parts = args.parts;
    Ok(Job {
        system,
        wanted: Wanted {
            apt_config: apt_config(context),
            lists: OnceLock::new(),
            bootkit: parts.bootkit,
            debs: parts.deb,
            suite: parts.suite,
            refresh: false,
            kernel: parts.kernel.map(|kernel| (kernel, parts.modules)),
        },
        serial: args.serial,
        kernel_arguments,
        supplies: Supplies {
            firmware: args.supplies.firmware,
            microcode: args.supplies.microcode,
            added: args.supplies.add,
        },
        level: parts.compression_level,
        cache_dir: context.environment.cache_dir()?,
        timestamp: context.environment.source_date_epoch()?,
        uefi,
        target,
        request,
        printer: context.printer.clone(),
    })
}

/// The farm of an image that is too large to make for many at once, or says that of `--mirror`.
fn one_farm(args: &ImageBuildArgs) -> Outcome<FarmId> {
    let usage = |message: &str, hint: &str| {
        Err(Failure::new(ExitStatus::Usage, message.to_owned()).with_hint(hint.to_owned()))
    };
    let thin = &args.thin;
    let of_thin = [
        ("--mirror", !thin.mirror.is_empty()),
        ("--ipxe", !thin.ipxe.is_empty()),
        ("--ipxe-package", thin.ipxe_package.is_some()),
        ("--expect", thin.expect.is_some()),
    ];
    if let Some((flag, _)) = of_thin.iter().find(|(_, given)| *given) {
        return usage(
            &format!("{flag} is of thin boot only"),
            "add --format thin-iso, thin-usb, thin-efi, thin-krn or script, or leave them away",
        );
    }
    match args.farm_id.one() {
        Some(farm) => Ok(farm),
        None => usage(
            "several farms at once are for thin images only",
            "build one image and give it to the others with `farmer image customize`",
        ),
    }
}

/// The settings of farm-node that the command line asks for.
fn node_config(
    context: &Context<'_>,
    args: &ImageBuildArgs,
    farm_id: FarmId,
) -> Outcome<NodeConfig> {
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
    let mut config = NodeConfig::new(farm_id, directory);
    config.run_mode = args.network;
    config.location = args.location.clone().map(|location| location.0);
    config.debug = args.debug;
    config.enrolment_token = enrolment_token(args.enrolment_token_file.as_deref())?;
    if let Some(address) = &args.static_address {
        config.addressing = address.0.clone();
    }
    if let Some(vlan) = args.vlan {
        config.vlan = vlan;
    }
    config.check()?;
    Ok(config)
}

/// The token in the first line of a file. (An argument would be seen by everybody on the machine.)
fn enrolment_token(file: Option<&Path>) -> Outcome<Option<EnrolmentToken>> {
    let Some(path) = file else { return Ok(None) };
    let text = read_text("reading the enrolment token in", path)?;
    let token = EnrolmentToken::new(text.lines().next().unwrap_or_default().trim());
    token
        .check()
        .doing(format!("reading the enrolment token in {}", path.display()))?;
    Ok(Some(token))
}

/// Refuses at once what would be refused after minutes of work.
fn target(out: Option<PathBuf>, overwrite: bool, request: &Request) -> Outcome<Target> {
    let path = out.ok_or_else(|| Failure::new(ExitStatus::Usage, "no output file is named"))?;
    if path != Path::new("-") {
        request.check_target(&path, overwrite)?;
    }
    target_file(path, overwrite)
}

/// A file in a directory that exists, or standard output.
fn target_file(path: PathBuf, overwrite: bool) -> Outcome<Target> {
    if path == Path::new("-") {
        return Ok(Target::Stdout);
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

/// Opens a finished image, or a stick, to be described; never is the answer written over it.
fn open_image(context: &Context<'_>, path: &Path) -> Outcome<File> {
    let failed = |error| Failure::io("opening", path, error);
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    let answer = context
        .global
        .out
        .as_ref()
        .and_then(|out| out.metadata().ok());
    let same = |answer: &Metadata| (answer.dev(), answer.ino()) == (found.dev(), found.ino());
    if answer.is_some_and(|answer| same(&answer)) {
        let message = "--out names the image itself; the answer would replace it";
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    if found.is_dir() {
        let message = format!("{} is a directory, not an image", path.display());
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("in a directory for a boot server, `sha256sum -c SHA256SUMS` verifies it"));
    }
    Ok(file)
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
