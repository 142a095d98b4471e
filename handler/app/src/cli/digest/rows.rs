//! Jobs that write digests as items of lists.

use changefeed_jobs::JobState;
use changefeed_operations::DigestView;

use crate::cli::list::ListItem;
use crate::cli::table::{Cell, Column};
use crate::cli::time;

impl ListItem for DigestView {
    const CSV: &'static [&'static str] = &[
        "id",
        "state",
        "request",
        "startedAt",
        "finishedAt",
        "counts.files",
        "counts.versions",
        "counts.removals",
        "counts.completeUntil",
        "requestCharge",
        "progress",
        "onlyOn",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            time::column("Started").optional(2),
            Column::fixed("State"),
            Column::text("Written"),
            Column::text("Location").optional(1),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.clone().into(),
            time::text_in_column(&self.started_at).into(),
            Cell::state(state(self.state)),
            written(self).into(),
            self.location().to_owned().into(),
        ]
    }
}

fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

fn written(view: &DigestView) -> String {
    let counts = &view.counts;
    format!("{} versions and {} removals in {} files", counts.versions, counts.removals, counts.files)
}

/// A job in a sentence.
pub(super) fn sentence(view: &DigestView) -> String {
    let until = match &view.counts.complete_until {
        Some(until) => format!("; complete until {until}"),
        None => "; no hour was over that has versions".to_owned(),
    };
    let (id, state, charge) = (&view.id, state(view.state), view.request_charge);
    format!("{id}  {state}  {}{until}, in {}  {charge:.0} RU", written(view), view.location())
}
