//! Output of commands: tables for people, JSON for programs.

use std::io::Write;

use anyhow::Result;
use changefeed_cosmos::{FieldPath, printable};
use changefeed_history::FieldChange;
use clap::{Args, ValueEnum};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;
use serde_json::Value;

/// Changes of one document that a table cell shows.
const SHOWN_CHANGES: usize = 3;
/// Stands for the path of the document itself.
const WHOLE_DOCUMENT: &str = "the whole document";

/// The form of a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    // For people. Without a doc comment, so that the help stays in its short form.
    Table,
    // For programs.
    Json,
}

#[derive(Debug, Args)]
pub struct OutputArguments {
    /// Output format: a table for people, JSON for programs
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
}

/// Prints a value as JSON on one line.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints a table. Control characters are escaped: a value cannot break the table or the terminal.
pub fn print_table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    print_line(&table.to_string())
}

/// Prints a line. A closed pipe (`| head`) is not an error.
pub fn print_line(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// A value in a table cell: strings without quotes.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The time of a version, in seconds since 1970, taken from its id.
pub fn version_time(id: &str) -> Option<i64> {
    id.get(..10)?.parse().ok()
}

/// The name of a field: names with dots between them, in quotes where needed.
pub fn field(path: &FieldPath) -> String {
    if path.segments().is_empty() { WHOLE_DOCUMENT.to_owned() } else { path.to_string() }
}

/// A short summary of the changes of a document.
pub fn describe(changes: &[FieldChange]) -> String {
    let value =
        |value: &Option<Value>| value.as_ref().map_or_else(|| "(none)".to_owned(), |value| shorten(&value.to_string()));
    let change = |change: &FieldChange| {
        if change.path.segments().is_empty() && change.before == Some(Value::Null) {
            return WHOLE_DOCUMENT.to_owned();
        }
        format!("{}: {} \u{2192} {}", field(&change.path), value(&change.before), value(&change.after))
    };
    let mut parts: Vec<String> = changes.iter().take(SHOWN_CHANGES).map(change).collect();
    if changes.len() > SHOWN_CHANGES {
        parts.push(format!("{} more", changes.len() - SHOWN_CHANGES));
    }
    parts.join(", ")
}

/// The text, cut after 40 characters.
pub fn shorten(text: &str) -> String {
    const LENGTH: usize = 40;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
