//! Times as people write them: `10:31`, `yesterday 10:00`, `2026-11-26`, `10m`.
//!
//! The forms are read here, with the calendar and the zones of `jiff`. Libraries for such texts read more than is safe in an
//! emergency: `interim` and `chrono-english` read `10m` and `friday` as times to come, and a local time that exists twice as the first.

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset};

use crate::time_zone::{TimeZone, offset_of, timestamp};

/// The most characters of a wrong time that a message shows.
const SHOWN_CHARACTERS: usize = 80;
const ALLOWED: &str = "use a local time (10:31, 2026-11-26, 2026-11-26 10:00, today, yesterday 10:00, last monday), a time before now \
                       (10m or -10m; units s, m, h, d), RFC 3339 (2026-11-20T10:31:00Z), or seconds since 1970";

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The day of a local time.
#[derive(Clone, Copy)]
enum Day {
    On(Date),
    /// The last day on which that time was not after now.
    Latest,
}

/// Reads a time. A local one is in `zone`, and one before now counts back from `now`.
///
/// # Errors
/// Names the allowed forms; for a local time that does not exist or exists twice, both readings.
pub(crate) fn read(text: &str, now: DateTime<Utc>, zone: &TimeZone) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let time = if let Some(time) = before(text, now) {
        time
    } else if let Ok(seconds) = text.parse::<f64>() {
        of_seconds(seconds)
    } else if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        Some(time.to_utc())
    } else {
        // The form of tables.
        let utc = TimeZone::UTC;
        let (text, zone) = text.strip_suffix(" UTC").map_or((text, zone), |text| (text, &utc));
        match local(text, now, zone) {
            Some((day, time)) => Some(resolve(day, time, now, zone)?),
            None => None,
        }
    };
    let shown = || format!("{:?}", text.chars().take(SHOWN_CHARACTERS).collect::<String>());
    time.filter(|time| (0..=9999).contains(&time.year())).ok_or_else(|| invalid(shown()))
}

/// The error for what is no time.
pub(crate) fn invalid(text: impl std::fmt::Display) -> String {
    format!("invalid time {text}; {ALLOWED}")
}

/// The time of so many seconds since 1970.
pub(crate) fn of_seconds(seconds: f64) -> Option<DateTime<Utc>> {
    // Years of at most four digits.
    let is_valid = (0.0..=253_402_300_799.0).contains(&seconds);
    DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64).filter(|_| is_valid)
}

/// `10m` or `-10m`: a time before now. The outer `None` is another form, the inner one a wrong one.
fn before(text: &str, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
    let (is_signed, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let seconds = rest.split_at_checked(rest.len().saturating_sub(1)).and_then(|(number, unit)| {
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u32>().ok().filter(|_| is_number)?;
        TimeDelta::try_seconds(i64::from(number) * seconds)
    });
    match seconds {
        Some(seconds) => Some(now.checked_sub_signed(seconds)),
        None => is_signed.then_some(None),
    }
}

/// The day and the time of day of a local time; without one, the beginning of the day.
fn local(text: &str, now: DateTime<Utc>, zone: &TimeZone) -> Option<(Day, Option<Time>)> {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let today = zone.zone().to_datetime(timestamp(now)?).date();
    let (day, rest) = match words.as_slice() {
        ["today", rest @ ..] => (today, rest),
        ["yesterday", rest @ ..] => (today.yesterday().ok()?, rest),
        ["last", name, rest @ ..] => {
            let (_, weekday) = WEEKDAYS.iter().find(|(weekday, _)| weekday == name)?;
            // Before today, even if today has that name.
            (today.nth_weekday(-1, *weekday).ok()?, rest)
        }
        [time] if time.contains(':') => return Some((Day::Latest, Some(time_of_day(time)?))),
        [date, rest @ ..] => (date_of(date)?, rest),
        [] => return None,
    };
    match rest {
        [] => Some((Day::On(day), None)),
        [time] => Some((Day::On(day), Some(time_of_day(time)?))),
        _ => None,
    }
}

/// `2026-11-26`.
fn date_of(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let date = [(4, parts.next()?), (2, parts.next()?), (2, parts.next()?)].map(|(digits, part)| number(part, digits));
    let [year, month, day] = date;
    let date = Date::new(i16::try_from(year?).ok()?, i8::try_from(month?).ok()?, i8::try_from(day?).ok()?).ok()?;
    parts.next().is_none().then_some(date)
}

/// `10:31` or `10:31:05`.
fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let hour = parts.next()?;
    let hour = number(hour, 2).or_else(|| number(hour, 1))?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |second| number(second, 2))?;
    let [hour, minute, second] = [hour, minute, second].map(|number| i8::try_from(number).ok());
    Time::new(hour?, minute?, second?, 0).ok().filter(|_| parts.next().is_none())
}

