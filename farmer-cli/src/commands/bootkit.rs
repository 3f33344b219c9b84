//! `farmer bootkit show`, and fetching the bootkit that images are built from.

use std::path::{Path, PathBuf};

use image_builder::bootkit::{Bootkit, BootkitError, Event, fetch};
use serde::Serialize;

use super::Context;
use crate::args::BootkitShowArgs;
use crate::blocking::{self, Cancel};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;
use crate::progress::Progress;
use hw_probe::units::Bytes;

impl Classify for BootkitError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Changed { .. } | Self::AptDigest { .. } => ExitStatus::Mismatch,
            Self::MissingPackages { .. } | Self::MissingPart { .. } => ExitStatus::NotFound,
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Which kernel and loaders to use.
pub struct Wanted {
    /// Packages given as files; empty means apt's.
    pub debs: Vec<PathBuf>,
    /// A kernel of the farmer's own, with its modules.
    pub kernel: Option<(PathBuf, Option<PathBuf>)>,
}

/// Finds or makes the bootkit.
pub fn fetch(
    wanted: &Wanted,
    cache_dir: &Path,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<Bootkit> {
    let mut on_event = |event: Event| {
        cancel.check();
        tell(progress, &event);
    };
    let kit = if wanted.debs.is_empty() {
        let options = fetch::AptOptions {
            cache_dir,
            refresh: false,
            suite: None,
        };
        fetch::from_apt(&options, &mut on_event)?
    } else {
        fetch::from_debs(&wanted.debs, cache_dir, &mut on_event)?
    };
    let Some((kernel, modules)) = &wanted.kernel else {
        return Ok(kit);
    };
    Ok(fetch::from_kernel(
        kernel,
        modules.as_deref(),
        &kit,
        cache_dir,
        &mut on_event,
    )?)
}

fn tell(progress: &mut Progress, event: &Event) {
    match event {
        Event::Resolving => progress.stage("asking apt for kernel and boot loaders"),
        Event::UpdatingLists { reason } => {
            progress.stage(&format!("fetching package lists: {reason}"));
        }
        Event::Downloading {
            packages,
            size_bytes,
        } => progress.stage(&format!(
            "downloading {} packages ({:#})",
            packages.len(),
            Bytes(*size_bytes)
        )),
        Event::Unpacking {
            package,
            number,
            total,
        } => {
            progress.stage(&format!("unpacking {number}/{total} {package}"));
        }
        Event::Damaged { dir, reason } => {
            progress.stage(&format!(
                "{} is damaged ({reason}); making it anew",
                dir.display()
            ));
        }
        _ => {}
    }
}

/// A bootkit, as told.
#[derive(Serialize)]
struct Shown {
    id: String,
    path: String,
    kernel: String,
    modules: u32,
    newest_mtime_unix_s: u64,
    packages: Vec<image_builder::bootkit::PackageEntry>,
    files: Vec<image_builder::bootkit::FileEntry>,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        page.field("bootkit", &self.id)
            .field("path", &self.path)
            .field("kernel", &self.kernel)
            .field("modules", self.modules);
        let packages: Vec<Vec<String>> = self
            .packages
            .iter()
            .map(|package| {
                let checked = if package.archive_verified {
                    "apt"
                } else {
                    "digest only"
                };
                vec![
                    package.name.clone(),
                    package.version.clone(),
                    checked.to_owned(),
                ]
            })
            .collect();
        page.line("").table(
            &[
                ("PACKAGE", Align::Left),
                ("VERSION", Align::Left),
                ("VERIFIED BY", Align::Left),
            ],
            &packages,
        );
        let generations: Vec<Vec<String>> = self
            .files
            .iter()
            .filter(|file| !file.sbat.is_empty())
            .map(|file| vec![file.path.clone(), file.sbat.join(" ")])
            .collect();
        if !generations.is_empty() {
            page.line("").table(
                &[("LOADER", Align::Left), ("SBAT", Align::Left)],
                &generations,
            );
        }
    }
}

/// `farmer bootkit show`
pub async fn show(context: &Context<'_>, args: BootkitShowArgs) -> Outcome<ExitStatus> {
    let cache_dir = context.environment.cache_dir()?;
    let printer = context.printer.clone();
    let wanted = Wanted {
        debs: args.deb,
        kernel: None,
    };
    let kit = blocking::run(context.printer, move |cancel| {
        let mut progress = Progress::new(&printer);
        fetch(&wanted, &cache_dir, &mut progress, cancel)
    })
    .await?;
    let lock = kit.lock();
    context.printer.data(&Shown {
        id: kit.id().to_string(),
        path: kit.dir().display().to_string(),
        kernel: kit.kernel_version().to_owned(),
        modules: lock.kernel.modules,
        newest_mtime_unix_s: lock.newest_mtime_unix_s,
        packages: lock.packages.clone(),
        files: lock.files.clone(),
    })?;
    Ok(ExitStatus::Ok)
}
