//! SCSI and SAS: log pages (SPC-5, 7.3; SBC-4, 6.4).

use super::{Judge, big};
use crate::inventory::{DiskHealth, HealthSource};

/// LOG SENSE page of write errors.
pub const WRITE_ERRORS: u8 = 0x02;
/// LOG SENSE page of read errors.
pub const READ_ERRORS: u8 = 0x03;
/// LOG SENSE page of temperatures.
pub const TEMPERATURE: u8 = 0x0d;
/// LOG SENSE page of starts and stops.
pub const START_STOP: u8 = 0x0e;
/// LOG SENSE page of solid-state media.
pub const SOLID_STATE: u8 = 0x11;
/// LOG SENSE page of background scans; it has the hours powered on.
pub const BACKGROUND_SCAN: u8 = 0x15;
/// LOG SENSE page of informational exceptions: the drive's own prediction.
pub const EXCEPTIONS: u8 = 0x2f;
/// The pages that [`parse`] understands.
pub const PAGES: [u8; 7] = [
    WRITE_ERRORS,
    READ_ERRORS,
    TEMPERATURE,
    START_STOP,
    SOLID_STATE,
    BACKGROUND_SCAN,
    EXCEPTIONS,
];

/// Parameters of a log page: code, and data.
fn parameters(page: &[u8]) -> Vec<(u16, &[u8])> {
    let mut list = Vec::new();
    let length = big(page, 2, 2).and_then(|n| usize::try_from(n).ok());
    let Some(mut rest) = length.and_then(|n| {
        let body = page.get(4..)?;
        body.get(..n.min(body.len()))
    }) else {
        return list;
    };
    while let [high, low, _, length, tail @ ..] = rest {
        let Some(data) = tail.get(..usize::from(*length)) else {
            break;
        };
        list.push((u16::from_be_bytes([*high, *low]), data));
        rest = tail.get(data.len()..).unwrap_or_default();
    }
    list
}

/// What the drive says in those of [`PAGES`] that it has, and its temperature in degrees Celsius;
/// `None` when it has none.
#[must_use]
pub fn parse(pages: &[Vec<u8>]) -> Option<(DiskHealth, Option<i32>)> {
    let page = |code: u8| {
        pages
            .iter()
            .find(|page| page.first().is_some_and(|first| first & 0x3f == code))
            .map(|page| parameters(page))
            .unwrap_or_default()
    };
    let value = |code: u8, parameter: u16, offset: usize, length: usize| {
        let list = page(code);
        let (_, data) = list.iter().find(|(number, _)| *number == parameter)?;
        big(data, offset, length)
    };
    if !PAGES.iter().any(|code| !page(*code).is_empty()) {
        return None;
    }
    // A counter has as many bytes as the drive likes.
    let counter = |code: u8, parameter: u16| {
        let list = page(code);
        let (_, data) = list.iter().find(|(number, _)| *number == parameter)?;
        big(data, 0, data.len())
    };
    let mut judge = Judge::new(HealthSource::ScsiLog);
    judge.0.power_on_hours = value(BACKGROUND_SCAN, 0, 0, 4).map(|minutes| minutes / 60);
    judge.0.power_cycles = counter(START_STOP, 4);
    judge.0.percentage_used = value(SOLID_STATE, 1, 3, 1).and_then(|n| u32::try_from(n).ok());
    let uncorrected = [WRITE_ERRORS, READ_ERRORS].map(|code| counter(code, 6));
    judge.0.uncorrectable_errors = uncorrected
        .into_iter()
        .flatten()
        .reduce(u64::saturating_add);

    // Additional sense codes 5Dh (failure prediction threshold exceeded) and 0Bh (warning).
    let exception = value(EXCEPTIONS, 0, 0, 1).unwrap_or_default();
    let qualifier = value(EXCEPTIONS, 0, 1, 1).unwrap_or_default();
    match exception {
        // FFh is the drive's test of the mechanism itself.
        0x5d if qualifier != 0xff => {
            judge.fail(format!("it predicts its failure (5Dh {qualifier:02X}h)"));
        }
        0x0b => judge.warn(format!("it warns (0Bh {qualifier:02X}h)")),
        _ => {}
    }
    judge.warn_wear();
    judge.warn_count(
        judge.0.uncorrectable_errors,
        "error it could not correct",
        "errors it could not correct",
    );
    let celsius = value(TEMPERATURE, 0, 1, 1)
        .or_else(|| value(EXCEPTIONS, 0, 2, 1))
        // FFh: not known; 0 from drives that have no sensor.
        .filter(|degrees| (1..0xff).contains(degrees))
        .and_then(|degrees| i32::try_from(degrees).ok());
    Some((judge.0, celsius))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::HealthStatus;
    use proptest::prelude::*;

    fn page(code: u8, parameters: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (number, data) in parameters {
            body.extend_from_slice(&number.to_be_bytes());
            body.extend_from_slice(&[0, u8::try_from(data.len()).unwrap()]);
            body.extend_from_slice(data);
        }
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[code, 0], &length[..], &body].concat()
    }

    #[test]
    fn a_healthy_disk() {
        let pages = [
            page(TEMPERATURE, &[(0, &[0, 34]), (1, &[0, 60])]),
            page(
                BACKGROUND_SCAN,
                &[(0, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
            ),
            page(START_STOP, &[(3, &[0, 0, 0xc3, 0x50]), (4, &[0, 0, 0, 21])]),
            page(READ_ERRORS, &[(5, &[9; 8]), (6, &[0; 8])]),
            page(EXCEPTIONS, &[(0, &[0, 0, 34, 0])]),
        ];
        let (health, celsius) = parse(&pages).unwrap();
        assert_eq!(health.status, HealthStatus::Ok, "{:?}", health.reasons);
        assert_eq!(celsius, Some(34));
        assert_eq!(health.power_on_hours, Some(65_536 / 60));
        assert_eq!(health.power_cycles, Some(21));
        assert_eq!(health.uncorrectable_errors, Some(0));
    }

    #[test]
    fn predictions_wear_and_errors() {
        let failing = [page(EXCEPTIONS, &[(0, &[0x5d, 0x10, 40])])];
        let (health, celsius) = parse(&failing).unwrap();
        assert_eq!((health.status, celsius), (HealthStatus::Failing, Some(40)));
        let drill = [page(EXCEPTIONS, &[(0, &[0x5d, 0xff, 40])])];
        assert_eq!(parse(&drill).unwrap().0.status, HealthStatus::Ok);
        let worn = [
            page(SOLID_STATE, &[(1, &[0, 0, 0, 107])]),
            page(WRITE_ERRORS, &[(6, &[0, 2])]),
            page(READ_ERRORS, &[(6, &[1])]),
        ];
        let (health, _) = parse(&worn).unwrap();
        assert_eq!(health.status, HealthStatus::Warning);
        assert_eq!(health.percentage_used, Some(107));
        assert_eq!(health.uncorrectable_errors, Some(3));
        assert_eq!(health.reasons.len(), 2);
    }

    #[test]
    fn no_pages_no_health() {
        assert!(parse(&[]).is_none());
        assert!(parse(&[vec![0; 4]]).is_none());
        assert!(parse(&[vec![0x0d, 0, 0xff, 0xff, 0, 0]]).is_none());
    }

    proptest! {
        #[test]
        fn any_pages_are_survived(pages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let _ = parse(&pages);
        }
    }
}
