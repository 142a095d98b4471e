//! *Overview*: is everything captured? What needs action comes first, with the action named.

use actix_web::HttpRequest;
use changefeed_cosmos::PageRequest;
use changefeed_history::{ContainerState, Role, Window};
use changefeed_jobs::JobState;
use changefeed_operations::WindowActivityRequest;
use changefeed_processor::LeaseState;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;

use super::address::Address;
use super::chart::{Chart, bucket};
use super::elements::{counted, empty, number};
use super::find_parameters::{FindRequest, between};
use super::health::Health;
use super::page::Page;
use super::restore_parameters::restore;
use super::viewer::Viewer;
use crate::config::MODE;
use crate::http::{ApiError, NoParameters, Query};
use crate::service::Service;
use crate::status::Status;

const NAME: &str = "overview";
const TITLE: &str = "Overview";
const DAY_SECONDS: i64 = 86_400;
/// Records of each kind that are read for a tile.
const RECENT: u32 = 20;

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    match Query::<NoParameters>::read(request, viewer.zone()) {
        Ok(NoParameters {}) => Page::new(NAME, TITLE, Box::pin(content(service, viewer)).await),
        Err(error) => Page::of_error(NAME, TITLE, &error, &html! { h1 { (TITLE) } }),
    }
}

async fn content(service: &Service, viewer: &Viewer) -> Markup {
    let now = Utc::now().timestamp();
    let (status, day, tiles) = tokio::join!(Status::read(service), day(service, viewer, now), tiles(service, viewer));
    let health = Health::of(&status);
    html! {
        div.row.heading { div { h1 { (TITLE) } div.muted { (viewer.time(now)) " · " span.zone { (viewer.zone_at(now)) } } } }
        (capture(&status, &health))
        (tiles)
        (day)
        div.pair-of-panels {
            section.panel aria-label="Leases" { (leases(viewer, &status)) }
            section.panel aria-label="Containers" { (containers(&status)) }
        }
    }
}

fn has_dead_letters(status: &Status) -> bool {
    let has_items = |state: &ContainerState| matches!(state, ContainerState::Ready { items: Some(1..), .. });
    status.containers.iter().any(|container| container.role == Role::DeadLetters && has_items(&container.state))
}

/// Whether everything is captured, in a sentence, and what needs action.
fn capture(status: &Status, health: &Health) -> Markup {
    let mode = status.settings[MODE.name].as_str().unwrap_or_default();
    html! {
        section.panel.health.bad[!health.problems.is_empty()] aria-label="Capture" {
            div.body {
                h2 { (health.sentence()) }
                @for problem in &health.problems { div.problem { p { (problem.what) } p.muted { (problem.action) } } }
                @if has_dead_letters(status) { p { a href="dead-letters" { "Dead letters" } } }
                @if mode == "LatestVersion" || mode == "latest-version" {
                    p.muted.small { "In latest-version mode deletes are not reported, and of several writes within a moment only the last one is seen." }
                }
                @if let Some(warning) = status.retention.as_ref().and_then(|retention| retention.warning.as_ref()) { p.notice { (warning) } }
            }
        }
    }
}

/// The versions of the last day.
async fn day(service: &Service, viewer: &Viewer, now: i64) -> Markup {
    let drawn = async {
        let window: Window = between(now - DAY_SECONDS, now).ok_or_else(|| ApiError::bad_request("invalid window"))?;
        let request = FindRequest::of_window(window);
        let asked =
            WindowActivityRequest { select: request.select(window), bucket: bucket(window), max_versions: None };
        let activity = service.changefeed.windows.activity(&asked).await?;
        Ok::<_, ApiError>((Chart::new(&request, viewer, &activity).draw(), activity.versions))
    };
    html! {
        section.panel aria-label="The last 24 hours" {
            @match drawn.await {
                Ok((chart, versions)) => {
                    div.head { h2 { "The last 24 hours" } span.muted { (counted(versions, "version", "versions")) } a.right href="find?from=24h" data-open { "What changed" } }
                    div.body { (chart) }
                }
                Err(error) => { div.head { h2 { "The last 24 hours" } } div.body { p.error-text { (error.message()) } } }
            }
        }
    }
}

