//! Scalars as the directory API writes them: dates, CIDR prefixes, MAC and IP addresses, GiB.
//!
//! Readers are lenient where Go's decoder is: `null` and `""` stand for "not set".

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::UnixTime;

/// Bytes in one GiB.
pub const GIB: u64 = 1 << 30;

/// A text that is not what its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    /// What was read.
    pub text: String,
    /// What it should have been, with article.
    pub expected: &'static str,
}

fn parse_error(text: &str, expected: &'static str) -> ParseError {
    ParseError {
        text: text.chars().take(80).collect(),
        expected,
    }
}

/// A date: unix seconds on the wire, 0 when unset.
///
/// Input may also be a float, `null`, `""` or one of the notations of [`Date::parse`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Date(pub i64);

impl Date {
    /// Whether the date was never set.
    #[must_use]
    pub const fn is_unset(self) -> bool {
        self.0 == 0
    }

    /// Parses the notations the original accepts, all in UTC: `DD/MM/YYYY`, `YYYY/MM/DD`,
    /// `YY/MM/DD` (2000..2099) and `MM/DD` of `this_year`, each with an optional time `HH:MM`,
    /// `HH:MM:SS`, `9pm` or `9pm:10`.
    ///
    /// # Errors
    /// Anything else, days that do not exist included; `MM/DD` if `this_year` is `None`.
    pub fn parse(text: &str, this_year: Option<i64>) -> Result<Self, ParseError> {
        parse_date(text.trim(), this_year)
            .map(Self)
            .ok_or_else(|| parse_error(text, "a date such as 31/12/2020 23:59"))
    }
}

impl From<UnixTime> for Date {
    fn from(time: UnixTime) -> Self {
        Self(time.secs)
    }
}

impl From<Date> for UnixTime {
    fn from(date: Date) -> Self {
        Self::from_secs(date.0)
    }
}

fn parse_date(text: &str, this_year: Option<i64>) -> Option<i64> {
    let (day_part, time_part) = match text.split_once(char::is_whitespace) {
        Some((day, time)) => (day, Some(time.trim())),
        None => (text, None),
    };
    let fields: Vec<&str> = day_part.split('/').collect();
    let (year, month, day) = match *fields.as_slice() {
        [month, day] => (this_year?, number(month, 2)?, number(day, 2)?),
        [year, month, day] if year.len() == 4 => {
            (number(year, 4)?, number(month, 2)?, number(day, 2)?)
        }
        [day, month, year] if year.len() == 4 => {
            (number(year, 4)?, number(month, 2)?, number(day, 2)?)
        }
        [year, month, day] => (2000 + number(year, 2)?, number(month, 2)?, number(day, 2)?),
        _ => return None,
    };
    let seconds = time_part.map_or(Some(0), parse_time_of_day)?;
    Some(days_since_epoch(year, month, day)? * 86_400 + seconds)
}

fn parse_time_of_day(text: &str) -> Option<i64> {
    let mut fields = text.split(':');
    let first = fields.next()?.to_ascii_lowercase();
    let hour = if let Some(hour) = first.strip_suffix("pm") {
        twelve_hour(hour)? + 12
    } else if let Some(hour) = first.strip_suffix("am") {
        twelve_hour(hour)?
    } else {
        number(&first, 2)?
    };
    let minute = fields.next().map_or(Some(0), |field| number(field, 2))?;
    let second = fields.next().map_or(Some(0), |field| number(field, 2))?;
    let in_range = hour < 24 && minute < 60 && second < 60 && fields.next().is_none();
    in_range.then_some(hour * 3600 + minute * 60 + second)
}

fn twelve_hour(text: &str) -> Option<i64> {
    number(text, 2)
        .filter(|hour| (1..=12).contains(hour))
        .map(|hour| hour % 12)
}

fn number(text: &str, max_digits: usize) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && text.len() <= max_digits).then(|| text.parse().ok())?
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar, `None` if there is no such
/// day. Counts in 400-year eras that begin on 1 March, so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468,
    )
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Date;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("unix seconds or a date")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Date, E> {
                Ok(Date(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Date, E> {
                i64::try_from(value).map(Date).map_err(E::custom)
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`as` saturates, like the original"
            )]
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Date, E> {
                Ok(Date(value as i64))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Date, E> {
                Ok(Date(0))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Date, E> {
                if text.is_empty() {
                    return Ok(Date(0));
                }
                Date::parse(text, None).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// An address with a prefix length, host bits kept: `192.168.1.5/24`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Cidr {
    /// The address, host bits included.
    pub addr: IpAddr,
    /// Length of the network prefix in bits: at most 32 (IPv4) or 128 (IPv6).
    pub prefix_len: u8,
}

impl Cidr {
    /// An address in a network of `prefix_len` bits.
    ///
    /// # Errors
    /// The prefix is longer than the address.
    pub fn new(addr: IpAddr, prefix_len: u8) -> Result<Self, ParseError> {
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        if prefix_len > longest {
            return Err(parse_error(
                &format!("{addr}/{prefix_len}"),
                "an address in CIDR notation",
            ));
        }
        Ok(Self { addr, prefix_len })
    }

    /// Whether an address of the same family lies in this network.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        let (network, other, bits) = match (self.addr, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let host_bits = bits - u32::from(self.prefix_len);
        (network ^ other).checked_shr(host_bits).unwrap_or(0) == 0
    }
}

impl FromStr for Cidr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || parse_error(text, "an address in CIDR notation");
        let (addr, prefix_len) = text.split_once('/').ok_or_else(error)?;
        let prefix_len = number(prefix_len, 3).and_then(|bits| u8::try_from(bits).ok());
        Self::new(
            addr.parse().map_err(|_| error())?,
            prefix_len.ok_or_else(error)?,
        )
        .map_err(|_| error())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

/// A 48-bit hardware address: `52:54:00:12:34:56`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl FromStr for MacAddr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || parse_error(text, "a MAC address");
        let mut bytes = [0; 6];
        let mut fields = text.split([':', '-']);
        for byte in &mut bytes {
            let field = fields
                .next()
                .filter(|field| field.len() == 2)
                .ok_or_else(error)?;
            hex::decode_to_slice(field, std::slice::from_mut(byte)).map_err(|_| error())?;
        }
        if fields.next().is_some() {
            Err(error())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Cidr, MacAddr);

/// `Option` of a text-like scalar: `None` is written as `""` and read from `""` or `null`.
pub(crate) mod or_empty {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        match Option::<String>::deserialize(deserializer)?.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(de::Error::custom),
        }
    }
}

/// Lists of text-like scalars; Go writes an unset address in a list as `""`, which is dropped.
pub(crate) mod list {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default();
        texts
            .iter()
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(de::Error::custom))
            .collect()
    }
}

