//! `farmer image show`

use std::fs::File;

use hw_probe::text::Untrusted;
use hw_probe::units::Bytes;
use image_builder::error::ShowError;
use image_builder::regions::Flavour;
use image_builder::show::{MediumDescription, describe};
use serde::Serialize;

use crate::args::ImageShowArgs;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

impl Classify for ShowError {}

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
        page.field("image", &self.path);
        if let Some(guid) = &medium.disk_guid {
            page.field("disk", guid);
        }
        if let Some(flavour) = medium.flavour {
            page.field(
                "UEFI",
                match flavour {
                    Flavour::Stock => "stock: shim, GRUB and kernel signed by Debian",
                    Flavour::Uki => "uki: unified kernel image, not signed",
                    Flavour::UkiSigned => "uki-signed: unified kernel image, signed",
                },
            );
        }
        if let Some(label) = &medium.volume_id {
            page.field("ISO volume", Untrusted::from(label.as_str()));
        }
        if let Some(farm) = medium.farm_id {
            page.field("farm", farm);
        }
        if let Some(arguments) = &medium.kernel_arguments {
            page.field(
                "arguments",
                if arguments.is_empty() { "-" } else { arguments },
            );
        }
        let partitions: Vec<Vec<String>> = medium
            .partitions
            .iter()
            .map(|p| {
                let name = Untrusted::from(p.name.as_str()).to_string();
                vec![
                    p.number.to_string(),
                    name,
                    p.span.offset.to_string(),
                    Bytes(p.span.length).to_string(),
                ]
            })
            .collect();
        if !partitions.is_empty() {
            page.line("").table(
                &[
                    ("PARTITION", Align::Right),
                    ("NAME", Align::Left),
                    ("OFFSET", Align::Right),
                    ("SIZE", Align::Right),
                ],
                &partitions,
            );
        }
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
                    r.name.clone(),
                    r.span.offset.to_string(),
                    r.span.length.to_string(),
                    state.to_owned(),
                ]
            })
            .collect();
        page.line("").table(
            &[
                ("REGION", Align::Left),
                ("OFFSET", Align::Right),
                ("BYTES", Align::Right),
                ("CONTENT", Align::Left),
            ],
            &rows,
        );
        if let Some(toml) = &medium.config_toml {
            page.heading("Settings in the image");
            for line in toml.lines() {
                page.line(Untrusted::from(line));
            }
        }
    }
}

/// `farmer image show`
pub fn show(context: &Context<'_>, args: &ImageShowArgs) -> Outcome<ExitStatus> {
    let path = &args.file;
    let mut file = File::open(path).map_err(|error| Failure::io("opening", path, error))?;
    let medium = describe(&mut file).doing(format!("looking into {}", path.display()))?;
    context.printer.data(&Shown {
        path: path.display().to_string(),
        medium,
    })?;
    Ok(ExitStatus::Ok)
}
