//! `farmer image show`

use hw_probe::text::Untrusted;
use hw_probe::units::Bytes;
use image_builder::error::ShowError;
use image_builder::regions::Flavour;
use image_builder::show::{MediumDescription, describe};
use serde::Serialize;

use crate::args::ImageShowArgs;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

impl Classify for ShowError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// A medium, as told.
#[derive(Serialize)]
struct Shown {
    path: String,
    #[serde(flatten)]
    medium: MediumDescription,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        let medium = &self.medium;
        identity(&self.path, medium, page);
        for problem in &medium.problems {
            page.field("problem", untrusted(problem));
        }
        boots(medium, page);
        programs(medium, page);
        partitions(medium, page);
        regions(medium, page);
        settings(medium, page);
    }
}

fn untrusted(text: &str) -> String {
    Untrusted::from(text).to_string()
}

fn identity(path: &str, medium: &MediumDescription, page: &mut Page) {
    page.field("image", path);
    match medium.container {
        Some(container) => page.field("kind", format!("{} in a {container}", medium.kind)),
        None => page.field("kind", medium.kind),
    };
    page.field(
        "size",
        format!("{} ({} bytes)", Bytes(medium.size_bytes), medium.size_bytes),
    );
    if let Some(guid) = &medium.disk_guid {
        page.field("disk", guid);
    }
    if let Some(fingerprint) = &medium.fingerprint {
        page.field("fingerprint", fingerprint);
    }
    if let Some(label) = &medium.volume_id {
        page.field("ISO volume", untrusted(label));
    }
    if let Some(payload) = medium.payload {
        page.field("system", payload.name());
    }
    if let Some(flavour) = medium.flavour {
        page.field(
            "UEFI",
            match flavour {
                Flavour::Stock => "stock: shim, GRUB and kernel signed by others",
                Flavour::Uki => "uki: unified kernel image, not signed",
                Flavour::UkiSigned => "uki-signed: unified kernel image, signed",
                Flavour::Thin => "thin: iPXE, which fetches the system over the network",
            },
        );
    }
    if let Some(node) = &medium.node {
        let version = if node.version.is_empty() {
            "unknown version"
        } else {
            &node.version
        };
        page.field(
            "node",
            format!(
                "farm-node {} (settings schema {})",
                untrusted(version),
                node.config_schema
            ),
        );
    }
    let farm = medium.settings.iter().find(|s| s.key == "farm_id");
    if let Some(farm) = farm {
        page.field(
            "farm",
            format!("{} ({})", untrusted(&farm.value), farm.origin),
        );
    } else if let Some(farm) = medium.farm_id {
        page.field("farm", farm);
    }
    for address in &medium.fetches {
        page.field("fetches", untrusted(address));
    }
    if let Some(arguments) = &medium.kernel_arguments {
        let shown = if arguments.is_empty() { "-" } else { arguments };
        page.field("arguments", untrusted(shown));
    }
}

fn boots(medium: &MediumDescription, page: &mut Page) {
    let rows: Vec<Vec<String>> = medium
        .boots
        .iter()
        .map(|path| {
            vec![
                format!("{} {}", path.firmware.to_uppercase(), path.medium),
                untrusted(path.starts.as_deref().unwrap_or("does not start")),
                match path.secure_boot {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => "-".to_owned(),
                },
                untrusted(&path.reason),
            ]
        })
        .collect();
    table(
        page,
        &[
            ("BOOT", Align::Left),
            ("STARTS", Align::Left),
            ("SECURE BOOT", Align::Left),
            ("WHY", Align::Left),
        ],
        &rows,
    );
}

fn programs(medium: &MediumDescription, page: &mut Page) {
    let signed = |signers: &[String]| match signers.first() {
        Some(first) => untrusted(first),
        None => "-".to_owned(),
    };
    let kernels = medium.kernels.iter().map(|kernel| {
        vec![
            untrusted(&kernel.path),
            untrusted(&kernel.volume),
            format!("kernel {}", untrusted(&kernel.version)),
            signed(&kernel.signers),
        ]
    });
    let loaders = medium.loaders.iter().filter(|l| !l.is_uki).map(|loader| {
        vec![
            untrusted(&loader.path),
            untrusted(&loader.volume),
            format!("{} {}", loader.machine, untrusted(&loader.sbat.join(" "))),
            signed(&loader.signers),
        ]
    });
    let rows: Vec<Vec<String>> = loaders.chain(kernels).collect();
    table(
        page,
        &[
            ("PROGRAM", Align::Left),
            ("ON", Align::Left),
            ("GENERATIONS OR VERSION", Align::Left),
            ("SIGNED BY", Align::Left),
        ],
        &rows,
    );
    for kernel in &medium.kernels {
        if let Some(arguments) = &kernel.arguments {
            page.field("built-in arguments", untrusted(arguments));
        }
    }
}

fn partitions(medium: &MediumDescription, page: &mut Page) {
    let rows: Vec<Vec<String>> = medium
        .partitions
        .iter()
        .map(|p| {
            vec![
                p.number.to_string(),
                untrusted(&p.name),
                p.kind.clone(),
                p.span.offset.to_string(),
                Bytes(p.span.length).to_string(),
            ]
        })
        .collect();
    table(
        page,
        &[
            ("PARTITION", Align::Right),
            ("NAME", Align::Left),
            ("KIND", Align::Left),
            ("OFFSET", Align::Right),
            ("SIZE", Align::Right),
        ],
        &rows,
    );
}

fn regions(medium: &MediumDescription, page: &mut Page) {
    let Some(regions) = &medium.regions else {
        page.line("")
            .line("this is not one of our images: it has no table of regions");
        return;
    };
    let rows: Vec<Vec<String>> = regions
        .iter()
        .map(|r| {
            let state = if r.customised {
                "changed since"
            } else {
                "as built"
            };
            vec![
                untrusted(&r.name),
                r.span.offset.to_string(),
                r.span.length.to_string(),
                state.to_owned(),
            ]
        })
        .collect();
    table(
        page,
        &[
            ("REGION", Align::Left),
            ("OFFSET", Align::Right),
            ("BYTES", Align::Right),
            ("CONTENT", Align::Left),
        ],
        &rows,
    );
}

fn settings(medium: &MediumDescription, page: &mut Page) {
    let rows: Vec<Vec<String>> = medium
        .settings
        .iter()
        .map(|setting| {
            vec![
                setting.key.clone(),
                untrusted(&setting.value),
                setting.origin.clone(),
            ]
        })
        .collect();
    table(
        page,
        &[
            ("SETTING", Align::Left),
            ("VALUE", Align::Left),
            ("FROM", Align::Left),
        ],
        &rows,
    );
}

/// A table set off by a blank line; nothing where it would be empty.
fn table(page: &mut Page, columns: &[(&str, Align)], rows: &[Vec<String>]) {
    if !rows.is_empty() {
        page.line("").table(columns, rows);
    }
}

/// `farmer image show`
pub fn show(context: &Context<'_>, args: &ImageShowArgs) -> Outcome<ExitStatus> {
    let path = &args.file;
    let mut file = super::open_image(context, path)?;
    let medium = describe(&mut file).doing(format!("looking into {}", path.display()))?;
    context.printer.data(&Shown {
        path: path.display().to_string(),
        medium,
    })?;
    Ok(ExitStatus::Ok)
}
