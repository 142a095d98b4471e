//! Erasures as they are printed.

use anyhow::Result;
use changefeed_jobs::JobState;
use changefeed_operations::{EraseCounts, ErasureRecord, ErasureView};

use crate::cli::list::ListItem;
use crate::cli::output::{Output, print_json, print_line};
use crate::cli::table::{Cell, Column};
use crate::cli::time;

impl ListItem for ErasureRecord {
    const CSV: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "request",
        "erased",
        "registeredSecond",
        "requestedBy",
        "reason",
        "startedAt",
        "finishedAt",
        "counts.live",
        "counts.versions",
        "counts.parts",
        "counts.deadLetters",
        "counts.records",
        "counts.leftovers",
        "counts.notDeleted",
        "counts.unreadable",
        "requestCharge",
        "job",
        "schema",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            time::column("Started").optional(2),
            Column::fixed("State"),
            Column::fixed("Mode"),
            Column::text("Removed"),
            Column::text("Requested by").optional(3),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.clone().into(),
            time::text_in_column(&self.started_at).into(),
            Cell::state(state(self.state)),
            mode(self).into(),
            summary(&self.counts).into(),
            self.requested_by.clone().unwrap_or_default().into(),
        ]
    }
}

fn mode(record: &ErasureRecord) -> &'static str {
    match &record.request {
        request if request["lift"] == true => "lift",
        request if request["dryRun"] == true => "dry run",
        request if request["keepLive"] == true => "keep live",
        _ => "erase",
    }
}

fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

/// What was removed, in words.
pub fn summary(counts: &EraseCounts) -> String {
    let names = [
        (counts.live, "live documents"),
        (counts.versions, "versions"),
        (counts.parts, "parts"),
        (counts.dead_letters, "dead letters"),
        (counts.records, "records of jobs"),
        (counts.leftovers, "leftover parts"),
    ];
    let counted: Vec<String> =
        names.iter().filter(|(number, _)| *number > 0).map(|(number, name)| format!("{number} {name}")).collect();
    if counted.is_empty() { "nothing".to_owned() } else { counted.join(", ") }
}

/// Prints the receipt of an erasure, or its progress.
pub fn show(view: &ErasureView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let record = &view.record;
    let counts = &record.counts;
    print_line(&format!(
        "{}  {}  {} of {} documents: {}  {:.0} RU",
        record.id,
        state(record.state),
        mode(record),
        record.request["documents"],
        summary(counts),
        record.request_charge
    ))?;
    if counts.not_deleted > 0 {
        print_line(&format!("{} live documents could not be deleted; delete them in another way", counts.not_deleted))?;
    }
    if counts.unreadable > 0 {
        print_line(&format!("{} damaged records could not be searched; the log names them", counts.unreadable))?;
    }
    for backup in &view.backups {
        let kept = backup.kept_until.as_deref().map_or_else(
            || "kept until it is deleted".to_owned(),
            |until| format!("kept until {}", time::of_text(until)),
        );
        print_line(&format!("Backup {} in {} may hold them: {kept}", backup.id, backup.to))?;
    }
    if let Some(service) = &view.service {
        print_line(&format!(
            "With continuous backup, the service and its all-versions feed may hold them until {} (7 days) or {} (30 days)",
            time::of_text(&service.until_with_seven_days),
            time::of_text(&service.until_with_thirty_days)
        ))?;
    }
    if let Some(message) = view.progress.as_ref().and_then(|progress| progress.message.as_ref()) {
        print_line(message)?;
    }
    Ok(())
}
