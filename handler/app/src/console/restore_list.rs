//! *Restores*: plans, restores and undos, newest first.

use actix_web::HttpRequest;
use changefeed_cosmos::PageRequest;
use changefeed_jobs::JobState;
use changefeed_operations::{Counts, RestoreRequest, RestoreView};
use maud::{Markup, html};
use serde::Deserialize;

use super::address::Address;
use super::elements::{empty, number, pager};
use super::page::Page;
use super::restore_heading::heading;
use super::restore_parameters::{COUNTED, count_of, restore};
use super::viewer::Viewer;
use crate::http::{ApiError, Query};
use crate::service::Service;

const NAME: &str = "restores";
const TITLE: &str = "Restores";
/// The restores on a page.
const PAGE_ITEMS: u32 = 50;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ListParameters {
    continuation: String,
}

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    match content(request, service, viewer).await {
        Ok(content) => Page::new(NAME, TITLE, content),
        Err(error) => Page::of_error(NAME, TITLE, &error, &html! { h1 { (TITLE) } }),
    }
}

async fn content(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Result<Markup, ApiError> {
    let parameters = Query::<ListParameters>::read(request, viewer.zone())?;
    let continuation = Some(parameters.continuation).filter(|continuation| !continuation.is_empty());
    let is_first = continuation.is_none();
    let asked = PageRequest { max_items: Some(PAGE_ITEMS), continuation };
    let found = service.changefeed.restores.list(&asked).await?;
    let next = found.continuation.map(|continuation| Address::of(NAME).with("continuation", continuation));
    let first = (!is_first).then(|| Address::of(NAME));
    Ok(html! {
        div.heading { h1 { (TITLE) } div.muted { "Plans are kept for a week. " span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } } }
        section.panel aria-label="Restores" {
            @if found.items.is_empty() {
                (empty("Nothing was restored yet.", &html! { p { "Choose a time with too many changes in " a href="find" { "Find" } ", or a version of a document." } }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Restores, which may be wider than the page" {
                    table {
                        thead { tr { th { "Started" } th { "State" } th { "What" } th { "Documents" } th { "By" } } }
                        tbody { @for shows in &found.items { (row(viewer, shows)) } }
                    }
                }
                (pager(&format!("{} on this page", number(found.items.len())), first.as_ref(), next.as_ref()))
            }
        }
    })
}

fn row(viewer: &Viewer, shows: &RestoreView) -> Markup {
    let record = &shows.record;
    let request = RestoreRequest::of_record(record.request.clone()).ok();
    html! {
        tr {
            td { (viewer.written_time(&record.started_at)) }
            td { (state(record.state)) @if record.undone_by.is_some() { " " span.pill { "undone" } } }
            td {
                a href=(restore(&record.id)) data-open { (heading(viewer, request.as_ref(), record.undo_of.as_deref())) }
                @if let Some(reason) = &record.reason { div.muted { (reason) } }
            }
            td { (counts(&record.counts)) }
            td.muted { (record.requested_by.as_deref().unwrap_or("–")) }
        }
    }
}

fn state(state: JobState) -> Markup {
    let name = serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let is_bad = matches!(state, JobState::Failed | JobState::Conflicts | JobState::Unknowns);
    html! { span.pill.bad[is_bad] { (name) } }
}

/// The numbers of documents by action: `388 replace, 10 merge`.
fn counts(counts: &Counts) -> String {
    let parts = COUNTED.iter().map(|(action, name)| (count_of(counts, *action), name));
    let parts: Vec<String> = parts
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", number(count as usize)))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
