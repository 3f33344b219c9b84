//! `farmer bootkit verify`

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use image_builder::bootkit::{self, Bootkit, archive};
use serde::Serialize;

use super::in_cache;
use crate::args::BootkitVerifyArgs;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// Checked bootkits, as told.
#[derive(Serialize)]
struct Verified {
    bootkits: Vec<Checked>,
}

/// One of them.
#[derive(Serialize)]
struct Checked {
    id: String,
    path: String,
    kernel: String,
    /// What is wrong with it.
    problem: Option<String>,
}

impl Checked {
    /// One in an exported file: read as on a machine that does not have it.
    fn exported(file: &Path, cache_dir: &Path) -> Outcome<Self> {
        // Where room for bootkits is expected, unlike in /tmp.
        let failed = |error| Failure::io("making a directory in", cache_dir, error);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(cache_dir)
            .map_err(failed)?;
        let elsewhere = tempfile::tempdir_in(cache_dir).map_err(failed)?;
        Ok(match archive::import(file, elsewhere.path()) {
            Ok(kit) => Self {
                id: kit.id().to_string(),
                path: file.display().to_string(),
                kernel: kit.kernel_version().to_owned(),
                problem: None,
            },
            Err(error) => Self {
                id: file.display().to_string(),
                path: file.display().to_string(),
                kernel: String::new(),
                problem: Some(error.to_string()),
            },
        })
    }

    fn at(dir: &Path) -> Self {
        let (id, kernel, checked) = match Bootkit::open(dir) {
            Ok(kit) => (
                kit.id().to_string(),
                kit.kernel_version().to_owned(),
                kit.verify_all(),
            ),
            Err(error) => {
                let name = dir.file_name().unwrap_or_default();
                (
                    name.to_string_lossy().into_owned(),
                    String::new(),
                    Err(error),
                )
            }
        };
        Self {
            id,
            path: dir.display().to_string(),
            kernel,
            problem: checked.err().map(|error| error.to_string()),
        }
    }
}

impl Show for Verified {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .bootkits
            .iter()
            .map(|kit| {
                let state = kit.problem.as_deref().unwrap_or("as locked");
                let id = kit.id.get(..16).unwrap_or(&kit.id);
                vec![id.to_owned(), kit.kernel.clone(), state.to_owned()]
            })
            .collect();
        page.table(
            &[
                ("BOOTKIT", Align::Left),
                ("KERNEL", Align::Left),
                ("STATE", Align::Left),
            ],
            &rows,
        );
    }
}

/// `farmer bootkit verify`
pub fn verify(context: &Context<'_>, args: BootkitVerifyArgs) -> Outcome<ExitStatus> {
    let verified = in_cache(context, |cache_dir, progress, cancel| {
        if let Some(file) = args.bootkit.as_deref().map(Path::new)
            && file.is_file()
        {
            progress.stage(&format!("checking {}", file.display()));
            return Ok(Verified {
                bootkits: vec![Checked::exported(file, cache_dir)?],
            });
        }
        let dirs = match &args.bootkit {
            Some(named) => vec![bootkit::find(named, cache_dir)?.dir().to_owned()],
            None => bootkit::stored_dirs(cache_dir),
        };
        let mut bootkits = Vec::new();
        for dir in dirs {
            cancel.check();
            progress.stage(&format!("checking {}", dir.display()));
            bootkits.push(Checked::at(&dir));
        }
        Ok(Verified { bootkits })
    })?;
    let is_bad = verified.bootkits.iter().any(|kit| kit.problem.is_some());
    context.printer.data(&verified)?;
    Ok(if is_bad {
        ExitStatus::Mismatch
    } else {
        ExitStatus::Ok
    })
}
