//! The versions of a document as items of a list.

use changefeed_history::{Version, remove_fields};
use serde::Serialize;

use crate::cli::list::ListItem;
use crate::cli::output::describe;
use crate::cli::table::{Cell, Column};
use crate::cli::time;

/// A version, and in a table what it changed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct VersionRow {
    version: Version,
    #[serde(skip)]
    changed: String,
}

/// The versions of a page, newest first. What the last one changed is on the next page.
pub(super) fn version_rows(versions: Vec<Version>, is_table: bool) -> Vec<VersionRow> {
    let mut changed: Vec<String> = match is_table {
        true => versions.windows(2).map(describe_change).collect(),
        false => Vec::new(),
    };
    changed.resize(versions.len(), String::new());
    versions.into_iter().zip(changed).map(|(version, changed)| VersionRow { version, changed }).collect()
}

fn describe_change(newer_and_older: &[Version]) -> String {
    let [newer, older] = newer_and_older else { return String::new() };
    let omitted = [older.omitted.as_slice(), &newer.omitted].concat();
    let body = |version: &Version| {
        let mut document = version.document.clone().unwrap_or_default();
        remove_fields(&mut document, &omitted);
        document
    };
    describe(&changefeed_history::changes(&body(older), &body(newer)))
}

/// What happened, and who the document says did it.
pub(super) fn operation(version: &Version) -> String {
    let operation = format!("{:?}", version.operation).to_lowercase();
    match &version.actor {
        _ if version.inferred => format!("{operation} (inferred)"),
        Some(actor) => format!("{operation} by {actor}"),
        None => operation,
    }
}

impl ListItem for VersionRow {
    const CSV: &'static [&'static str] = &[
        "id",
        "pk",
        "sourceId",
        "partitionKey",
        "operation",
        "sourceTs",
        "lsn",
        "etag",
        "actor",
        "expiresAt",
        "capturedAt",
        "capturedBy",
        "exact",
        "inferred",
        "omitted",
        "schema",
        "document",
        "previous",
    ];

    fn columns() -> Vec<Column> {
        vec![
            time::column("Time"),
            Column::text("Operation"),
            Column::fixed("Version"),
            Column::text("Changes").optional(1),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let version = &self.version;
        vec![
            time::in_column(version.source_ts).into(),
            Cell::state(operation(version)),
            Cell::version(version.id.to_string(), ""),
            self.changed.clone().into(),
        ]
    }
}
