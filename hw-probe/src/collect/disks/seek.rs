//! Seek times, for disks whose kind nothing else tells.
//!
//! Single aligned blocks are read past the page cache at places all over the disk, so that a
//! rotating disk has to move its arm and wait for the platter, and its cache cannot answer. The
//! median decides: the mean of a solid-state disk under load is that of a rotating one.

use std::os::fd::OwnedFd;

use rustix::time::{ClockId, clock_gettime};

use crate::inventory::DiskKind;

/// The first reads wake the disk up and are not counted.
const WARM_UP: usize = 4;
const SAMPLES: usize = 48;
/// Fewer samples prove nothing.
const SAMPLES_MIN: usize = 32;
/// Alignment that every disk accepts for direct reads.
const BLOCK_BYTES: usize = 4096;
/// A disk is not kept busy for longer, per attempt.
const BUDGET_NANOS: u64 = 1_000_000_000;
/// Attempts before giving up on a median between the two kinds.
const ATTEMPTS: u64 = 3;
/// Faster than any arm moves.
const SSD_BELOW_NANOS: u64 = 1_000_000;
/// Slower than any flash answers.
const HDD_ABOVE_NANOS: u64 = 3_000_000;

/// What a median seek time means.
pub(super) const fn kind_of(median_nanos: u64) -> Option<DiskKind> {
    if median_nanos < SSD_BELOW_NANOS {
        Some(DiskKind::Ssd)
    } else if median_nanos > HDD_ABOVE_NANOS {
        Some(DiskKind::Hdd)
    } else {
        None
    }
}

/// Median time of one read in nanoseconds; of several attempts the first that is clear, else the
/// last. `None` when the disk cannot be read directly or is too small to seek on.
pub(super) fn median_nanos(device: &OwnedFd, size_bytes: u64) -> Option<u64> {
    let mut median = None;
    for attempt in 0..ATTEMPTS {
        median = attempt_median(device, size_bytes, attempt);
        if kind_of(median?).is_some() {
            break;
        }
    }
    median
}

fn attempt_median(device: &OwnedFd, size_bytes: u64, attempt: u64) -> Option<u64> {
    let block = u64::try_from(BLOCK_BYTES).ok()?;
    let blocks = size_bytes / block;
    if blocks < 1 << 16 {
        return None;
    }
    // Direct reads want an aligned buffer: take it from the middle of a larger one.
    let mut buffer = vec![0_u8; BLOCK_BYTES * 2];
    let skip = buffer.as_ptr().align_offset(BLOCK_BYTES);
    let buffer = buffer.get_mut(skip..skip.checked_add(BLOCK_BYTES)?)?;
    let begun = nanos();
    let mut random = SplitMix(begun ^ attempt << 56);
    let mut times = Vec::with_capacity(SAMPLES);
    for sample in 0..WARM_UP + SAMPLES {
        let offset = random.next() % blocks * block;
        let before = nanos();
        rustix::io::pread(device, &mut *buffer, offset).ok()?;
        let after = nanos();
        if sample >= WARM_UP {
            times.push(after.saturating_sub(before));
        }
        if after.saturating_sub(begun) > BUDGET_NANOS && times.len() >= SAMPLES_MIN {
            break;
        }
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The kernel's steady clock. It times a device here; it is nobody's time of day.
pub(super) fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let rest = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)
}

/// Spreads numbers over 64 bits (Steele, Lea and Flood, 2014); nothing here is secret.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_times_mean() {
        assert_eq!(kind_of(80_000), Some(DiskKind::Ssd));
        assert_eq!(kind_of(8_000_000), Some(DiskKind::Hdd));
        assert_eq!(kind_of(2_000_000), None);
    }

    #[test]
    fn a_large_file_is_timed_and_a_small_one_is_not() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 30).unwrap();
        let file = OwnedFd::from(file);
        let median = median_nanos(&file, 1 << 30).unwrap();
        assert!(median > 0);
        assert_eq!(median_nanos(&file, 1 << 20), None);
    }

    #[test]
    fn reads_fall_on_the_whole_disk() {
        let mut random = SplitMix(1);
        let blocks = 1_u64 << 40;
        let far = (0..SAMPLES)
            .filter(|_| random.next() % blocks > blocks / 2)
            .count();
        assert!((SAMPLES / 4..SAMPLES * 3 / 4).contains(&far), "{far}");
    }
}
