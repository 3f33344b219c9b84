//! From a planned medium to files: the format asked for, and the papers beside it.

use std::io;
use std::path::{Path, PathBuf};

use directory::identity::UserIdentity;
use image_builder::bootkit::{Bootkit, Digest};
use image_builder::container::{qcow2, vhd};
use image_builder::content::Content;
use image_builder::emit::{self, DirectoryWriter, EmitOptions};
use image_builder::error::EmitError;
use image_builder::medium::{Plan, UefiBoot, UniversalMedium, initramfs, pxe};
use image_builder::payload::uki::Uki;
use image_builder::provenance::System;
use image_builder::regions::PayloadKind;
use image_builder::rope::Layout;
use node_config::FarmId;

use super::built::BuiltUki;
use super::{Job, Target, bundle, papers};
use crate::args::{ImageFormat, Paper, ResultArgs};
use crate::blocking::Cancel;
use crate::exit::ExitStatus;
use crate::failure::{Doing as _, Failure, Outcome};
use crate::progress::Progress;
use crate::signals;

/// The format that flags and the name of the output ask for.
pub fn format(args: &ResultArgs, out: Option<&Path>) -> Outcome<ImageFormat> {
    let implied = out.and_then(ImageFormat::of_name);
    match (args.format, implied) {
        (Some(format), Some(implied)) if !format.goes_by(implied) => {
            let out = out.unwrap_or(Path::new("-"));
            Err(Failure::new(
                ExitStatus::Usage,
                format!(
                    "--format {} and the name {} contradict each other",
                    format.name(),
                    out.display()
                ),
            )
            .with_hint(format!(
                "leave --format away to get {}, or name the file differently",
                implied.name()
            )))
        }
        (Some(format), _) => Ok(format),
        (None, _) if out.is_some_and(ImageFormat::is_foreign_name) => {
            let out = out.unwrap_or(Path::new("-"));
            Err(Failure::new(
                ExitStatus::Usage,
                format!("no format goes by the name {}", out.display()),
            )
            .with_hint("end it with .iso, .img, .qcow2, .vhd, .tar.gz, .initramfs or .efi, or name --format"))
        }
        (None, implied) => Ok(implied.unwrap_or(ImageFormat::Iso)),
    }
}

/// Whether a format of several files becomes a directory of this name.
pub fn is_directory(format: ImageFormat, path: &Path) -> bool {
    format.is_bundle() && ImageFormat::of_name(path) != Some(ImageFormat::Pxe)
}

/// What to make of a plan.
pub struct Request {
    format: ImageFormat,
    pub manifest: bool,
    pub sbom: bool,
    pub sums: bool,
    pub signer: Option<UserIdentity>,
    sync: bool,
    digest: bool,
}

/// What was made.
#[derive(Default)]
pub struct Written {
    pub size_bytes: u64,
    pub sha256: Option<Digest>,
    /// Files beside the image.
    pub papers: Vec<PathBuf>,
    /// Key to check the signature with, as minisign takes it.
    pub public_key: Option<String>,
    /// Digest of the system's files, where thin media may ask for it.
    pub system_sha256: Option<Digest>,
    /// The unified kernel image, where it stands alone or in a bundle.
    pub uki: Option<BuiltUki>,
}

impl Request {
    /// Understands the flags; reads the signing key, so that a wrong one is refused at once.
    pub fn new(args: &ResultArgs, out: Option<&Path>) -> Outcome<Self> {
        let format = format(args, out)?;
        let wants = |paper| args.with.contains(&paper) || args.with.contains(&Paper::All);
        let signer = args
            .sign
            .as_deref()
            .map(|path| UserIdentity::read(path).doing("reading the signing key"))
            .transpose()?;
        let request = Self {
            format,
            manifest: wants(Paper::Manifest),
            sbom: wants(Paper::Sbom),
            sums: wants(Paper::Sha256sums) || signer.is_some(),
            signer,
            sync: !args.no_sync,
            digest: !args.no_digest,
        };
        let papers = request.manifest || request.sbom || request.sums;
        if papers && out == Some(Path::new("-")) {
            return Err(Failure::new(
                ExitStatus::Usage,
                "papers are written beside the image, and standard output has no beside",
            )
            .with_hint("name a file with --out"));
        }
        Ok(request)
    }

    /// Refuses formats that take a system apart that is one file.
    pub fn check_system(&self, kind: PayloadKind) -> Outcome<()> {
        if kind == PayloadKind::FarmNode || self.format.is_disk() {
            return Ok(());
        }
        Err(Failure::new(
            ExitStatus::Usage,
            format!(
                "there is no {} of Zero-OS: its kernel has everything inside",
                self.format.name()
            ),
        )
        .with_hint(
            "give the kernel file itself to your boot server, or make a disk (iso, qcow2, vhd)",
        ))
    }

    /// Whether the output is a directory.
    pub fn is_directory(&self, path: &Path) -> bool {
        is_directory(self.format, path)
    }

    /// The format's name.
    pub const fn format(&self) -> ImageFormat {
        self.format
    }

