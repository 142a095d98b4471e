//! *Overview*: is everything captured? What needs action comes first, with the action named.

use actix_web::HttpRequest;
use changefeed_cosmos::Error;
use changefeed_history::ContainerState;
use changefeed_jobs::JobState;
use changefeed_operations::ListedJob;
use changefeed_processor::LeaseState;
use chrono::Utc;
use futures::future::join_all;
use maud::{Markup, html};

use super::day::day;
use super::elements::{empty, number};
use super::health::Health;
use super::job_kind::{JobKind, STORED};
use super::job_row::{state_name, table};
use super::last_jobs::{LastJobs, recent};
use super::page::Page;
use super::viewer::Viewer;
use crate::http::{NoParameters, Query};
use crate::service::Service;
use crate::sources::Sources;
use crate::status::Status;

const NAME: &str = "overview";
const TITLE: &str = "Overview";
/// After how many seconds the page is shown again. Each time it reads the versions of a day.
const REFRESH_SECONDS: u32 = 60;
/// The most unfinished jobs that are shown.
const SHOWN_JOBS: u32 = 20;
/// The restores and plans among which the last restore is looked for.
const RECENT_RESTORES: u32 = 50;

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer, sources: &Sources) -> Page {
    match Query::<NoParameters>::read(request, viewer.zone()) {
        Ok(NoParameters {}) => Page::new(NAME, TITLE, Box::pin(content(service, viewer, sources)).await),
        Err(error) => Page::of_error(NAME, TITLE, &error, &html! { h1 { (TITLE) } }),
    }
}

async fn content(service: &Service, viewer: &Viewer, sources: &Sources) -> Markup {
    let now = Utc::now().timestamp();
    let (status, last, restores, unfinished, day, all) = tokio::join!(
        Status::read(service),
        LastJobs::read(service),
        recent(service, JobKind::Restores, RECENT_RESTORES),
        service.changefeed.unfinished_jobs(&STORED, SHOWN_JOBS + 1),
        day(service, viewer, now),
        of_sources(sources)
    );
    let health = Health::of(&status, &last);
    html! {
        span data-refresh=(REFRESH_SECONDS) hidden {}
        div.row.heading { div { h1 { (TITLE) } div.muted { (viewer.time(now)) " · " span.zone { (viewer.zone_at(now)) } } } }
        (capture(&status, &health))
        (all)
        (under_way(viewer, &unfinished))
        div.tiles {
            (tile(viewer, "Last restore", restores.as_ref().map(|jobs| last_restore(jobs))))
            (tile(viewer, "Last backup", last.backup()))
            (tile(viewer, "Last verification", last.verification()))
        }
        (day)
        div.pair-of-panels {
            section.panel aria-label="Leases" { (leases(viewer, &status)) }
            section.panel aria-label="Containers" { (containers(viewer, &status)) }
        }
    }
}