/// The last restore, backup and verification.
async fn tiles(service: &Service, viewer: &Viewer) -> Markup {
    let page = PageRequest { max_items: Some(RECENT), continuation: None };
    let changefeed = &service.changefeed;
    let (restores, backups, verifications) = tokio::join!(
        changefeed.restores.list(&page),
        changefeed.backups.list(&page),
        changefeed.verifications.list(&page)
    );
    let is_running = |state: JobState| !state.is_end();
    html! {
        div.tiles {
            @match restores {
                Ok(found) => {
                    @let running = found.items.iter().find(|restore| is_running(restore.record.state));
                    (tile("Last restore", found.items.iter().find(|restore| restore.record.state != JobState::Planned).map(|found| (&found.record.started_at, found.record.state, restore(&found.record.id))), viewer))
                    @if let Some(running) = running { div.tile { strong { a href=(restore(&running.record.id)) { "running" } } "a restore or a plan" } }
                }
                Err(error) => { div.tile { strong { "?" } (error.to_string()) } }
            }
            (last("Last backup", backups.map(|found| serde_json::json!(found.items.first())).map_err(|error| error.to_string()), viewer))
            (last("Last verification", verifications.map(|found| serde_json::json!(found.items.first())).map_err(|error| error.to_string()), viewer))
        }
    }
}

fn tile(name: &str, found: Option<(&String, JobState, Address)>, viewer: &Viewer) -> Markup {
    html! {
        @match found {
            Some((started, state, address)) => {
                div.tile { strong { a href=(address) { (state_name(state)) } } (name) div.muted.small { (viewer.written_time(started)) } }
            }
            None => { div.tile.zero { strong { "none" } (name) } }
        }
    }
}

/// A tile of a record that is known by its JSON.
fn last(name: &str, found: Result<Value, String>, viewer: &Viewer) -> Markup {
    html! {
        @match found {
            Ok(Value::Null) => { div.tile.zero { strong { "none" } (name) } }
            Ok(record) => {
                div.tile {
                    strong { (record["state"].as_str().unwrap_or("?")) } (name)
                    @if let Some(started) = record["startedAt"].as_str() { div.muted.small { (viewer.written_time(started)) } }
                }
            }
            Err(message) => { div.tile { strong { "?" } (name) div.muted.small { (message) } } }
        }
    }
}

fn state_name(state: JobState) -> String {
    serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn leases(viewer: &Viewer, status: &Status) -> Markup {
    html! {
        div.head { h2 { "Leases" } }
        @if status.leases.is_empty() { (empty("There are no leases.", &html! { p.muted { "They are created when capture starts." } })) } @else {
            div.scroll tabindex="0" role="region" aria-label="Leases, which may be wider than the page" {
                table {
                    thead { tr { th { "Feed" } th { "Lease" } th.num { "Changes behind" } th.num { "Seconds" } th { "Written" } th { "State" } } }
                    tbody {
                        @for lease in &status.leases {
                            tr {
                                td { (lease.feed.name()) }
                                td.mono { (lease.lease_token) }
                                td.num { (lease.lag.map_or_else(|| "?".to_owned(), |lag| lag.to_string())) }
                                td.num { (lease.lag_seconds.map_or_else(|| "–".to_owned(), |seconds| seconds.to_string())) }
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

fn containers(status: &Status) -> Markup {
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
            p.foot.muted { "The history is complete since " (since_text(since)) "." }
        }
    }
}

fn since_text(since: &str) -> String {
    DateTime::parse_from_rfc3339(since)
        .map_or_else(|_| since.to_owned(), |time| time.to_utc().format("%F %T UTC").to_string())
}
