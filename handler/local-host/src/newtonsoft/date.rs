//! Strings that Newtonsoft.Json parses as dates, and how it reformats them.
//!
//! Two forms are dates: ISO 8601 with a time of day, and `/Date(milliseconds)/`. The ISO parser is more lenient than the
//! standard in places (an offset may lack its colon or its minutes, digits after the seconds may be taken for minutes of
//! an offset without a sign); such strings are rewritten too, so this parser is as lenient.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Timelike};

use super::zone::TimeZone;

/// A .NET `DateTime` counts ticks of 100 nanoseconds since the year 1.
const FRACTION_DIGITS: usize = 7;
const TICKS_PER_SECOND: i64 = 10_000_000;
const TICKS_PER_MILLISECOND: i64 = 10_000;
const TICKS_TO_1970: i64 = 621_355_968_000_000_000;
/// A .NET `Int64` has no more digits, leading zeros included.
const MOST_DIGITS: usize = 19;

/// What follows the time: nothing, `Z`, or an offset in minutes east of UTC.
#[derive(Clone, Copy)]
enum Kind {
    Unspecified,
    Utc,
    Local(i32),
}

/// The string as a host in this time zone writes it; `None` if it is not a date.
pub(super) fn rewritten(text: &str, zone: TimeZone) -> Option<String> {
    let (time, kind) = if text.starts_with('/') { microsoft(text, zone)? } else { iso(text, zone)? };
    Some(formatted(time, kind))
}

/// The time as .NET writes a `DateTime` of kind Utc.
pub(crate) fn utc(time: DateTime<chrono::Utc>) -> String {
    formatted(time.naive_utc(), Kind::Utc)
}

/// The time as .NET writes a `DateTime` of kind Local.
pub(crate) fn local(time: DateTime<chrono::Utc>, zone: TimeZone) -> String {
    let (time, kind) = to_local(time.naive_utc(), zone);
    formatted(time, kind)
}

/// A date in the form that .NET gives to people, without its zone; `None` if the string is not a date.
pub(crate) fn invariant(text: &str, zone: TimeZone) -> Option<String> {
    let (time, _) = if text.starts_with('/') { microsoft(text, zone)? } else { iso(text, zone)? };
    Some(time.format("%m/%d/%Y %H:%M:%S").to_string())
}

fn formatted(time: NaiveDateTime, kind: Kind) -> String {
    let ticks = time.nanosecond() / 100;
    let fraction = if ticks == 0 { String::new() } else { format!(".{ticks:07}") };
    let zone = match kind {
        Kind::Unspecified => String::new(),
        Kind::Utc => "Z".to_owned(),
        Kind::Local(east) => {
            let sign = if east < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60)
        }
    };
    format!("{}{}{zone}", time.format("%Y-%m-%dT%H:%M:%S"), fraction.trim_end_matches('0'))
}

/// A time beyond those of .NET becomes the first or the last one.
fn to_local(utc: NaiveDateTime, zone: TimeZone) -> (NaiveDateTime, Kind) {
    let utc = utc.clamp(earliest(), latest());
    let east = zone.offset_at(utc);
    let local = utc + Duration::minutes(east.into());
    if (earliest()..=latest()).contains(&local) {
        return (local, Kind::Local(east));
    }
    let local = local.clamp(earliest(), latest());
    (local, Kind::Local(zone.offset_at_local(local)))
}

fn iso(text: &str, zone: TimeZone) -> Option<(NaiveDateTime, Kind)> {
    if !(19..=40).contains(&text.len()) || !text.is_ascii() {
        return None;
    }
    let mut rest = Cursor(text.as_bytes());
    let year = rest.digits(4).filter(|year| *year >= 1)?;
    let month = rest.eat(b'-').then(|| rest.digits(2))??;
    let day = rest.eat(b'-').then(|| rest.digits(2))??;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;

    let hour = rest.eat(b'T').then(|| rest.digits(2))??;
    let minute = rest.eat(b':').then(|| rest.digits(2))??;
    let second = rest.eat(b':').then(|| rest.digits(2))??;
    let ticks = if rest.eat(b'.') { rest.fraction()? } else { 0 };
    let midnight_at_the_end = (hour, minute, second, ticks) == (24, 0, 0, 0);
    let time = if midnight_at_the_end {
        date.succ_opt()?.and_hms_opt(0, 0, 0)?
    } else {
        date.and_hms_nano_opt(hour, minute, second, ticks * 100)?
    };

    let kind = rest.zone();
    if !rest.0.is_empty() || time > latest() {
        return None;
    }
    let Kind::Local(east) = kind else { return Some((time, kind)) };
    let utc = time - Duration::minutes(east.into());
    if (earliest()..=latest()).contains(&utc) {
        return Some(to_local(utc, zone));
    }
    // .NET then adds the offset of the time as it is written.
    let local = (utc + Duration::minutes(zone.offset_at_local(time).into())).clamp(earliest(), latest());
    Some((local, Kind::Local(zone.offset_at_local(local))))
}

