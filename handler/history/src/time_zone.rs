//! The zone in which people write times.
//!
//! `jiff` knows the zones: it finds that of the machine with its name, carries a copy of the zone database for machines that have none,
//! and says of a local time that it does not exist or exists twice, with both offsets. `chrono` has no names for the machine's zone.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, Offset, Utc};
use jiff::Timestamp;

/// The longest name of a zone.
const MAX_NAME_BYTES: usize = 100;

thread_local! {
    static CURRENT: RefCell<Option<TimeZone>> = const { RefCell::new(None) };
}

/// A zone of the IANA database, or that of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone {
    zone: jiff::tz::TimeZone,
}

impl TimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self { zone: jiff::tz::TimeZone::UTC };

    /// The zone of this machine; UTC if it has none.
    pub fn of_machine() -> Self {
        jiff::tz::TimeZone::try_system().map_or(Self::UTC, |zone| Self { zone })
    }

    /// Reads texts whose times are in this zone if they name none. Readers of JSON and of query strings get no context, so the zone is
    /// set for the thread until `read` returns.
    pub fn within<T>(&self, read: impl FnOnce() -> T) -> T {
        struct Restored(Option<TimeZone>);
        impl Drop for Restored {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _before = Restored(CURRENT.take());
        CURRENT.set(Some(self.clone()));
        read()
    }

    /// The zone that [`Self::within`] has set; otherwise UTC.
    pub(crate) fn current() -> Self {
        CURRENT.with_borrow(Clone::clone).unwrap_or(Self::UTC)
    }

    /// The time in this zone. Its offset has whole minutes, as in RFC 3339.
    pub fn local(&self, time: DateTime<Utc>) -> DateTime<FixedOffset> {
        let offset = timestamp(time).map_or(0, |timestamp| self.zone.to_offset(timestamp).seconds());
        time.with_timezone(&offset_of(offset))
    }

    /// The time of day on a day, counted from 1970-01-01, in this zone. Where clocks skip it, it is that much later; where it exists twice, it
    /// is the first one. `None` outside of the years -9999 to 9999.
    pub fn on_day(&self, day: i64, hour: i8, minute: i8) -> Option<DateTime<Utc>> {
        let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).ok()?).ok()?;
        let time = jiff::civil::Time::new(hour, minute, 0, 0).ok()?;
        let zoned = date.to_datetime(time).to_zoned(self.zone.clone()).ok()?;
        DateTime::from_timestamp_millis(zoned.timestamp().as_millisecond())
    }

    pub(crate) fn zone(&self) -> &jiff::tz::TimeZone {
        &self.zone
    }
}

/// An offset from UTC in seconds, to the minute.
pub(crate) fn offset_of(seconds: i32) -> FixedOffset {
    FixedOffset::east_opt(seconds / 60 * 60).unwrap_or_else(|| Utc.fix())
}

/// The same time in the other library, to the millisecond; `None` outside the years -9999 to 9999.
pub(crate) fn timestamp(time: DateTime<Utc>) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.timestamp_millis()).ok()
}

impl FromStr for TimeZone {
    type Err = String;

    /// Reads the name of a zone, in any case.
    fn from_str(name: &str) -> Result<Self, String> {
        let is_name = name.len() <= MAX_NAME_BYTES
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-+".contains(&byte));
        let zone = Some(name).filter(|_| is_name).and_then(|name| jiff::tz::TimeZone::get(name).ok());
        zone.filter(|zone| !zone.is_unknown()).map(|zone| Self { zone }).ok_or_else(|| {
            let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
            format!("unknown time zone {shown:?}; use a name of the IANA database, such as Europe/Berlin or UTC")
        })
    }
}

/// The name of the zone.
impl fmt::Display for TimeZone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.zone.iana_name().unwrap_or("the zone of this machine"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_a_name_of_the_database() {
        for (text, name) in
            [("Europe/Berlin", "Europe/Berlin"), ("utc", "UTC"), ("america/new_york", "America/New_York")]
        {
            assert_eq!(text.parse::<TimeZone>().expect(text).to_string(), name);
        }
        for wrong in ["", "Berlin", "+01:00", "../../etc/passwd", "/etc/localtime", "Europe/Atlantis", "Etc/Unknown"] {
            let message = wrong.parse::<TimeZone>().expect_err(wrong);
            assert!(message.starts_with("unknown time zone") && message.contains("Europe/Berlin"), "{message}");
        }
    }

    #[test]
    fn a_time_of_day_exists_once_on_every_day() {
        let zone: TimeZone = "Europe/Berlin".parse().expect("a zone");
        let day = |date: &str| date.parse::<chrono::NaiveDate>().expect("a date").to_epoch_days();
        for (date, expected) in [
            ("2026-03-28", "2026-03-28T01:30:00Z"),
            // The clocks skip 02:30.
            ("2026-03-29", "2026-03-29T01:30:00Z"),
            // 02:30 exists twice.
            ("2026-10-25", "2026-10-25T00:30:00Z"),
            ("2026-10-26", "2026-10-26T01:30:00Z"),
        ] {
            let time = zone.on_day(i64::from(day(date)), 2, 30).expect("a time");
            assert_eq!(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), expected, "{date}");
        }
        assert_eq!((zone.on_day(i64::MAX, 2, 30), zone.on_day(0, 24, 0)), (None, None));
    }

    #[test]
    fn the_zone_of_times_is_set_while_they_are_read() {
        let zone = |name: &str| name.parse::<TimeZone>().expect(name);
        assert_eq!(TimeZone::current(), TimeZone::UTC);
        zone("Europe/Berlin").within(|| {
            zone("Asia/Tokyo").within(|| assert_eq!(TimeZone::current(), zone("Asia/Tokyo")));
            assert_eq!(TimeZone::current(), zone("Europe/Berlin"));
        });
        assert_eq!(TimeZone::current(), TimeZone::UTC);
    }
}
