//! Points in time, told to the core and never read by it (RFC 7519 §2, `NumericDate`).

use std::fmt;
use std::time::{Duration, SystemTime};

/// Milliseconds since the Unix epoch, UTC, without leap seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From whole seconds since the epoch.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From fractional seconds, rounded down. `None` for NaN, infinities and anything beyond [`Self::LAST`].
    pub fn from_secs_f64(seconds: f64) -> Option<Self> {
        Self::in_range(seconds).then(|| Self((seconds * 1000.0).floor() as i64))
    }

    /// As [`Self::from_secs_f64`], rounded up: for `nbf` and `iat`, so that no rounding favours the holder.
    pub(crate) fn from_secs_f64_up(seconds: f64) -> Option<Self> {
        Self::in_range(seconds).then(|| Self((seconds * 1000.0).ceil() as i64))
    }

    fn in_range(seconds: f64) -> bool {
        seconds.is_finite() && seconds.abs() <= Self::LAST.0 as f64 / 1000.0
    }

    /// From a date and time as RFC 3339 has it (§5.6), with its offset; fractions are cut off after milliseconds. `None`
    /// for anything else.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| {
            let digits = bytes.get(from..to)?;
            let value = |sum: i64, digit: &u8| sum * 10 + i64::from(digit - b'0');
            digits
                .iter()
                .all(u8::is_ascii_digit)
                .then(|| digits.iter().fold(0, value))
        };
        let is = |place: usize, among: &[u8]| bytes.get(place).is_some_and(|b| among.contains(b));
        if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let mut end = 19;
        let mut millis = 0;
        if is(end, b".") {
            let digits = bytes[end + 1..].iter().take_while(|b| b.is_ascii_digit());
            let count = digits.count();
            for place in 1..=3 {
                let digit = if place <= count {
                    number(end + place, end + place + 1)?
                } else {
                    0
                };
                millis = millis * 10 + digit;
            }
            end += 1 + count;
            if count == 0 {
                return None;
            }
        }
        let offset = match bytes.get(end..)? {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
                let (hours, minutes) = (number(end + 1, end + 3)?, number(end + 4, end + 6)?);
                let ahead = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
                if *sign == b'+' { ahead } else { -ahead }
            }
            _ => return None,
        };
        let days = days_from_civil(year, month, day)?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let minutes = (days * 24 + hour) * 60 + minute - offset;
        // The last second of a minute may be a leap second.
        Some(Self((minutes * 60 + second.min(59)) * 1000 + millis))
    }

    /// The end of the year 9999. A date beyond it is a mistake or an attack.
    pub const LAST: Self = Self::from_secs(253_402_300_799);

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This moment plus `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => millis(before.duration()).saturating_neg(),
        })
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 3339 with seconds, `2027-01-15T08:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_secs();
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// The proleptic Gregorian date of a day count since 1970-01-01 (eras of 400 years, years that begin in March).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The day count of a date, if there is such a date.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc_3339() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2027-01-15T08:00:00Z", 1_800_000_000_000),
            ("2027-01-15t08:00:00.5z", 1_800_000_000_500),
            ("2027-01-15 08:00:00.1239999Z", 1_800_000_000_123),
            ("2027-01-15T09:30:00+01:30", 1_800_000_000_000),
            ("2027-01-14T22:00:00-10:00", 1_800_000_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ] {
            let found = Timestamp::from_rfc3339(text).map(Timestamp::as_millis);
            assert_eq!(found, Some(millis), "{text}");
        }
        for bad in [
            "",
            "2027-01-15",
            "2027-01-15T08:00:00",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00Z ",
            "2027-02-29T08:00:00Z",
            "2027-00-15T08:00:00Z",
            "2027-13-15T08:00:00Z",
            "2027-01-00T08:00:00Z",
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:60:00Z",
            "2027-01-15T08:00:61Z",
            "2027-01-15T08:00:00+1:00",
            "2027-01-15T08:00:00+24:00",
            "+027-01-15T08:00:00Z",
            "2027-01-15T08:00:00Zé",
            "２027-01-15T08:00:00Z",
        ] {
            assert_eq!(Timestamp::from_rfc3339(bad), None, "{bad}");
        }
        for seconds in (-62_135_596_800..253_402_300_799_i64).step_by(86_399 * 97) {
            let moment = Timestamp::from_secs(seconds);
            assert_eq!(Timestamp::from_rfc3339(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn prints_as_rfc_3339() {
        assert_eq!(Timestamp::from_secs(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::from_secs(951_782_400).to_string(),
            "2000-02-29T00:00:00Z"
        );
        assert_eq!(
            Timestamp::from_secs(1_800_000_000).to_string(),
            "2027-01-15T08:00:00Z"
        );
        assert_eq!(Timestamp::LAST.to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Timestamp::from_secs(-1).to_string(), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn never_rounds_in_the_holders_favour() {
        assert_eq!(Timestamp::from_secs_f64(1.9999).unwrap().as_millis(), 1999);
        assert_eq!(
            Timestamp::from_secs_f64_up(1.0001).unwrap().as_millis(),
            1001
        );
    }

    #[test]
    fn refuses_what_is_no_date() {
        for bad in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            -1e300,
            253_402_300_800.0,
        ] {
            assert_eq!(Timestamp::from_secs_f64(bad), None, "{bad}");
        }
    }
}
