//! ATA: SMART attributes (of the ATA-3 era, still everywhere) and the device statistics log that
//! replaced them (ACS-4, 9.5).
//!
//! Attributes are numbered the same by all makers as far as this module uses them; their raw values
//! mean the same only for the few that are read here. Where the statistics log has a value it wins.

use super::{Judge, little};
use crate::inventory::{DiskHealth, HealthSource};
use crate::units::Bytes;

/// Length of every block.
pub const BLOCK_BYTES: usize = 512;
/// A block of data as the drive sends it.
pub type Block = [u8; BLOCK_BYTES];

/// What was asked of the drive; `None` for what it did not answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers<'a> {
    /// SMART READ DATA: the attributes.
    pub attributes: Option<&'a Block>,
    /// SMART READ THRESHOLDS.
    pub thresholds: Option<&'a Block>,
    /// SMART RETURN STATUS: whether the drive says that it fails.
    pub says_it_fails: Option<bool>,
    /// Device statistics, page 01h: general.
    pub general: Option<&'a Block>,
    /// Device statistics, page 05h: temperature.
    pub temperature: Option<&'a Block>,
    /// Device statistics, page 07h: solid state.
    pub solid_state: Option<&'a Block>,
    /// Logical sector size, for the statistics that count sectors.
    pub sector_bytes: u64,
}

/// One SMART attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attribute {
    id: u8,
    /// Bit 0: when the value falls to the threshold the drive is about to fail.
    is_prefailure: bool,
    value: u8,
    raw: u64,
}

/// Attributes lie in 30 slots of 12 bytes behind a revision number.
fn slots(block: &Block) -> impl Iterator<Item = &[u8]> {
    (0..30).filter_map(|slot| block.get(2 + slot * 12..14 + slot * 12))
}

fn attributes(block: &Block) -> Vec<Attribute> {
    slots(block)
        .filter_map(|slot| {
            let [id, flags, _, value, _, raw @ ..] = slot else {
                return None;
            };
            (*id != 0).then(|| Attribute {
                id: *id,
                is_prefailure: flags & 1 != 0,
                value: *value,
                raw: little(raw, 0, 6).unwrap_or_default(),
            })
        })
        .collect()
}

/// A statistic: 56 bits of value under flags for "supported" and "valid".
fn statistic(page: Option<&Block>, offset: usize) -> Option<u64> {
    const SUPPORTED_AND_VALID: u64 = 0b11 << 62;
    let value = little(page?, offset, 8)?;
    (value & SUPPORTED_AND_VALID == SUPPORTED_AND_VALID).then_some(value & ((1 << 56) - 1))
}

/// What the drive says, and its temperature in degrees Celsius; `None` when it said nothing.
#[must_use]
pub fn parse(answers: &Answers<'_>) -> Option<(DiskHealth, Option<i32>)> {
    let list = answers.attributes.map(attributes).unwrap_or_default();
    let asked = [answers.general, answers.temperature, answers.solid_state];
    if list.is_empty() && answers.says_it_fails.is_none() && asked.iter().all(Option::is_none) {
        return None;
    }
    let raw = |id: u8| list.iter().find(|a| a.id == id).map(|a| a.raw);
    // Makers keep minutes, the last hour's rest or milliseconds in the upper half.
    let low_half = |id: u8| raw(id).map(|n| n & 0xffff_ffff);
    let (general, solid_state) = (answers.general, answers.solid_state);
    let sectors =
        |offset| statistic(general, offset).map(|n| Bytes(n.saturating_mul(answers.sector_bytes)));
    let mut judge = Judge::new(HealthSource::AtaSmart);
    let health = &mut judge.0;
    health.power_cycles = statistic(general, 8).or_else(|| low_half(12));
    health.power_on_hours = statistic(general, 16).or_else(|| low_half(9).filter(is_hours));
    health.written_bytes = sectors(24);
    health.read_bytes = sectors(40);
    health.percentage_used = statistic(solid_state, 8).and_then(|n| u32::try_from(n & 0xff).ok());
    health.reallocated_sectors = low_half(5).filter(|n| *n < 0xffff_ffff);
    health.pending_sectors = low_half(197).filter(|n| *n < 0xffff_ffff);
    health.uncorrectable_errors = raw(187).map(|n| n & 0xffff).or_else(|| low_half(198));
    health.interface_crc_errors = low_half(199);

    if answers.says_it_fails == Some(true) {
        judge.fail("it says itself that it is about to fail");
    }
    if let Some(thresholds) = answers.thresholds {
        below_threshold(&list, thresholds, &mut judge);
    }
    let counts = [
        (
            judge.0.pending_sectors,
            "sector that cannot be read",
            "sectors that cannot be read",
        ),
        (
            judge.0.reallocated_sectors,
            "sector was replaced by a spare one",
            "sectors were replaced by spare ones",
        ),
        (
            judge.0.uncorrectable_errors,
            "error it could not correct",
            "errors it could not correct",
        ),
    ];
    for (count, one, many) in counts {
        judge.warn_count(count, one, many);
    }
    judge.warn_wear();
    Some((
        judge.0,
        celsius(answers.temperature, raw(194).or_else(|| raw(190))),
    ))
}

