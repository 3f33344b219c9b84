//! Units of measure. Inside the project a size is always [`Bytes`]; gibibytes and gigabytes exist
//! only where a person types them, a screen shows them, or a wire format wants them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One kibibyte, 2^10 bytes.
pub const KIB: u64 = 1 << 10;
/// One mebibyte, 2^20 bytes.
pub const MIB: u64 = 1 << 20;
/// One gibibyte, 2^30 bytes: the "GB" of every ThreeFold formula.
pub const GIB: u64 = 1 << 30;
/// One tebibyte, 2^40 bytes.
pub const TIB: u64 = 1 << 40;
/// One kilobyte, 10^3 bytes.
pub const KB: u64 = 1_000;
/// One megabyte, 10^6 bytes.
pub const MB: u64 = 1_000_000;
/// One gigabyte, 10^9 bytes: the unit printed on disks.
pub const GB: u64 = 1_000_000_000;
/// One terabyte, 10^12 bytes.
pub const TB: u64 = 1_000_000_000_000;

/// A number of bytes.
///
/// Serialises as a plain integer. `{}` shows binary units (`31.3 GiB`), `{:#}` decimal ones
/// (`1.0 TB`) as printed on a disk's label.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many gibibytes; saturates at the largest representable size.
    #[must_use]
    pub const fn from_gib(gib: u64) -> Self {
        Self(gib.saturating_mul(GIB))
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Gibibytes as a real number, for display and estimates only.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "52 bits are enough for a human; exact paths use integers"
    )]
    pub fn as_gib_f64(self) -> f64 {
        self.0 as f64 / GIB as f64
    }

    /// Whole gibibytes, rounded down: how Zero-OS v2 reports SRU and HRU.
    #[must_use]
    pub const fn gib_floor(self) -> u64 {
        self.0 / GIB
    }

    /// Whole gibibytes, halves rounded up: how Zero-OS v2 reports MRU.
    #[must_use]
    pub const fn gib_round(self) -> u64 {
        self.0 / GIB + (self.0 % GIB >= GIB / 2) as u64
    }

    /// Sum that stops at the largest representable size instead of wrapping.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference that stops at zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<u64> for Bytes {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<Bytes> for u64 {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl Add for Bytes {
    type Output = Self;
    /// Saturating: sizes come from outsiders and a wrapped sum would pass for a small machine.
    fn add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: [(u64, &str); 3] = if f.alternate() {
            [(TB, "TB"), (GB, "GB"), (MB, "MB")]
        } else {
            // No tebibytes: every rule of the grid is written in gibibytes, so that is what a
            // farmer compares.
            [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")]
        };
        let text = match units.iter().find(|(size, _)| self.0 >= *size) {
            None => format!("{} B", self.0),
            Some((size, name)) => {
                // Tenths in integers, halves up; u128 because of `* 10`.
                let tenths = (u128::from(self.0) * 10 + u128::from(size / 2)) / u128::from(*size);
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            }
        };
        f.pad(&text)
    }
}

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseBytesError {
    /// There is no number at the start.
    #[error("size {0:?} does not start with a number")]
    NoNumber(String),
    /// The unit is not one we know.
    #[error("size {text:?} has the unknown unit {unit:?}")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The part taken for the unit.
        unit: String,
    },
    /// More than 2^64-1 bytes, or more than nine decimals.
    #[error("size {0:?} is out of range")]
    OutOfRange(String),
}

impl ParseBytesError {
    /// What a person should type instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            "write a number with a unit, for example 64GiB, 500GB or 2TB; without a unit it is bytes"
                .to_owned(),
        )
    }
}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    /// `64GiB`, `2TB`, `1.5 TB`, `500g`, `1024`. `KB`..`PB` are powers of 1000, `KiB`..`PiB` of
    /// 1024, single letters powers of 1024 as in coreutils. Case does not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let unit = unit.trim();
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => KB,
            "mb" => MB,
            "gb" => GB,
            "tb" => TB,
            "pb" => 1000 * TB,
            "k" | "kib" => KIB,
            "m" | "mib" => MIB,
            "g" | "gib" => GIB,
            "t" | "tib" => TIB,
            "p" | "pib" => 1024 * TIB,
            _ => {
                return Err(ParseBytesError::UnknownUnit {
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                });
            }
        };
        let digits = number.replace('_', "");
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        if whole.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
        {
            return Err(ParseBytesError::NoNumber(text.to_owned()));
        }
        let out_of_range = || ParseBytesError::OutOfRange(text.to_owned());
        if fraction.len() > 9 {
            return Err(out_of_range());
        }
        let whole: u64 = whole.parse().map_err(|_| out_of_range())?;
        let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| out_of_range())?);
        let fraction: u128 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().map_err(|_| out_of_range())?
        };
        let total = u128::from(whole) * u128::from(factor) + fraction * u128::from(factor) / scale;
        u64::try_from(total).map(Self).map_err(|_| out_of_range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_what_people_type() {
        for (text, bytes) in [
            ("1024", 1024),
            ("64GiB", 64 * GIB),
            ("64 gib", 64 * GIB),
            ("64g", 64 * GIB),
            ("2TB", 2 * TB),
            ("500GB", 500 * GB),
            ("1.5TB", 1_500 * GB),
            ("0.5GiB", GIB / 2),
            ("1_000_000", 1_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_size() {
        for text in [
            "",
            "GiB",
            ".5GB",
            "1.2.3",
            "-1",
            "1e3",
            "5 bananas",
            "1.0000000001GB",
        ] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        assert_eq!(
            "18446744073709551616".parse::<Bytes>(),
            Err(ParseBytesError::OutOfRange("18446744073709551616".into()))
        );
        assert!("20000000PiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn shows_binary_by_default_and_decimal_on_request() {
        assert_eq!(Bytes(33_575_518_208).to_string(), "31.3 GiB");
        assert_eq!(format!("{:#}", Bytes(1_000_204_886_016)), "1.0 TB");
        assert_eq!(Bytes(500).to_string(), "500 B");
        assert_eq!(Bytes(u64::MAX).to_string(), "17179869184.0 GiB");
        assert_eq!(format!("{:>10}", Bytes(GIB)), "   1.0 GiB");
    }

    #[test]
    fn v2_rounding() {
        assert_eq!(Bytes(33_575_518_208).gib_round(), 31);
        assert_eq!(Bytes(GIB * 31 + GIB / 2).gib_round(), 32);
        assert_eq!(Bytes(GIB * 32 - 1).gib_floor(), 31);
    }

    #[test]
    fn serialises_as_a_plain_integer() {
        assert_eq!(serde_json::to_string(&Bytes(42)).unwrap(), "42");
        assert_eq!(serde_json::from_str::<Bytes>("42").unwrap(), Bytes(42));
    }

    proptest! {
        #[test]
        fn plain_numbers_round_trip(n: u64) {
            prop_assert_eq!(n.to_string().parse(), Ok(Bytes(n)));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = text.parse::<Bytes>();
        }
    }
}
