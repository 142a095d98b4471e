//! `changefeed history blame`: the version that set each field of a document.

use anyhow::Result;
use changefeed_history::{Blame, BlameRequest, BlamedField, Origin};

use super::by_restore::by_restore;
use crate::cli::list::{ListFormat, ListItem, print_list};
use crate::cli::output::{field, print_line, version_time};
use crate::cli::standard_error;
use crate::cli::table::{Cell, Column};
use crate::cli::time;
use crate::service::Service;

pub(super) async fn run(service: &Service, request: &BlameRequest, format: ListFormat) -> Result<()> {
    let blame = service.changefeed.restores.blame(request).await?;
    let fields = match &blame {
        Blame::Version { fields, .. } => fields.as_slice(),
        Blame::Absent { .. } | Blame::Unknown { .. } => &[],
    };
    // For programs, lines and records have the fields alone. What else the answer says is for people.
    let print_note = |note: &str| match format {
        ListFormat::Table => print_line(note),
        ListFormat::Json => Ok(()),
        ListFormat::Jsonl | ListFormat::Csv => {
            standard_error::note(note);
            Ok(())
        }
    };
    if let Blame::Version { may_be_deleted: true, .. } = &blame {
        print_note(
            "The document may have been deleted before this time: no delete is recorded, but it was missing later.",
        )?;
    }
    if !(format.is_table() && fields.is_empty()) {
        print_list(format, &blame, fields)?;
    }
    match &blame {
        Blame::Version { versions_read, .. } => {
            notes(fields, *versions_read).iter().try_for_each(|note| print_note(note))
        }
        Blame::Absent { because: Some(because) } => {
            print_note(&format!("The document does not exist: see version {because}"))
        }
        Blame::Absent { because: None } => print_note("The document does not exist, and no delete is recorded"),
        Blame::Unknown { since: Some(since) } => {
            print_note(&format!("Unknown: the history of this document starts at {}", time::of_second(*since)))
        }
        Blame::Unknown { since: None } => print_note("Unknown: this document has no versions"),
    }
}

impl ListItem for BlamedField {
    const CSV: &'static [&'static str] = &[
        "path",
        "value",
        "versionId",
        "sourceTs",
        "operation",
        "actor",
        "byRestore",
        "requestedBy",
        "exact",
        "captured",
        "atOrBefore",
        "unknown",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::text("Field"),
            Column::text("Value"),
            time::column("Set at"),
            Column::text("Version").optional(1),
            Column::text("Actor").optional(2),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        row(self)
    }
}

fn row(blamed: &BlamedField) -> Vec<Cell> {
    let (set_at, version, actor) = match &blamed.origin {
        Origin::Version(set_by) => {
            let mark = if set_by.exact { "" } else { " (inexact)" };
            let restore = by_restore(set_by.by_restore.as_deref(), set_by.requested_by.as_deref());
            let version = Cell::version(set_by.version_id.to_string(), format!("{mark}{restore}"));
            (time::in_column(set_by.source_ts), version, set_by.actor.clone().unwrap_or_default())
        }
        Origin::AtOrBefore { at_or_before } => {
            let time = version_time(at_or_before).map_or_else(String::new, time::in_column);
            (format!("{time} or before"), Cell::version(at_or_before.to_string(), ""), String::new())
        }
        Origin::Unknown { .. } => ("unknown".to_owned(), Cell::default(), String::new()),
    };
    vec![field(&blamed.path).into(), blamed.value.to_string().into(), set_at.into(), version, actor.into()]
}

/// What the list leaves open, and why.
fn notes(fields: &[BlamedField], versions_read: usize) -> Vec<String> {
    let has = |is: fn(&Origin) -> bool| fields.iter().any(|field| is(&field.origin));
    let mut notes = Vec::new();
    if has(|origin| matches!(origin, Origin::AtOrBefore { .. })) {
        notes.push(format!(
            "Some fields were not changed in the newest {versions_read} versions. Read more with --max-versions."
        ));
    }
    if has(|origin| matches!(origin, Origin::Unknown { .. })) {
        notes.push("Unknown: the history does not reach back to the version that set the field.".to_owned());
    }
    if has(|origin| matches!(origin, Origin::Version(set_by) if !set_by.exact)) {
        notes.push(
            "Inexact: the Functions host may have rewritten date-time strings in the version or in the one before it."
                .to_owned(),
        );
    }
    if has(|origin| matches!(origin, Origin::Version(set_by) if !set_by.captured)) {
        notes.push("The newest version is not captured yet. Another version before it may be missing too.".to_owned());
    }
    notes
}
