//! What disks say about their own condition, from the blocks of data they answer with to
//! [`DiskHealth`]. Pure functions; asking is the probe's business.
//!
//! A status is `failing` only where the disk itself predicts its end, or can no longer do its work;
//! everything a farmer should plan for is a `warning` with its reason.

pub mod ata;
pub mod nvme;
pub mod scsi;

use crate::inventory::{DiskHealth, HealthSource, HealthStatus};

/// Collects reasons; the worst of them is the status.
struct Judge(DiskHealth);

impl Judge {
    fn new(source: HealthSource) -> Self {
        Self(DiskHealth {
            status: HealthStatus::Ok,
            source,
            ..DiskHealth::default()
        })
    }

    fn warn(&mut self, reason: impl Into<String>) {
        if self.0.status != HealthStatus::Failing {
            self.0.status = HealthStatus::Warning;
        }
        self.0.reasons.push(reason.into());
    }

    fn fail(&mut self, reason: impl Into<String>) {
        self.0.status = HealthStatus::Failing;
        self.0.reasons.push(reason.into());
    }

    /// `1 sector is`, `3 sectors are`; says nothing about none.
    fn warn_count(&mut self, count: Option<u64>, one: &str, many: &str) {
        match count {
            None | Some(0) => {}
            Some(1) => self.warn(format!("1 {one}")),
            Some(count) => self.warn(format!("{count} {many}")),
        }
    }

    fn warn_wear(&mut self) {
        if let Some(used) = self.0.percentage_used.filter(|used| *used >= 100) {
            self.warn(format!("{used} % of the promised endurance is used up"));
        }
    }
}

/// Little-endian number of up to 16 bytes at `offset`, stopping at the top of `u64`.
fn little(data: &[u8], offset: usize, length: usize) -> Option<u64> {
    let bytes = data.get(offset..offset.checked_add(length)?)?;
    let (low, high) = bytes.split_at(bytes.len().min(8));
    if high.iter().any(|&b| b != 0) {
        return Some(u64::MAX);
    }
    Some(low.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// Big-endian number of up to 8 bytes at `offset`.
fn big(data: &[u8], offset: usize, length: usize) -> Option<u64> {
    let bytes = data.get(offset..offset.checked_add(length.min(8))?)?;
    Some(bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
}
