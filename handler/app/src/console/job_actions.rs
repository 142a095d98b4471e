//! What can be done with a job from a list and from its page: cancel it, or undo a restore.

use changefeed_operations::ListedJob;
use maud::{Markup, html};

use super::address::API;
use super::job_kind::JobKind;
use super::restore_parameters::restore;

const PLAN_FIRST: &str = "Shows a plan first. Nothing is written yet.";

/// The button that cancels a job. `next` is the page that is shown afterwards.
pub fn cancel(kind: JobKind, id: &str, is_cancelling: bool, next: &str) -> Markup {
    html! {
        form.writes data-writes data-post={ (API) "/" (kind.path()) "/" (id) "/cancel" } data-next=(next) {
            button id={ "cancel-" (id) } disabled[is_cancelling] { @if is_cancelling { "Cancelling" } @else { "Cancel" } span.hidden { " " (kind.kind().noun) " " (id) } }
        }
    }
}

/// What leads to the undo of a restore. The page that it leads to says what the undo would do, and asks for it. That page is a stored plan
/// if the restore was a job.
pub fn undo(id: &str, is_job: bool, label: &str) -> Markup {
    html! {
        @if is_job {
            form.writes data-writes data-post={ (API) "/restores/" (id) "/undo" } data-body=(r#"{"dryRun":true}"#) data-next="restore?id={id}" {
                button id={ "undo-" (id) } title=(PLAN_FIRST) { (label) span.hidden { " of " (id) } }
            }
        } @else {
            a.button.writes data-writes id={ "undo-" (id) } title=(PLAN_FIRST) href=(restore(id).with("undo", "true")) { (label) span.hidden { " of " (id) } }
        }
    }
}

/// What can be done with a job of a list.
pub fn actions(job: &ListedJob, next: &str) -> Markup {
    let kind = JobKind::of(job);
    let progress = job.progress();
    html! {
        // A restore without progress is done within one request, which cannot be cancelled.
        @if !job.state.is_end() {
            @if let Some(progress) = &progress { (cancel(kind, &job.id, progress.cancelling, next)) }
        } @else if kind == JobKind::Restores && !job.is_plan() && job.undone_by.is_none() && writes(job) > 0 {
            (undo(&job.id, progress.is_some(), "Undo…"))
        }
    }
}

/// The number of documents that a restore wrote.
fn writes(job: &ListedJob) -> u64 {
    ["create", "replace", "merge", "delete"].iter().filter_map(|action| job.counts[*action].as_u64()).sum()
}
