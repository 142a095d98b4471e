//! The schedule of a timer: six NCRONTAB fields (`{second} {minute} {hour} {day} {month} {day of week}`), five without the
//! second, or a time span between calls. The fields are those of the local time of the host.

use std::time::Duration;

use chrono::{DateTime, Datelike, Days, NaiveDateTime, NaiveTime, Utc};

use super::time_span;
use crate::newtonsoft::TimeZone;

/// The syntax, for error messages.
pub(crate) const SYNTAX: &str = "six NCRONTAB fields such as 0 */5 * * * * ({second} {minute} {hour} {day} {month} {day of week}), or a time span such as 00:05:00";

/// How far ahead to search: 29 February falls on a given day of the week at least once in 40 years.
const DAYS_AHEAD: u64 = 40 * 366;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    Cron(Box<Cron>),
    Interval(Duration),
}

/// The matching values of each field, as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    days_of_week: u64,
}

impl Schedule {
    /// `None` for an invalid schedule.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.as_slice() {
            [span] => {
                let span = time_span::parse(span).filter(|span| !span.is_zero() && text.contains(':'))?;
                Some(Self::Interval(span))
            }
            [_, _, _, _, _] => Cron::parse(&[&["0"], fields.as_slice()].concat()).map(Box::new).map(Self::Cron),
            fields => Cron::parse(fields).map(Box::new).map(Self::Cron),
        }
    }

    /// The first due time after `after` on a host in this time zone, if any.
    pub(crate) fn next(&self, after: DateTime<Utc>, zone: TimeZone) -> Option<DateTime<Utc>> {
        match self {
            Self::Interval(span) => after.checked_add_signed(chrono::TimeDelta::from_std(*span).ok()?),
            Self::Cron(cron) => {
                let mut due_times = cron.local_times(zone.to_local(after)).map(|local| zone.to_utc(local));
                due_times.find(|due| *due > after)
            }
        }
    }

    /// Whether a change to or from summer time moves the calls.
    pub(crate) fn adjusts_for_summer_time(&self) -> bool {
        matches!(self, Self::Cron(_))
    }
}

impl Cron {
    fn parse(fields: &[&str]) -> Option<Self> {
        const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let [second, minute, hour, day, month, day_of_week] = fields else { return None };
        Some(Self {
            seconds: field(second, 0, 59, &[])?,
            minutes: field(minute, 0, 59, &[])?,
            hours: field(hour, 0, 23, &[])?,
            days: field(day, 1, 31, &[])?,
            months: field(month, 1, 12, &MONTHS)?,
            days_of_week: field(day_of_week, 0, 6, &DAYS)?,
        })
    }

    /// The matching local times after this one.
    fn local_times(&self, after: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let times = bits(self.hours).flat_map(move |hour| {
            bits(self.minutes).flat_map(move |minute| {
                bits(self.seconds).filter_map(move |second| NaiveTime::from_hms_opt(hour, minute, second))
            })
        });
        let first = after.date();
        let dates = (0..DAYS_AHEAD).filter_map(move |days| first.checked_add_days(Days::new(days)));
        let due_dates = dates.filter(move |date| {
            has(self.days, date.day())
                && has(self.months, date.month())
                && has(self.days_of_week, date.weekday().num_days_from_sunday())
        });
        let due_times = due_dates.flat_map(move |date| times.clone().map(move |time| date.and_time(time)));
        due_times.filter(move |time| *time > after)
    }
}

fn has(bits: u64, value: u32) -> bool {
    bits >> value & 1 == 1
}

fn bits(bits: u64) -> impl Iterator<Item = u32> + Clone {
    (0..u64::BITS).filter(move |value| has(bits, *value))
}

