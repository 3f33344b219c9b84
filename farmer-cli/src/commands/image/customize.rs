//! `farmer image customize` and `farmer image reset`

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use image_builder::container::vhd;
use image_builder::customize::{self, CustomizeError, Edit, Request, Warning, in_place};
use image_builder::emit::{self, EmitOptions};
use image_builder::inspect::qcow2;
use image_builder::rope::SourceFile;
use node_config::layer::{DirectoryLayer, NetworkLayer};
use node_config::{Addressing, Layer, without_secrets};
use serde::Serialize;

use super::Target;
use super::outputs::closed_stdout;
use crate::args::{ImageCustomizeArgs, ImageFormat, ImageResetArgs, ImageTargetArgs};
use crate::blocking::{self, Cancel};
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::Page;
use crate::printer::{Printer, Show};
use crate::progress::Progress;
use crate::settings::{read_pem, read_text};
use hw_probe::text::Untrusted;

impl Classify for CustomizeError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Disagree { .. }
            | Self::FarmTomlMoved
            | Self::ForbiddenArgument { .. }
            | Self::Busy { .. }
            | Self::UnknownKey { .. }
            | Self::Schema { .. }
            | Self::ZeroOs { .. }
            | Self::Signed
            | Self::Thin => ExitStatus::Refused,
            Self::DefaultsDamaged { .. } | Self::Truncated { .. } => ExitStatus::Mismatch,
            Self::NoSuchArgument { .. } | Self::ArgumentsTooLong { .. } | Self::TooLong { .. } => {
                ExitStatus::Usage
            }
            Self::Config(error) => error.status(),
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ExitStatus::NotFound
            }
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::Disagree { .. } => Some(
                "name all arguments again with `--kargs ARGS`, or keep those for BIOS with `--force`"
                    .to_owned(),
            ),
            Self::Settings { .. } => Some(
                "give complete settings with `--settings FILE`, or `farmer image reset` first"
                    .to_owned(),
            ),
            Self::FarmTomlMoved => Some(
                "edit farm.toml on the FARMCFG partition with any laptop; `--force` leaves it alone \
                 at a reset"
                    .to_owned(),
            ),
            _ => self.hint(),
        }
    }
}

/// What was changed, or would be.
#[derive(Serialize)]
pub struct Changed {
    image: String,
    /// The changed file; `null` when nothing was written.
    written: Option<String>,
    pub changes: Vec<RegionChange>,
    pub warnings: Vec<String>,
}

#[derive(Serialize)]
pub struct RegionChange {
    pub region: String,
    offset: u64,
    length: u64,
    before: Option<String>,
    after: Option<String>,
}

impl Show for Changed {
    fn show(&self, page: &mut Page) {
        page.field("image", &self.image);
        match &self.written {
            Some(path) if *path == self.image => page.field("written", "in place"),
            Some(path) => page.field("written", path),
            None => page.field("written", "nothing: only shown"),
        };
        if self.changes.is_empty() {
            page.line("")
                .line("nothing changes: the image has these values already");
        }
        for change in &self.changes {
            page.heading(&format!(
                "{} ({} bytes at {})",
                change.region, change.length, change.offset
            ));
            for line in change.difference() {
                page.line(line);
            }
        }
    }
}

impl RegionChange {
    /// The lines that go and those that come.
    pub fn difference(&self) -> Vec<String> {
        let lines = |text: &Option<String>| -> Vec<String> {
            let text = text.as_deref().unwrap_or("(damaged)");
            text.lines().map(str::to_owned).collect()
        };
        let (before, after) = (lines(&self.before), lines(&self.after));
        let mut difference = Vec::new();
        for (sign, these, others) in [("-", &before, &after), ("+", &after, &before)] {
            for line in these.iter().filter(|line| !others.contains(line)) {
                difference.push(format!("{sign} {}", Untrusted::from(line.as_str())));
            }
        }
        difference
    }
}

/// Decides what changes once the image is open.
pub type Planner = Box<dyn FnOnce(&mut File) -> Result<Edit, CustomizeError> + Send>;

/// `farmer image customize`
pub fn customize(context: &Context<'_>, args: ImageCustomizeArgs) -> Outcome<ExitStatus> {
    let plan = planner(&args)?;
    change(context, args.image, args.target, plan)
}

