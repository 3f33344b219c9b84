//! `farmer probe` and `farmer estimate`

use ::tui::node::Assessment;
use hw_probe::capacity::Capacity;
use hw_probe::report::{Report, ReportOptions, render_table};
use hw_probe::reward::{Certification, PERIOD_SECONDS, RewardInputs};
use hw_probe::root::{Root, RootError};
use hw_probe::{ProbeOptions, probe as probe_machine};

use super::Context;
use crate::args::{EstimateArgs, ProbeArgs, TariffArgs};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;

/// Pages for people are as wide as the help.
const WIDTH: usize = 80;

impl Classify for RootError {
    fn status(&self) -> ExitStatus {
        if self.is_absent() {
            ExitStatus::NotFound
        } else {
            ExitStatus::Failed
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

impl Show for Report {
    fn show(&self, page: &mut Page) {
        // Styled always: the printer takes colour away where it is not wanted.
        page.text(&render_table(self, WIDTH, true));
    }
}

fn options(tariff: &TariffArgs) -> ReportOptions {
    ReportOptions {
        certification: certification(tariff),
        connection_price_musd: price_musd(tariff),
        uptime_seconds: uptime_seconds(tariff),
        ..ReportOptions::default()
    }
}

fn certification(tariff: &TariffArgs) -> Certification {
    if tariff.certified {
        Certification::Certified
    } else {
        Certification::Diy
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the argument parser keeps the price between 0.001 and a million dollars"
)]
fn price_musd(tariff: &TariffArgs) -> u64 {
    (tariff.price_usd * 1000.0).round() as u64
}

/// `None` for the whole period.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a period of seconds"
)]
fn uptime_seconds(tariff: &TariffArgs) -> Option<u64> {
    (tariff.uptime < 100.0).then(|| (PERIOD_SECONDS as f64 * tariff.uptime / 100.0) as u64)
}

/// `farmer probe`
pub fn probe(context: &Context<'_>, args: &ProbeArgs) -> Outcome<ExitStatus> {
    let root = match &args.sysroot {
        Some(dir) => Root::at(dir)?,
        None => Root::live()?,
    };
    let smbios = match &args.smbios {
        Some(path) => Some(
            std::fs::read(path)
                .map_err(|error| Failure::io("reading the SMBIOS tables in", path, error))?,
        ),
        None => None,
    };
    let options_of_probe = ProbeOptions {
        smbios,
        ..ProbeOptions::default()
    };
    let inventory = probe_machine(&root, &options_of_probe);
    context
        .printer
        .data(&Report::of(&inventory, &options(&args.tariff)))?;
    Ok(ExitStatus::Ok)
}

impl Show for Assessment {
    fn show(&self, page: &mut Page) {
        super::node::show_assessment(page, self);
        let reward = self.as_measured.as_ref().unwrap_or(&self.as_bare_metal);
        page.heading("Assumptions");
        let limit = match self.limited_by {
            hw_probe::cloud_units::CuLimit::Cpu => "threads",
            hw_probe::cloud_units::CuLimit::Memory => "memory",
            hw_probe::cloud_units::CuLimit::Ssd => "SSD (50 GiB for each compute unit)",
        };
        page.field("compute limited by", limit)
            .field("rule", &reward.source);
        for assumption in &reward.assumptions {
            page.line(format!("- {assumption}"));
        }
    }
}

/// `farmer estimate`
pub fn estimate(context: &Context<'_>, args: &EstimateArgs) -> Outcome<ExitStatus> {
    let capacity = Capacity {
        cru: args.cru,
        mru_bytes: args.mru,
        sru_bytes: args.sru,
        hru_bytes: args.hru,
    };
    let inputs = RewardInputs {
        certification: certification(&args.tariff),
        connection_price_musd: price_musd(&args.tariff),
        uptime_seconds: uptime_seconds(&args.tariff),
        ..RewardInputs::new(capacity, false)
    };
    context
        .printer
        .data(&Assessment::new(Some(false), inputs))?;
    Ok(ExitStatus::Ok)
}
