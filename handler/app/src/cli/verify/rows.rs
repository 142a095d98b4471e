//! Verifications and findings as items of lists.

use changefeed_jobs::JobState;
use changefeed_operations::{Finding, FindingKind, VerifyCounts, VerifyRecord};

use crate::cli::list::ListItem;
use crate::cli::output::version_time;
use crate::cli::table::{Cell, Column};
use crate::cli::time;

impl ListItem for VerifyRecord {
    const CSV: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "request",
        "requestedBy",
        "startedAt",
        "finishedAt",
        "counts.documents",
        "counts.versions",
        "counts.missing",
        "counts.neverCaptured",
        "counts.gone",
        "counts.inexact",
        "counts.incomplete",
        "counts.unknownIdentity",
        "counts.altered",
        "counts.removed",
        "counts.added",
        "counts.chainBroken",
        "counts.repaired",
        "counts.pending",
        "requestCharge",
        "job",
        "schema",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            time::column("Started").optional(2),
            Column::fixed("State"),
            Column::fixed("Mode").optional(3),
            Column::text("Findings"),
            Column::text("Requested by").optional(4),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let mode = match (self.request.repair, &self.request.digests) {
            (true, _) => "repair",
            (false, Some(_)) => "digests",
            (false, None) => "compare",
        };
        vec![
            self.id.clone().into(),
            time::text_in_column(&self.started_at).into(),
            Cell::state(state(self.state)),
            mode.into(),
            summary(&self.counts).into(),
            self.requested_by.clone().unwrap_or_default().into(),
        ]
    }
}

impl ListItem for Finding {
    const CSV: &'static [&'static str] = &["kind", "id", "partitionKey", "version", "recorded", "repaired", "message"];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Finding"),
            Column::text("Id"),
            Column::text("Partition key").optional(3),
            time::column("Version time").optional(4),
            Column::fixed("Version").optional(2),
            Column::text("Message").optional(1),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let found = match self.kind {
            FindingKind::Missing => "missing",
            FindingKind::NeverCaptured => "never captured",
            FindingKind::Gone => "gone",
            FindingKind::Inexact => "inexact",
            FindingKind::Incomplete => "incomplete",
            FindingKind::UnknownIdentity => "unknown identity",
            FindingKind::Altered => "altered",
            FindingKind::Removed => "removed",
            FindingKind::Added => "added",
            FindingKind::ChainBroken => "chain broken",
        };
        let message = match (&self.message, self.repaired) {
            (Some(message), _) => message.clone(),
            (None, true) => "repaired".to_owned(),
            (None, false) => String::new(),
        };
        // The id of a dead letter or the name of a file has no time.
        let is_version = !matches!(self.kind, FindingKind::UnknownIdentity | FindingKind::ChainBroken);
        let since = version_time(&self.version).filter(|_| is_version).map(time::in_column).unwrap_or_default();
        let key = self.partition_key.to_string();
        vec![
            found.into(),
            self.id.clone().into(),
            key.into(),
            since.into(),
            Cell::version(self.version.to_string(), ""),
            message.into(),
        ]
    }
}

pub(super) fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

/// The counts as a sentence.
pub(super) fn summary(counts: &VerifyCounts) -> String {
    let parts = [
        (counts.missing, "missing"),
        (counts.never_captured, "never captured"),
        (counts.gone, "gone"),
        (counts.inexact, "inexact"),
        (counts.incomplete, "incomplete"),
        (counts.unknown_identity, "unknown identity"),
        (counts.altered, "altered"),
        (counts.removed, "removed"),
        (counts.added, "added"),
        (counts.chain_broken, "files of digests missing or changed"),
        (counts.repaired, "repaired"),
        (counts.pending, "pending"),
    ];
    let found: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let found = if found.is_empty() { "no differences".to_owned() } else { found.join(", ") };
    format!("{found}; compared {} documents and {} versions", counts.documents, counts.versions)
}