/// The ticks are calculated with 64 bits, which overflow: some times far in the future become others.
fn microsoft(text: &str, zone: TimeZone) -> Option<(NaiveDateTime, Kind)> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let after_sign = inner.get(1..)?;
    let offset = after_sign.find('+').or_else(|| after_sign.find('-')).map(|index| index + 1);
    if offset.is_some_and(|sign| !starts_with_hours(&inner.as_bytes()[sign + 1..])) {
        return None;
    }
    let number = &inner[..offset.unwrap_or(inner.len())];
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.len() > MOST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let milliseconds: i64 = number.parse().ok()?;
    let ticks =
        milliseconds.wrapping_mul(TICKS_PER_MILLISECOND).wrapping_add(TICKS_TO_1970).wrapping_sub(TICKS_TO_1970);
    let nanoseconds = u32::try_from(ticks.rem_euclid(TICKS_PER_SECOND) * 100).ok()?;
    let utc = DateTime::from_timestamp(ticks.div_euclid(TICKS_PER_SECOND), nanoseconds)?.naive_utc();
    let in_range = (earliest()..=latest()).contains(&utc);
    in_range.then(|| if offset.is_some() { to_local(utc, zone) } else { (utc, Kind::Utc) })
}

/// The hours are two characters that are a number, which can be negative. What follows them is ignored, and so is their value, because
/// the milliseconds are in UTC.
fn starts_with_hours(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'9' | b'-', b'0'..=b'9', ..])
}

fn earliest() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(1, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0)).unwrap_or(NaiveDateTime::MIN)
}

