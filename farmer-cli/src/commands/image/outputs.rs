//! From a planned medium to files: the format asked for, and the papers beside it.

use std::io;
use std::path::{Path, PathBuf};

use directory::identity::UserIdentity;
use image_builder::bootkit::{Bootkit, Digest, Loader};
use image_builder::container::{qcow2, vhd};
use image_builder::content::Content;
use image_builder::emit::{self, ArchiveWriter, DirectoryWriter, EmitOptions, Emitted};
use image_builder::error::{EmitError, LayoutError};
use image_builder::medium::pxe::{self, BundleFile, PxeBundle, UefiLoaders};
use image_builder::medium::{Plan, UniversalMedium, initramfs};
use image_builder::payload::Payload;
use image_builder::provenance::{self, ImageManifest, Output, minisign};
use image_builder::rope::{Layout, LayoutBuilder};

use super::{Job, Target};
use crate::args::{ImageFormat, Paper, ResultArgs};
use crate::blocking::Cancel;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::progress::Progress;

impl Classify for LayoutError {}

/// What to make of a plan.
pub struct Request {
    format: ImageFormat,
    manifest: bool,
    sbom: bool,
    sums: bool,
    signer: Option<UserIdentity>,
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
}

impl Request {
    /// Understands the flags; reads the signing key, so that a wrong one is refused at once.
    pub fn new(args: &ResultArgs, out: Option<&Path>) -> Outcome<Self> {
        let implied = out.and_then(ImageFormat::of_name);
        let format = match (args.format, implied) {
            (Some(format), Some(implied)) if !format.is_same_as(implied) => {
                let out = out.unwrap_or(Path::new("-"));
                return Err(Failure::new(
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
                )));
            }
            (Some(format), _) => format,
            (None, implied) => implied.unwrap_or(ImageFormat::Iso),
        };
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

    /// Whether the output is a directory.
    pub fn is_directory(&self, path: &Path) -> bool {
        self.format == ImageFormat::Pxe && ImageFormat::of_name(path) != Some(ImageFormat::Pxe)
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
            .map(|name| beside(path, name));
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
            (self.signer.is_some(), SIGNATURE),
        ];
        all.into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect()
    }

    fn options(&self, overwrite: bool) -> EmitOptions {
        EmitOptions {
            overwrite,
            digest: self.digest,
            sync: self.sync,
        }
    }
}

/// The signature of the list of digests.
const SIGNATURE: &str = "SHA256SUMS.minisig";

/// `node.iso` and `manifest.json` make `node.iso.manifest.json`.
fn beside(path: &Path, name: &str) -> PathBuf {
    let mut full = path.as_os_str().to_owned();
    full.push(".");
    full.push(name);
    PathBuf::from(full)
}

/// Everything an output can be made of.
pub struct Parts<'a> {
    pub job: &'a Job,
    pub kit: &'a Bootkit,
    pub payload: &'a Payload,
    pub medium: &'a UniversalMedium,
    pub plan: &'a Plan,
}

/// Writes the output and what goes with it.
pub fn write(parts: &Parts<'_>, progress: &mut Progress, cancel: &Cancel) -> Outcome<Written> {
    let request = &parts.job.request;
    let mut written = if request.format == ImageFormat::Pxe {
        write_bundle(parts, progress, cancel)?
    } else {
        let layout = layout(parts)?;
        write_image(parts, &layout, progress, cancel)?
    };
    if let Target::File { path, overwrite } = &parts.job.target
        && !request.is_directory(path)
    {
        write_papers(parts, path, *overwrite, &mut written)?;
    }
    Ok(written)
}

/// The single file of every format but `pxe`.
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

/// Where the files of a bundle go.
enum Sink<'a, W: io::Write> {
    Directory(&'a mut DirectoryWriter),
    Archive(&'a mut ArchiveWriter<W>),
}

impl<W: io::Write> Sink<'_, W> {
    fn add(
        &mut self,
        file: &BundleFile,
        progress: &mut dyn FnMut(emit::Progress),
    ) -> Result<Emitted, EmitError> {
        match self {
            Self::Directory(writer) => writer.add(file, progress),
            Self::Archive(writer) => writer.add(file, progress),
        }
    }
}

