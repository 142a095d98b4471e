//! *Dead letters*: documents that could not be captured. Each can be replayed or discarded.

use actix_web::HttpRequest;
use changefeed_cosmos::PageRequest;
use changefeed_history::DeadLetter;
use maud::{Markup, html};
use serde::Deserialize;

use super::address::{API, Address};
use super::elements::{empty, number, pager};
use super::page::Page;
use super::restore_form::reads_only;
use super::viewer::Viewer;
use crate::http::{ApiError, Query};
use crate::service::Service;

const NAME: &str = "dead-letters";
const TITLE: &str = "Dead letters";
/// The dead letters on a page.
const PAGE_ITEMS: u32 = 50;
/// The most characters of a payload that are shown.
const SHOWN_CHARACTERS: usize = 20_000;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DeadLetterParameters {
    id: String,
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
    let parameters = Query::<DeadLetterParameters>::read(request, viewer.zone())?;
    let dead_letters = &service.changefeed.dead_letters;
    if !parameters.id.is_empty() {
        return Ok(one(viewer, &dead_letters.show(&parameters.id).await?));
    }
    let continuation = Some(parameters.continuation).filter(|continuation| !continuation.is_empty());
    let first = continuation.is_some().then(|| Address::of(NAME));
    let found = dead_letters.list(&PageRequest { max_items: Some(PAGE_ITEMS), continuation }).await?;
    let next = found.continuation.map(|continuation| Address::of(NAME).with("continuation", continuation));
    Ok(html! {
        div.heading {
            h1 { (TITLE) }
            div.muted { "Documents that could not be captured, with the reason. " span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } }
        }
        section.panel aria-label=(TITLE) {
            @if found.items.is_empty() {
                (empty("There are no dead letters.", &html! { p.muted { "Every document that was delivered is captured." } }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Dead letters, which may be wider than the page" {
                    table {
                        thead { tr { th { "Delivered" } th { "Reason" } th { "Message" } th.num { "Failed replays" } } }
                        tbody { @for found in &found.items { (row(viewer, found)) } }
                    }
                }
                (pager(&format!("{} on this page", number(found.items.len())), first.as_ref(), next.as_ref()))
            }
        }
    })
}

fn row(viewer: &Viewer, found: &DeadLetter) -> Markup {
    html! {
        tr {
            td { (viewer.written_time(&found.captured_at)) }
            td { a href=(Address::of(NAME).with("id", &found.id)) data-open { (found.reason) } }
            td { (found.message) }
            td.num { (found.attempts) }
        }
    }
}

fn one(viewer: &Viewer, found: &DeadLetter) -> Markup {
    let payload = found.payload.as_deref().unwrap_or_default();
    let shown: String = payload.chars().take(SHOWN_CHARACTERS).collect();
    let act = |path: &str, method: &str, button: Markup| {
        html! { form data-post={ (API) "/dead-letters/" (found.id) (path) } data-method=(method) data-next=(NAME) { (button) } }
    };
    html! {
        div.heading {
            h1 { "Dead letter: " (found.reason) }
            div.muted { "Delivered " (viewer.written_time(&found.captured_at)) " to " (found.function) }
        }
        p.notice { (found.message) }
        section.panel aria-label="Payload" {
            div.head { h2 { "Payload as it was delivered" } span.muted { (number(payload.len())) " bytes" } }
            pre.payload tabindex="0" { (shown) @if shown.len() < payload.len() { "…" } }
            div.foot.row {
                span.muted { (found.attempts) " replays failed" @if let Some(time) = &found.attempted_at { ", the last one " (viewer.written_time(time)) } }
                @if found.rewritten_by_host { span.pill title="The Functions host may have rewritten a date or a number in it" { "not exact" } }
            }
        }
        div.writes data-writes {
            div.footer-bar.row {
                div { strong { "Capture it again, or discard it" } div.muted { "A replay stores the document as a version if that is possible now. What is discarded is gone, with its payload." } }
                span.right.row {
                    (act("", "DELETE", html! { button { "Discard this dead letter" } }))
                    (act("/replay", "POST", html! { button.primary data-key="r" { "Replay " kbd { "r" } } }))
                }
            }
        }
        (reads_only())
        p { a href=(NAME) data-key="Escape" { "All dead letters" } }
    }
}
