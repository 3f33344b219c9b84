//! From a job to files.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use image_builder::bootkit::{Digest, Loader};
use image_builder::emit::{self, EmitOptions};
use image_builder::formats::timestamp::Timestamp;
use image_builder::ipxe::{Capabilities, Kind};
use image_builder::medium::BundleFile;
use image_builder::medium::thin::{Program, ThinMedium, efi_files, krn_files};
use image_builder::rope::{Layout, LayoutBuilder};
use node_config::FarmId;

use super::programs::{Programs, needed};
use super::{Built, Job};
use crate::args::ImageFormat;
use crate::blocking::Cancel;
use crate::commands::image::bundle::{Filling, Place, emit_files};
use crate::commands::image::outputs::{self, closed_stdout};
use crate::commands::image::{Target, medium};
use crate::commands::ipxe::build as named_build;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;

/// The file that a directory of this format is known by, so that only such a one is replaced.
pub fn marker(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::ThinEfi => "autoexec.ipxe",
        _ => "farm.ipxe",
    }
}

/// How often is looked whether the work on many is still wanted.
const POLL: Duration = Duration::from_millis(10);

/// One farm's output before it is written.
enum Output {
    File(Layout),
    Files(Vec<BundleFile>),
}

/// Builds for all farms of a job.
pub fn all(job: &Job, cancel: &Cancel) -> Outcome<Vec<Built>> {
    let mut progress = Progress::new(&job.printer);
    let is_disk = job.format.is_disk();
    let programs = if job.format == ImageFormat::Script {
        job.programs.for_script()?
    } else {
        job.programs
            .get(is_disk, &job.cache_dir, &mut progress, cancel)?
    };
    if let (true, Some(reason)) = (is_disk, &programs.no_efi) {
        job.printer
            .warning(&format!("this image starts with BIOS only: {reason}"));
    }
    let makers = Makers::new(job, &programs)?;
    let several = job.farms.len() > 1;
    let options = EmitOptions {
        // Of many files the file system is synchronised once.
        sync: job.options.sync && !several,
        ..job.options
    };
    let built = if several {
        progress.stage(&format!("writing {} images", job.farms.len()));
        makers.many(options, cancel)?
    } else {
        vec![makers.one(job.farms[0], options)?]
    };
    if several && job.options.sync {
        let out = job.out(job.farms[0]);
        let beside = out.parent().filter(|path| !path.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        File::open(beside)
            .and_then(|directory| Ok(rustix::fs::syncfs(directory)?))
            .map_err(|error| Failure::io("synchronising", beside, error))?;
    }
    progress.finish();
    Ok(built)
}

/// What is the same for all farms.
struct Makers<'a> {
    job: &'a Job,
    programs: &'a Programs,
    /// The disk, with the first farm's script.
    disk: Option<ThinMedium>,
    made: Option<Timestamp>,
}

impl<'a> Makers<'a> {
    fn new(job: &'a Job, programs: &'a Programs) -> Outcome<Self> {
        let made = job.timestamp.or(programs.newest).map(Timestamp);
        let disk = match &programs.kit {
            Some(kit) if job.format.is_disk() => Some(ThinMedium {
                loaders: medium::isolinux(kit)?,
                lkrn: needed(programs.lkrn.as_ref(), programs, Loader::IpxeLkrn)?.clone(),
                efi: programs.efi.clone(),
                boot: job.ask.boot(job.farms[0], made),
                payload: job.payload,
                farm_toml: medium::FARM_TOML.to_owned(),
                serial: job.serial,
                timestamp: made.unwrap_or(Timestamp(0)),
            }),
            _ => None,
        };
        Ok(Self {
            job,
            programs,
            disk,
            made,
        })
    }

