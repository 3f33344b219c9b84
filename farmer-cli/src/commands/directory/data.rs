//! `farmer directory backup`, `restore` and `check`

use std::path::{Path, PathBuf};

use directory::server::{self, CopyError, Holdings, OpenError};
use serde::Serialize;

use crate::args::{BackupArgs, DataCheckArgs, RestoreArgs};
use crate::commands::Context;
use crate::commands::change::confirm;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;

impl Classify for CopyError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Missing { .. } => ExitStatus::NotFound,
            Self::Damaged { .. } => ExitStatus::Mismatch,
            Self::Open(OpenError::InUse { .. }) => ExitStatus::Refused,
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Data, and what they hold.
#[derive(Serialize)]
struct Held {
    place: PathBuf,
    #[serde(flatten)]
    holdings: Holdings,
}

impl Show for Held {
    fn show(&self, page: &mut Page) {
        page.field("place", self.place.display())
            .field("state", "whole")
            .field("users", self.holdings.users)
            .field("farms", self.holdings.farms)
            .field("nodes", self.holdings.nodes)
            .field("size", hw_probe::units::Bytes(self.holdings.bytes));
    }
}

/// `farmer directory backup`
pub async fn backup(context: &Context<'_>, args: BackupArgs) -> Outcome<ExitStatus> {
    let out = context.global.out.clone();
    let place = out.filter(|out| out != Path::new("-")).ok_or_else(|| {
        Failure::new(ExitStatus::Usage, "no file for the backup is named")
            .with_hint("name a new file with `--out FILE`")
    })?;
    let holdings = server::backup(&args.data, &place).await?;
    // --out is the backup; what is told about it goes to standard output.
    let printer = context.printer.to_stdout();
    printer.data(&Held { place, holdings })?;
    Ok(ExitStatus::Ok)
}

/// `farmer directory restore`
pub async fn restore(context: &Context<'_>, args: RestoreArgs) -> Outcome<ExitStatus> {
    let holdings = server::check(&args.backup).await?;
    let held = Held {
        place: args.data,
        holdings,
    };
    if args.change.dry_run {
        context.printer.data(&held)?;
        context.printer.message("nothing was changed");
        return Ok(ExitStatus::Ok);
    }
    let restored = server::restore(&args.backup, &held.place, args.change.yes).await;
    match restored {
        Err(CopyError::Exists { path }) => {
            let what = format!(
                "replace {} by {} ({} users, {} farms, {} nodes)\n",
                path.display(),
                args.backup.display(),
                holdings.users,
                holdings.farms,
                holdings.nodes
            );
            confirm(context, "replace the data that are there", &what)?;
            server::restore(&args.backup, &held.place, true).await?;
        }
        restored => {
            restored?;
        }
    }
    context.printer.data(&held)?;
    Ok(ExitStatus::Ok)
}

/// `farmer directory check`
pub async fn check(context: &Context<'_>, args: DataCheckArgs) -> Outcome<ExitStatus> {
    let place = args
        .backup
        .or(args.data)
        .ok_or_else(|| Failure::new(ExitStatus::Usage, "nothing to check is named"))?;
    let holdings = server::check(&place).await?;
    context.printer.data(&Held { place, holdings })?;
    Ok(ExitStatus::Ok)
}