/// The oldest drives are 20 years old; more hours are another unit.
fn is_hours(hours: &u64) -> bool {
    *hours < 20 * 366 * 24
}

/// A drive below the threshold of a pre-failure attribute is about to fail, whatever its status
/// command says; below another one it is only old.
fn below_threshold(list: &[Attribute], thresholds: &Block, judge: &mut Judge) {
    for attribute in list {
        let threshold = slots(thresholds)
            .find(|slot| slot.first() == Some(&attribute.id))
            .and_then(|slot| slot.get(1).copied())
            // 0 never fails; FEh and FFh are for tests in the factory.
            .filter(|threshold| (1..0xfe).contains(threshold));
        let is_valid = (1..0xfe).contains(&attribute.value);
        let Some(threshold) = threshold.filter(|t| is_valid && attribute.value <= *t) else {
            continue;
        };
        let Attribute { id, value, .. } = attribute;
        let text = format!("SMART attribute {id} has fallen to {value} (limit {threshold})");
        if attribute.is_prefailure {
            judge.fail(text);
        } else {
            judge.warn(text);
        }
    }
}

fn celsius(page: Option<&Block>, attribute: Option<u64>) -> Option<i32> {
    let signed = |n: u64| u8::try_from(n & 0xff).ok().map(u8::cast_signed);
    let plausible = |degrees: &i8| (-20..=120).contains(degrees);
    statistic(page, 8)
        .and_then(signed)
        .filter(plausible)
        // The lowest byte; the others hold extremes.
        .or_else(|| {
            attribute
                .and_then(signed)
                .filter(|d| plausible(d) && *d != 0)
        })
        .map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::HealthStatus;
    use proptest::prelude::*;

    fn attribute_block(list: &[(u8, u8, u8, u64)]) -> Block {
        let mut block = [0; BLOCK_BYTES];
        for (slot, (id, flags, value, raw)) in list.iter().enumerate() {
            let at = 2 + slot * 12;
            block[at] = *id;
            block[at + 1] = *flags;
            block[at + 3] = *value;
            block[at + 4] = *value;
            block[at + 5..at + 11].copy_from_slice(&raw.to_le_bytes()[..6]);
        }
        block
    }

    fn threshold_block(list: &[(u8, u8)]) -> Block {
        let mut block = [0; BLOCK_BYTES];
        for (slot, (id, threshold)) in list.iter().enumerate() {
            block[2 + slot * 12] = *id;
            block[3 + slot * 12] = *threshold;
        }
        block
    }

    fn page(list: &[(usize, u64)]) -> Block {
        let mut block = [0; BLOCK_BYTES];
        for (offset, value) in list {
            block[*offset..offset + 8].copy_from_slice(&(value | 0b11 << 62).to_le_bytes());
        }
        block
    }

    fn healthy() -> Vec<(u8, u8, u8, u64)> {
        vec![
            (5, 0x33, 100, 0),
            (9, 0x32, 90, 0x0012_0000_2238),
            (12, 0x32, 100, 17),
            (194, 0x22, 64, 0x0030_0015_0024),
            (197, 0x32, 100, 0),
            (199, 0x3e, 200, 3),
        ]
    }

    #[test]
    fn attributes_of_a_healthy_disk() {
        let block = attribute_block(&healthy());
        let answers = Answers {
            attributes: Some(&block),
            says_it_fails: Some(false),
            ..Answers::default()
        };
        let (health, celsius) = parse(&answers).unwrap();
        assert_eq!(health.status, HealthStatus::Ok, "{:?}", health.reasons);
        assert_eq!(health.power_on_hours, Some(0x2238));
        assert_eq!(health.power_cycles, Some(17));
        assert_eq!(health.interface_crc_errors, Some(3));
        assert_eq!(celsius, Some(36));
    }

    #[test]
    fn the_statistics_log_goes_before_attributes() {
        let block = attribute_block(&healthy());
        let general = page(&[(8, 5), (16, 1000), (24, 2_000_000), (40, 1_000_000)]);
        let (temperature, solid_state) = (page(&[(8, 0xf6)]), page(&[(8, 104)]));
        let answers = Answers {
            attributes: Some(&block),
            general: Some(&general),
            temperature: Some(&temperature),
            solid_state: Some(&solid_state),
            sector_bytes: 4096,
            ..Answers::default()
        };
        let (health, celsius) = parse(&answers).unwrap();
        assert_eq!(
            (health.power_cycles, health.power_on_hours),
            (Some(5), Some(1000))
        );
        assert_eq!(health.written_bytes, Some(Bytes(2_000_000 * 4096)));
        assert_eq!(celsius, Some(-10));
        assert_eq!(health.status, HealthStatus::Warning);
        assert_eq!(health.percentage_used, Some(104));
    }

    #[test]
    fn what_is_not_marked_valid_is_not_believed() {
        let mut general = [0; BLOCK_BYTES];
        general[16..24].copy_from_slice(&(1_u64 << 63 | 77).to_le_bytes());
        let answers = Answers {
            general: Some(&general),
            ..Answers::default()
        };
        assert_eq!(parse(&answers).unwrap().0.power_on_hours, None);
    }

    #[test]
    fn dying_disks() {
        let mut list = healthy();
        list[0] = (5, 0x33, 3, 1200);
        list[4].3 = 8;
        let block = attribute_block(&list);
        let thresholds = threshold_block(&[(5, 5), (12, 0), (197, 1)]);
        let answers = Answers {
            attributes: Some(&block),
            thresholds: Some(&thresholds),
            ..Answers::default()
        };
        let (health, _) = parse(&answers).unwrap();
        assert_eq!(health.status, HealthStatus::Failing);
        assert!(health.reasons[0].contains("attribute 5 has fallen to 3 (limit 5)"));
        assert!(health.reasons[1].starts_with("8 sectors that cannot be read"));
        assert!(health.reasons[2].starts_with("1200 sectors were replaced"));

        let says = Answers {
            says_it_fails: Some(true),
            ..Answers::default()
        };
        assert_eq!(parse(&says).unwrap().0.status, HealthStatus::Failing);
    }

    #[test]
    fn silence_is_no_health() {
        assert!(parse(&Answers::default()).is_none());
        let empty = [0; BLOCK_BYTES];
        let answers = Answers {
            attributes: Some(&empty),
            ..Answers::default()
        };
        assert!(parse(&answers).is_none());
    }

    proptest! {
        #[test]
        fn any_answers_are_survived(
            a in prop::collection::vec(any::<u8>(), BLOCK_BYTES),
            t in prop::collection::vec(any::<u8>(), BLOCK_BYTES),
            g in prop::collection::vec(any::<u8>(), BLOCK_BYTES),
            sector_bytes: u64,
        ) {
            let block = |data: Vec<u8>| -> Block { data.try_into().unwrap() };
            let (a, t, g) = (block(a), block(t), block(g));
            let _ = parse(&Answers {
                attributes: Some(&a), thresholds: Some(&t), says_it_fails: Some(a[0] > 9),
                general: Some(&g), temperature: Some(&g), solid_state: Some(&g), sector_bytes,
            });
        }
    }
}
