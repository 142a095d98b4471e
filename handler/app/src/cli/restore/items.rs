//! The documents of a restore as a table, and their counts.

use anyhow::Result;
use changefeed_operations::{Counts, PlannedItem};

use crate::cli::output::{describe, field, print_table, version_time};
use crate::cli::time;

/// Prints the documents of a plan or of a restore as a table.
pub fn print_items(items: &[PlannedItem]) -> Result<()> {
    let row = |item: &PlannedItem| {
        let mut changes = item.message.clone().unwrap_or_else(|| describe(&item.changes));
        if !item.kept_paths.is_empty() {
            let kept: Vec<String> = item.kept_paths.iter().map(field).collect();
            let separator = if changes.is_empty() { "" } else { "; " };
            changes = format!("{changes}{separator}keeps {}", kept.join(", "));
        }
        let line = item.backup_line.as_ref().map(|line| format!("{}, line {}", line.file, line.number));
        let source = item.version.as_deref().and_then(version_time).map(time::of_second).or(line).unwrap_or_default();
        vec![
            item.id.clone(),
            item.partition_key.to_string(),
            format!("{:?}", item.action).to_lowercase(),
            source,
            changes,
        ]
    };
    print_table(&["Id", "Partition key", "Action", "Source", "Changes"], items.iter().map(row))
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