/// Reads `null` as the default value, as Go does.
pub(crate) fn null_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A float written as Go writes it: `31`, not `31.0`.
pub(crate) fn go_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// Bytes as GiB; exact below 8 PiB.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the wire format is a float")]
pub fn bytes_to_gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

/// GiB as whole bytes, rounded to nearest; `None` for what is no amount (negative, not finite, or
/// 8 EiB and more, which a signed 64-bit column cannot hold).
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub fn gib_to_bytes(gib: f64) -> Option<u64> {
    let bytes = (gib * GIB as f64).round();
    (bytes >= 0.0 && bytes < i64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<i64> {
        Date::parse(text, Some(2020)).ok().map(|date| date.0)
    }

    #[test]
    fn dates_follow_the_reference_vectors() {
        assert_eq!(parsed("01/02/03"), Some(981_158_400), "2001-02-03");
        assert_eq!(
            parsed("01/01/2019 9pm:10"),
            Some(1_546_377_000),
            "2019-01-01T21:10Z"
        );
        assert_eq!(
            parsed("15/12/03 22:00"),
            Some(1_449_180_000),
            "2015-12-03T22:00Z"
        );
        assert_eq!(parsed("06/28"), Some(1_593_302_400), "2020-06-28");
        assert_eq!(Date::parse("06/28", None).ok(), None, "no year, no clock");
        assert_eq!(parsed("29/02/2020"), Some(1_582_934_400));
        assert_eq!(parsed("01/01/2020 12am"), parsed("01/01/2020"));
        assert_eq!(parsed("01/01/2020 12pm"), parsed("01/01/2020 12:00"));
        for bad in [
            "",
            "29/02/2019",
            "31/04/2020",
            "1/2/3/4",
            "01/01/2020 24:00",
            "+1/01/01",
            "x",
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn dates_decode_leniently_and_encode_as_integers() {
        for (json, secs) in [
            ("500", 500),
            ("500.9", 500),
            ("\"\"", 0),
            ("null", 0),
            ("0", 0),
            ("\"31/12/2020 23:59\"", 1_609_459_140),
        ] {
            assert_eq!(
                serde_json::from_str::<Date>(json).unwrap(),
                Date(secs),
                "{json}"
            );
        }
        assert_eq!(serde_json::to_string(&Date(500)).unwrap(), "500");
        assert!(serde_json::from_str::<Date>("\"soon\"").is_err());
        assert!(serde_json::from_str::<Date>("18446744073709551615").is_err());
    }

    #[test]
    fn cidr_keeps_host_bits_and_refuses_nonsense() {
        for text in [
            "192.168.1.5/24",
            "2a10:b600:1::cc4:7a30:65b5/64",
            "0.0.0.0/0",
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "1.2.3.4",
            "1.2.3.4/33",
            "::/129",
            "1.2.3.4/+8",
            "1.2.3/8",
            "1.2.3.4/",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let contains = |network: &str, address: &str| {
            let network: Cidr = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(contains("185.206.122.1/24", "185.206.122.2"));
        assert!(!contains("185.206.122.1/24", "185.206.123.2"));
        assert!(contains("2a10:b600:1::cc4:7a30:65b5/64", "2a10:b600:1::1"));
        assert!(!contains("2a10:b600:1::1/64", "2a10:b600:2::1"));
        assert!(contains("0.0.0.0/0", "255.255.255.255") && contains("::/0", "ff::1"));
        assert!(contains("1.2.3.4/32", "1.2.3.4") && !contains("1.2.3.4/32", "1.2.3.5"));
        assert!(!contains("::/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn mac_addresses_are_exactly_six_pairs() {
        assert_eq!(
            "52:54:00:AB:cd:ef".parse::<MacAddr>().unwrap().to_string(),
            "52:54:00:ab:cd:ef"
        );
        for bad in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:ef:00",
            "5:54:00:ab:cd:ef",
            "zz:54:00:ab:cd:ef",
        ] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn gib_and_bytes_convert_exactly_where_they_can() {
        assert_eq!(gib_to_bytes(31.5), Some(33_822_867_456));
        assert_eq!(
            gib_to_bytes(bytes_to_gib(100_030_242_816)),
            Some(100_030_242_816)
        );
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e20] {
            assert_eq!(gib_to_bytes(bad), None, "{bad}");
        }
    }
}
