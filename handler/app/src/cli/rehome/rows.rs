//! Moves as items of lists, and in sentences.

use changefeed_jobs::JobState;
use changefeed_operations::RehomeView;

use crate::cli::list::ListItem;
use crate::cli::table::{Cell, Column};
use crate::cli::time;

impl ListItem for RehomeView {
    const CSV: &'static [&'static str] = &[
        "id",
        "state",
        "request",
        "startedAt",
        "finishedAt",
        "counts.records",
        "counts.documents",
        "counts.versions",
        "counts.alreadyStored",
        "counts.duplicates",
        "counts.ended",
        "counts.withoutKey",
        "counts.erased",
        "counts.deadLetters",
        "counts.unreadable",
        "counts.compared",
        "counts.missing",
        "counts.different",
        "requestCharge",
        "progress",
        "onlyOn",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            time::column("Started").optional(2),
            Column::fixed("State"),
            Column::text("Versions"),
            Column::text("From").optional(1),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.clone().into(),
            time::text_in_column(&self.started_at).into(),
            Cell::state(state(self.state)),
            moved(self).into(),
            from(self).to_owned().into(),
        ]
    }
}

fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

fn from(view: &RehomeView) -> &str {
    view.request["from"]["changes"].as_str().unwrap_or_default()
}

/// What a move stores: `12 versions of 3 documents`.
pub(super) fn moved(view: &RehomeView) -> String {
    let counts = &view.counts;
    let mut text = format!("{} versions of {} documents", counts.versions, counts.documents);
    if counts.dead_letters > 0 {
        text.push_str(&format!(", {} dead letters", counts.dead_letters));
    }
    text
}

/// A move in a sentence.
pub(super) fn sentence(view: &RehomeView) -> String {
    let counts = &view.counts;
    let (id, state, from, charge) = (&view.id, state(view.state), from(view), view.request_charge);
    let stored = if view.state == JobState::Planned { "would store" } else { "stored" };
    let mut text = format!("{id}  {state}  {stored} {} from {from}", moved(view));
    for (number, what) in [
        (counts.already_stored, "already stored"),
        (counts.duplicates, "copied more than once"),
        (counts.ended, "deletes added because the partition key changed"),
        (counts.without_key, "deletes without a known partition key, not stored"),
        (counts.erased, "erased documents, not stored"),
        (counts.excluded, "excluded by the capture filter, not stored"),
        (counts.unreadable, "not readable"),
        (counts.missing, "missing"),
        (counts.different, "different"),
    ] {
        if number > 0 {
            text.push_str(&format!("; {number} {what}"));
        }
    }
    if counts.compared > 0 && counts.missing + counts.different == 0 {
        text.push_str(&format!("; {} compared, all the same", counts.compared));
    }
    format!("{text}  {charge:.0} RU")
}
