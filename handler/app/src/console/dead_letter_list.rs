//! *Dead letters*: documents that could not be captured. One, several or all of them can be replayed or discarded.

use actix_web::HttpRequest;
use changefeed_cosmos::PageRequest;
use changefeed_history::DeadLetter;
use maud::{Markup, html};
use serde::Deserialize;

use super::address::Address;
use super::dead_letter::one;
use super::dead_letter_choice::{ALL, CHOSEN, NAME, chosen};
use super::elements::{empty, number, pager};
use super::page::Page;
use super::restore_form::reads_only;
use super::viewer::Viewer;
use crate::http::{ApiError, Query};
use crate::service::Service;

const TITLE: &str = "Dead letters";
/// The dead letters on a page.
const PAGE_ITEMS: u32 = 50;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DeadLetterParameters {
    id: String,
    chosen: Vec<String>,
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
    if !parameters.chosen.is_empty() {
        return Box::pin(chosen(service, viewer, &parameters.chosen)).await;
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
                form action=(NAME) method="get" data-needs=(CHOSEN) {
                    div.scroll tabindex="0" role="region" aria-label="Dead letters, which may be wider than the page" {
                        table.letters {
                            thead { tr { th.box { input type="checkbox" data-all=(CHOSEN) aria-label="Choose all on this page"; } th { "Delivered" } th { "Reason" } th { "Message" } th.num { "Failed replays" } } }
                            tbody { @for found in &found.items { (row(viewer, found)) } }
                        }
                    }
                    div.writes data-writes {
                        div.foot.row {
                            span.muted { "Choose changes to replay or discard. The next page says what will be done." }
                            span.right.row {
                                a.button href=(Address::of(NAME).with(CHOSEN, ALL)) { "Replay or discard all…" }
                                button { "Replay or discard the chosen…" }
                            }
                        }
                    }
                }
                (reads_only())
                (pager(&format!("{} on this page", number(found.items.len())), first.as_ref(), next.as_ref()))
            }
        }
    })
}

fn row(viewer: &Viewer, found: &DeadLetter) -> Markup {
    html! {
        tr {
            td.box { input type="checkbox" name=(CHOSEN) value=(found.id) aria-label={ "Choose " (found.reason) " of " (found.captured_at) }; }
            td { (viewer.written_time(&found.captured_at)) }
            td { a href=(Address::of(NAME).with("id", &found.id)) data-open { (found.reason) } }
            td { (found.message) }
            td.num { (found.attempts) }
        }
    }
}