fn write_bundle(parts: &Parts<'_>, progress: &mut Progress, cancel: &Cancel) -> Outcome<Written> {
    let request = &parts.job.request;
    let time = parts.medium.timestamp;
    let files = bundle(parts)?;
    let total: u64 = files.iter().map(|file| file.layout.total()).sum();
    let mut done = 0;
    let mut on_progress = |step: emit::Progress| {
        cancel.check();
        progress.bytes(done + step.done_bytes, total);
        if step.done_bytes == step.total_bytes {
            done += step.total_bytes;
        }
    };
    match &parts.job.target {
        Target::File { path, overwrite } if request.is_directory(path) => {
            let options = request.options(*overwrite);
            let mut writer = DirectoryWriter::create(path, pxe::MANIFEST, options)?;
            let mut sink = Sink::<io::Sink>::Directory(&mut writer);
            let written = fill(parts, &files, &mut sink, &mut on_progress)?;
            writer.publish()?;
            Ok(written)
        }
        Target::File { path, overwrite } => {
            let options = request.options(*overwrite);
            let mut failure = None;
            let written = emit::with_writer(path, total, options, |file| {
                let mut archive = ArchiveWriter::new(file, time);
                let mut sink = Sink::Archive(&mut archive);
                match fill(parts, &files, &mut sink, &mut on_progress) {
                    Ok(written) => {
                        let (_, sha256, size_bytes) = archive.finish()?;
                        Ok(Written {
                            size_bytes,
                            sha256: Some(sha256),
                            ..written
                        })
                    }
                    Err(Filling::Emit(error)) => Err(error),
                    Err(Filling::Other(other)) => {
                        failure = Some(other);
                        Err(EmitError::NoFileName { path: path.clone() })
                    }
                }
            });
            match (written, failure) {
                (_, Some(failure)) => Err(*failure),
                (written, None) => Ok(written?),
            }
        }
        Target::Stdout => {
            let mut archive = ArchiveWriter::new(io::stdout().lock(), time);
            let mut sink = Sink::Archive(&mut archive);
            let written = fill(parts, &files, &mut sink, &mut on_progress)?;
            let (mut out, sha256, size_bytes) = archive.finish().map_err(closed_stdout)?;
            flush(&mut out)?;
            Ok(Written {
                size_bytes,
                sha256: Some(sha256),
                ..written
            })
        }
    }
}

/// What can go wrong while a bundle is filled.
enum Filling {
    Emit(EmitError),
    Other(Box<Failure>),
}

