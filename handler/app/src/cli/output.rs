//! Answers: tables for people, JSON for programs.

use std::io::Write;

use anyhow::Result;
use changefeed_history::FieldChange;
use chrono::{DateTime, Local};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;
use serde_json::Value;

/// Changes that are told of a document in a table.
const SHOWN_CHANGES: usize = 3;

/// Prints a value as JSON on one line.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints a table.
pub fn print_table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    print_line(&table.to_string())
}

/// Prints a line. A reader that has gone away (`| head`) is not an error.
pub fn print_line(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// A value in a cell: text without quotes.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A second since 1970, in local time and in UTC.
pub fn time(second: i64) -> String {
    let Some(utc) = DateTime::from_timestamp(second, 0) else { return second.to_string() };
    let local = utc.with_timezone(&Local);
    if local.offset().local_minus_utc() == 0 {
        return utc.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    }
    format!("{} ({})", local.format("%Y-%m-%d %H:%M:%S %:z"), utc.format("%H:%M:%S UTC"))
}

/// The second in the id of a version.
pub fn version_time(id: &str) -> Option<i64> {
    id.get(..10)?.parse().ok()
}

/// Changes in a few words.
pub fn describe(changes: &[FieldChange]) -> String {
    let value = |value: &Option<Value>| {
        value.as_ref().map_or_else(|| "nothing".to_owned(), |value| shorten(&value.to_string()))
    };
    let change = |change: &FieldChange| match change.path.as_str() {
        "" if change.before == Some(Value::Null) => "the whole document".to_owned(),
        path => format!("{path}: {} \u{2192} {}", value(&change.before), value(&change.after)),
    };
    let mut words: Vec<String> = changes.iter().take(SHOWN_CHANGES).map(change).collect();
    if changes.len() > SHOWN_CHANGES {
        words.push(format!("{} more", changes.len() - SHOWN_CHANGES));
    }
    words.join(", ")
}

/// The beginning of a long text.
pub fn shorten(text: &str) -> String {
    const LENGTH: usize = 40;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
