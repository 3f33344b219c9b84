//! `farmer image extract`

use std::path::Path;

use hw_probe::units::Bytes;
use image_builder::emit::{self, EmitOptions};
use image_builder::error::LayoutError;
use image_builder::extract::{self, What};
use image_builder::rope::SourceFile;
use serde::Serialize;

use crate::args::{ExtractPart, ImageExtractArgs};
use crate::blocking::{self, Cancel};
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

impl Classify for LayoutError {}

/// What was taken out.
#[derive(Serialize)]
struct Extracted {
    image: String,
    directory: String,
    files: Vec<ExtractedFile>,
}

#[derive(Serialize)]
struct ExtractedFile {
    path: String,
    size_bytes: u64,
    sha256: String,
}

impl Show for Extracted {
    fn show(&self, page: &mut Page) {
        page.field("image", &self.image)
            .field("directory", &self.directory);
        let rows: Vec<Vec<String>> = self
            .files
            .iter()
            .map(|file| {
                vec![
                    file.path.clone(),
                    Bytes(file.size_bytes).to_string(),
                    file.sha256.clone(),
                ]
            })
            .collect();
        page.line("").table(
            &[
                ("FILE", Align::Left),
                ("SIZE", Align::Right),
                ("SHA256", Align::Left),
            ],
            &rows,
        );
    }
}

/// `farmer image extract`
pub fn extract(context: &Context<'_>, args: ImageExtractArgs) -> Outcome<ExitStatus> {
    let extracted = blocking::run(|cancel| {
        let doing = format!("taking {} apart", args.image.display());
        take_apart(context, &args, cancel).doing(doing)
    })?;
    context.printer.to_stdout().data(&extracted)?;
    Ok(ExitStatus::Ok)
}

fn take_apart(
    context: &Context<'_>,
    args: &ImageExtractArgs,
    cancel: &Cancel,
) -> Outcome<Extracted> {
    let directory = args.out.as_deref().unwrap_or(Path::new("."));
    let what = match args.what {
        ExtractPart::Kernel => What::Kernel,
        ExtractPart::Initramfs => What::Initramfs,
        ExtractPart::Config => What::Config,
        ExtractPart::FarmToml => What::FarmToml,
        ExtractPart::Efi => What::Efi,
        ExtractPart::All => What::All,
    };
    let mut file = super::open_image(context, &args.image)?;
    let items = extract::list(&mut file, what)?;
    if items.is_empty() {
        return Err(
            Failure::new(ExitStatus::NotFound, "the image has nothing of that kind")
                .with_hint("`farmer image show` explains what it is"),
        );
    }
    let source = SourceFile::open_medium(&args.image)?;
    let mut files = Vec::with_capacity(items.len());
    for item in items {
        let path = directory.join(&item.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|error| Failure::io("making", parent, error))?;
        }
        let options = EmitOptions {
            overwrite: args.force,
            digest: true,
            sync: true,
        };
        let layout = item.layout(&source)?;
        let emitted = emit::to_file(&layout, &path, options, &mut |_| cancel.check())?;
        files.push(ExtractedFile {
            path: item.path,
            size_bytes: emitted.bytes,
            sha256: emitted.sha256.map(super::assemble::hex).unwrap_or_default(),
        });
    }
    Ok(Extracted {
        image: args.image.display().to_string(),
        directory: directory.display().to_string(),
        files,
    })
}
