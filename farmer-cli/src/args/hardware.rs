use std::path::PathBuf;

use clap::Args;
use hw_probe::units::Bytes;

use super::value::size;

/// Show the hardware of this machine, its capacity as the grid counts it, and its reward.
///
/// Run it as root for serial numbers and memory modules. With --sysroot it reads a capture of
/// another machine instead of this one.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sudo farmer probe\n  \
    farmer probe -o json --out machine.json\n  \
    farmer probe --sysroot ./capture")]
pub struct ProbeArgs {
    /// Directory with another machine's /proc, /sys and /dev
    #[arg(long, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,

    /// SMBIOS tables to read instead, as `dmidecode --dump-bin` writes them
    #[arg(long, value_name = "FILE")]
    pub smbios: Option<PathBuf>,

    #[command(flatten)]
    pub tariff: TariffArgs,
}

/// What a reward depends on besides the hardware.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reward")]
pub struct TariffArgs {
    /// Certified hardware: 25 % more, and 98 % uptime needed
    #[arg(long)]
    pub certified: bool,

    /// USD per TFT when the node was first connected
    #[arg(long, value_name = "USD", default_value = "0.08", value_parser = price)]
    pub price_usd: f64,

    /// Uptime of the period, in percent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = percent)]
    pub uptime: f64,
}

fn price(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(usd) if (0.001..=1_000_000.0).contains(&usd) => Ok(usd),
        Ok(_) => Err("a price is between 0.001 and a million USD".to_owned()),
        Err(_) => Err(format!("{text:?} is not a price in USD, such as 0.08")),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(format!("{text:?} is not a percentage (0 to 100)")),
    }
}

/// Estimate the monthly reward of hardware you name.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer estimate --cru 8 --mru 32GiB --sru 1TB\n  \
    farmer estimate --cru 32 --mru 256GiB --sru 2TB --hru 16TB --certified")]
pub struct EstimateArgs {
    /// Logical processors
    #[arg(long, value_name = "N")]
    pub cru: u64,

    /// Memory, with its unit
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub mru: Bytes,

    /// All SSDs together, with the unit
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "0")]
    pub sru: Bytes,

    /// All hard disks together, with the unit
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "0")]
    pub hru: Bytes,

    #[command(flatten)]
    pub tariff: TariffArgs,
}
