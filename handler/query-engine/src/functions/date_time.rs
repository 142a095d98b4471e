//! A date and time in UTC with seven digits of a second, its text and its parts.

use std::fmt;

use chrono::{Datelike, Months, NaiveDate};

/// Ticks (100 ns) in a second.
pub(super) const TICKS_PER_SECOND: i64 = 10_000_000;
pub(super) const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_SECOND;
/// The days from the first of the year 1 to 1970, that day included.
const EPOCH: i64 = 719_163;
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

/// A date and time of the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DateTime {
    date: Date,
    /// Ticks since midnight.
    ticks_of_day: i64,
}

/// A day of the Gregorian calendar, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date(NaiveDate);

impl Date {
    /// A day that exists.
    pub(super) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let (year, month, day) = (year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?);
        Self::checked(NaiveDate::from_ymd_opt(year, month, day)?)
    }

    fn checked(date: NaiveDate) -> Option<Self> {
        YEARS.contains(&i64::from(date.year())).then_some(Self(date))
    }

    /// The day some months later, or the last of that month if it is shorter.
    pub(super) fn add_months(self, months: i64) -> Option<Self> {
        let count = Months::new(months.unsigned_abs().try_into().ok()?);
        let date = if months < 0 { self.0.checked_sub_months(count) } else { self.0.checked_add_months(count) };
        Self::checked(date?)
    }

    pub(super) fn year(self) -> i64 {
        self.0.year().into()
    }

    pub(super) fn month(self) -> i64 {
        self.0.month().into()
    }

    pub(super) fn day(self) -> i64 {
        self.0.day().into()
    }

    /// Days since 1970.
    fn days(self) -> i64 {
        i64::from(self.0.num_days_from_ce()) - EPOCH
    }

    fn of_days(days: i64) -> Option<Self> {
        Self::checked(NaiveDate::from_num_days_from_ce_opt(i32::try_from(days.checked_add(EPOCH)?).ok()?)?)
    }
}

impl DateTime {
    /// A time by its ticks (100 ns) since 1970; `None` outside the years 1 to 9999.
    pub(super) fn of_ticks(ticks: i64) -> Option<Self> {
        let date = Date::of_days(ticks.div_euclid(TICKS_PER_DAY))?;
        Some(Self { date, ticks_of_day: ticks.rem_euclid(TICKS_PER_DAY) })
    }

    /// Ticks (100 ns) since 1970.
    pub(super) fn ticks(self) -> i64 {
        self.date.days() * TICKS_PER_DAY + self.ticks_of_day
    }

    /// A time of a day by its hour, minute, second and ticks.
    pub(super) fn new(date: Date, [hour, minute, second, ticks]: [i64; 4]) -> Option<Self> {
        let exists = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..TICKS_PER_SECOND).contains(&ticks);
        if !exists {
            return None;
        }
        let seconds = (hour * 60 + minute) * 60 + second;
        Some(Self { date, ticks_of_day: seconds * TICKS_PER_SECOND + ticks })
    }

    pub(super) fn date(self) -> Date {
        self.date
    }

    /// Ticks since midnight.
    pub(super) fn ticks_of_day(self) -> i64 {
        self.ticks_of_day
    }

    /// Reads `YYYY-MM-DD`, with or without a time `hh:mm:ss` after `T` or a space, with or without one to seven digits of
    /// a second, with or without `Z`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (date, time) = match text.split_once(['T', ' ']) {
            Some((date, time)) => (date, time),
            None => (text, "00:00:00"),
        };
        let [year, month, day] = fixed_numbers(date, '-', [4, 2, 2])?;
        let (time, ticks) = match time.split_once('.') {
            Some((time, fraction)) => (time, fraction_ticks(fraction)?),
            None => (time, 0),
        };
        let [hour, minute, second] = fixed_numbers(time, ':', [2, 2, 2])?;
        Self::new(Date::new(year, month, day)?, [hour, minute, second, ticks])
    }
}

/// Three numbers of fixed widths between separators.
fn fixed_numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        *number = parts.next().filter(|part| part.len() == width).and_then(digits)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn fraction_ticks(fraction: &str) -> Option<i64> {
    let missing_digits = u32::try_from(7_usize.checked_sub(fraction.len())?).ok()?;
    Some(digits(fraction)? * 10_i64.pow(missing_digits))
}

impl fmt::Display for DateTime {
    /// `YYYY-MM-DDThh:mm:ss.fffffffZ`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.date.year(), self.date.month(), self.date.day());
        let (seconds, ticks) = (self.ticks_of_day() / TICKS_PER_SECOND, self.ticks_of_day() % TICKS_PER_SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ticks:07}Z")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_documented_texts_are_times() {
        for (text, expected) in [
            ("2023-03-06", Some("2023-03-06T00:00:00.0000000Z")),
            ("2023-03-06Z", Some("2023-03-06T00:00:00.0000000Z")),
            ("2023-03-06 15:29:00Z", Some("2023-03-06T15:29:00.0000000Z")),
            ("2023-03-06T15:29:59.9", Some("2023-03-06T15:29:59.9000000Z")),
            ("2023-03-06T15:29:59.1234567Z", Some("2023-03-06T15:29:59.1234567Z")),
            ("2024-02-29", Some("2024-02-29T00:00:00.0000000Z")),
            ("0001-01-01", Some("0001-01-01T00:00:00.0000000Z")),
            ("9999-12-31T23:59:59.9999999Z", Some("9999-12-31T23:59:59.9999999Z")),
            ("2023-02-29", None),
            ("1900-02-29", None),
            ("0000-01-01", None),
            ("2023-13-01", None),
            ("2023-3-6", None),
            ("23-03-06", None),
            ("2023-03-06T", None),
            ("2023-03-06T15:29", None),
            ("2023-03-06T24:00:00", None),
            ("2023-03-06T15:60:00", None),
            ("2023-03-06T15:29:60", None),
            ("2023-03-06T15:29:59.", None),
            ("2023-03-06T15:29:59.12345678", None),
            ("2023-03-06T15:29:59+01:00", None),
            ("2023-03-06t15:29:59", None),
            ("2023-03-06T15:29:59z", None),
            (" 2023-03-06", None),
            ("+023-03-06", None),
            ("", None),
        ] {
            assert_eq!(DateTime::parse(text).map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_end_after_the_year_9999() {
        let last = DateTime::parse("9999-12-31T23:59:59.9999999Z").expect("a time");
        assert_eq!(DateTime::of_ticks(last.ticks()), Some(last));
        assert_eq!(DateTime::of_ticks(last.ticks() + 1), None);
        let first = DateTime::parse("0001-01-01").expect("a time");
        assert_eq!(DateTime::of_ticks(first.ticks()), Some(first));
        assert_eq!(DateTime::of_ticks(first.ticks() - 1), None);
    }

    proptest! {
        #[test]
        fn the_text_of_a_time_reads_as_that_time(ticks in -621_355_968_000_000_000_i64..2_534_023_008_000_000_000) {
            let time = DateTime::of_ticks(ticks).expect("in range");
            prop_assert_eq!(DateTime::parse(&time.to_string()), Some(time));
        }
    }
}
