//! The undo of a restore that was done within one request. The undo of a job has a stored plan; this one is planned whenever its page is
//! shown, and again when it is confirmed.

use changefeed_operations::{PlannedItem, RestoreReport, RestoreView, UndoRequest};
use maud::{Markup, html};

use super::address::{API, Address};
use super::document_link::{document, named};
use super::elements::{change, empty, number};
use super::restore_form::reads_only;
use super::restore_parameters::{ACTIONS, COUNTED, count_of, restore};
use super::restore_plan::deeds;
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The most documents that are listed. A request restores no more than a few hundred.
const SHOWN_DOCUMENTS: usize = 200;
/// The most fields of a document that are shown.
const SHOWN_CHANGES: usize = 6;

/// The page that says what the undo of a restore does, and asks for it; `None` if the restore was a job.
///
/// # Errors
/// When the restore cannot be undone, and when the documents cannot be read.
pub async fn preview(
    service: &Service,
    viewer: &Viewer,
    shows: &RestoreView,
    container: &str,
) -> Result<Option<Markup>, ApiError> {
    let request = UndoRequest { dry_run: true, ..UndoRequest::default() };
    let Some(plan) = service.changefeed.restores.plan_undo(&shows.record.id, &request).await? else { return Ok(None) };
    Ok(Some(content(viewer, shows, &plan.report(), container)))
}

fn content(viewer: &Viewer, shows: &RestoreView, report: &RestoreReport, container: &str) -> Markup {
    let record = &shows.record;
    html! {
        div.stack {
            div.heading {
                h1 { "Undo of the restore of " (viewer.written_time(&record.started_at)) " in " span.mono { (container) } }
                div.muted { "Nothing has been written. " a href=(restore(&record.id)) { "Open the restore that this undoes" } ". " span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } }
            }
            div.tiles {
                @for (action, name) in COUNTED {
                    @let count = count_of(&report.counts, action);
                    @if count > 0 { div.tile { strong { (number(count as usize)) } (name) } }
                }
            }
            section.panel aria-label="Documents" {
                div.head { h2 { "Documents" } }
                @if report.items.is_empty() { (empty("The restore wrote no documents.", &html! {})) } @else {
                    div.scroll tabindex="0" role="region" aria-label="Documents, which may be wider than the page" {
                        table {
                            thead { tr { th { "Document" } th { "Action" } th { "Now, and after the undo" } } }
                            tbody { @for item in report.items.iter().take(SHOWN_DOCUMENTS) { (row(item)) } }
                        }
                    }
                    @if report.items.len() > SHOWN_DOCUMENTS { p.foot.muted { "And " (number(report.items.len() - SHOWN_DOCUMENTS)) " more." } }
                }
            }
            (confirmation(shows, report, container))
        }
    }
}

fn row(item: &PlannedItem) -> Markup {
    let action = ACTIONS.iter().find(|(action, _)| *action == item.action).map_or("", |(_, name)| name);
    html! {
        tr {
            td { a href=(named(Address::of("document"), &item.id, &item.partition_key)) data-open { (document(&item.id, &item.partition_key)) } }
            td { (action) @if let Some(message) = &item.message { div.muted.small { (message) } } }
            td {
                @for changed in item.changes.iter().take(SHOWN_CHANGES) { (change(changed)) }
                @if item.changes.len() > SHOWN_CHANGES { div.muted { "and " (number(item.changes.len() - SHOWN_CHANGES)) " more fields" } }
            }
        }
    }
}

/// The button, which says what is done.
fn confirmation(shows: &RestoreView, report: &RestoreReport, container: &str) -> Markup {
    let Some(deeds) = deeds(&report.counts) else {
        return html! { div.footer-bar { strong { "Nothing to write." } " " span.muted { "No document would change." } } };
    };
    html! {
        form.writes data-writes data-post={ (API) "/restores/" (shows.record.id) "/undo" } data-next="restore?id={id}" {
            div.footer-bar.row {
                label.reason { "Reason" input name="reason" maxlength="1000" autocomplete="off"; }
                p.muted.small { "What is overwritten is saved in the history first. A document that has changed since is not written." }
                button.primary.right { (deeds) " in " (container) }
            }
        }
        (reads_only())
    }
}
