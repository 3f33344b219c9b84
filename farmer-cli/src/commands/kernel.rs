//! `farmer kernel check`

mod source;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use image_builder::kernel_config::{
    Config, Finding, Fragment, KernelConfigError, Obstacle, Strictness, Tally, Verdict, compare,
};
use serde::Serialize;

use super::Context;
use crate::args::KernelCheckArgs;
use crate::blocking;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;
use crate::progress::Progress;

impl Classify for KernelConfigError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// The answer.
#[derive(Serialize)]
struct Checked {
    /// The configuration's file, or the source it was made from.
    path: String,
    kernel: Option<String>,
    made_from_source: bool,
    all_met: bool,
    fragments: Vec<Asked>,
    options: Vec<Answer>,
    /// Only known of a source: drivers of the selection, with the options that would build them.
    drivers_not_built: BTreeMap<String, Vec<String>>,
}

/// A fragment and how its wishes fared.
#[derive(Serialize)]
struct Asked {
    name: String,
    purpose: String,
    #[serde(flatten)]
    tally: Tally,
}

/// One option.
#[derive(Serialize)]
struct Answer {
    fragment: String,
    option: String,
    asked: String,
    found: String,
    verdict: Verdict,
    reason: String,
    obstacle: Option<Obstacle>,
    #[serde(skip)]
    for_zero_os: bool,
}

impl Show for Checked {
    fn show(&self, page: &mut Page) {
        let what = if self.made_from_source {
            "made from"
        } else {
            "configuration"
        };
        page.field(what, &self.path);
        page.field("kernel", self.kernel.as_deref().unwrap_or("-"));
        let asked: usize = self.fragments.iter().map(|f| f.tally.asked).sum();
        let unmet: usize = self.fragments.iter().map(Asked::unmet).sum();
        page.field(
            "result",
            match unmet {
                0 => format!("all {asked} options are met"),
                _ => format!("{unmet} of {asked} options are not met"),
            },
        );
        let rows: Vec<Vec<String>> = self.fragments.iter().map(Asked::row).collect();
        page.line("").table(
            &[
                ("ASKED BY", Align::Left),
                ("OPTIONS", Align::Right),
                ("MET", Align::Right),
                ("AS MODULE", Align::Right),
                ("MISSING", Align::Right),
                ("DIFFERENT", Align::Right),
            ],
            &rows,
        );
        self.show_options(page, "Zero-OS needs", true);
        self.show_options(page, "The node OS asks for", false);
        if !self.drivers_not_built.is_empty() {
            let rows: Vec<Vec<String>> = self
                .drivers_not_built
                .iter()
                .map(|(driver, options)| vec![driver.clone(), options.join(" or ")])
                .collect();
            page.heading("Drivers that would not be built")
                .table(&[("DRIVER", Align::Left), ("OPTION", Align::Left)], &rows);
        }
    }
}

