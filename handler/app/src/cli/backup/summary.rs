//! Prints a backup as a sentence, or as JSON.

use anyhow::Result;
use changefeed_jobs::JobState;
use changefeed_operations::BackupView;

use crate::cli::output::{Output, print_json, print_line};

/// The end of a sentence that names the time of a backup; empty for a backup of the live documents.
pub fn of(view: &BackupView) -> String {
    let as_of = &view.request["asOf"];
    as_of.as_str().map(|moment| format!(", as of {moment}")).unwrap_or_default()
}

/// Prints the result of a backup.
pub fn print(view: &BackupView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    if let Some(message) = &view.progress.message {
        print_line(message)?;
    }
    let counts = &view.counts;
    let mut parts = vec![format!("{} documents", counts.documents)];
    let more = [
        (counts.deletions, "deletions"),
        (counts.unknown, "left out because their history starts later"),
        (counts.inexact, "with date-time strings that the Functions host may have rewritten"),
    ];
    parts.extend(more.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")));
    let state = match view.state {
        JobState::Done => String::new(),
        state => format!("{}: ", format!("{state:?}").to_lowercase()),
    };
    print_line(&format!(
        "Backup {}: {state}{}{}, {} in {} for {:.0} RU",
        view.id,
        parts.join(", "),
        of(view),
        indicatif::HumanBytes(counts.bytes),
        view.location(),
        view.request_charge
    ))
}
