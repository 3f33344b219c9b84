//! `farmer image sources`

use image_builder::provenance::{SourcePackage, of_packages};
use serde::Serialize;

use crate::args::ImageSourcesArgs;
use crate::blocking;
use crate::commands::Context;
use crate::commands::bootkit::{Wanted, apt_config, get};
use crate::exit::ExitStatus;
use crate::failure::Outcome;
use crate::page::{Align, Page};
use crate::printer::Show;
use crate::progress::Progress;

/// The sources, as told.
#[derive(Serialize)]
struct Shown {
    bootkit: String,
    sources: Vec<SourcePackage>,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        page.field("bootkit", &self.bootkit);
        let rows: Vec<Vec<String>> = self
            .sources
            .iter()
            .map(|s| vec![s.source.clone(), s.version.clone(), s.packages.join(" ")])
            .collect();
        page.line("").table(
            &[
                ("SOURCE", Align::Left),
                ("VERSION", Align::Left),
                ("BUILT INTO", Align::Left),
            ],
            &rows,
        );
        page.line("")
            .line("Fetch them on a Debian with deb-src lines, and keep them:");
        for source in &self.sources {
            page.line(format!("    {}", source.fetch));
        }
    }
}

/// `farmer image sources`
pub fn sources(context: &Context<'_>, args: ImageSourcesArgs) -> Outcome<ExitStatus> {
    let cache_dir = context.environment.cache_dir()?;
    let wanted = Wanted {
        apt_config: apt_config(context),
        bootkit: args.bootkit,
        debs: args.deb,
        ..Wanted::default()
    };
    let kit = blocking::run(|cancel| {
        let mut progress = Progress::new(context.printer);
        get(&wanted, &cache_dir, &mut progress, cancel)
    })?;
    context.printer.data(&Shown {
        bootkit: kit.id().to_string(),
        sources: of_packages(&kit.lock().packages),
    })?;
    Ok(ExitStatus::Ok)
}
