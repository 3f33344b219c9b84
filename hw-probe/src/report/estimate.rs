//! The estimate for people.

use super::page::{Page, Style};
use super::table::{assumptions, reward_lines};
use crate::chain::{AdmissionFailure, MIN_MRU_BYTES, MIN_SRU_BYTES};
use crate::cloud_units::CuLimit;
use crate::planning::Estimate;
use crate::reward::Reward;

/// The estimate as aligned text, at most `width` columns wide (at least 64 are used).
#[must_use]
pub fn render_estimate(estimate: &Estimate, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let capacity = &estimate.inputs.capacity;
    page.heading("Capacity, as the grid counts it");
    page.field("CRU", &format!("{} threads", capacity.cru));
    page.field("MRU", &capacity.mru_bytes.to_string());
    page.field("SRU", &capacity.sru_bytes.to_string());
    page.field("HRU", &capacity.hru_bytes.to_string());
    let limit = match estimate.cu_limit {
        Some(CuLimit::Cpu) => ", CU limited by threads",
        Some(CuLimit::Memory) => ", CU limited by memory",
        Some(CuLimit::Ssd) => ", CU limited by SSD (50 GiB for each)",
        None => "",
    };
    let units = &estimate.cloud_units;
    let text = format!("{} CU, {} SU{limit}", units.cu(), units.su());
    page.field("Cloud units", &text);
    let bandwidth = format!("{:.0} Mbit/s or more", estimate.bandwidth_mbps);
    page.field("Bandwidth", &bandwidth);
    for failure in &estimate.refused_because {
        let text = match failure {
            AdmissionFailure::Sru => format!("the grid refuses less than {MIN_SRU_BYTES} of SSD"),
            AdmissionFailure::Mru => {
                format!("the grid refuses less than {MIN_MRU_BYTES} of memory")
            }
            AdmissionFailure::Cru => "the grid refuses a node without processors".to_owned(),
        };
        page.wrapped("!! ", &text, Style::Bad);
    }

    page.heading("Reward");
    let rewards: Vec<Reward> = std::iter::once(&estimate.reward)
        .chain(&estimate.other_rewards)
        .cloned()
        .collect();
    reward_lines(&mut page, &rewards);

    if estimate.power.is_some() || estimate.invest_usd.is_some() {
        page.heading("Cost");
        if let Some(power) = &estimate.power {
            let cost = power
                .cost_usd
                .map_or_else(String::new, |usd| format!(" = {usd:.2} USD"));
            let text = format!("{:.1} kWh{cost} per month at {} W", power.kwh, power.watts);
            page.field("Electricity", &text);
            let heat = format!("{:.0} BTU per hour", power.heat_btu_per_hour);
            page.field("Heat", &heat);
        }
        if let Some(net) = estimate.net_usd {
            page.field("Net", &format!("{net:.2} USD per month"));
        }
        if let Some(invest) = estimate.invest_usd {
            let text = match estimate.payback_months {
                Some(months) => format!("{months:.1} months for {invest:.2} USD"),
                None => "never: it costs more than it earns".to_owned(),
            };
            page.field("Payback", &text);
        }
    }

    page.heading("One part more, per month");
    for upgrade in estimate.upgrades.iter().filter(|step| step.musd > 0) {
        page.wrapped("  ", &upgrade.to_string(), Style::Plain);
    }
    assumptions(&mut page, &rewards);
    page.wrapped("  ", "estimate:", Style::Plain);
    for assumption in &estimate.assumptions {
        page.wrapped("   - ", assumption, Style::Dim);
    }
    page.finish()
}
