//! Times on the command line: read in any form, printed in two. A sentence has UTC, with the local time beside it; a column of a table has
//! the local time, and the zone in its header.
//!
//! The zone is that of `--time-zone`, of the settings, or of the machine. A flag names it, and so the arguments are read twice: the first
//! time, local times are in UTC, where each of them exists once.

use std::sync::{Mutex, OnceLock, PoisonError};

use changefeed_history::{TimeExpression, TimeZone};
use chrono::{DateTime, TimeDelta, Utc};

use super::standard_error::note;
use super::table::Column;

static ZONE: OnceLock<TimeZone> = OnceLock::new();
/// The texts that were read in the zone, and the times that they mean.
static READ: Mutex<Vec<(String, TimeExpression)>> = Mutex::new(Vec::new());

/// Help text of a command that takes times, below its own examples.
pub fn help(examples: &str) -> String {
    format!(
        "Times:\n  \
         ago (10m, 2h, 1d), local (10:31, yesterday 10:00, last monday, 2026-11-20, \"2026-11-20 10:31\"),\n  \
         RFC 3339 (2026-11-20T10:31:00Z), or seconds since 1970\n\n{examples}"
    )
}

/// Sets the zone of this command, once.
pub fn set_zone(zone: TimeZone) {
    ZONE.get_or_init(|| zone);
}

/// The zone of this command; UTC before it is known.
pub fn zone() -> TimeZone {
    ZONE.get().cloned().unwrap_or(TimeZone::UTC)
}

/// Reads a time argument.
pub fn parse(text: &str) -> Result<TimeExpression, String> {
    let time = TimeExpression::parse_in(text, Utc::now(), &zone())?;
    if ZONE.get().is_some() {
        READ.lock().unwrap_or_else(PoisonError::into_inner).push((text.trim().to_owned(), time));
    }
    Ok(time)
}

/// What each time argument means.
pub fn interpretations() -> Vec<String> {
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    read.iter().map(|(text, time)| format!("{text} is {}", time.interpreted(&zone()))).collect()
}

/// Prints on standard error what each time argument means.
pub fn print_interpretations() {
    interpretations().into_iter().for_each(note);
}

/// A column of times, which [`in_column`] writes.
pub fn column(title: &str) -> Column {
    let zone = zone().to_string();
    // A zone of the machine may have no name.
    let zone = if zone.contains(' ') { "local" } else { zone.as_str() };
    Column::fixed(format!("{title} ({zone})"))
}

/// A second since 1970 in a column.
pub fn in_column(second: i64) -> String {
    DateTime::from_timestamp(second, 0).map_or_else(|| second.to_string(), column_text)
}

/// An RFC 3339 time in a column.
pub fn text_in_column(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |time| column_text(time.to_utc()))
}

/// The local time; with its offset where it exists twice.
fn column_text(utc: DateTime<Utc>) -> String {
    let zone = zone();
    let local = zone.local(utc);
    let is_same = |minutes: i64| {
        let other = utc.checked_add_signed(TimeDelta::minutes(minutes));
        other.is_some_and(|other| zone.local(other).naive_local() == local.naive_local())
    };
    let form = if [-60, -30, 30, 60].into_iter().any(is_same) { "%Y-%m-%d %H:%M:%S %:z" } else { "%Y-%m-%d %H:%M:%S" };
    local.format(form).to_string()
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
    let local = zone().local(utc);
    let text = utc.format("%Y-%m-%d %H:%M:%S UTC");
    if local.offset().local_minus_utc() == 0 {
        text.to_string()
    } else {
        format!("{text} ({})", local.format("%H:%M:%S %:z"))
    }
}