/// A number of so many digits.
fn number(text: &str, digits: usize) -> Option<u16> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// The time that a local one is.
fn resolve(day: Day, time: Option<Time>, now: DateTime<Utc>, zone: &TimeZone) -> Result<DateTime<Utc>, String> {
    match (day, time) {
        (Day::On(date), Some(time)) => on_day(date, time, zone),
        (Day::On(date), None) => {
            let start = date.to_zoned(zone.zone().clone()).ok().filter(|start| start.date() == date);
            let start = start.and_then(|start| DateTime::from_timestamp_millis(start.timestamp().as_millisecond()));
            start.ok_or_else(|| format!("{date} does not exist in {zone}; use another day"))
        }
        (Day::Latest, time) => latest(time.unwrap_or(Time::midnight()), now, zone),
    }
}

/// The latest such time of day that is not after now. Of a time that existed twice today, a reading to come does not count.
fn latest(time: Time, now: DateTime<Utc>, zone: &TimeZone) -> Result<DateTime<Utc>, String> {
    let out_of_range = || format!("{time} has no day before now; use a time with its day");
    let now_local = zone.zone().to_datetime(timestamp(now).ok_or_else(out_of_range)?);
    let today = now_local.date();
    let readings = Readings::of(today, time, zone);
    match (readings.missing, readings.earlier, readings.later) {
        (true, ..) if today.to_datetime(time) < now_local => return Err(readings.refused(today, time, zone)),
        (false, _, Some(later)) if later <= now => return on_day(today, time, zone),
        (false, Some(earlier), _) if earlier <= now => return Ok(earlier),
        _ => {}
    }
    on_day(today.yesterday().map_err(|_| out_of_range())?, time, zone)
}

/// The time of day on a day.
fn on_day(date: Date, time: Time, zone: &TimeZone) -> Result<DateTime<Utc>, String> {
    let readings = Readings::of(date, time, zone);
    match readings.earlier {
        Some(only) if !readings.missing && readings.earlier == readings.later => Ok(only),
        _ => Err(readings.refused(date, time, zone)),
    }
}

/// The times that a local time can be: the same one twice, except where clocks are set forward or back.
struct Readings {
    /// Whether the clocks skip the local time.
    missing: bool,
    earlier: Option<DateTime<Utc>>,
    later: Option<DateTime<Utc>>,
    offsets: [i32; 2],
}