/// What the arguments change.
pub fn planner(args: &ImageCustomizeArgs) -> Outcome<Planner> {
    let request = request(args)?;
    Ok(Box::new(move |file| customize::plan(file, &request)))
}

/// `farmer image reset`
pub fn reset(context: &Context<'_>, args: ImageResetArgs) -> Outcome<ExitStatus> {
    let force = args.target.force;
    let plan: Planner = Box::new(move |file| customize::reset(file, force));
    change(context, args.image, args.target, plan)
}

fn request(args: &ImageCustomizeArgs) -> Outcome<Request> {
    let read = |path: &PathBuf| read_text("reading", path);
    let mut request = Request::default();
    if let Some(path) = &args.settings {
        let text = read(path)?;
        request.settings.replace = Some(Layer::from_toml(&text, &path.display().to_string())?);
    }
    let network = match &args.static_address {
        Some(address) => network(&address.0),
        None if args.dhcp => network(&Addressing::Dhcp),
        None => NetworkLayer::default(),
    };
    let network = NetworkLayer {
        vlan: args.vlan,
        ..network
    };
    request.settings.set = Layer {
        farm_id: args.farm_id,
        enrolment_token: super::enrolment_token(args.enrolment_token_file.as_deref())?,
        debug: (args.debug || args.no_debug).then_some(args.debug),
        directory: DirectoryLayer {
            url: args.directory.clone(),
            pin: args.pin.clone(),
            ca: args.ca.as_deref().map(read_pem).transpose()?,
            insecure_http: args.insecure_http.then_some(true),
        },
        network,
        location: args.location.clone().map(|location| location.0),
        ..Layer::default()
    };
    request.arguments.replace = args.kargs.clone();
    request.arguments.append = args.karg_append.clone();
    request.arguments.delete = args.karg_delete.clone();
    request.farm_toml = args.farm_toml.as_ref().map(read).transpose()?;
    if request == Request::default() {
        return Err(
            Failure::new(ExitStatus::Usage, "no change is named").with_hint(
                "for example `--farm-id 2` or `--karg-append console=ttyS1,115200`; \
             `farmer image customize --help` lists all",
            ),
        );
    }
    request.force = args.target.force;
    Ok(request)
}

fn network(addressing: &Addressing) -> NetworkLayer {
    match addressing {
        Addressing::Dhcp => NetworkLayer {
            dhcp: Some(true),
            ..NetworkLayer::default()
        },
        Addressing::Static {
            interface,
            address,
            gateway,
            dns,
        } => NetworkLayer {
            dhcp: None,
            address: Some(*address),
            gateway: *gateway,
            dns: dns.clone(),
            interface: interface.clone(),
            vlan: None,
        },
    }
}

fn change(
    context: &Context<'_>,
    image: PathBuf,
    args: ImageTargetArgs,
    plan: Planner,
) -> Outcome<ExitStatus> {
    let target = copy_target(&args)?;
    if let Some(Target::File { path, .. }) = &target {
        same_container(&image, path)?;
    }
    let to_stdout = matches!(target, Some(Target::Stdout));
    let changed = blocking::run(|cancel| {
        let doing = format!("changing {}", image.display());
        make(&image, target, args.in_place, plan, context.printer, cancel).doing(doing)
    })?;
    for warning in &changed.warnings {
        context.printer.warning(warning);
    }
    if to_stdout {
        // Standard output is the image.
        let regions: Vec<&str> = changed.changes.iter().map(|c| c.region.as_str()).collect();
        context
            .printer
            .message(&format!("changed: {}", regions.join(" ")));
    } else {
        context.printer.to_stdout().data(&changed)?;
    }
    Ok(ExitStatus::Ok)
}

