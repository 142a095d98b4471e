//! Output of commands: tables for people, JSON for programs.

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::FieldChange;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

pub use super::standard_output::print_line;
pub use super::table::print_table;

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
    #[arg(long, value_enum, default_value = "table", help_heading = "Display")]
    pub output: Output,
}

/// Prints a value as JSON on one line.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(value)?)
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
