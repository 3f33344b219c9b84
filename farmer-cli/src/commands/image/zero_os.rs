//! The Zero-OS kernel of `farmer image build --zos`: a file, or a URL that is downloaded.

use std::path::PathBuf;

use image_builder::bootkit::Digest;
use image_builder::zos;
use node_config::FarmId;

use super::System;
use crate::args::ImageBuildArgs;
use crate::commands::{Context, block_on};
use crate::download::Download;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

/// The system and its kernel arguments.
pub fn system(
    context: &Context<'_>,
    args: &ImageBuildArgs,
    farm_id: FarmId,
) -> Outcome<(System, String)> {
    if args.vlan.is_some() {
        let message = "Zero-OS does not know --vlan";
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("name the networks it divides: --kernel-arg vlan:priv=N"));
    }
    if args.enrolment_token_file.is_some() {
        let message = "Zero-OS does not know --enrolment-token-file";
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("leave it away; Zero-OS registers by its farm's number alone"));
    }
    let named = args.zero_os.zos.as_deref().unwrap_or_default();
    let kernel = match named.split_once("://") {
        Some(_) => {
            let download = Download {
                url: named,
                sha256: args.zero_os.sha256,
                insecure_http: args.connection.insecure_http,
                directory: context.environment.cache_dir()?.join("zos"),
                suffix: ".efi",
            };
            block_on(download.fetch(context.printer))?
        }
        None => checked(PathBuf::from(named), args.zero_os.sha256)?,
    };
    let arguments = zos::kernel_arguments(
        args.zero_os.release,
        args.network,
        farm_id,
        &args.kernel_arg,
    );
    let system = System::ZeroOs { kernel, farm_id };
    Ok((system, arguments))
}

/// A file given by path, compared with the digest it should have.
fn checked(path: PathBuf, expected: Option<Digest>) -> Outcome<PathBuf> {
    let Some(expected) = expected else {
        return Ok(path);
    };
    let opened = std::fs::File::open(&path);
    let found = opened.and_then(|mut file| Digest::of_reader(&mut file));
    let (found, _) = found.map_err(|error| Failure::io("reading", &path, error))?;
    if found == expected {
        return Ok(path);
    }
    Err(Failure::new(
        ExitStatus::Mismatch,
        format!("{} has sha256 {found}, not {expected}", path.display()),
    ))
}
