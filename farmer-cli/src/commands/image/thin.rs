//! `farmer image build --format script`: the script of thin media.

use std::net::{IpAddr, Ipv4Addr};

use image_builder::emit::{self, EmitOptions};
use image_builder::error::EmitError;
use image_builder::ipxe::{Capabilities, Kind};
use image_builder::medium::thin::{Fixed, Source, ThinBoot};
use image_builder::zos;
use node_config::Addressing;
use reqwest::Url;
use serde::Serialize;

use super::{Target, target_file};
use crate::args::{ImageBuildArgs, ImageFormat};
use crate::commands::Context;
use crate::commands::ipxe::{build as named_build, capabilities};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;

/// What was written.
#[derive(Serialize)]
struct Scripted {
    path: String,
    format: &'static str,
    size_bytes: usize,
    farm_id: u32,
    /// The build it was checked for.
    ipxe: String,
    sources: Vec<String>,
}

impl Show for Scripted {
    fn show(&self, page: &mut Page) {
        page.field("script", &self.path)
            .field("farm", self.farm_id)
            .field("checked for", &self.ipxe);
        for source in &self.sources {
            page.field("fetches", source);
        }
    }
}

/// Whether a script is asked for.
pub fn is_script(args: &ImageBuildArgs) -> bool {
    let implied = args.out.as_deref().and_then(ImageFormat::of_name);
    args.result.format.or(implied) == Some(ImageFormat::Script)
}

/// Writes the script.
pub fn build(context: &Context<'_>, args: &ImageBuildArgs) -> Outcome<ExitStatus> {
    let (source, sources) = source(args)?;
    let binary = match &args.thin.ipxe {
        Some(binary) => capabilities(binary)?,
        None => Capabilities::oldest(Kind::Lkrn),
    };
    let script = ThinBoot {
        title: format!(
            "Farm {}: fetching the system over the network",
            args.farm_id
        ),
        source,
        fixed: fixed(args)?,
    }
    .script(&binary)?;
    let out = args.out.clone().unwrap_or_else(|| "-".into());
    let path = out.display().to_string();
    match target_file(out, args.force)? {
        Target::Stdout => {
            context.printer.raw(script.as_bytes())?;
            return Ok(ExitStatus::Ok);
        }
        Target::File { path, overwrite } => {
            let options = EmitOptions {
                overwrite,
                ..EmitOptions::default()
            };
            let total = script.len() as u64;
            emit::with_writer(&path, total, options, |file| {
                let written = file.write_all(script.as_bytes());
                written.map_err(|source| EmitError::Write {
                    path: path.clone(),
                    offset: 0,
                    source,
                })
            })?;
        }
    }
    context.printer.to_stdout().data(&Scripted {
        path,
        format: ImageFormat::Script.name(),
        size_bytes: script.len(),
        farm_id: args.farm_id.get(),
        ipxe: named_build(&binary),
        sources,
    })?;
    Ok(ExitStatus::Ok)
}

fn source(args: &ImageBuildArgs) -> Outcome<(Source, Vec<String>)> {
    let usage = |message: String, hint: &str| {
        Err(Failure::new(ExitStatus::Usage, message).with_hint(hint.to_owned()))
    };
    let addresses = match &args.zero_os.zos {
        Some(zos) => vec![zos.clone()],
        None => args.thin.mirror.clone(),
    };
    if addresses.is_empty() {
        return usage(
            "a script has to know where the system is served".to_owned(),
            "name the address of a pxe bundle with --mirror URL, or of a Zero-OS kernel with --zos URL",
        );
    }
    for address in &addresses {
        let Ok(url) = Url::parse(address) else {
            return usage(
                format!("{address} is no URL"),
                "as in https://boot.example/farm-9",
            );
        };
        if url.scheme() == "http" && !args.connection.insecure_http {
            return Err(Failure::new(
                ExitStatus::Refused,
                format!(
                    "{address} is not encrypted: anybody on the way can change what machines boot"
                ),
            )
            .with_hint("allow it with `--insecure-http` on a network you trust"));
        }
    }
    let source = if args.zero_os.zos.is_some() {
        Source::ZeroOs {
            kernels: addresses.clone(),
            arguments: zos::kernel_arguments(
                args.zero_os.release,
                args.network,
                args.farm_id,
                &args.kernel_arg,
            ),
        }
    } else {
        Source::Bundle(addresses.clone())
    };
    Ok((source, addresses))
}

fn fixed(args: &ImageBuildArgs) -> Outcome<Option<Fixed>> {
    let Some(Addressing::Static {
        address,
        gateway,
        dns,
        ..
    }) = args.static_address.as_ref().map(|address| &address.0)
    else {
        return Ok(None);
    };
    let four = |address: &IpAddr| match address {
        IpAddr::V4(four) => Some(*four),
        IpAddr::V6(_) => None,
    };
    let Some(own) = four(&address.address) else {
        let message = format!(
            "--static {}: this script sets IPv4 addresses only",
            address.address
        );
        return Err(Failure::new(ExitStatus::Usage, message));
    };
    let bits = u32::from(address.prefix_length);
    Ok(Some(Fixed {
        address: own,
        netmask: Ipv4Addr::from(u32::MAX.checked_shl(32 - bits).unwrap_or(0)),
        gateway: gateway.as_ref().and_then(four),
        dns: dns.iter().find_map(four),
    }))
}
