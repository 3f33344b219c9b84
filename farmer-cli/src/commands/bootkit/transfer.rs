//! `farmer bootkit export` and `import`

use hw_probe::units::Bytes;
use image_builder::bootkit::archive;
use serde::Serialize;

use super::{Shown, Wanted, apt_config, get, in_cache};
use crate::args::{BootkitExportArgs, BootkitImportArgs};
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;

/// An exported bootkit, as told.
#[derive(Serialize)]
struct Exported {
    path: String,
    id: String,
    sha256: String,
    size_bytes: u64,
}

impl Show for Exported {
    fn show(&self, page: &mut Page) {
        page.field("file", &self.path)
            .field("bootkit", &self.id)
            .field("size", format!("{:#}", Bytes(self.size_bytes)))
            .field("sha256", &self.sha256);
    }
}

/// `farmer bootkit export`
pub fn export(context: &Context<'_>, args: BootkitExportArgs) -> Outcome<ExitStatus> {
    let BootkitExportArgs {
        file,
        bootkit,
        force,
    } = args;
    if file.symlink_metadata().is_ok() && !force {
        let exists = format!("{} exists", file.display());
        return Err(Failure::new(ExitStatus::Refused, exists)
            .with_hint("choose another name, or replace it with `--force`"));
    }
    let wanted = Wanted {
        apt_config: apt_config(context),
        bootkit,
        ..Wanted::default()
    };
    let exported = in_cache(context, |cache_dir, progress, cancel| {
        let kit = get(&wanted, cache_dir, progress, cancel)?;
        progress.stage(&format!("writing {}", file.display()));
        let (sha256, size_bytes) = archive::export(&kit, &file)?;
        Ok(Exported {
            path: file.display().to_string(),
            id: kit.id().to_string(),
            sha256: sha256.to_string(),
            size_bytes,
        })
    })?;
    context.printer.data(&exported)?;
    Ok(ExitStatus::Ok)
}

/// `farmer bootkit import`
pub fn import(context: &Context<'_>, args: BootkitImportArgs) -> Outcome<ExitStatus> {
    let kit = in_cache(context, |cache_dir, progress, _| {
        progress.stage(&format!("reading {}", args.file.display()));
        Ok(archive::import(&args.file, cache_dir)?)
    })?;
    context.printer.data(&Shown::of(&kit))?;
    Ok(ExitStatus::Ok)
}
