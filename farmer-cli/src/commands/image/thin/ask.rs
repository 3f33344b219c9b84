//! What the command line asks of a script.

use std::net::{IpAddr, Ipv4Addr};

use image_builder::formats::timestamp::Timestamp;
use image_builder::kernel_arguments;
use image_builder::medium::thin::{Fixed, Source, ThinBoot};
use image_builder::regions::PayloadKind;
use image_builder::zos;
use node_config::medium::FARM_ARGUMENT;
use node_config::{Addressing, FarmId, RunMode, VlanId};
use reqwest::Url;

use crate::args::ImageBuildArgs;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

/// Everything but the farm.
pub struct Ask {
    source: Source,
    fixed: Option<Fixed>,
    vlan: Option<u16>,
    arguments: Arguments,
}

/// Kernel arguments, without the farm's number.
enum Arguments {
    /// Behind the farm's number.
    Bundle(Vec<String>),
    ZeroOs {
        release: zos::ZosRelease,
        network: RunMode,
        further: Vec<String>,
    },
}

/// Refuses what a thin medium cannot carry: it would be lost without a word.
pub fn check(args: &ImageBuildArgs) -> Outcome<()> {
    let of_bundle = [
        ("--node", args.parts.node.is_some()),
        ("--kernel", args.parts.kernel.is_some()),
        ("--firmware", !args.supplies.firmware.is_empty()),
        ("--microcode", !args.supplies.microcode.is_empty()),
        ("--add", !args.supplies.add.is_empty()),
        ("--location", args.location.is_some()),
        (
            "--enrolment-token-file",
            args.enrolment_token_file.is_some(),
        ),
        ("--directory", args.connection.directory.is_some()),
        ("--pin", args.connection.pin.is_some()),
        ("--ca", args.connection.ca.is_some()),
    ];
    if let Some((flag, _)) = of_bundle.iter().find(|(_, given)| *given) {
        return Err(Failure::new(
            ExitStatus::Usage,
            format!("{flag} belongs to the system that is fetched, not to what fetches it"),
        )
        .with_hint(
            "give it to `farmer image build --format pxe`; a disk's farm.toml can overrule it",
        ));
    }
    let of_others = [
        ("--flavour", args.uefi.flavour.is_some()),
        ("--signing-key", args.uefi.signing_key.is_some()),
        ("--with", !args.result.with.is_empty()),
        ("--sign", args.result.sign.is_some()),
    ];
    if let Some((flag, _)) = of_others.iter().find(|(_, given)| *given) {
        let message = format!("there is no {flag} of thin boot");
        return Err(Failure::new(ExitStatus::Usage, message)
            .with_hint("leave it away; `sha256sum` and `farmer image show` describe the file"));
    }
    if args.zero_os.sha256.is_some() {
        return Err(Failure::new(
            ExitStatus::Usage,
            "iPXE cannot check the digest of a Zero-OS kernel (--sha256)",
        )
        .with_hint("fetch it over https from a server you trust, or build a whole image"));
    }
    if args.thin.expect.is_some() && args.zero_os.zos.is_some() {
        return Err(Failure::new(
            ExitStatus::Usage,
            "Zero-OS does not check what it was started from (--expect)",
        ));
    }
    Ok(())
}

impl Ask {
    /// Understands the flags.
    pub fn new(args: &ImageBuildArgs) -> Outcome<Self> {
        let kind = match args.zero_os.zos {
            Some(_) => PayloadKind::ZeroOs,
            None => PayloadKind::FarmNode,
        };
        for argument in &args.kernel_arg {
            kernel_arguments::check(kind, argument)?;
        }
        let addresses = addresses(args)?;
        let (source, arguments) = if args.zero_os.zos.is_some() {
            let mut further = args.kernel_arg.clone();
            further.extend(
                args.serial
                    .iter()
                    .flat_map(|serial| ["console=tty0".to_owned(), format!("console={serial}")]),
            );
            let arguments = Arguments::ZeroOs {
                release: args.zero_os.release,
                network: args.network,
                further,
            };
            (Source::ZeroOs(addresses), arguments)
        } else {
            (
                Source::Bundle(addresses),
                Arguments::Bundle(for_bundle(args)),
            )
        };
        Ok(Self {
            source,
            fixed: fixed(args)?,
            vlan: args.vlan.and_then(VlanId::tag),
            arguments,
        })
    }

