//! The documents of a restore as a table, and their counts.

use anyhow::Result;
use changefeed_operations::{CaptureLag, Counts, PlannedItem, RestoreView};

use crate::cli::list::ListItem;
use crate::cli::output::{describe, field, print_table, version_time};
use crate::cli::table::{Cell, Column};
use crate::cli::time;

/// Prints the documents of a plan or of a restore as a table.
pub fn print_items(items: &[PlannedItem]) -> Result<()> {
    print_table(&PlannedItem::columns(), items.iter().map(PlannedItem::cells))
}

impl ListItem for PlannedItem {
    const CSV: &'static [&'static str] = &[
        "id",
        "partitionKey",
        "action",
        "version",
        "backupLine",
        "replacedVersion",
        "changes",
        "keptPaths",
        "message",
        "restoredEtag",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::text("Id"),
            Column::text("Partition key").optional(2),
            Column::fixed("Action"),
            time::column("Source").optional(1),
            Column::text("Changes"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let mut changes = self.message.clone().unwrap_or_else(|| describe(&self.changes));
        if !self.kept_paths.is_empty() {
            let kept: Vec<String> = self.kept_paths.iter().map(field).collect();
            let separator = if changes.is_empty() { "" } else { "; " };
            changes = format!("{changes}{separator}keeps {}", kept.join(", "));
        }
        let line = self.backup_line.as_ref().map(|line| format!("{}, line {}", line.file, line.number));
        let source = self.version.as_deref().and_then(version_time).map(time::in_column).or(line).unwrap_or_default();
        let action = format!("{:?}", self.action).to_lowercase();
        vec![
            self.id.clone().into(),
            self.partition_key.to_string().into(),
            Cell::state(action),
            source.into(),
            changes.into(),
        ]
    }
}

impl ListItem for RestoreView {
    const CSV: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "request",
        "undoOf",
        "undoneBy",
        "lastUndo",
        "joint",
        "into",
        "requestedBy",
        "reason",
        "startedAt",
        "plannedAt",
        "plannedCounts",
        "captureLag",
        "warnings",
        "attempt",
        "finishedAt",
        "counts.create",
        "counts.replace",
        "counts.merge",
        "counts.delete",
        "counts.unchanged",
        "counts.kept",
        "counts.unknown",
        "counts.conflict",
        "counts.failed",
        "requestCharge",
        "progress",
        "message",
        "job",
        "schema",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            time::column("Started").optional(2),
            Column::fixed("State"),
            Column::text("Documents"),
            Column::text("Requested by").optional(4),
            Column::text("Reason").optional(1),
            Column::text("Undo").optional(3),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let record = &self.record;
        let undone = record.undone_by.as_ref().map(|by| format!("undone by {by}"));
        let undo = record.undo_of.as_ref().map(|of| format!("undo of {of}"));
        vec![
            record.id.clone().into(),
            time::text_in_column(&record.started_at).into(),
            Cell::state(format!("{:?}", record.state).to_lowercase()),
            summary(&record.counts, true).into(),
            record.requested_by.clone().unwrap_or_default().into(),
            record.reason.clone().unwrap_or_default().into(),
            undone.or(undo).unwrap_or_default().into(),
        ]
    }
}

/// How far capture was behind when the plan was made.
pub fn describe_lag(lag: &CaptureLag) -> String {
    let amount = match (lag.changes, lag.oldest) {
        (Some(0), _) => "0 changes: everything is captured".to_owned(),
        (Some(changes), Some(oldest)) => format!("{changes} changes, the oldest of {}", time::of_second(oldest)),
        (Some(changes), None) => format!("{changes} changes, whose times are not known"),
        (None, _) => format!("not known: {}", lag.message.as_deref().unwrap_or("the leases cannot be read")),
    };
    format!("Capture lag: {amount}")
}

/// The counts as a sentence: what will be written, or what was.
pub fn summary(counts: &Counts, done: bool) -> String {
    let [create, replace, merge, delete] = if done {
        ["created", "replaced", "merged", "deleted"]
    } else {
        ["to create", "to replace", "to merge", "to delete"]
    };
    let parts = [
        (counts.create, create),
        (counts.replace, replace),
        (counts.merge, merge),
        (counts.delete, delete),
        (counts.unchanged, "unchanged"),
        (counts.kept, "kept"),
        (counts.unknown, "unknown"),
        (counts.conflict, "in conflict"),
        (counts.failed, "failed"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if parts.is_empty() { "no documents".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capture_lag_is_shown_also_when_it_is_0_or_not_known() {
        let lag = |changes, oldest, message: Option<&str>| {
            describe_lag(&CaptureLag { changes, oldest, message: message.map(str::to_owned) })
        };
        assert_eq!(lag(Some(0), None, None), "Capture lag: 0 changes: everything is captured");
        assert_eq!(lag(Some(3), Some(100), None), "Capture lag: 3 changes, the oldest of 1970-01-01 00:01:40 UTC");
        assert_eq!(lag(Some(3), None, None), "Capture lag: 3 changes, whose times are not known");
        assert_eq!(lag(None, None, Some("there are no leases")), "Capture lag: not known: there are no leases");
    }
}
