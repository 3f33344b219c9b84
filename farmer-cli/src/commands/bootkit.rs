//! `farmer bootkit`, and getting the bootkit that images are built from.

mod transfer;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image_builder::bootkit::{self, Bootkit, BootkitError, Digest, Event};
use serde::Serialize;

use super::Context;
use crate::args::{BootkitFetchArgs, BootkitShowArgs};
use crate::blocking::{self, Cancel};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;
use crate::progress::Progress;
use hw_probe::units::Bytes;

pub use transfer::{export, import};
pub use verify::verify;

impl Classify for BootkitError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Changed { .. } | Self::AptDigest { .. } => ExitStatus::Mismatch,
            Self::MissingPackages { .. } | Self::MissingPart { .. } | Self::Unknown { .. } => {
                ExitStatus::NotFound
            }
            Self::Suite { .. } => ExitStatus::Usage,
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Which kernel and loaders to use.
#[derive(Default)]
pub struct Wanted {
    /// The value of `APT_CONFIG`.
    pub apt_config: Option<String>,
    /// A stored or exported bootkit.
    pub bootkit: Option<String>,
    /// Packages given as files; empty means apt's.
    pub debs: Vec<PathBuf>,
    /// Debian release instead of the host's.
    pub suite: Option<String>,
    /// Whether apt's lists are to be fetched anew.
    pub refresh: bool,
    /// A kernel of the farmer's own, with its modules.
    pub kernel: Option<(PathBuf, Option<PathBuf>)>,
    /// Filled when apt's lists are looked at first.
    pub lists: OnceLock<Digest>,
}

impl Wanted {
    /// Whether apt is where things come from.
    pub fn is_from_apt(&self) -> bool {
        self.bootkit.is_none() && self.debs.is_empty()
    }

    /// What apt's environment is.
    pub fn environment(&self) -> bootkit::fetch::AptEnvironment<'_> {
        bootkit::fetch::AptEnvironment::Known {
            apt_config: self.apt_config.as_deref(),
            lists: &self.lists,
        }
    }

    /// How to ask apt.
    pub fn apt<'a>(&'a self, cache_dir: &'a Path) -> bootkit::fetch::AptOptions<'a> {
        bootkit::fetch::AptOptions {
            cache_dir,
            refresh: self.refresh,
            suite: self.suite.as_deref(),
        }
    }
}

/// What [`Wanted::apt_config`] is to be.
pub fn apt_config(context: &Context<'_>) -> Option<String> {
    context.environment.get("APT_CONFIG").map(str::to_owned)
}

/// Finds or makes the bootkit.
pub fn get(
    wanted: &Wanted,
    cache_dir: &Path,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<Bootkit> {
    let mut on_event = |event: Event| {
        cancel.check();
        tell(progress, &event);
    };
    let kit = if let Some(named) = &wanted.bootkit {
        bootkit::find(named, cache_dir)?
    } else if wanted.debs.is_empty() {
        bootkit::fetch::from_apt_in(&wanted.apt(cache_dir), wanted.environment(), &mut on_event)?
    } else {
        bootkit::fetch::from_debs(&wanted.debs, cache_dir, &mut on_event)?
    };
    let Some((kernel, modules)) = &wanted.kernel else {
        return Ok(kit);
    };
    Ok(bootkit::fetch::from_kernel(
        kernel,
        modules.as_deref(),
        &kit,
        cache_dir,
        &mut on_event,
    )?)
}

/// Says what making a bootkit is busy with.
pub fn tell(progress: &mut Progress, event: &Event) {
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

impl Shown {
    fn of(kit: &Bootkit) -> Self {
        let lock = kit.lock();
        Self {
            id: kit.id().to_string(),
            path: kit.dir().display().to_string(),
            kernel: kit.kernel_version().to_owned(),
            modules: lock.kernel.modules,
            newest_mtime_unix_s: lock.newest_mtime_unix_s,
            packages: lock.packages.clone(),
            files: lock.files.clone(),
        }
    }
}

/// `farmer bootkit show`
pub fn show(context: &Context<'_>, args: BootkitShowArgs) -> Outcome<ExitStatus> {
    let wanted = Wanted {
        apt_config: apt_config(context),
        bootkit: args.bootkit,
        debs: args.deb,
        ..Wanted::default()
    };
    get_and_show(context, wanted)
}

/// `farmer bootkit fetch`
pub fn fetch(context: &Context<'_>, args: BootkitFetchArgs) -> Outcome<ExitStatus> {
    let wanted = Wanted {
        apt_config: apt_config(context),
        debs: args.deb,
        suite: args.suite,
        refresh: args.refresh,
        ..Wanted::default()
    };
    get_and_show(context, wanted)
}

fn get_and_show(context: &Context<'_>, wanted: Wanted) -> Outcome<ExitStatus> {
    let kit = in_cache(context, |cache_dir, progress, cancel| {
        get(&wanted, cache_dir, progress, cancel)
    })?;
    context.printer.data(&Shown::of(&kit))?;
    Ok(ExitStatus::Ok)
}

fn in_cache<T>(
    context: &Context<'_>,
    work: impl FnOnce(&Path, &mut Progress, &Cancel) -> Outcome<T>,
) -> Outcome<T> {
    let cache_dir = context.environment.cache_dir()?;
    blocking::run(|cancel| {
        let mut progress = Progress::new(context.printer);
        work(&cache_dir, &mut progress, cancel)
    })
}