/// What is captured of each source, where there are several.
async fn of_sources(sources: &Sources) -> Markup {
    if !sources.are_several() {
        return html! {};
    }
    let read = sources.all().map(async |service| {
        let (status, last) = tokio::join!(Status::read(service), LastJobs::read(service));
        (service, Health::of(&status, &last))
    });
    let read = join_all(read).await;
    html! {
        section.panel aria-label="Sources" {
            div.head { h2 { "Sources" } }
            table {
                thead { tr { th { "Source" } th { "Container" } th { "Capture" } } }
                tbody {
                    @for (service, health) in &read {
                        tr {
                            td { a href={ "overview?source=" (service.source()) } data-open { (service.source()) } }
                            td.mono { (service.settings().names.monitored) }
                            td {
                                @match health.problems.first() {
                                    Some(problem) => { span.error-text { (problem.what) } }
                                    None => (health.sentence()),
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether everything is captured, in a sentence, what needs action, and what the mode of the change feed cannot show.
fn capture(status: &Status, health: &Health) -> Markup {
    html! {
        section.panel.health.bad[!health.problems.is_empty()] aria-label="Capture" {
            div.body {
                h2 { (health.sentence()) }
                @for problem in &health.problems {
                    div.problem {
                        p { @match &problem.page { Some(page) => { a href=(page) { (problem.what) } } None => (problem.what) } }
                        p.muted { (problem.action) }
                    }
                }
                p.muted.small {
                    @match status.mode.as_deref() {
                        Some(mode) => { "Change feed mode: " strong { (mode) } ". " (blind_spot(mode)) }
                        None if status.leases_error.is_some() => "The change feed mode is not known, because the leases cannot be read.",
                        None => "The change feed mode is known when capture has started.",
                    }
                }
                @if let Some(warning) = status.retention.as_ref().and_then(|retention| retention.warning.as_ref()) { p.notice { (warning) } }
            }
        }
    }
}

/// What the history cannot have in a mode of the change feed.
fn blind_spot(mode: &str) -> &'static str {
    if mode == "AllVersionsAndDeletes" {
        "Every write and delete since capture started is seen. What is older than the retention of the continuous backup cannot be read if capture stops for so long."
    } else {
        "Deletes and expired documents are not reported, and of several writes to a document in quick succession only the last one is seen."
    }
}

/// The jobs that have not ended.
fn under_way(viewer: &Viewer, unfinished: &Result<Vec<ListedJob>, Error>) -> Markup {
    let shown = SHOWN_JOBS as usize;
    html! {
        @match unfinished {
            Ok(jobs) if jobs.is_empty() => {}
            Ok(jobs) => {
                section.panel aria-label="Running jobs" {
                    div.head {
                        h2 { "Running jobs" }
                        span.muted { @if jobs.len() > shown { "more than " (number(shown)) } @else { (number(jobs.len())) } }
                        a.right href="jobs" { "All jobs" }
                    }
                    (table(viewer, jobs.get(..shown).unwrap_or(jobs), "Running jobs", NAME))
                }
            }
            Err(error) => { section.panel aria-label="Running jobs" { div.head { h2 { "Running jobs" } } div.body { p.error-text { (error.to_string()) } } } }
        }
    }
}

/// The last restore that has ended, or else the newest one. A plan is none.
fn last_restore(jobs: &[ListedJob]) -> Option<&ListedJob> {
    let mut restores = jobs.iter().filter(|job| !job.is_plan());
    restores.clone().find(|job| job.state.is_end()).or_else(|| restores.next())
}

/// The last job of a kind: its state as a link to its page, red with the action if it needs one.
fn tile(viewer: &Viewer, name: &str, found: Result<Option<&ListedJob>, &Error>) -> Markup {
    html! {
        @match found {
            Ok(None) => { div.tile.zero { strong { "none" } (name) } }
            Ok(Some(job)) => {
                @let action = action(job);
                div.tile.bad[action.is_some()] {
                    strong { a href=(JobKind::of(job).address(&job.id)) { (state_name(job.state)) } }
                    (name)
                    div.muted.small { (viewer.written_time(&job.started_at)) }
                    @if let Some(action) = action { div.small { (action) } }
                }
            }
            Err(error) => { div.tile { strong { "?" } (name) div.error-text.small { (error.to_string()) } } }
        }
    }
}

/// What to do about a job that has ended badly.
fn action(job: &ListedJob) -> Option<&'static str> {
    match (JobKind::of(job), job.state) {
        (JobKind::Verifications, JobState::Findings) => Some("Open it to see and repair the findings."),
        (JobKind::Verifications, JobState::Failed) => Some("Open it for the reason, then verify again."),
        (JobKind::Backups, JobState::Failed) => Some("Open it for the reason, then back up again."),
        (JobKind::Restores, JobState::Failed) => Some("Open it to see what was not written."),
        (JobKind::Restores, JobState::Conflicts | JobState::Unknowns) => Some("Open it to see what was not restored."),
        _ => None,
    }
}

fn leases(viewer: &Viewer, status: &Status) -> Markup {
    html! {
        div.head { h2 { "Leases" } }
        @if let Some(error) = &status.leases_error { div.body { p.error-text { (error) } } }
        @else if status.leases.is_empty() { (empty("There are no leases.", &html! { p.muted { "They are created when capture starts." } })) } @else {
            div.scroll tabindex="0" role="region" aria-label="Leases, which may be wider than the page" {
                table {
                    thead { tr { th { "Feed" } th { "Lease" } th.num { "Changes behind" } th.num { "Seconds" } th { "Written" } th { "State" } } }
                    tbody {
                        @for lease in &status.leases {
                            tr {
                                td { (lease.feed.name()) }
                                td.mono { (lease.lease_token) }
                                td.num { (lease.lag.map_or_else(|| "?".to_owned(), count)) }
                                td.num { (lease.lag_seconds.map_or_else(|| "–".to_owned(), count)) }
                                td { @if let Some(written) = &lease.last_written { (viewer.written_time(written)) } @else { "–" } }
                                td { @match lease.state { LeaseState::Ok => "ok", LeaseState::Free => "free", _ => { span.error-text { (lease.reason.as_deref().unwrap_or("stalled")) } } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn count(count: i64) -> String {
    number(usize::try_from(count).unwrap_or_default())
}

fn containers(viewer: &Viewer, status: &Status) -> Markup {
    html! {
        div.head { h2 { "Containers" } }
        table {
            thead { tr { th { "Container" } th.num { "Items" } } }
            tbody {
                @for container in &status.containers {
                    tr {
                        td.mono { (container.name) }
                        td.num {
                            @match &container.state {
                                ContainerState::Ready { items: Some(items), .. } => { (number(usize::try_from(*items).unwrap_or(usize::MAX))) }
                                ContainerState::Ready { items: None, .. } => "?",
                                ContainerState::Missing => "missing",
                                ContainerState::Failed { .. } => { span.error-text { "cannot be read" } }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(since) = status.retention.as_ref().and_then(|retention| retention.complete_since.as_ref()) {
            p.foot.muted { "The history is complete since " (viewer.written_time(since)) "." }
        }
    }
}