    /// Refuses at once what would be refused after minutes of work.
    pub fn check_target(&self, path: &Path, overwrite: bool) -> Outcome<()> {
        if self.is_directory(path) {
            return Ok(DirectoryWriter::check(path, pxe::MANIFEST, overwrite)?);
        }
        let papers = self
            .paper_names()
            .into_iter()
            .map(|name| papers::beside(path, name));
        for path in papers.chain([path.to_owned()]) {
            if path.symlink_metadata().is_ok_and(|found| found.is_file()) && !overwrite {
                return Err(EmitError::Exists { path }.into());
            }
        }
        Ok(())
    }

    fn paper_names(&self) -> Vec<&'static str> {
        let all = [
            (self.manifest, pxe::MANIFEST),
            (self.sbom, pxe::SBOM),
            (self.sums, pxe::CHECKSUMS),
            (self.signer.is_some(), papers::SIGNATURE),
        ];
        all.into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect()
    }

    pub fn options(&self, overwrite: bool) -> EmitOptions {
        EmitOptions {
            overwrite,
            digest: self.digest,
            sync: self.sync,
        }
    }
}

/// Everything an output can be made of.
pub struct Parts<'a> {
    pub job: &'a Job,
    pub kit: &'a Bootkit,
    pub system: System<'a>,
    pub farm_id: FarmId,
    pub medium: &'a UniversalMedium,
    pub plan: &'a Plan,
}

/// Writes the output and what goes with it.
pub fn write(parts: &Parts<'_>, progress: &mut Progress, cancel: &Cancel) -> Outcome<Written> {
    let request = &parts.job.request;
    let mut written = if request.format == ImageFormat::Pxe {
        bundle::write(parts, progress, cancel)?
    } else {
        let uki = match request.format {
            ImageFormat::Uki => unified(parts, "")?,
            _ => None,
        };
        let layout = match &uki {
            Some(uki) => uki.layout.clone(),
            None => layout(parts)?,
        };
        Written {
            uki: uki.as_ref().map(BuiltUki::from),
            ..write_image(parts, &layout, progress, cancel)?
        }
    };
    if let Target::File { path, overwrite } = &parts.job.target
        && !request.is_directory(path)
    {
        papers::write(parts, path, *overwrite, &mut written)?;
    }
    Ok(written)
}

/// The whole system as one EFI program that belongs to no medium, started with these arguments before
/// the farm's own; `None` in the stock flavour.
pub fn unified(parts: &Parts<'_>, arguments: &str) -> Outcome<Option<Uki>> {
    let Parts { job, medium, .. } = parts;
    let UefiBoot::Uki(boot) = &medium.uefi else {
        return Ok(None);
    };
    let archives = medium.initramfs.iter().map(|file| file.content.clone());
    let config = Content::bytes(&medium.config[..]);
    let arguments = format!("{arguments} {}", medium.kernel_arguments);
    Ok(Some(boot.image(
        &medium.kernel,
        archives.chain([config]).collect(),
        (job.serial, &arguments),
        medium.timestamp,
    )?))
}

/// The single file of every format but `pxe` and `uki`.
fn layout(parts: &Parts<'_>) -> Outcome<Layout> {
    let Parts { medium, plan, .. } = parts;
    Ok(match parts.job.request.format {
        ImageFormat::Qcow2 => qcow2::wrap(&plan.layout)?,
        ImageFormat::Vhd => vhd::wrap(&plan.layout, plan.disk_guid, medium.timestamp)?,
        ImageFormat::Initramfs => {
            initramfs::concatenate(&medium.initramfs, &Content::bytes(&medium.config[..]))?
        }
        _ => plan.layout.clone(),
    })
}

fn write_image(
    parts: &Parts<'_>,
    layout: &Layout,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<Written> {
    let request = &parts.job.request;
    let mut on_progress = |step: emit::Progress| {
        cancel.check();
        progress.bytes(step.done_bytes, step.total_bytes);
    };
    let emitted = match &parts.job.target {
        Target::File { path, overwrite } => {
            emit::to_file(layout, path, request.options(*overwrite), &mut on_progress)?
        }
        Target::Stdout => {
            // Whoever reads it may have stopped reading.
            signals::answer_for_the_work(&parts.job.printer);
            let mut out = io::stdout().lock();
            let emitted = emit::to_writer(layout, &mut out, request.digest, &mut on_progress)
                .map_err(closed_stdout)?;
            flush(&mut out)?;
            emitted
        }
    };
    Ok(Written {
        size_bytes: emitted.bytes,
        sha256: emitted.sha256.map(Digest::from),
        ..Written::default()
    })
}

pub fn flush(out: &mut dyn io::Write) -> Outcome<()> {
    out.flush()
        .map_err(|error| Failure::io("writing to", Path::new("standard output"), error))
}

pub fn closed_stdout(error: EmitError) -> Failure {
    match &error {
        EmitError::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            Failure::closed_stdout()
        }
        _ => error.into(),
    }
}
