//! The arguments of commands that print lists.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    // For people. Without doc comments, so that the help stays in its short form.
    Table,
    // One document, the answer over HTTP.
    Json,
    // One item on each line.
    Jsonl,
    // One item in each record, flattened.
    Csv,
}

impl ListFormat {
    /// Whether people read it.
    pub fn is_table(self) -> bool {
        self == Self::Table
    }
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListOutput {
    /// Output format: a table, one JSON document, or one line of JSON or CSV for each item
    #[arg(long = "output", value_enum, default_value = "table", value_name = "FORMAT", help_heading = "Display")]
    pub format: ListFormat,
}

/// Which part of a list is printed, and how.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Maximum number of items; default: all
    #[arg(long, value_name = "NUMBER")]
    pub max_items: Option<NonZeroUsize>,
    /// Where to continue a list that ended at --max-items: the continuation that it returned
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub continuation: Option<String>,
    #[command(flatten)]
    pub output: ListOutput,
}