/// Parses a field: `*`, `*/5`, `7`, `1-5`, `1-30/2`, or a list of these. `names` may replace numbers.
fn field(text: &str, min: u32, max: u32, names: &[&str]) -> Option<u64> {
    let value = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = named.and_then(|index| u32::try_from(index).ok()).map(|index| index + min);
        number.or_else(|| text.parse().ok()).filter(|value| (min..=max).contains(value))
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((first, last)) => (value(first)?, value(last)?),
            None if step.is_some() => (value(range)?, max),
            None => (value(range)?, value(range)?),
        };
        if first > last {
            return None;
        }
        bits |= (first..=last).step_by(step.unwrap_or(1) as usize).fold(0, |bits, value| bits | 1 << value);
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::{Schedule, TimeZone};

    fn next_in(zone: &str, schedule: &str, after: &str) -> Option<String> {
        let (after, zone) = (after.parse().expect("a time"), zone.parse().expect("a zone"));
        let next = Schedule::parse(schedule).expect(schedule).next(after, zone)?;
        Some(next.to_rfc3339().replace("+00:00", "Z"))
    }

    fn next(schedule: &str, after: &str) -> Option<String> {
        next_in(&TimeZone::default().to_string(), schedule, after)
    }

    #[test]
    fn the_next_due_time_is_the_first_that_matches_every_field() {
        for (schedule, after, expected) in [
            ("0 11 * * * *", "2026-11-20T10:31:07Z", "2026-11-20T11:11:00Z"),
            ("0 11 * * * *", "2026-11-20T23:11:00Z", "2026-11-21T00:11:00Z"),
            ("*/10 * * * * *", "2026-11-20T10:31:07.5Z", "2026-11-20T10:31:10Z"),
            ("0 30 9 * * Mon-Fri", "2026-11-20T10:31:07Z", "2026-11-23T09:30:00Z"),
            ("0 0 0 1 jan *", "2026-11-20T10:31:07Z", "2027-01-01T00:00:00Z"),
            ("0 0 12 29 2 *", "2026-11-20T10:31:07Z", "2028-02-29T12:00:00Z"),
            ("0 0 12 29 2 mon", "2026-11-20T10:31:07Z", "2044-02-29T12:00:00Z"),
            ("0 0 12 29 2 mon", "2072-03-01T00:00:00Z", "2112-02-29T12:00:00Z"),
            ("5,10 0-4/2 3 * * *", "2026-11-20T03:00:10Z", "2026-11-20T03:02:05Z"),
            ("30 9 * * *", "2026-11-20T10:31:07Z", "2026-11-21T09:30:00Z"),
            ("00:05:00", "2026-11-20T10:31:07Z", "2026-11-20T10:36:07Z"),
        ] {
            assert_eq!(next(schedule, after).as_deref(), Some(expected), "{schedule}");
        }
        assert_eq!(next("0 0 0 31 2 *", "2026-11-20T10:31:07Z"), None);
    }

    #[test]
    fn the_fields_are_those_of_the_local_time() {
        for (zone, schedule, after, expected) in [
            ("America/New_York", "0 30 9 * * *", "2026-11-20T10:31:07Z", "2026-11-20T14:30:00Z"),
            ("America/New_York", "0 30 9 * * *", "2026-07-20T14:31:07Z", "2026-07-21T13:30:00Z"),
            ("Asia/Kolkata", "0 0 0 1 jan *", "2026-12-31T18:29:59Z", "2026-12-31T18:30:00Z"),
            ("America/New_York", "00:05:00", "2026-11-01T05:59:00Z", "2026-11-01T06:04:00Z"),
            // Summer time begins: 2:30 does not occur.
            ("America/New_York", "0 30 2 * * *", "2026-03-08T06:00:00Z", "2026-03-08T07:30:00Z"),
            ("America/New_York", "0 30 2 * * *", "2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"),
            ("America/New_York", "0 30 * * * *", "2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"),
            // Summer time ends: 1:30 occurs twice, and the second one counts.
            ("America/New_York", "0 30 1 * * *", "2026-11-01T04:00:00Z", "2026-11-01T06:30:00Z"),
            ("America/New_York", "0 30 1 * * *", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"),
        ] {
            assert_eq!(next_in(zone, schedule, after).as_deref(), Some(expected), "{zone} {schedule} {after}");
        }
    }

    #[test]
    fn invalid_schedules_are_rejected() {
        for wrong in [
            "",
            "hourly",
            "5",
            "* * * *",
            "60 * * * * *",
            "0 0 0 0 * *",
            "0 0 0 * * 7",
            "*/0 * * * * *",
            "5-1 * * * * *",
            "00:00:00",
        ] {
            assert_eq!(Schedule::parse(wrong), None, "{wrong}");
        }
    }
}