impl Checked {
    fn show_options(&self, page: &mut Page, heading: &str, for_zero_os: bool) {
        let rows: Vec<Vec<String>> = self
            .options
            .iter()
            .filter(|answer| answer.for_zero_os == for_zero_os)
            .map(|answer| {
                let why = answer
                    .obstacle
                    .as_ref()
                    .map_or_else(|| answer.reason.clone(), Obstacle::to_string);
                vec![
                    answer.option.clone(),
                    answer.asked.clone(),
                    answer.found.clone(),
                    why,
                ]
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        let columns = [
            ("OPTION", Align::Left),
            ("ASKED", Align::Left),
            ("FOUND", Align::Left),
            ("WHY", Align::Left),
        ];
        page.heading(heading).table(&columns, &rows);
    }
}

impl Asked {
    fn unmet(&self) -> usize {
        self.tally.missing + self.tally.different
    }

    fn row(&self) -> Vec<String> {
        let Tally {
            asked,
            met,
            as_module,
            missing,
            different,
        } = self.tally;
        let counts = [asked, met, as_module, missing, different];
        std::iter::once(self.name.clone())
            .chain(counts.map(|count| count.to_string()))
            .collect()
    }
}

/// `farmer kernel check`
pub fn check(context: &Context<'_>, args: KernelCheckArgs) -> Outcome<ExitStatus> {
    let fragments = Fragment::built_in(args.debug)?;
    let checked = match args.kernel_source {
        Some(source) => blocking::run(|cancel| {
            let mut progress = Progress::new(context.printer);
            let made = source::make(&source, &fragments, &mut progress, cancel)?;
            let findings = compare(&fragments, &made.config, Strictness::Made);
            let obstacle = |finding: &Finding<'_>| {
                made.symbols
                    .obstacle(&finding.wish.option, &finding.wish.value, &made.config)
            };
            let mut checked = Checked::new(&source, &made.config, &fragments, &findings);
            checked.made_from_source = true;
            checked.answer(&findings, args.all, obstacle);
            checked.all_met &= made.drivers_not_built.is_empty();
            checked.drivers_not_built = made.drivers_not_built;
            Ok(checked)
        })?,
        None => {
            let (path, config) = match args.config {
                Some(path) => {
                    let config = read(&path)?;
                    (path, config)
                }
                None => running()?,
            };
            let findings = compare(&fragments, &config, Strictness::Finished);
            let mut checked = Checked::new(&path, &config, &fragments, &findings);
            checked.answer(&findings, args.all, |_| None);
            checked
        }
    };
    context.printer.data(&checked)?;
    Ok(if checked.all_met {
        ExitStatus::Ok
    } else {
        ExitStatus::Partial
    })
}

impl Checked {
    fn new(path: &Path, config: &Config, fragments: &[Fragment], findings: &[Finding<'_>]) -> Self {
        let asked = |fragment: &Fragment| Asked {
            name: fragment.name.clone(),
            purpose: fragment.purpose.clone(),
            tally: Tally::of(fragment, findings),
        };
        Self {
            path: path.display().to_string(),
            kernel: config.kernel.clone(),
            made_from_source: false,
            all_met: findings.iter().all(|finding| finding.verdict.is_met()),
            fragments: fragments.iter().map(asked).collect(),
            options: Vec::new(),
            drivers_not_built: BTreeMap::new(),
        }
    }

    fn answer(
        &mut self,
        findings: &[Finding<'_>],
        all: bool,
        obstacle: impl Fn(&Finding<'_>) -> Option<Obstacle>,
    ) {
        let listed = findings.iter().filter(|f| all || !f.verdict.is_met());
        self.options = listed
            .map(|finding| Answer {
                fragment: finding.fragment.name.clone(),
                option: finding.wish.option.clone(),
                asked: finding.wish.value.to_string(),
                found: finding.found.to_string(),
                verdict: finding.verdict,
                reason: finding.wish.reason.clone(),
                obstacle: (!finding.verdict.is_met())
                    .then(|| obstacle(finding))
                    .flatten(),
                for_zero_os: finding.fragment.is_zero_os(),
            })
            .collect();
    }
}

fn read(path: &Path) -> Outcome<Config> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            // One byte too many is enough to know.
            let limit = Config::LIMIT_BYTES as u64 + 1;
            file.take(limit).read_to_end(&mut bytes)
        })
        .map_err(|error| Failure::io("reading", path, error))?;
    Config::from_bytes(&bytes).doing(format!("reading {}", path.display()))
}

/// The running kernel's configuration: where distributions put it, or the kernel's own word.
fn running() -> Outcome<(PathBuf, Config)> {
    let release = Path::new("/proc/sys/kernel/osrelease");
    let release =
        std::fs::read_to_string(release).map_err(|error| Failure::io("reading", release, error))?;
    let places = [
        Path::new("/boot").join(format!("config-{}", release.trim())),
        PathBuf::from("/proc/config.gz"),
    ];
    let Some(path) = places.iter().find(|path| path.exists()) else {
        return Err(Failure::new(
            ExitStatus::NotFound,
            format!(
                "the running kernel's configuration is neither at {} nor at {}",
                places[0].display(),
                places[1].display()
            ),
        )
        .with_hint("name a configuration: farmer kernel check FILE"));
    };
    Ok((path.clone(), read(path)?))
}
