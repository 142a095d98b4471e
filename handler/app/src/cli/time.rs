//! Times on the command line: read in any form, printed in one.

use changefeed_history::TimeExpression;
use chrono::{DateTime, Local, Utc};

/// Help text of a command that takes times, below its own examples.
pub fn help(examples: &str) -> String {
    format!(
        "Times:\n  RFC 3339 (2026-11-20T10:31:00Z), seconds since 1970, or relative to now (-10m; units s, m, h, d)\n\n{examples}"
    )
}

/// Reads a time argument.
pub fn parse(text: &str) -> Result<TimeExpression, String> {
    TimeExpression::parse(text, Utc::now())
}

/// A second since 1970 in UTC, with the local time beside it where that differs.
pub fn of_second(second: i64) -> String {
    DateTime::from_timestamp(second, 0).map_or_else(|| second.to_string(), of)
}

/// An RFC 3339 time in the same format.
pub fn of_text(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |time| of(time.to_utc()))
}

fn of(utc: DateTime<Utc>) -> String {
    let local = utc.with_timezone(&Local);
    let text = utc.format("%Y-%m-%d %H:%M:%S UTC");
    if local.offset().local_minus_utc() == 0 {
        text.to_string()
    } else {
        format!("{text} ({})", local.format("%H:%M:%S %:z"))
    }
}
