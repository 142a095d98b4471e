//! Time spans in .NET's format: `[days.]hours:minutes[:seconds[.fraction]]`, or a number of days.

use std::time::Duration;

/// The syntax, for error messages.
pub(crate) const SYNTAX: &str = "a time span such as 00:30:00 ([days.]hours:minutes[:seconds[.fraction]])";

/// `None` for an invalid or negative time span.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let Some((head, minutes_and_seconds)) = text.split_once(':') else {
        return days(text);
    };
    let (days, hours) = match head.split_once('.') {
        Some((number, hours)) => (days(number)?, hours),
        None => (Duration::ZERO, head),
    };
    let (minutes, seconds) = minutes_and_seconds.split_once(':').unwrap_or((minutes_and_seconds, "0"));
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let clock = integer_below(hours, 24)? * 3600 + integer_below(minutes, 60)? * 60 + integer_below(seconds, 60)?;
    Some(days + Duration::from_secs(clock) + ticks(fraction)?)
}

/// The time span as .NET writes it: `[days.]hours:minutes:seconds[.fraction]`, with seven digits of the fraction.
pub(crate) fn display(span: Duration) -> String {
    let seconds = span.as_secs();
    let days = match seconds / 86400 {
        0 => String::new(),
        days => format!("{days}."),
    };
    let fraction = match span.subsec_nanos() / 100 {
        0 => String::new(),
        ticks => format!(".{ticks:07}"),
    };
    format!("{days}{:02}:{:02}:{:02}{fraction}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn days(text: &str) -> Option<Duration> {
    integer_below(text, 10_675_200).map(|days| Duration::from_secs(days * 24 * 3600))
}

fn integer_below(text: &str, limit: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|value| *value < limit)
}

/// A fraction of a second, one to seven digits.
fn ticks(text: &str) -> Option<Duration> {
    let value = integer_below(text, 10_000_000).filter(|_| text.len() <= 7)?;
    let scale = 10_u64.pow(9 - u32::try_from(text.len()).ok()?);
    Some(Duration::from_nanos(value * scale))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{display, parse};

    #[test]
    fn a_time_span_is_displayed_as_in_dotnet() {
        for text in ["00:00:10", "23:59:59.5000000", "1.02:03:04", "00:00:00"] {
            assert_eq!(display(parse(text).expect("a time span")), text);
        }
    }

    #[test]
    fn dotnet_time_spans_are_parsed() {
        for (text, expected) in [
            ("00:30:00", Duration::from_secs(1800)),
            ("00:00:00.5", Duration::from_millis(500)),
            ("00:00:01.0000001", Duration::new(1, 100)),
            ("01:30", Duration::from_secs(5400)),
            ("1.02:00:00", Duration::from_secs(26 * 3600)),
            ("2", Duration::from_secs(48 * 3600)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "-1", "-00:00:01", "24:00:00", "00:60:00", "00:00:60", "1 minute", "00:00:00.", "1.5", "a:b:c"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
