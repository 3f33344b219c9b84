//! The arguments that `hw-probe` and `farmer` share, and what they mean. One definition: two
//! programs that take the same flag take the same values and say the same about wrong ones.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::anonymise::{self, AnonymiseError, Key};
use crate::capacity::Capacity;
use crate::inventory::Inventory;
use crate::overrides::{DiskOverrides, DiskWord};
use crate::planning::EstimateInputs;
use crate::report::ReportOptions;
use crate::reward::{Certification, PERIOD_SECONDS, RewardInputs};
use crate::root::{Root, RootError};
use crate::settle::{Settling, settle};
use crate::smbios::{self, SmbiosError};
use crate::snapshot::{self, Snapshot, SnapshotError};
use crate::units::Bytes;
use crate::{ProbeOptions, probe};

/// Which machine to read.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// Read another machine: a directory with its /proc and /sys, or a snapshot's archive
    #[arg(long, value_name = "PATH")]
    pub sysroot: Option<PathBuf>,

    /// Wait until no disk or network card has appeared for a second, at most SECS
    #[arg(long, value_name = "SECS", conflicts_with = "sysroot",
          value_parser = clap::value_parser!(u64).range(..=3600))]
    pub settle: Option<u64>,

    /// Mount the EFI variables for reading where nothing has, as in an initramfs; needs root
    #[arg(long, conflicts_with = "sysroot")]
    pub mount_efivars: bool,
}

/// Where to write all that the probe reads.
#[derive(Debug, Clone, Args)]
pub struct SnapshotArgs {
    /// The archive; an existing file is never replaced
    #[arg(value_name = "OUT.tar.zst")]
    pub archive: PathBuf,

    /// Which machine.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Refused, with the reason.
    #[arg(long, hide = true)]
    pub anonymise: bool,
}

/// Which machine to read, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct MachineArgs {
    /// Which machine.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Take the firmware's table from FILE (dmidecode --dump-bin, a bare table, Windows RSMB);
    /// without --sysroot nothing else is read
    #[arg(long, value_name = "FILE")]
    pub smbios: Option<PathBuf>,

    /// Your word on the disk with this WWN or serial number: ID=ssd, ID=hdd or ID=ignore; can be
    /// repeated, and goes before [disks] of the settings file
    #[arg(long = "disk", value_name = "ID=KIND")]
    pub disks: Vec<DiskWord>,

    /// Measure the seek times of disks that do not tell their kind (reads only, about a second)
    #[arg(long, conflicts_with_all = ["sysroot", "smbios"])]
    pub seek_test: bool,

    /// Replace serial numbers, UUIDs, world wide names, addresses and labels by keyed hashes
    #[arg(long)]
    pub anonymise: bool,

    /// Take the key of --anonymise from FILE, so that several reports can be compared; without it
    /// every report has its own
    #[arg(long, value_name = "FILE", requires = "anonymise")]
    pub anonymise_key: Option<PathBuf>,
}

/// Why a machine could not be read as asked.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The tree or the snapshot.
    #[error(transparent)]
    Source(#[from] SnapshotError),
    /// A file named on the command line.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The file of `--smbios`.
    #[error("{}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SmbiosError,
    },
    /// The key, or the inventory.
    #[error(transparent)]
    Anonymise(#[from] AnonymiseError),
    /// `snapshot --anonymise`
    #[error(
        "a snapshot cannot be anonymised: firmware tables and devices' answers are kept as they are"
    )]
    AnonymousSnapshot,
    /// `--smbios` beside `snapshot`
    #[error("a snapshot holds what the probe reads of a machine; --smbios is no part of it")]
    SnapshotOfTable,
}

impl From<RootError> for MachineError {
    fn from(error: RootError) -> Self {
        Self::Source(error.into())
    }
}

impl MachineError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint().or_else(|| {
                matches!(error, SnapshotError::Root(_)).then(|| {
                    "--sysroot wants a snapshot, or a directory that holds another machine's proc \
                     and sys"
                        .to_owned()
                })
            }),
            Self::Table { source, .. } => source.hint(),
            Self::Anonymise(error) => error.hint(),
            Self::AnonymousSnapshot => Some(
                "share a report made with `--anonymise -o json` instead, or the snapshot with whom \
                 you trust"
                    .to_owned(),
            ),
            Self::File { .. } | Self::SnapshotOfTable => None,
        }
    }

    /// Whether what was named does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Source(SnapshotError::Root(error)) => error.is_absent(),
            Self::Source(SnapshotError::Read { source, .. }) | Self::File { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }
}

