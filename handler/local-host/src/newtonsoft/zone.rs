//! The time zone of the host, in which it writes every date that has an offset.
//!
//! .NET reads offsets in whole minutes and extends the last rules of a zone without end, so this does the same.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{OffsetComponents, Tz};

/// The last year for which the rules of every zone are listed.
const LAST_LISTED_YEAR: i32 = 2099;
/// Every pair of day of the week and length of the year occurs once in so many years.
const CALENDAR_CYCLE_YEARS: i32 = 28;

/// A time zone by its name in the IANA database, such as `America/New_York`. Default: UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(Tz);

/// A name that is not in the IANA database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {0:?}; use a name of the IANA database, such as UTC, Europe/Berlin or America/New_York")]
pub struct UnknownTimeZone(String);

impl Default for TimeZone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        name.parse().map(Self).map_err(|_| UnknownTimeZone(name.to_owned()))
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.name())
    }
}

impl TimeZone {
    /// The local time at a time in UTC.
    pub(crate) fn to_local(self, utc: DateTime<Utc>) -> NaiveDateTime {
        let utc = utc.naive_utc();
        utc + TimeDelta::minutes(self.offset_at(utc).into())
    }

    /// The time in UTC of a local time. Where the local time occurs twice or never, it is taken to be outside summer time, as in .NET.
    pub(crate) fn to_utc(self, local: NaiveDateTime) -> DateTime<Utc> {
        (local - TimeDelta::minutes(self.offset_at_local(local).into())).and_utc()
    }

    /// Minutes east of UTC at a time in UTC.
    pub(super) fn offset_at(self, utc: NaiveDateTime) -> i32 {
        self.minutes(&self.0.offset_from_utc_datetime(&in_listed_year(utc)))
    }

    /// Minutes east of UTC at a local time. Outside summer time where the local time occurs twice or never.
    pub(super) fn offset_at_local(self, local: NaiveDateTime) -> i32 {
        match self.0.offset_from_local_datetime(&in_listed_year(local)) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(_, offset) => self.minutes(&offset),
            MappedLocalTime::None => whole_minutes(self.base()),
        }
    }

    /// .NET stores the difference to the base offset, without its seconds.
    fn minutes(self, offset: &(impl Offset + OffsetComponents)) -> i32 {
        let base = self.base();
        let total = TimeDelta::seconds(offset.fix().local_minus_utc().into());
        whole_minutes(base) + whole_minutes(total - base)
    }

    fn base(self) -> TimeDelta {
        self.0.offset_from_utc_datetime(&Utc::now().naive_utc()).base_utc_offset()
    }
}

fn whole_minutes(difference: TimeDelta) -> i32 {
    i32::try_from(difference.num_minutes()).unwrap_or_default()
}

/// The same day in the last listed year that has the same days of the week.
fn in_listed_year(time: NaiveDateTime) -> NaiveDateTime {
    if time.year() <= LAST_LISTED_YEAR {
        return time;
    }
    let first_weekday = |year| NaiveDate::from_yo_opt(year, 1).map(|day| (day.weekday(), day.leap_year()));
    let same = |year: &i32| first_weekday(*year) == first_weekday(time.year());
    let listed = (LAST_LISTED_YEAR - 2 * CALENDAR_CYCLE_YEARS..=LAST_LISTED_YEAR).rev().find(same);
    listed.and_then(|year| time.with_year(year)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::{NaiveDateTime, TimeZone};

    fn offset(zone: &str, utc: &str) -> i32 {
        let zone: TimeZone = zone.parse().expect("a zone");
        zone.offset_at(utc.parse::<NaiveDateTime>().expect("a time"))
    }

    #[test]
    fn an_offset_follows_the_rules_of_the_zone() {
        for (zone, utc, minutes) in [
            ("UTC", "2024-07-01T00:00:00", 0),
            ("America/New_York", "2024-01-01T00:00:00", -300),
            ("America/New_York", "2024-03-10T06:59:59", -300),
            ("America/New_York", "2024-03-10T07:00:00", -240),
            ("Europe/Berlin", "2024-07-01T00:00:00", 120),
            ("Asia/Kolkata", "2024-07-01T00:00:00", 330),
            ("Australia/Lord_Howe", "2024-01-01T00:00:00", 660),
        ] {
            assert_eq!(offset(zone, utc), minutes, "{zone} {utc}");
        }
    }

    #[test]
    fn an_offset_of_local_mean_time_has_whole_minutes() {
        assert_eq!(offset("America/New_York", "0001-01-01T14:00:00"), -297);
        assert_eq!(offset("Europe/Berlin", "1800-01-01T00:00:00"), 54);
    }

    #[test]
    fn the_last_rules_are_extended() {
        for (utc, minutes) in [("2099-07-01", -240), ("2101-07-01", -240), ("2400-02-29", -300), ("9999-12-31", -300)] {
            assert_eq!(offset("America/New_York", &format!("{utc}T12:00:00")), minutes, "{utc}");
        }
    }

    #[test]
    fn a_local_time_that_occurs_twice_or_never_is_outside_summer_time() {
        let zone: TimeZone = "America/New_York".parse().expect("a zone");
        for local in ["2024-11-03T01:30:00", "2024-03-10T02:30:00"] {
            assert_eq!(zone.offset_at_local(local.parse().expect("a time")), -300, "{local}");
        }
        assert_eq!(zone.offset_at_local("2024-07-01T00:00:00".parse().expect("a time")), -240);
    }

    #[test]
    fn a_name_that_is_unknown_is_an_error() {
        let error = "Mars/Olympus".parse::<TimeZone>().expect_err("an error");
        assert!(error.to_string().contains("Mars/Olympus"), "{error}");
        assert_eq!("Europe/Berlin".parse::<TimeZone>().expect("a zone").to_string(), "Europe/Berlin");
    }
}