    /// One after the other on every processor; the first failure ends all.
    fn many(&self, options: EmitOptions, cancel: &Cancel) -> Outcome<Vec<Built>> {
        let farms = &self.job.farms;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut built = Vec::new();
            while let Some(farm) = farms.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.one(*farm, options) {
                    Ok(one) => built.push(one),
                    Err(failure) => {
                        next.store(farms.len(), Ordering::Relaxed);
                        return Err(failure);
                    }
                }
            }
            Ok(built)
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let results = thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                if cancel.is_asked() {
                    next.store(farms.len(), Ordering::Relaxed);
                }
                thread::sleep(POLL);
            }
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect::<Outcome<Vec<_>>>()
        });
        cancel.check();
        let mut built = results?.concat();
        built.sort_by_key(|one| one.farm_id);
        Ok(built)
    }

    fn one(&self, farm: FarmId, options: EmitOptions) -> Outcome<Built> {
        let job = self.job;
        let boot = job.ask.boot(farm, self.made);
        let target = job.target(farm)?;
        let mut disk_guid = None;
        let output = match (&self.disk, job.format) {
            (Some(disk), _) => {
                let medium = ThinMedium {
                    boot: boot.clone(),
                    ..disk.clone()
                };
                let plan = medium.plan()?;
                disk_guid = Some(plan.disk_guid.to_string());
                Output::File(plan.layout)
            }
            (None, ImageFormat::ThinEfi) => {
                let efi = needed(self.programs.efi.as_ref(), self.programs, Loader::IpxeEfi)?;
                Output::Files(efi_files(efi, &boot)?)
            }
            (None, ImageFormat::ThinKrn) => {
                let lkrn = needed(self.programs.lkrn.as_ref(), self.programs, Loader::IpxeLkrn)?;
                Output::Files(krn_files(lkrn, &boot)?)
            }
            (None, _) => {
                let script = boot.script(&self.programs.capabilities())?;
                let mut builder = LayoutBuilder::new();
                builder.place_bytes(0, script.as_bytes());
                Output::File(builder.finish(script.len() as u64)?)
            }
        };
        let (size_bytes, sha256) = self.write(output, &target, options)?;
        let mut firmware: Vec<_> = self.used().into_iter().map(firmware).collect();
        firmware.dedup();
        let mut ipxe: Vec<_> = self.used().into_iter().map(named_build).collect();
        ipxe.dedup();
        Ok(Built {
            path: match target {
                Target::File { path, .. } => path.display().to_string(),
                Target::Stdout => "-".to_owned(),
            },
            format: job.format.name(),
            size_bytes,
            sha256: sha256.map(|digest| digest.to_string()),
            farm_id: farm,
            payload: job.payload,
            firmware,
            ipxe,
            fetches: boot.urls(),
            arguments: boot.arguments.join(" "),
            disk_guid,
        })
    }

    /// The builds that will run the script.
    fn used(&self) -> Vec<&Capabilities> {
        let Programs { lkrn, efi, .. } = self.programs;
        let of = |program: &'a Option<Program>| program.iter().map(|p| &p.capabilities).collect();
        match self.job.format {
            ImageFormat::ThinEfi => of(efi),
            ImageFormat::ThinKrn => of(lkrn),
            _ => self.programs.capabilities(),
        }
    }

    /// Length and, where there is one, digest of what was written.
    fn write(
        &self,
        output: Output,
        target: &Target,
        options: EmitOptions,
    ) -> Outcome<(u64, Option<Digest>)> {
        let mut ignore = |_| {};
        match (output, target) {
            (Output::File(layout), Target::File { path, .. }) => {
                let emitted = emit::to_file(&layout, path, options, &mut ignore)?;
                Ok((emitted.bytes, emitted.sha256.map(Digest::from)))
            }
            (Output::File(layout), Target::Stdout) => {
                let mut out = io::stdout().lock();
                let emitted = emit::to_writer(&layout, &mut out, options.digest, &mut ignore)
                    .map_err(closed_stdout)?;
                outputs::flush(&mut out)?;
                Ok((emitted.bytes, emitted.sha256.map(Digest::from)))
            }
            (Output::Files(files), _) => {
                let total_bytes = files.iter().map(|file| file.layout.total()).sum();
                let is_directory = match target {
                    Target::File { path, .. } => outputs::is_directory(self.job.format, path),
                    Target::Stdout => false,
                };
                let place = Place {
                    target,
                    is_directory,
                    marker: marker(self.job.format),
                    options,
                    time: self.made.unwrap_or(Timestamp(0)),
                    total_bytes,
                };
                let ((), archive) = emit_files(&place, &mut ignore, |add| {
                    for file in &files {
                        add(file)?;
                    }
                    Ok::<(), Filling>(())
                })?;
                let (sha256, size_bytes) = archive.unzip();
                Ok((size_bytes.unwrap_or(total_bytes), sha256))
            }
        }
    }
}

fn firmware(build: &Capabilities) -> &'static str {
    match build.kind {
        Kind::EfiX64 => "uefi",
        Kind::Lkrn | Kind::Pxe => "bios",
    }
}
