//! The time zone of the host, in which it writes every date that has an offset.
//!
//! .NET reads offsets in whole minutes and extends the last rules of a zone without end, so this does the same.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZoneDatabase};

static UTC: jiff::tz::TimeZone = jiff::tz::TimeZone::UTC;

/// A time zone by its name in the IANA database, such as `America/New_York`. Default: UTC. The database is the one in this program, so
/// that every machine has the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(&'static jiff::tz::TimeZone);

/// A name that is not in the IANA database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {0:?}; use a name of the IANA database, such as UTC, Europe/Berlin or America/New_York")]
pub struct UnknownTimeZone(String);

impl Default for TimeZone {
    fn default() -> Self {
        Self(&UTC)
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        match TimeZoneDatabase::bundled().get(name) {
            // A host has one zone, until its process ends.
            Ok(zone) => Ok(Self(Box::leak(Box::new(zone)))),
            Err(_) => Err(UnknownTimeZone(name.to_owned())),
        }
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.iana_name().unwrap_or("UTC"))
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
        self.minutes(self.0.to_offset(timestamp(utc.and_utc())))
    }

    /// Minutes east of UTC at a local time. Outside summer time where the local time occurs twice or never.
    pub(super) fn offset_at_local(self, local: NaiveDateTime) -> i32 {
        match self.0.to_ambiguous_timestamp(civil(local)).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { after: offset, .. } => {
                self.minutes(offset)
            }
            AmbiguousOffset::Gap { .. } => self.base().seconds() / 60,
        }
    }

    /// .NET stores the difference to the base offset, without its seconds.
    fn minutes(self, offset: Offset) -> i32 {
        let base = self.base().seconds();
        base / 60 + (offset.seconds() - base) / 60
    }

    /// The offset outside summer time, by the rules of today.
    fn base(self) -> Offset {
        let now = timestamp(Utc::now());
        let info = self.0.to_offset_info(now);
        let standard =
            if info.dst().is_dst() { self.0.preceding(now).find(|change| !change.dst().is_dst()) } else { None };
        standard.map_or(info.offset(), |change| change.offset())
    }
}

/// A time; after the last one that `jiff` knows, which is on the last day of the year 9999, that one.
fn timestamp(time: DateTime<Utc>) -> Timestamp {
    let last = if time.year() < 1970 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(time.timestamp()).unwrap_or(last)
}

/// A local time of the years 1 to 9999, without its fraction of a second.
fn civil(local: NaiveDateTime) -> jiff::civil::DateTime {
    let small = |number: u32| i8::try_from(number).unwrap_or_default();
    let (date, time) = (local.date(), local.time());
    let year = i16::try_from(date.year()).unwrap_or(i16::MAX);
    let [month, day] = [date.month(), date.day()].map(small);
    let [hour, minute, second] = [time.hour(), time.minute(), time.second()].map(small);
    jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).unwrap_or(jiff::civil::DateTime::MAX)
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
        // One of the two zones has summer time on the day of the test.
        for (zone, local, minutes) in [
            ("America/New_York", "2024-11-03T01:30:00", -300),
            ("America/New_York", "2024-03-10T02:30:00", -300),
            ("America/New_York", "2024-07-01T00:00:00", -240),
            ("Australia/Sydney", "2024-04-07T02:30:00", 600),
            ("Australia/Sydney", "2024-10-06T02:30:00", 600),
            ("Australia/Sydney", "2024-01-01T00:00:00", 660),
        ] {
            let zone: TimeZone = zone.parse().expect("a zone");
            assert_eq!(zone.offset_at_local(local.parse().expect("a time")), minutes, "{zone} {local}");
        }
    }

    #[test]
    fn a_name_that_is_unknown_is_an_error() {
        let error = "Mars/Olympus".parse::<TimeZone>().expect_err("an error");
        assert!(error.to_string().contains("Mars/Olympus"), "{error}");
        assert_eq!("Europe/Berlin".parse::<TimeZone>().expect("a zone").to_string(), "Europe/Berlin");
    }
}