impl From<EmitError> for Filling {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

impl From<Filling> for Failure {
    fn from(filling: Filling) -> Self {
        match filling {
            Filling::Emit(error) => closed_stdout(error),
            Filling::Other(failure) => *failure,
        }
    }
}

/// The files, then what describes them: each is digested while it is written.
fn fill<W: io::Write>(
    parts: &Parts<'_>,
    files: &[BundleFile],
    sink: &mut Sink<'_, W>,
    progress: &mut dyn FnMut(emit::Progress),
) -> Result<Written, Filling> {
    let mut outputs: Vec<Output> = Vec::with_capacity(files.len() + 2);
    let mut add = |file: &BundleFile, outputs: &mut Vec<Output>| -> Result<(), Filling> {
        let emitted = sink.add(file, progress)?;
        outputs.push(output(&file.path, &emitted));
        Ok(())
    };
    for file in files {
        add(file, &mut outputs)?;
    }
    let mut text = |name: &str, text: &str, outputs: &mut Vec<Output>| {
        let file = BundleFile::bytes(name, text.as_bytes())
            .map_err(|error| Filling::Other(Box::new(error.into())))?;
        add(&file, outputs)
    };
    let manifest = manifest(parts, outputs.clone());
    text(pxe::MANIFEST, &manifest.to_json(), &mut outputs)?;
    let sbom = provenance::describe(&manifest, parts.kit).to_json();
    text(pxe::SBOM, &sbom, &mut outputs)?;
    let sums = sums(&outputs);
    text(pxe::CHECKSUMS, &sums, &mut outputs)?;
    let mut public_key = None;
    if let Some(signer) = &parts.job.request.signer {
        let (signature, key) = sign(signer, &sums, pxe::CHECKSUMS);
        text(SIGNATURE, &signature, &mut outputs)?;
        public_key = Some(key);
    }
    Ok(Written {
        size_bytes: outputs.iter().map(|output| output.size_bytes).sum(),
        // The list stands for all of them.
        sha256: Some(Digest::of(sums.as_bytes())),
        papers: Vec::new(),
        public_key,
    })
}

fn bundle(parts: &Parts<'_>) -> Outcome<Vec<BundleFile>> {
    let Parts { kit, medium, .. } = parts;
    let loaders = &medium.loaders;
    let entry = kit.loader_entry(Loader::GrubNet).ok_or_else(|| {
        let path = Loader::GrubNet.path();
        Failure::new(ExitStatus::NotFound, format!("the bootkit has no {path}"))
    })?;
    let bundle = PxeBundle {
        title: medium.title.clone(),
        uefi: UefiLoaders {
            shim: loaders.shim.clone(),
            grub: Content::file(kit.loader(Loader::GrubNet), *entry.sha256.as_bytes())?,
            mok_manager: loaders.mok_manager.clone(),
        },
        bios: None,
        uki: None,
        kernel: medium.kernel.clone(),
        initramfs: medium.initramfs.clone(),
        config: medium.config.clone(),
        kernel_arguments: medium.kernel_arguments.clone(),
    };
    Ok(bundle.files()?)
}

fn write_papers(
    parts: &Parts<'_>,
    path: &Path,
    overwrite: bool,
    written: &mut Written,
) -> Outcome<()> {
    let request = &parts.job.request;
    let Some(sha256) = written.sha256 else {
        return Ok(());
    };
    let mut outputs = vec![Output {
        path: file_name(path),
        size_bytes: written.size_bytes,
        sha256,
    }];
    let manifest = manifest(parts, outputs.clone());
    let mut paper = |name: &str, text: &str| -> Outcome<()> {
        let target = beside(path, name);
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, text.as_bytes());
        let layout = builder.finish(text.len() as u64)?;
        let options = EmitOptions {
            digest: true,
            ..request.options(overwrite)
        };
        let emitted = emit::to_file(&layout, &target, options, &mut |_| {})?;
        outputs.push(output(&file_name(&target), &emitted));
        written.papers.push(target);
        Ok(())
    };
    if request.manifest {
        paper(pxe::MANIFEST, &manifest.to_json())?;
    }
    if request.sbom {
        let sbom = provenance::describe(&manifest, parts.kit);
        paper(pxe::SBOM, &sbom.to_json())?;
    }
    if !request.sums {
        return Ok(());
    }
    let sums = sums(&outputs);
    let name = file_name(&beside(path, pxe::CHECKSUMS));
    let mut papers = vec![(pxe::CHECKSUMS, sums.clone())];
    if let Some(signer) = &request.signer {
        let (signature, key) = sign(signer, &sums, &name);
        written.public_key = Some(key);
        papers.push((SIGNATURE, signature));
    }
    for (name, text) in papers {
        let target = beside(path, name);
        let options = request.options(overwrite);
        emit::with_writer(&target, text.len() as u64, options, |file| {
            file.write_all(text.as_bytes())
                .map_err(|source| EmitError::Write {
                    path: target.clone(),
                    offset: 0,
                    source,
                })
        })?;
        written.papers.push(target);
    }
    Ok(())
}

fn manifest(parts: &Parts<'_>, outputs: Vec<Output>) -> ImageManifest {
    let format = parts.job.request.format;
    ImageManifest::new(
        format.name(),
        format.is_disk(),
        parts.job.config.farm_id,
        parts.medium.timestamp.0,
        (parts.kit, parts.payload, parts.plan),
        outputs,
    )
}

fn sums(outputs: &[Output]) -> String {
    let files = outputs.iter().map(|o| (o.path.as_str(), o.sha256));
    provenance::sha256sums(files)
}

fn sign(signer: &UserIdentity, text: &str, name: &str) -> (String, String) {
    let key = *signer.seed.public_key().as_bytes();
    let sign = |message: &[u8]| signer.seed.sign(message);
    (
        minisign::signature(text.as_bytes(), name, &key, sign),
        minisign::public_key(&key),
    )
}

fn output(path: &str, emitted: &Emitted) -> Output {
    Output {
        path: path.to_owned(),
        size_bytes: emitted.bytes,
        sha256: emitted.sha256.unwrap_or_default().into(),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn flush(out: &mut dyn io::Write) -> Outcome<()> {
    out.flush()
        .map_err(|error| Failure::io("writing to", Path::new("standard output"), error))
}

fn closed_stdout(error: EmitError) -> Failure {
    match &error {
        EmitError::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            Failure::closed_stdout()
        }
        _ => error.into(),
    }
}