impl Readings {
    fn of(date: Date, time: Time, zone: &TimeZone) -> Self {
        let local = date.to_datetime(time);
        // The larger offset is the earlier time.
        let (missing, first, second) = match zone.zone().to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => (false, offset, offset),
            AmbiguousOffset::Fold { before, after } => (false, before, after),
            AmbiguousOffset::Gap { before, after } => (true, after, before),
        };
        let at = |offset: Offset| {
            let timestamp = offset.to_timestamp(local).ok()?;
            DateTime::from_timestamp_millis(timestamp.as_millisecond())
        };
        Self { missing, earlier: at(first), later: at(second), offsets: [first.seconds(), second.seconds()] }
    }

    /// The error that names both readings, in forms that are read.
    fn refused(&self, date: Date, time: Time, zone: &TimeZone) -> String {
        let reading = |time: Option<DateTime<Utc>>, offset: i32| {
            let local = time.unwrap_or_default().with_timezone(&offset_of(offset));
            format!(
                "{} ({})",
                local.to_rfc3339_opts(SecondsFormat::Secs, false),
                local.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true)
            )
        };
        let [first, second] = self.offsets;
        let (fault, clocks) = if self.missing { ("does not exist", "forward") } else { ("exists twice", "back") };
        format!(
            "{date} {time} {fault} in {zone}, where clocks were set {clocks}; use {} or {}",
            reading(self.earlier, first),
            reading(self.later, second)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect(text).to_utc()
    }

    fn zone(name: &str) -> TimeZone {
        name.parse().expect(name)
    }

    fn reads(zone_name: &str, now: &str, table: &[(&str, &str)]) {
        for (text, expected) in table {
            let read = read(text, utc(now), &zone(zone_name));
            assert_eq!(read.expect(text), utc(expected), "{text} in {zone_name} at {now}");
        }
    }

    #[test]
    fn every_form_is_read_in_its_zone() {
        // A Wednesday.
        let now = "2026-11-25T09:45:30.250Z";
        let same = [
            ("2020-06-23T15:33:26Z", "2020-06-23T15:33:26Z"),
            ("2020-06-23T17:33:26.500+02:00", "2020-06-23T15:33:26.500Z"),
            ("2026-11-20 10:31:00 UTC", "2026-11-20T10:31:00Z"),
            ("1592926406", "2020-06-23T15:33:26Z"),
            (" 1592926406.5 ", "2020-06-23T15:33:26.500Z"),
            ("-10m", "2026-11-25T09:35:30.250Z"),
            ("10m", "2026-11-25T09:35:30.250Z"),
            ("1d", "2026-11-24T09:45:30.250Z"),
            ("-90s", "2026-11-25T09:44:00.250Z"),
            ("36h", "2026-11-23T21:45:30.250Z"),
            ("0s", now),
        ];
        for name in ["UTC", "Europe/Berlin", "America/New_York"] {
            reads(name, now, &same);
        }
        reads(
            "Europe/Berlin",
            now,
            &[
                ("2026-11-26", "2026-11-25T23:00:00Z"),
                ("2026-07-01", "2026-06-30T22:00:00Z"),
                ("2026-11-24 10:00", "2026-11-24T09:00:00Z"),
                ("2026-11-24  10:00:07", "2026-11-24T09:00:07Z"),
                ("10:31", "2026-11-25T09:31:00Z"),
                ("10:45:30", "2026-11-25T09:45:30Z"),
                ("10:45:31", "2026-11-24T09:45:31Z"),
                ("9:05", "2026-11-25T08:05:00Z"),
                ("23:59", "2026-11-24T22:59:00Z"),
                ("today", "2026-11-24T23:00:00Z"),
                ("Today 08:00", "2026-11-25T07:00:00Z"),
                ("yesterday", "2026-11-23T23:00:00Z"),
                ("yesterday 10:00", "2026-11-24T09:00:00Z"),
                ("last monday", "2026-11-22T23:00:00Z"),
                ("last wednesday", "2026-11-17T23:00:00Z"),
                ("last Tuesday 18:30", "2026-11-24T17:30:00Z"),
                ("last sunday", "2026-11-21T23:00:00Z"),
            ],
        );
        // It is still the day before in New York.
        let night = "2026-11-26T03:00:00Z";
        reads(
            "America/New_York",
            night,
            &[
                ("today", "2026-11-25T05:00:00Z"),
                ("yesterday 10:00", "2026-11-24T15:00:00Z"),
                ("22:00", "2026-11-26T03:00:00Z"),
                ("22:01", "2026-11-25T03:01:00Z"),
                ("last thursday", "2026-11-19T05:00:00Z"),
            ],
        );
    }

    #[test]
    fn other_texts_are_refused_with_what_is_allowed() {
        let now = utc("2026-11-25T09:45:30Z");
        for wrong in [
            "",
            "-",
            "-10",
            "-10y",
            "10y",
            "noon",
            "1e300",
            "-1e5s",
            "+5m",
            "--5m",
            "2026-11-31",
            "2026-1-2",
            "26-11-20",
            "10:60",
            "24:00",
            "10:31 today",
            "tomorrow",
            "friday",
            "last",
            "last week",
            "last monday 10",
            "next monday",
            "10:31Z",
            "2026-11-20T10:31",
            "2026-11-20T10:31:00",
            "yesterday 10:00 11:00",
            "1:2:3:4",
            "inf",
            "NaN",
            "-1",
            "99999999999d",
            "4000000000d",
            "2026-11-20 10:31 CET",
        ] {
            let error = read(wrong, now, &TimeZone::UTC).expect_err(wrong);
            assert!(error.starts_with("invalid time") && error.contains("RFC 3339"), "{error}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_skip_or_repeat_is_refused_with_both_readings() {
        let now = utc("2026-11-25T09:45:30Z");
        let refused = |text: &str, zone_name: &str| read(text, now, &zone(zone_name)).expect_err(text);
        assert_eq!(
            refused("2026-03-29 02:30", "Europe/Berlin"),
            "2026-03-29 02:30:00 does not exist in Europe/Berlin, where clocks were set forward; use 2026-03-29T02:30:00+02:00 \
             (2026-03-29T00:30:00Z) or 2026-03-29T02:30:00+01:00 (2026-03-29T01:30:00Z)"
        );
        assert_eq!(
            refused("2026-10-25 02:00", "Europe/Berlin"),
            "2026-10-25 02:00:00 exists twice in Europe/Berlin, where clocks were set back; use 2026-10-25T02:00:00+02:00 \
             (2026-10-25T00:00:00Z) or 2026-10-25T02:00:00+01:00 (2026-10-25T01:00:00Z)"
        );
        assert!(refused("2026-03-08 02:59:59", "America/New_York").contains("T02:59:59-05:00 (2026-03-08T07:59:59Z)"));
        assert!(refused("2026-11-01 01:00", "America/New_York").contains("or 2026-11-01T01:00:00-05:00"));
        assert!(refused("2011-12-30", "Pacific/Apia").contains("2011-12-30 does not exist in Pacific/Apia"));
        // Each reading is read as itself, and so are the times around.
        reads(
            "America/New_York",
            "2026-11-25T09:45:30Z",
            &[
                ("2026-11-01T01:00:00-04:00", "2026-11-01T05:00:00Z"),
                ("2026-11-01T01:00:00-05:00", "2026-11-01T06:00:00Z"),
                ("2026-11-01 00:59:59", "2026-11-01T04:59:59Z"),
                ("2026-11-01 02:00", "2026-11-01T07:00:00Z"),
                ("2026-03-08 01:59:59", "2026-03-08T06:59:59Z"),
                ("2026-03-08 03:00", "2026-03-08T07:00:00Z"),
            ],
        );
        // In Beirut, clocks are set forward at midnight: the day begins at one.
        reads("Asia/Beirut", "2026-11-25T09:45:30Z", &[("2024-03-31", "2024-03-30T22:00:00Z")]);
    }

    #[test]
    fn a_time_of_day_is_the_latest_one_that_is_not_to_come() {
        let berlin = "Europe/Berlin";
        // Clocks are set forward at 01:00 UTC, from 02:00 to 03:00.
        reads(berlin, "2026-03-29T00:59:00Z", &[("02:30", "2026-03-28T01:30:00Z"), ("01:59", "2026-03-29T00:59:00Z")]);
        reads(berlin, "2026-03-29T01:00:00Z", &[("03:00", "2026-03-29T01:00:00Z"), ("3:01", "2026-03-28T02:01:00Z")]);
        let refused = read("02:30", utc("2026-03-29T01:00:00Z"), &zone(berlin)).expect_err("skipped");
        assert!(refused.contains("does not exist"), "{refused}");
        let refused = read("02:30", utc("2026-03-30T00:15:00Z"), &zone(berlin)).expect_err("skipped yesterday");
        assert!(refused.starts_with("2026-03-29 02:30:00 does not exist"), "{refused}");
        // Clocks are set back at 01:00 UTC, from 03:00 to 02:00.
        reads(berlin, "2026-10-25T00:29:00Z", &[("02:30", "2026-10-24T00:30:00Z"), ("02:29", "2026-10-25T00:29:00Z")]);
        reads(berlin, "2026-10-25T01:29:00Z", &[("02:30", "2026-10-25T00:30:00Z")]);
        let refused = read("02:30", utc("2026-10-25T01:30:00Z"), &zone(berlin)).expect_err("twice");
        assert!(refused.contains("exists twice"), "{refused}");
    }

    proptest! {
        /// A time of day is within the day before now, and is that time by the clocks there.
        #[test]
        fn a_time_of_day_is_within_a_day(second in 1_600_000_000..1_900_000_000i64, hour in 0..24u32, minute in 0..60u32) {
            let now = DateTime::from_timestamp(second, 0).expect("now");
            for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
                let text = format!("{hour:02}:{minute:02}");
                match read(&text, now, &zone(name)) {
                    Ok(time) => {
                        prop_assert!(time <= now && now - time < TimeDelta::hours(26), "{} {} {}", text, now, time);
                        prop_assert_eq!(zone(name).local(time).format("%H:%M:%S").to_string(), format!("{text}:00"));
                    }
                    Err(refused) => prop_assert!(refused.contains("exists twice") || refused.contains("does not exist"), "{}", refused),
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9:.TZ dhms]{0,20}|(last|today|yesterday|monday) ?[0-9:]{0,8}|\\PC{0,9}") {
            let now = utc("2026-11-25T09:45:30Z");
            if let Err(message) = read(&text, now, &zone("Europe/Berlin")) {
                prop_assert!(message.contains("invalid time") || message.contains("exist"), "{}", message);
            }
        }
    }
}
