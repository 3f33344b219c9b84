//! NVMe SMART / Health Information log, page 02h (NVM Express Base Specification 2.0, 5.16.1.3).

use super::{Judge, little};
use crate::inventory::{DiskHealth, HealthSource};
use crate::units::Bytes;

/// Length of the log page.
pub const LOG_BYTES: usize = 512;

/// One data unit: 1000 units of 512 bytes.
const DATA_UNIT_BYTES: u64 = 512_000;
const KELVIN_AT_ZERO_CELSIUS: i32 = 273;

/// What the log says, and the composite temperature in degrees Celsius. `None` for an empty log.
#[must_use]
pub fn parse(log: &[u8; LOG_BYTES]) -> Option<(DiskHealth, Option<i32>)> {
    if log.iter().all(|&b| b == 0) {
        return None;
    }
    let number = |offset, length| little(log, offset, length);
    let narrow = |value: Option<u64>| value.and_then(|n| u32::try_from(n).ok());
    let bytes = |offset| number(offset, 16).map(|n| Bytes(n.saturating_mul(DATA_UNIT_BYTES)));
    let mut judge = Judge::new(HealthSource::NvmeSmart);
    judge.0.available_spare_percent = narrow(number(3, 1));
    judge.0.percentage_used = narrow(number(5, 1));
    judge.0.read_bytes = bytes(32);
    judge.0.written_bytes = bytes(48);
    judge.0.power_cycles = number(112, 16);
    judge.0.power_on_hours = number(128, 16);
    judge.0.unsafe_shutdowns = number(144, 16);
    judge.0.uncorrectable_errors = number(160, 16);

    let critical = log.first().copied().unwrap_or_default();
    let is_set = |bit: u8| critical & (1 << bit) != 0;
    if is_set(0) {
        let left = judge.0.available_spare_percent.unwrap_or_default();
        judge.fail(format!(
            "spare blocks are below the maker's limit ({left} % left)"
        ));
    }
    if is_set(1) {
        judge.warn("it is hotter, or colder, than it may be");
    }
    if is_set(2) {
        judge.fail("it says that it is no longer reliable");
    }
    if is_set(3) {
        judge.fail("it has become read-only");
    }
    if is_set(4) {
        judge.warn("the backup of its volatile memory has failed: a power cut loses data");
    }
    if is_set(5) {
        judge.warn("its persistent memory region is unreliable or read-only");
    }
    judge.warn_wear();
    judge.warn_count(
        judge.0.uncorrectable_errors,
        "error it could not correct",
        "errors it could not correct",
    );
    let celsius = number(1, 2)
        .and_then(|kelvin| i32::try_from(kelvin).ok())
        .filter(|kelvin| *kelvin > 0)
        .map(|kelvin| kelvin - KELVIN_AT_ZERO_CELSIUS);
    Some((judge.0, celsius))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::HealthStatus;
    use proptest::prelude::*;

    /// 38 °C, spare 100 % (limit 10 %), 3 % used.
    fn log() -> [u8; LOG_BYTES] {
        let mut log = [0; LOG_BYTES];
        log[1..3].copy_from_slice(&311_u16.to_le_bytes());
        log[3] = 100;
        log[4] = 10;
        log[5] = 3;
        log[32..40].copy_from_slice(&2_000_000_u64.to_le_bytes());
        log[48..56].copy_from_slice(&1_000_000_u64.to_le_bytes());
        log[112..120].copy_from_slice(&42_u64.to_le_bytes());
        log[128..136].copy_from_slice(&8_760_u64.to_le_bytes());
        log[144..152].copy_from_slice(&7_u64.to_le_bytes());
        log
    }

    #[test]
    fn a_healthy_disk() {
        let (health, celsius) = parse(&log()).unwrap();
        assert_eq!(health.status, HealthStatus::Ok);
        assert_eq!(celsius, Some(38));
        assert_eq!(health.written_bytes, Some(Bytes(512_000_000_000)));
        assert_eq!(health.power_on_hours, Some(8_760));
        assert_eq!(health.power_cycles, Some(42));
        assert_eq!(health.unsafe_shutdowns, Some(7));
        assert_eq!(health.percentage_used, Some(3));
        assert_eq!(health.available_spare_percent, Some(100));
        assert!(health.reasons.is_empty());
    }

    #[test]
    fn each_warning_has_its_words() {
        for (bit, status, word) in [
            (0, HealthStatus::Failing, "spare"),
            (1, HealthStatus::Warning, "hotter"),
            (2, HealthStatus::Failing, "reliable"),
            (3, HealthStatus::Failing, "read-only"),
            (4, HealthStatus::Warning, "power cut"),
            (5, HealthStatus::Warning, "memory region"),
        ] {
            let mut log = log();
            log[0] = 1 << bit;
            let (health, _) = parse(&log).unwrap();
            assert_eq!(health.status, status, "bit {bit}");
            assert!(health.reasons[0].contains(word), "{:?}", health.reasons);
        }
        let mut worn = log();
        worn[5] = 121;
        worn[160] = 2;
        let (health, _) = parse(&worn).unwrap();
        assert_eq!(health.status, HealthStatus::Warning);
        assert!(health.reasons[0].starts_with("121 %"));
        assert!(health.reasons[1].starts_with("2 errors"));
    }

    #[test]
    fn an_empty_log_says_nothing() {
        assert!(parse(&[0; LOG_BYTES]).is_none());
    }

    proptest! {
        #[test]
        fn any_log_is_survived(bytes in prop::collection::vec(any::<u8>(), LOG_BYTES)) {
            let _ = parse(&bytes.try_into().unwrap());
        }
    }
}
