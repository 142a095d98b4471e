//! The schedule of a timer: six NCRONTAB fields (`{second} {minute} {hour} {day} {month} {day of week}`), five without the
//! second, or a time span between calls. Times are in UTC, as in the real host without `WEBSITE_TIME_ZONE`.

use std::time::Duration;

use chrono::{DateTime, Datelike, Days, NaiveTime, Utc};

use super::time_span;

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

    /// The first due time after `after`, if any.
    pub(crate) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Interval(span) => after.checked_add_signed(chrono::TimeDelta::from_std(*span).ok()?),
            Self::Cron(cron) => cron.next(after),
        }
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

    fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let times = bits(self.hours).flat_map(|hour| {
            bits(self.minutes).flat_map(move |minute| {
                bits(self.seconds).filter_map(move |second| NaiveTime::from_hms_opt(hour, minute, second))
            })
        });
        let first = after.date_naive();
        let dates = (0..DAYS_AHEAD).filter_map(|days| first.checked_add_days(Days::new(days)));
        let mut due_dates = dates.filter(|date| {
            has(self.days, date.day())
                && has(self.months, date.month())
                && has(self.days_of_week, date.weekday().num_days_from_sunday())
        });
        due_dates.find_map(|date| times.clone().map(|time| date.and_time(time).and_utc()).find(|time| *time > after))
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
    use super::Schedule;

    fn next(schedule: &str, after: &str) -> Option<String> {
        let after = after.parse().expect("a time");
        Schedule::parse(schedule).expect(schedule).next(after).map(|time| time.to_rfc3339().replace("+00:00", "Z"))
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
