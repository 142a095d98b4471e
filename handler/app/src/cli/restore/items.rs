//! The documents of a restore as a table, and their counts.

use anyhow::Result;
use changefeed_operations::{Counts, PlannedItem, RestoreView};

use crate::cli::list::ListItem;
use crate::cli::output::{describe, field, print_table, version_time};
use crate::cli::time;

/// Prints the documents of a plan or of a restore as a table.
pub fn print_items(items: &[PlannedItem]) -> Result<()> {
    print_table(PlannedItem::HEADER, items.iter().map(PlannedItem::cells))
}

impl ListItem for PlannedItem {
    const HEADER: &'static [&'static str] = &["Id", "Partition key", "Action", "Source", "Changes"];
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

    fn cells(&self) -> Vec<String> {
        let mut changes = self.message.clone().unwrap_or_else(|| describe(&self.changes));
        if !self.kept_paths.is_empty() {
            let kept: Vec<String> = self.kept_paths.iter().map(field).collect();
            let separator = if changes.is_empty() { "" } else { "; " };
            changes = format!("{changes}{separator}keeps {}", kept.join(", "));
        }
        let line = self.backup_line.as_ref().map(|line| format!("{}, line {}", line.file, line.number));
        let source = self.version.as_deref().and_then(version_time).map(time::of_second).or(line).unwrap_or_default();
        let action = format!("{:?}", self.action).to_lowercase();
        vec![self.id.clone(), self.partition_key.to_string(), action, source, changes]
    }
}

impl ListItem for RestoreView {
    const HEADER: &'static [&'static str] = &["Id", "Started", "State", "Documents", "Requested by", "Reason", "Undo"];
    const CSV: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "request",
        "undoOf",
        "undoneBy",
        "lastUndo",
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

    fn cells(&self) -> Vec<String> {
        let record = &self.record;
        let undone = record.undone_by.as_ref().map(|by| format!("undone by {by}"));
        let undo = record.undo_of.as_ref().map(|of| format!("undo of {of}"));
        vec![
            record.id.clone(),
            time::of_text(&record.started_at),
            format!("{:?}", record.state).to_lowercase(),
            summary(&record.counts, true),
            record.requested_by.clone().unwrap_or_default(),
            record.reason.clone().unwrap_or_default(),
            undone.or(undo).unwrap_or_default(),
        ]
    }
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
