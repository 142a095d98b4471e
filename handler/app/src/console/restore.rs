//! *Restore*: a plan, its execution, its result, and its undo. Each has the same address, so it can be left and resumed.

use actix_web::HttpRequest;
use changefeed_jobs::JobState;
use changefeed_operations::{Action, Counts, RestoreRequest, RestoreView};
use maud::{Markup, html};

use super::address::API;
use super::elements::{number, warnings};
use super::job_actions::undo as undo_button;
use super::page::Page;
use super::restore_form::reads_only;
use super::restore_heading::heading;
use super::restore_items::{Items, Stage};
use super::restore_parameters::{COUNTED, RestoreParameters, count_of, restore};
use super::restore_plan::{choices, confirmation};
use super::undo_preview::preview;
use super::viewer::Viewer;
use crate::http::{ApiError, Query};
use crate::service::Service;

const NAME: &str = "restore";
const TITLE: &str = "Restore";
/// After how many seconds a page of a restore that has not ended is shown again.
const REFRESH_SECONDS: u32 = 1;

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    match page(request, service, viewer).await {
        Ok(page) => page,
        Err(error) => Page::of_error(NAME, TITLE, &error, &html! { h1 { (TITLE) } }),
    }
}

async fn page(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Result<Page, ApiError> {
    let parameters = Query::<RestoreParameters>::read(request, viewer.zone())?;
    let shown = parameters.read()?;
    let restores = &service.changefeed.restores;
    let shows = restores.show_without_pages(&parameters.id).await?;
    let names = &service.settings().names;
    let container = format!("{}/{}", names.database, shows.record.into.as_deref().unwrap_or(&names.monitored));
    if parameters.undo
        && let Some(content) = preview(service, viewer, &shows, &container).await?
    {
        return Ok(Page::new(NAME, TITLE, content));
    }
    let items = Items::read(service, &shows.record, &shown).await?;
    let content = content(viewer, &shows, &items, &container);
    Ok(Page::new(NAME, TITLE, content))
}

fn content(viewer: &Viewer, shows: &RestoreView, items: &Items, container: &str) -> Markup {
    let record = &shows.record;
    let request = RestoreRequest::of_record(record.request.clone()).ok();
    let is_plan = record.request["dryRun"] == true;
    let is_ready = record.state == JobState::Planned;
    let is_under_way = !record.state.is_end();
    let seconds = is_under_way.then_some(REFRESH_SECONDS);
    html! {
        div.stack data-refresh=[seconds] {
            div.row.heading {
                div {
                    h1 { (heading(viewer, request.as_ref(), record.undo_of.as_deref())) " in " span.mono { (container) } }
                    div.muted { (state(viewer, shows, is_plan)) }
                }
            }
            @if is_under_way { (progress(shows)) }
            (tiles(&record.counts, record.request_charge))
            @if let Some(forecast) = &shows.forecast { p.muted { (forecast) } }
            (warnings(&record.warnings))
            @if let Some(message) = &shows.message { p.notice { (message) } }
            @if record.state == JobState::Failed && let Some(message) = shows.progress.as_ref().and_then(|progress| progress.message.as_ref()) {
                section.panel.error role="alert" { div.body { h2 { @if is_plan { "The plan failed" } @else { "The restore failed" } } p { (message) } } }
            }
            @if is_plan && is_ready && let Some(request) = &request && let Some(window) = request.window() { (choices(record, request, window)) }
            @let stage = if is_plan { Stage::Plan } else if is_under_way { Stage::UnderWay } else { Stage::Result };
            (items.draw(viewer, &record.id, &record.counts, stage))
            @if is_plan && is_ready { (confirmation(record, container)) }
            @if !is_plan && record.state.is_end() { (undo(shows)) }
        }
    }
}

/// The state in a sentence.
fn state(viewer: &Viewer, shows: &RestoreView, is_plan: bool) -> Markup {
    let record = &shows.record;
    let time = |text: &str| viewer.written_time(text);
    let by = html! { @if let Some(by) = &record.requested_by { " by " (by) } };
    html! {
        @match (record.state, is_plan) {
            (JobState::Planned, _) => { "This is a plan. Nothing has been written. Planned at " (time(record.finished_at.as_ref().unwrap_or(&record.started_at))) "." }
            (JobState::Queued, true) => "The plan waits for a worker. Nothing is written.",
            (JobState::Queued, false) => "Waits for a worker. Nothing has been written.",
            (JobState::Running, true) => "The plan is being made. Nothing is written.",
            (JobState::Running, false) => { "Writing since " (time(&record.started_at)) (by) "." }
            (JobState::Cancelled, true) => "The plan was cancelled. Nothing was written.",
            (JobState::Cancelled, false) => "It was cancelled. Documents that were already written stay as they were written.",
            (JobState::Failed, true) => "The plan could not be made. Nothing was written.",
            (state, _) => {
                @match state {
                    JobState::Conflicts => "Done; some documents had changed and were not written. ",
                    JobState::Unknowns => "Done; for some documents the history does not reach back far enough. ",
                    JobState::Failed if record.counts.writes() == 0 => "Nothing was written. ",
                    JobState::Failed => "Some documents could not be written. ",
                    _ => "Done. ",
                }
                "Finished " @if let Some(finished) = &record.finished_at { (time(finished)) } (by) "."
            }
        }
        @if let Some(undone) = &record.undo_of { " " a href=(restore(undone)) { "Open the restore that this undoes." } }
        @if let Some(joint) = &record.joint { " It is part of restore " (joint) ", which is of several sources." }
        @if let Some(reason) = &record.reason { " Reason: " (reason) "." }
        @match (&record.undone_by, &record.last_undo) {
            (Some(undo), _) => { " " a href=(restore(undo)) { "It was undone." } }
            (None, Some(undo)) => { " " a href=(restore(undo)) { "Open its last undo, which has not taken back everything." } }
            (None, None) => {}
        }
    }
}

fn tiles(counts: &Counts, charge: f64) -> Markup {
    html! {
        div.tiles {
            @for (action, name) in COUNTED {
                @let count = count_of(counts, action);
                @if count > 0 || matches!(action, Action::Conflict | Action::Unknown) { div.tile.zero[count == 0] { strong { (number(count as usize)) } (name) } }
            }
            @if charge > 0.0 { div.tile.zero { strong { (number(charge.round() as usize)) } "RU used" } }
        }
    }
}

fn progress(shows: &RestoreView) -> Markup {
    let Some(progress) = &shows.progress else { return html! {} };
    let left = progress.seconds_left.map(|seconds| format!(" · about {seconds} s left"));
    html! {
        section.panel aria-label="Progress" {
            div.body {
                progress value=[progress.total.map(|_| progress.done.to_string())] max=[progress.total.map(|total| total.max(1).to_string())] aria-label="Progress" {}
                div.row {
                    span.muted {
                        (number(progress.done as usize)) @if let Some(total) = progress.total { " of " (number(total as usize)) } " documents"
                        @if let Some(left) = left { (left) }
                        @if let Some(message) = &progress.message { " · retrying: " (message) }
                    }
                    form.writes.right data-writes data-post={ (API) "/restores/" (shows.record.id) "/cancel" } data-next={ "restore?id=" (shows.record.id) } {
                        button disabled[progress.cancelling] { @if progress.cancelling { "Cancelling" } @else { "Cancel" } }
                    }
                }
            }
        }
    }
}

/// The plan that undoes a restore.
fn undo(shows: &RestoreView) -> Markup {
    let record = &shows.record;
    if record.undone_by.is_some() || record.counts.writes() == 0 {
        return html! {};
    }
    html! {
        div.writes data-writes {
            div.footer-bar.row {
                div { strong { "Undo this restore" } div.muted { "Every document returns to what it was before. Shows a plan first." } }
                div.right { (undo_button(&record.id, shows.progress.is_some(), "Preview the undo")) }
            }
        }
        (reads_only())
    }
}