fn latest() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(9999, 12, 31);
    day.and_then(|day| day.and_hms_nano_opt(23, 59, 59, 999_999_900)).unwrap_or(NaiveDateTime::MAX)
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// Consumes exactly `count` digits, or nothing.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.0.get(..count).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        self.0 = &self.0[count..];
        Some(value(digits))
    }

    /// Up to seven digits, in ticks.
    fn fraction(&mut self) -> Option<u32> {
        let count = self.0.iter().take(FRACTION_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
        let ticks = self.digits(count).filter(|_| count > 0)?;
        Some(ticks * 10_u32.pow((FRACTION_DIGITS - count) as u32))
    }

    /// The caller rejects the string if unparsed text remains.
    fn zone(&mut self) -> Kind {
        if self.eat(b'Z') || self.eat(b'z') {
            return Kind::Utc;
        }
        let sign = match self.0 {
            [b'+', tens, ones, ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => 1,
            [b'-', tens, ones, ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => -1,
            _ => 0,
        };
        let hours = if sign == 0 { 0 } else { value(&self.0[1..3]) };
        self.0 = &self.0[if sign == 0 { 0 } else { 3 }..];
        self.eat(b':');
        let minutes = self.digits(2).unwrap_or(0);
        let east = sign * i32::try_from(hours * 60 + minutes).unwrap_or(0);
        if sign == 0 { Kind::Unspecified } else { Kind::Local(east) }
    }
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::{TimeZone, invariant, local};

    fn rewritten(text: &str) -> Option<String> {
        super::rewritten(text, TimeZone::default())
    }

    fn delivered(stored: &str) -> String {
        rewritten(stored).unwrap_or_else(|| stored.to_owned())
    }

    #[test]
    fn utc_times_retain_their_z_and_lose_trailing_zeros() {
        for (stored, expected) in [
            ("2024-01-01T00:00:00.0000000Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T12:34:56.100Z", "2024-01-01T12:34:56.1Z"),
            ("2024-01-01T12:34:56.1234567Z", "2024-01-01T12:34:56.1234567Z"),
            ("2024-01-01T12:34:56.0000001Z", "2024-01-01T12:34:56.0000001Z"),
            ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
    }

    #[test]
    fn times_with_an_offset_are_converted_to_the_hosts_zone() {
        for (stored, expected) in [
            ("2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00+00:00"),
            ("2024-01-01T10:00:00.250-05:30", "2024-01-01T15:30:00.25+00:00"),
            ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00+00:00"),
            ("2024-01-01T10:00:00+00:00", "2024-01-01T10:00:00+00:00"),
            ("2024-01-01T10:00:00-00:00", "2024-01-01T10:00:00+00:00"),
            ("2024-01-01T10:00:00+0200", "2024-01-01T08:00:00+00:00"),
            ("2024-01-01T10:00:00+02", "2024-01-01T08:00:00+00:00"),
            ("2024-01-01T10:00:00+02:", "2024-01-01T08:00:00+00:00"),
            ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59-02:00", "9999-12-31T23:59:59.9999999+00:00"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
    }

    #[test]
    fn times_without_a_zone_remain_without_one() {
        for (stored, expected) in [
            ("2024-01-01T00:00:00", "2024-01-01T00:00:00"),
            ("2024-01-01T00:00:00.1200000", "2024-01-01T00:00:00.12"),
            ("2024-01-01T24:00:00", "2024-01-02T00:00:00"),
            ("2024-01-01T00:00:00.123456789", "2024-01-01T00:00:00.1234567"),
            ("2024-01-01T00:00:0012", "2024-01-01T00:00:00"),
            ("2024-01-01T00:00:00:12", "2024-01-01T00:00:00"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
    }

    #[test]
    fn other_strings_are_unchanged() {
        for stored in [
            "",
            "2024-01-01",
            "2024-01-01T00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01t00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2024-01-01T25:00:00Z",
            "2024-01-01T24:00:01Z",
            "2024-01-01T24:00:00.1Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.12345678Z",
            "2024-01-01T00:00:00.123456789Z",
            "2024-01-01T00:00:00Z ",
            " 2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00+2",
            "2024-01-01T00:00:00+02:0",
            "2024-01-01T00:00:00 02:00",
            "2024-01-01T00:00:00ZZ",
            "2024-01-01T00:00:00é",
            "9999-12-31T24:00:00Z",
            "Mon, 01 Jan 2024 00:00:00 GMT",
        ] {
            assert_eq!(delivered(stored), stored);
            assert_eq!(rewritten(stored), None, "{stored}");
        }
    }

    #[test]
    fn microsoft_dates_become_iso_dates() {
        for (stored, expected) in [
            ("/Date(1)/", "1970-01-01T00:00:00.001Z"),
            ("/Date(0)/", "1970-01-01T00:00:00Z"),
            ("/Date(-1)/", "1969-12-31T23:59:59.999Z"),
            ("/Date(1704067200000)/", "2024-01-01T00:00:00Z"),
            ("/Date(1704067200000+0200)/", "2024-01-01T00:00:00+00:00"),
            ("/Date(1704067200000-0530)/", "2024-01-01T00:00:00+00:00"),
            ("/Date(-1-0530)/", "1969-12-31T23:59:59.999+00:00"),
            ("/Date(1704067200000+02)/", "2024-01-01T00:00:00+00:00"),
            ("/Date(1704067200000+02:00)/", "2024-01-01T00:00:00+00:00"),
            ("/Date(1704067200000+9999)/", "2024-01-01T00:00:00+00:00"),
            // 64 bits overflow.
            ("/Date(999999999999999999)/", "7879-01-14T12:55:42.3014128Z"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
        for stored in [
            "/Date()/",
            "/Date(x)/",
            "/Date(+1)/",
            "/Date(1.5)/",
            "/Date(1)",
            "Date(1)/",
            "/Date(1+2)/",
            "/Date(00000000000000000001)/",
            "/Date(99999999999999999999)/",
            "/date(1)/",
        ] {
            assert_eq!(delivered(stored), stored);
        }
    }

    #[test]
    fn a_host_in_another_zone_writes_offsets_of_that_zone() {
        let zone: TimeZone = "America/New_York".parse().expect("a zone");
        for (stored, expected) in [
            ("2024-01-01T10:00:00+02:00", "2024-01-01T03:00:00-05:00"),
            ("2024-07-01T10:00:00.250+02:00", "2024-07-01T04:00:00.25-04:00"),
            ("0001-01-01T00:00:00-14:00", "0001-01-01T09:03:00-04:57"),
            ("9999-12-31T23:59:59-01:00", "9999-12-31T19:59:59-05:00"),
            ("/Date(1704067200000+0200)/", "2023-12-31T19:00:00-05:00"),
            ("/Date(1704067200000)/", "2024-01-01T00:00:00Z"),
            ("2024-01-01T10:00:00.000Z", "2024-01-01T10:00:00Z"),
            ("2024-01-01T10:00:00.000", "2024-01-01T10:00:00"),
        ] {
            assert_eq!(super::rewritten(stored, zone).as_deref(), Some(expected), "{stored}");
        }
        let time = "2024-07-01T10:00:00.5Z".parse().expect("a time");
        assert_eq!(local(time, zone), "2024-07-01T06:00:00.5-04:00");
        assert_eq!(invariant("2024-01-01T10:00:00+02:00", zone).as_deref(), Some("01/01/2024 03:00:00"));
    }
}