    /// What this farm's script does.
    pub fn boot(&self, farm: FarmId, made: Option<Timestamp>) -> ThinBoot {
        let arguments = match &self.arguments {
            Arguments::Bundle(words) => {
                let own = [format!("{FARM_ARGUMENT}={farm}")].into_iter();
                own.chain(words.iter().cloned()).collect()
            }
            Arguments::ZeroOs {
                release,
                network,
                further,
            } => zos::kernel_arguments(*release, *network, farm, further)
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        };
        ThinBoot {
            title: format!("Farm {farm}: fetching the system over the network"),
            source: self.source.clone(),
            fixed: self.fixed,
            vlan: self.vlan,
            arguments,
            made,
        }
    }
}

fn for_bundle(args: &ImageBuildArgs) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(address) = &args.static_address {
        words.extend(ip_argument(&address.0));
    }
    words.extend(
        args.vlan
            .and_then(VlanId::tag)
            .map(|vlan| format!("vlan={vlan}")),
    );
    // The bundle has its own; what is said here counts.
    if args.network != RunMode::Prod {
        words.push(format!("runmode={}", args.network));
    }
    words.extend(args.serial.map(|serial| format!("console={serial}")));
    words.extend(args.debug.then(|| "debug".to_owned()));
    words.extend(args.kernel_arg.iter().cloned());
    let expect = args.thin.expect.as_ref();
    words.extend(expect.map(|digest| format!("farm.expect=sha256:{digest}")));
    words
}

/// `ip=` as the kernel documents it (admin-guide/nfs/nfsroot.rst) and the node reads it.
fn ip_argument(addressing: &Addressing) -> Option<String> {
    let Addressing::Static {
        address,
        gateway,
        dns,
        interface,
    } = addressing
    else {
        return None;
    };
    let text = |address: &IpAddr| match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("[{six}]"),
    };
    // A MAC address has colons too.
    let port = match interface.as_deref().unwrap_or_default() {
        mac if mac.contains(':') => format!("[{mac}]"),
        name => name.to_owned(),
    };
    let names: Vec<String> = dns.iter().take(2).map(text).collect();
    Some(
        format!(
            "ip={}::{}:{}::{port}:off:{}",
            text(&address.address),
            gateway.as_ref().map_or_else(String::new, text),
            address.prefix_length,
            names.join(":"),
        )
        .trim_end_matches(':')
        .to_owned(),
    )
}

fn addresses(args: &ImageBuildArgs) -> Outcome<Vec<String>> {
    let addresses: Vec<String> = args
        .zero_os
        .zos
        .iter()
        .chain(&args.thin.mirror)
        .cloned()
        .collect();
    if addresses.is_empty() {
        return Err(Failure::new(
            ExitStatus::Usage,
            "a script has to know where the system is served",
        )
        .with_hint(
            "name the address of a pxe bundle with --mirror URL, or of a Zero-OS kernel with --zos URL",
        ));
    }
    for address in &addresses {
        let Ok(url) = Url::parse(address) else {
            let message = format!("{address} is no URL");
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("as in https://boot.example/farm-9"));
        };
        if url.scheme() == "http" && !args.connection.insecure_http {
            let message = format!(
                "{address} is not encrypted: anybody on the way can change what machines boot"
            );
            return Err(Failure::new(ExitStatus::Refused, message)
                .with_hint("allow it with `--insecure-http` on a network you trust"));
        }
    }
    Ok(addresses)
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
