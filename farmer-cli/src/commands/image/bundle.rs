//! The network boot bundle: its files, and what describes them.

use std::io;

use image_builder::bootkit::{Digest, Loader};
use image_builder::content::Content;
use image_builder::emit::{self, ArchiveWriter, DirectoryWriter, EmitOptions, Emitted};
use image_builder::error::EmitError;
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::pxe::{self, BundleFile, PxeBundle, UefiLoaders};
use image_builder::payload::system;
use image_builder::payload::uki::Uki;
use image_builder::provenance::{self, Output, System};

use super::built::BuiltUki;
use super::outputs::{Parts, Written, closed_stdout, flush, unified};
use super::{Target, papers};
use crate::blocking::Cancel;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;

/// Writes one file of a bundle.
pub type Add<'a> = dyn FnMut(&BundleFile) -> Result<Emitted, EmitError> + 'a;

/// Where a bundle goes, and how.
pub struct Place<'a> {
    pub target: &'a Target,
    /// Whether it becomes a directory; else it is an archive.
    pub is_directory: bool,
    /// The file that a directory of this kind is known by.
    pub marker: &'static str,
    pub options: EmitOptions,
    /// Time of the files in an archive.
    pub time: Timestamp,
    /// About how many bytes that will be.
    pub total_bytes: u64,
}

/// Fills a directory, an archive or standard output; of an archive also digest and length.
pub fn emit_files<T>(
    place: &Place<'_>,
    progress: &mut dyn FnMut(emit::Progress),
    fill: impl FnOnce(&mut Add<'_>) -> Result<T, Filling>,
) -> Outcome<(T, Option<(Digest, u64)>)> {
    match place.target {
        Target::File { path, .. } if place.is_directory => {
            let mut writer = DirectoryWriter::create(path, place.marker, place.options)?;
            let filled = fill(&mut |file| writer.add(file, progress))?;
            writer.publish(pxe::CHECKSUMS)?;
            Ok((filled, None))
        }
        Target::File { path, .. } => {
            let mut failure = None;
            let written = emit::with_writer(path, place.total_bytes, place.options, |file| {
                let mut archive = ArchiveWriter::new(file, place.time);
                match fill(&mut |file| archive.add(file, progress)) {
                    Ok(filled) => {
                        let (_, sha256, size_bytes) = archive.finish()?;
                        Ok((filled, Some((sha256, size_bytes))))
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
            let mut archive = ArchiveWriter::new(io::stdout().lock(), place.time);
            let filled = fill(&mut |file| archive.add(file, progress))?;
            let (mut out, sha256, size_bytes) = archive.finish().map_err(closed_stdout)?;
            flush(&mut out)?;
            Ok((filled, Some((sha256, size_bytes))))
        }
    }
}

/// Writes the bundle as a directory, an archive or to standard output.
pub fn write(parts: &Parts<'_>, progress: &mut Progress, cancel: &Cancel) -> Outcome<Written> {
    let uki = unified(parts, "farm.medium=net")?;
    let files = files(parts, uki.as_ref())?;
    let request = &parts.job.request;
    let total: u64 = files.iter().map(|file| file.layout.total()).sum();
    let mut done = 0;
    let mut on_progress = |step: emit::Progress| {
        cancel.check();
        progress.bytes(done + step.done_bytes, total);
        if step.done_bytes == step.total_bytes {
            done += step.total_bytes;
        }
    };
    let (is_directory, overwrite) = match &parts.job.target {
        Target::File { path, overwrite } => (request.is_directory(path), *overwrite),
        Target::Stdout => (false, false),
    };
    let place = Place {
        target: &parts.job.target,
        is_directory,
        marker: pxe::MANIFEST,
        options: request.options(overwrite),
        time: parts.medium.timestamp,
        total_bytes: total,
    };
    let (mut written, archive) =
        emit_files(&place, &mut on_progress, |add| fill(parts, &files, add))?;
    if let Some((sha256, size_bytes)) = archive {
        written.sha256 = Some(sha256);
        written.size_bytes = size_bytes;
    }
    written.uki = uki.as_ref().map(BuiltUki::from);
    Ok(written)
}

/// What can go wrong while a bundle is filled.
pub enum Filling {
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
fn fill(parts: &Parts<'_>, files: &[BundleFile], sink: &mut Add<'_>) -> Result<Written, Filling> {
    let mut outputs: Vec<Output> = Vec::with_capacity(files.len() + 2);
    let mut add = |file: &BundleFile, outputs: &mut Vec<Output>| -> Result<(), Filling> {
        let emitted = sink(file)?;
        outputs.push(papers::output(&file.path, &emitted));
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
    let mut manifest = papers::manifest(parts, outputs.clone());
    if let System::FarmNode(payload) = parts.system {
        let digest = system::digest(payload).map_err(|e| Filling::Other(Box::new(e.into())))?;
        manifest.system_sha256 = Some(digest);
    }
    text(pxe::MANIFEST, &manifest.to_json(), &mut outputs)?;
    let sbom = provenance::describe(&manifest, parts.kit).to_json();
    text(pxe::SBOM, &sbom, &mut outputs)?;
    let sums = papers::sums(&outputs);
    text(pxe::CHECKSUMS, &sums, &mut outputs)?;
    let mut public_key = None;
    if let Some(signer) = &parts.job.request.signer {
        let (signature, key) = papers::sign(signer, &sums, pxe::CHECKSUMS);
        text(papers::SIGNATURE, &signature, &mut outputs)?;
        public_key = Some(key);
    }
    Ok(Written {
        size_bytes: outputs.iter().map(|output| output.size_bytes).sum(),
        // The list stands for all of them.
        sha256: Some(Digest::of(sums.as_bytes())),
        papers: Vec::new(),
        public_key,
        system_sha256: manifest.system_sha256,
        uki: None,
    })
}

fn files(parts: &Parts<'_>, uki: Option<&Uki>) -> Outcome<Vec<BundleFile>> {
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
        uki: uki.map(|uki| uki.layout.clone()),
        kernel: medium.kernel.clone(),
        initramfs: medium.initramfs.clone(),
        config: medium.config.clone(),
        kernel_arguments: medium.kernel_arguments.clone(),
        serial: parts.job.serial.unwrap_or_default(),
    };
    Ok(bundle.files()?)
}
