//! Moments as the formats write them. UTC throughout; the moment is always handed in.

/// A moment in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// Calendar fields in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: u64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Timestamp {
    /// Proleptic Gregorian calendar, counted in 400-year eras that begin on 1 March.
    fn civil(self) -> Civil {
        // Past the year 9999 no format here can follow.
        let seconds = self.0.min(253_402_300_799);
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        } as u8;
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let time = seconds % 86_400;
        Civil {
            year,
            month,
            day,
            hour: (time / 3_600) as u8,
            minute: (time / 60 % 60) as u8,
            second: (time % 60) as u8,
        }
    }

    /// RFC 3339 in UTC, to the second: `2026-01-02T03:04:05Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let c = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        )
    }

    /// Year, month, day, hour, minute, second in UTC.
    #[must_use]
    pub fn fields(self) -> (u16, u8, u8, u8, u8, u8) {
        let c = self.civil();
        (c.year as u16, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// FAT `(time, date)` words. FAT counts from 1980 to 2107 in steps of two seconds; moments
    /// outside are moved to the nearest end.
    #[must_use]
    pub fn fat(self) -> (u16, u16) {
        let c = self.civil();
        if c.year < 1980 {
            return (0, 1 << 5 | 1);
        }
        if c.year > 2107 {
            return (23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31);
        }
        let two_seconds = u16::from(c.second) / 2;
        let time = u16::from(c.hour) << 11 | u16::from(c.minute) << 5 | two_seconds;
        let date = ((c.year - 1980) as u16) << 9 | u16::from(c.month) << 5 | u16::from(c.day);
        (time, date)
    }

    /// ISO 9660 directory-record date (ECMA-119 9.1.5): 7 bytes, years since 1900, GMT.
    #[must_use]
    pub fn iso_record(self) -> [u8; 7] {
        let c = self.civil();
        let year = c.year.saturating_sub(1900).min(255) as u8;
        [year, c.month, c.day, c.hour, c.minute, c.second, 0]
    }

    /// ISO 9660 volume-descriptor date (ECMA-119 8.4.26.1): 16 digits and a GMT offset of 0.
    #[must_use]
    pub fn iso_volume(self) -> [u8; 17] {
        let c = self.civil();
        let digits = format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}00",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        );
        let mut out = [0; 17];
        out[..16].copy_from_slice(digits.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(&Timestamp(0).iso_volume()[..16], b"1970010100000000");
        assert_eq!(
            &Timestamp(951_782_399).iso_volume()[..16],
            b"2000022823595900"
        );
        assert_eq!(
            &Timestamp(951_782_400).iso_volume()[..16],
            b"2000022900000000"
        );
        assert_eq!(
            &Timestamp(1_795_423_506).iso_volume()[..16],
            b"2026112308450600"
        );
        assert_eq!(&Timestamp(u64::MAX).iso_volume()[..16], b"9999123123595900");
        assert_eq!(
            Timestamp(1_795_423_506).iso_record(),
            [126, 11, 23, 8, 45, 6, 0]
        );
    }

    #[test]
    fn fat_dates_are_clamped() {
        assert_eq!(Timestamp(0).fat(), (0, 0x21));
        assert_eq!(Timestamp(315_532_800).fat(), (0, 0x21));
        assert_eq!(Timestamp(u64::MAX).fat(), (0xBF7D, 0xFF9F));
        let (time, date) = Timestamp(1_795_423_506).fat();
        assert_eq!((time >> 11, time >> 5 & 63, time & 31), (8, 45, 3));
        assert_eq!((date >> 9, date >> 5 & 15, date & 31), (46, 11, 23));
    }
}