/// The copy is of the image's own format, and its name must not say another: somebody would write a
/// qcow2 to a stick.
fn same_container(image: &Path, out: &Path) -> Outcome<()> {
    let Some(implied) = ImageFormat::of_name(out) else {
        return Ok(());
    };
    // What cannot be read is told later.
    let starts = |from: SeekFrom, magic: &[u8]| {
        let mut found = vec![0; magic.len()];
        let read = File::open(image).and_then(|mut file| {
            file.seek(from)?;
            file.read_exact(&mut found)
        });
        read.is_ok() && found == magic
    };
    let is_qcow2 = starts(SeekFrom::Start(0), qcow2::MAGIC);
    let is_vhd = starts(SeekFrom::End(-512), vhd::MAGIC);
    let fits = match implied {
        ImageFormat::Qcow2 => is_qcow2,
        ImageFormat::Vhd => is_vhd,
        // With the sector behind it a VHD is a disk all the same.
        ImageFormat::Iso | ImageFormat::Usb | ImageFormat::Disk => !is_qcow2,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let ending = match (is_qcow2, is_vhd) {
        (true, _) => ".qcow2",
        (false, true) => ".vhd",
        (false, false) => ".iso or .img",
    };
    let message = format!(
        "a copy of {} is not what the name {} says",
        image.display(),
        out.display()
    );
    Err(Failure::new(ExitStatus::Usage, message).with_hint(format!(
        "end the name with {ending}; `qemu-img convert` makes another format of it"
    )))
}

/// Where the changed copy goes, if one is asked for.
pub fn copy_target(args: &ImageTargetArgs) -> Outcome<Option<Target>> {
    let Some(out) = args.out.clone() else {
        return Ok(None);
    };
    let exists = out.symlink_metadata().is_ok_and(|found| found.is_file());
    if exists && !args.force {
        return Err(image_builder::error::EmitError::Exists { path: out }.into());
    }
    super::target_file(out, args.force).map(Some)
}

/// Changes the image, writes a changed copy, or only tells what would change.
pub fn make(
    image: &Path,
    target: Option<Target>,
    in_place: bool,
    plan: Planner,
    printer: &Printer,
    cancel: &Cancel,
) -> Outcome<Changed> {
    if in_place {
        let mut file = in_place::open(image)?;
        let edit = plan(&mut file)?;
        in_place::apply(&file, &edit)?;
        return Ok(changed(image, Some(image.display().to_string()), &edit));
    }
    let source = SourceFile::open_medium(image)?;
    let mut file = File::open(image).map_err(|error| Failure::io("opening", image, error))?;
    let edit = plan(&mut file)?;
    let Some(target) = target else {
        return Ok(changed(image, None, &edit));
    };
    let layout = edit.layout(&source)?;
    let mut progress = Progress::new(printer);
    progress.stage("copying");
    let mut on_progress = |step: emit::Progress| {
        cancel.check();
        progress.bytes(step.done_bytes, step.total_bytes);
    };
    let written = match target {
        Target::File { path, overwrite } => {
            // No digest: the kernel copies, or shares the blocks.
            let options = EmitOptions {
                overwrite,
                digest: false,
                sync: true,
            };
            emit::to_file(&layout, &path, options, &mut on_progress)?;
            path.display().to_string()
        }
        Target::Stdout => {
            let mut out = io::stdout().lock();
            emit::to_writer(&layout, &mut out, false, &mut on_progress).map_err(closed_stdout)?;
            out.flush()
                .map_err(|error| Failure::io("writing to", Path::new("standard output"), error))?;
            "-".to_owned()
        }
    };
    progress.finish();
    Ok(changed(image, Some(written), &edit))
}

fn changed(image: &Path, written: Option<String>, edit: &Edit) -> Changed {
    let changes = edit.writes.iter().map(|write| {
        let (before, after) = write.texts();
        RegionChange {
            region: write.name.clone(),
            offset: write.offset,
            length: write.after.len() as u64,
            before: before.as_deref().map(without_secrets),
            after: after.as_deref().map(without_secrets),
        }
    });
    Changed {
        image: image.display().to_string(),
        written,
        changes: changes.collect(),
        warnings: edit.warnings.iter().map(words).collect(),
    }
}

fn words(warning: &Warning) -> String {
    match warning {
        Warning::Overruled { key, value, origin } => format!(
            "the node will use {key} = {}: the {origin} on this image says so and wins",
            Untrusted::from(value.as_str())
        ),
        Warning::IgnoredArgument(reason) => format!("the node will ignore {reason}"),
        Warning::FarmTomlKept => {
            "farm.toml was replaced by its owner and stays as it is".to_owned()
        }
        _ => "see the documentation of this version".to_owned(),
    }
}