/// A snapshot that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotTaken {
    /// Files, directories and links in it.
    pub entries: usize,
    /// Warnings of the probe that it was taken of.
    pub warnings: usize,
}

impl SourceArgs {
    fn root(&self, has_table: bool) -> Result<Root, MachineError> {
        Ok(match &self.sysroot {
            Some(path) => snapshot::open(path)?,
            // A foreign table says nothing about this machine's processors and disks.
            None if has_table => Root::empty(),
            None => Root::live()?,
        })
    }

    fn settled(&self, root: &Root, waiting: impl FnMut(&Settling)) {
        if let (Some(seconds), true) = (self.settle, root.is_live()) {
            let limit = Duration::from_secs(seconds);
            settle(root, limit, std::thread::sleep, waiting);
        }
    }
}

impl MachineArgs {
    /// Whether a machine to read, or how to read it, was named.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.source.sysroot.is_some()
            || self.source.settle.is_some()
            || self.source.mount_efivars
            || self.smbios.is_some()
            || !self.disks.is_empty()
            || self.seek_test
            || self.anonymise
    }

    /// The machine as asked for: read with `settings` as the operator's word on disks (that of the
    /// command line goes before), and anonymised. `waiting` is told what has appeared meanwhile.
    ///
    /// # Errors
    /// See [`MachineError`].
    pub fn inventory(
        &self,
        settings: DiskOverrides,
        waiting: impl FnMut(&Settling),
    ) -> Result<Inventory, MachineError> {
        let smbios = self.smbios.as_deref().map(read_smbios).transpose()?;
        // Asked for before the machine is read: a wrong key should not cost a seek test.
        let key = self.key()?;
        let root = self.source.root(smbios.is_some())?;
        self.source.settled(&root, waiting);
        let mut overrides = settings;
        overrides.extend(self.disks.iter().cloned());
        let options = ProbeOptions {
            smbios,
            overrides: overrides.clone(),
            seek_test: self.seek_test,
            mount_efivars: self.source.mount_efivars,
            ..ProbeOptions::default()
        };
        let inventory = probe(&root, &options);
        Ok(match key {
            Some(key) => {
                let ids = overrides.iter().map(|(id, _)| id);
                anonymise::inventory_besides(&inventory, &key, ids)?
            }
            None => inventory,
        })
    }

    /// Writes all that the probe reads of the machine to a new file. What stands before the word
    /// `snapshot` counts too.
    ///
    /// # Errors
    /// See [`MachineError`].
    pub fn snapshot(
        &self,
        args: &SnapshotArgs,
        waiting: impl FnMut(&Settling),
    ) -> Result<SnapshotTaken, MachineError> {
        if self.anonymise || args.anonymise {
            return Err(MachineError::AnonymousSnapshot);
        }
        if self.smbios.is_some() {
            return Err(MachineError::SnapshotOfTable);
        }
        let own = args.source.clone();
        let source = SourceArgs {
            sysroot: own.sysroot.or_else(|| self.source.sysroot.clone()),
            settle: own.settle.or(self.source.settle),
            mount_efivars: own.mount_efivars || self.source.mount_efivars,
        };
        let root = source.root(false)?;
        source.settled(&root, waiting);
        let root = root.recording();
        let options = ProbeOptions {
            mount_efivars: source.mount_efivars,
            ..ProbeOptions::default()
        };
        let inventory = probe(&root, &options);
        let taken = Snapshot::of(&root);
        if let Some(snapshot) = &taken {
            snapshot.create(&args.archive)?;
        }
        Ok(SnapshotTaken {
            entries: taken.map_or(0, |snapshot| snapshot.len()),
            warnings: inventory.warnings.len(),
        })
    }

    fn key(&self) -> Result<Option<Key>, MachineError> {
        Ok(match &self.anonymise_key {
            _ if !self.anonymise => None,
            Some(path) => Some(Key::from_bytes(&read_file(path, KEY_MAX_BYTES)?)?),
            None => Some(Key::random()?),
        })
    }
}

/// Longer than any key; an endless file is none.
const KEY_MAX_BYTES: usize = 1 << 20;

fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, MachineError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| MachineError::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn read_smbios(path: &Path) -> Result<Vec<u8>, MachineError> {
    let bytes = read_file(path, smbios::TABLE_MAX_BYTES.saturating_add(1))?;
    // Said here, so that a wrong file is an error and not a report about nothing.
    smbios::load(&bytes).map_err(|source| MachineError::Table {
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes)
}

/// What a reward depends on besides the hardware.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reward")]
pub struct RewardArgs {
    /// Certified hardware: 25 % more, and 98 % uptime needed
    #[arg(long)]
    pub certified: bool,

    /// USD per TFT when the node was first connected
    #[arg(long, value_name = "USD", default_value = "0.08", value_parser = price,
          allow_negative_numbers = true)]
    pub price_usd: f64,

    /// Uptime of the period, in percent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = percent,
          allow_negative_numbers = true)]
    pub uptime: f64,
}

impl RewardArgs {
    /// For [`crate::report::Report::of`].
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the parsers keep the price below a billion and the uptime below 100 percent"
    )]
    pub fn report_options(&self) -> ReportOptions {
        let period = PERIOD_SECONDS as f64;
        ReportOptions {
            certification: if self.certified {
                Certification::Certified
            } else {
                Certification::Diy
            },
            connection_price_musd: (self.price_usd * 1000.0).round() as u64,
            // Nothing said is the whole period.
            uptime_seconds: (self.uptime < 100.0).then(|| (period * self.uptime / 100.0) as u64),
            ..ReportOptions::default()
        }
    }
}

/// A machine that one does not have yet.
#[derive(Debug, Clone, Args)]
pub struct EstimateArgs {
    /// Logical processors (hardware threads)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000_000))]
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

    /// What the rewards depend on.
    #[command(flatten)]
    pub reward: RewardArgs,

    /// Power drawn from the socket, on average
    #[arg(long, value_name = "W", value_parser = watts, allow_negative_numbers = true,
          help_heading = "Cost")]
    pub power_watts: Option<f64>,

    /// Price of a kilowatt hour
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true,
          requires = "power_watts", help_heading = "Cost")]
    pub kwh_usd: Option<f64>,

    /// What the machine costs, for when it has paid for itself
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true,
          help_heading = "Cost")]
    pub invest_usd: Option<f64>,
}

impl EstimateArgs {
    /// For [`crate::planning::estimate`].
    #[must_use]
    pub fn inputs(&self) -> EstimateInputs {
        let capacity = Capacity {
            cru: self.cru,
            mru_bytes: self.mru,
            sru_bytes: self.sru,
            hru_bytes: self.hru,
        };
        let options = self.reward.report_options();
        EstimateInputs {
            reward: RewardInputs {
                certification: options.certification,
                connection_price_musd: options.connection_price_musd,
                uptime_seconds: options.uptime_seconds,
                ..RewardInputs::new(capacity, false)
            },
            power_watts: self.power_watts,
            kwh_usd: self.kwh_usd,
            invest_usd: self.invest_usd,
        }
    }
}

/// A size with its unit. A bare number other than 0 is refused: it would silently mean bytes where
/// the farmer meant gigabytes.
///
/// # Errors
/// In words.
pub fn size(text: &str) -> Result<Bytes, String> {
    let size: Bytes = text.parse().map_err(|error| format!("{error}"))?;
    let has_unit = text.trim().ends_with(|c: char| c.is_ascii_alphabetic());
    if has_unit || size == Bytes::ZERO {
        return Ok(size);
    }
    Err("write the unit too, such as 64GiB, 500GB or 2TB".to_owned())
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

fn watts(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(watts) if (0.0..=1_000_000.0).contains(&watts) => Ok(watts),
        Ok(_) => Err("a power is between 0 and a million watts".to_owned()),
        Err(_) => Err(format!("{text:?} is not a number of watts, such as 120")),
    }
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(usd) if (0.0..=1e9).contains(&usd) => Ok(usd),
        Ok(_) => Err("an amount is between 0 and a billion USD".to_owned()),
        Err(_) => Err(format!("{text:?} is not an amount in USD, such as 0.25")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(size("64GiB"), Ok(Bytes::from_gib(64)));
        assert_eq!(size("0"), Ok(Bytes::ZERO));
        assert!(size("64").is_err() && size("-1GiB").is_err() && size("NaNGiB").is_err());
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        for text in ["NaN", "inf", "-inf", "-1", "1e300", "", "x", "1,5"] {
            assert!(price(text).is_err(), "{text}");
            assert!(percent(text).is_err(), "{text}");
            assert!(watts(text).is_err(), "{text}");
            assert!(dollars(text).is_err(), "{text}");
        }
        assert_eq!(watts("0"), Ok(0.0));
        assert_eq!(percent("99.5%"), Ok(99.5));
    }
}
