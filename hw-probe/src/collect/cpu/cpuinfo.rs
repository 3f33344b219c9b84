//! `/proc/cpuinfo`: names, flags and numbers of the first processor. Counting cores by its ids is
//! wrong on many real servers, and reading it whole costs milliseconds, so only its start is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::root::Root;

/// The first processor's entry with all its flags.
const CPUINFO_FIRST_BYTES: usize = 16 * 1024;
/// `/proc/cpuinfo` of thousands of threads.
const CPUINFO_MAX_BYTES: usize = 32 * 1024 * 1024;

/// Instruction set family, as far as it changes how sysfs is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::collect) enum Family {
    X86,
    Arm,
    S390,
    Power,
    #[default]
    Other,
}

/// The first processor as `/proc/cpuinfo` describes it.
#[derive(Debug, Default)]
pub(in crate::collect) struct CpuInfo {
    fields: BTreeMap<String, String>,
    pub family: Family,
}

impl CpuInfo {
    pub(in crate::collect) fn read(root: &Root) -> Self {
        // The kernel asks every processor for its frequency; the first screenful is enough.
        let data = root
            .read_start("/proc/cpuinfo", CPUINFO_FIRST_BYTES)
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&data);
        let mut fields = BTreeMap::new();
        for line in text.lines() {
            if let Some((key, value)) = line.split_once(':') {
                // The first processor's values: later ones do not replace them.
                fields
                    .entry(key.trim().to_owned())
                    .or_insert_with(|| value.trim().to_owned());
            }
        }
        let has = |key: &str| fields.contains_key(key);
        let vendor = fields.get("vendor_id").map_or("", String::as_str);
        let family = if vendor.starts_with("IBM/S390") {
            Family::S390
        } else if has("CPU implementer") || has("CPU architecture") {
            Family::Arm
        } else if fields
            .get("cpu")
            .is_some_and(|cpu| cpu.starts_with("POWER"))
            || fields
                .get("platform")
                .is_some_and(|p| p == "pSeries" || p == "PowerNV")
        {
            Family::Power
        } else if has("cpu family") && has("vendor_id") || has("flags") {
            Family::X86
        } else {
            Family::Other
        };
        Self { fields, family }
    }

    /// The first of these fields that says something.
    pub(super) fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter()
            .filter_map(|key| self.fields.get(*key))
            .map(String::as_str)
            .find(|value| !value.is_empty())
    }

    /// A number in decimal.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        self.get(&[key])?.parse().ok()
    }

    /// Feature flags of the first processor.
    pub(in crate::collect) fn flags(&self) -> Option<impl Iterator<Item = &str>> {
        Some(
            self.get(&["flags", "Features", "features"])?
                .split_ascii_whitespace(),
        )
    }

    /// The flags, each once and sorted. Flags are plain words; anything else in a snapshot is no
    /// flag.
    pub(super) fn plain_flags(&self) -> Vec<String> {
        let plain = |flag: &&str| {
            flag.len() <= 32
                && flag
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        };
        let unique: BTreeSet<&str> = self.flags().into_iter().flatten().filter(plain).collect();
        unique.into_iter().map(str::to_owned).collect()
    }

    /// Whether the processor says that a hypervisor is above it; `None` where it cannot say.
    pub(in crate::collect) fn hypervisor_flag(&self) -> Option<bool> {
        if self.family != Family::X86 {
            return None;
        }
        self.flags()
            .map(|mut flags| flags.any(|flag| flag == "hypervisor"))
    }

    pub(in crate::collect) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(in crate::collect) fn field(&self, key: &str) -> Option<&str> {
        self.get(&[key])
    }
}

/// How many processors `/proc/cpuinfo` lists; for machines without a topology in sysfs only.
pub(super) fn count(root: &Root) -> Option<usize> {
    let data = root.read_up_to("/proc/cpuinfo", CPUINFO_MAX_BYTES).ok()?;
    let text = String::from_utf8_lossy(&data);
    let count = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| {
            let rest = key.trim().strip_prefix("processor");
            rest.is_some_and(|rest| rest.trim().bytes().all(|b| b.is_ascii_digit()))
        })
        .count();
    (count > 0).then_some(count)
}
