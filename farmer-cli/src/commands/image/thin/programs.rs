//! Which iPXE: the bootkit's, a package's, or files.

use std::path::{Path, PathBuf};

use image_builder::bootkit::{Bootkit, Loader, packages};
use image_builder::content::Content;
use image_builder::ipxe::{Capabilities, Kind};
use image_builder::medium::thin::{Program, ProgramError};

use crate::blocking::Cancel;
use crate::commands::bootkit;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::progress::Progress;

impl Classify for ProgramError {}

/// Where iPXE is to come from.
pub struct Wanted {
    pub files: Vec<PathBuf>,
    pub package: Option<PathBuf>,
    pub kit: bootkit::Wanted,
}

/// What was found.
#[derive(Default)]
pub struct Programs {
    pub lkrn: Option<Program>,
    pub efi: Option<Program>,
    /// Of builds that a script runs on without being on a medium with them.
    others: Vec<Capabilities>,
    /// Newest time in the package or bootkit.
    pub newest: Option<u64>,
    /// Why there is no EFI program.
    pub no_efi: Option<String>,
    /// The bootkit, if one was needed.
    pub kit: Option<Bootkit>,
}

impl Programs {
    /// All builds that will run a script.
    pub fn capabilities(&self) -> Vec<&Capabilities> {
        let programs = [&self.lkrn, &self.efi].into_iter().flatten();
        programs
            .map(|program| &program.capabilities)
            .chain(&self.others)
            .collect()
    }

    fn keep(&mut self, program: Program) {
        match program.capabilities.kind {
            Kind::EfiX64 => self.efi = Some(program),
            Kind::Lkrn => self.lkrn = Some(program),
            Kind::Pxe => self.others.push(program.capabilities),
        }
    }

    /// An EFI program that no script reaches is no reason to do without BIOS.
    fn keep_if_useful(&mut self, program: Result<Program, ProgramError>) -> Outcome<()> {
        match program {
            Ok(program) => self.keep(program),
            Err(ProgramError::Delivery(error)) => self.no_efi = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl Wanted {
    /// Whether the bootkit is not asked.
    fn is_named(&self) -> bool {
        !self.files.is_empty() || self.package.is_some()
    }

    /// The builds a script alone is checked for.
    pub fn for_script(&self) -> Outcome<Programs> {
        let mut programs = self.named()?;
        if !self.is_named() {
            programs.others.push(Capabilities::oldest(Kind::Lkrn));
        }
        Ok(programs)
    }

    /// The programs; with the bootkit if they are its, or if it is needed anyway.
    pub fn get(
        &self,
        needs_kit: bool,
        cache_dir: &Path,
        progress: &mut Progress,
        cancel: &Cancel,
    ) -> Outcome<Programs> {
        let mut programs = self.named()?;
        if needs_kit || !self.is_named() {
            let kit = bootkit::get(&self.kit, cache_dir, progress, cancel)
                .doing("getting the boot loaders")?;
            if !self.is_named() {
                for program in kit.ipxe_programs(&[Loader::IpxeLkrn, Loader::IpxeEfi]) {
                    programs.keep_if_useful(program)?;
                }
            }
            let newest = kit.lock().newest_mtime_unix_s;
            programs.newest = Some(programs.newest.unwrap_or(0).max(newest));
            programs.kit = Some(kit);
        }
        Ok(programs)
    }

    fn named(&self) -> Outcome<Programs> {
        let mut programs = Programs::default();
        for path in &self.files {
            let program = Content::hash_file(path)
                .map_err(ProgramError::from)
                .and_then(Program::new);
            programs.keep(program.doing(format!("reading {}", path.display()))?);
        }
        if let Some(path) = &self.package {
            let wanted = [Loader::IpxeLkrn, Loader::IpxeEfi];
            let found =
                packages::loaders_of(path, &wanted).doing(format!("reading {}", path.display()))?;
            if found.files.is_empty() {
                let message = format!("there is no iPXE in {}", path.display());
                return Err(Failure::new(ExitStatus::NotFound, message)
                    .with_hint("Debian's package is called ipxe"));
            }
            for (_, bytes) in found.files {
                programs.keep_if_useful(Program::new(Content::bytes(bytes)))?;
            }
            programs.newest = Some(found.newest_mtime_unix_s);
        }
        Ok(programs)
    }
}

/// The program of a kind that an output cannot do without.
pub fn needed<'a>(
    program: Option<&'a Program>,
    programs: &Programs,
    which: Loader,
) -> Outcome<&'a Program> {
    program.ok_or_else(|| {
        let message = match (&programs.no_efi, which) {
            (Some(reason), Loader::IpxeEfi) => reason.clone(),
            _ => format!("there is no iPXE for this: {} is missing", which.path()),
        };
        Failure::new(ExitStatus::NotFound, message).with_hint(
            "name Debian 13's package ipxe with `--ipxe-package FILE`, or take a bootkit of it: \
             `--suite trixie`",
        )
    })
}
