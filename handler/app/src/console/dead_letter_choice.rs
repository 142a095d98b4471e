//! Chosen dead letters, or all of them: what a replay or a discard would do, in words, and the buttons that do it. The script calls the
//! function of the HTTP API for each of them, in order, and reports what failed.

use changefeed_cosmos::{ErrorKind, MAX_PAGE_ITEMS, PageRequest};
use changefeed_history::DeadLetter;
use futures::{StreamExt, TryStreamExt};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::address::{API, Address};
use super::elements::{counted, empty, number};
use super::restore_form::reads_only;
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The page of the dead letters.
pub const NAME: &str = "dead-letters";
/// The parameter with the ids of chosen dead letters.
pub const CHOSEN: &str = "chosen";
/// The value of that parameter for all of them.
pub const ALL: &str = "all";
/// The most dead letters that are chosen by their ids.
const MAX_CHOSEN: usize = 100;
/// The most that are listed with their documents.
const LISTED: usize = 50;
/// Payloads that are read concurrently.
const CONCURRENT_READS: usize = 8;

/// The id of the document in a payload, if it has one. A change of AllVersionsAndDeletes mode has the document inside.
pub fn document_id(payload: &str) -> Option<String> {
    let payload: Value = serde_json::from_str(payload).ok()?;
    let places = ["/id", "/current/id", "/previous/id", "/metadata/id"];
    places.iter().find_map(|place| payload.pointer(place)?.as_str()).map(str::to_owned)
}

/// A dead letter of the list.
struct Chosen {
    letter: DeadLetter,
    document: Option<String>,
}

/// The page of the chosen dead letters.
///
/// # Errors
/// When too many are chosen, and when they cannot be read.
pub async fn chosen(service: &Service, viewer: &Viewer, ids: &[String]) -> Result<Markup, ApiError> {
    if ids.len() > MAX_CHOSEN {
        let given = ids.len();
        return Err(ApiError::bad_request(format!("{CHOSEN}: given {given} times; at most {MAX_CHOSEN} are allowed")));
    }
    let mut has_more = false;
    let ids = if ids == [ALL] {
        let page = PageRequest { max_items: Some(MAX_PAGE_ITEMS), continuation: None };
        let found = service.changefeed.dead_letters.list(&page).await?;
        has_more = found.continuation.is_some();
        found.items.into_iter().map(|letter| letter.id).collect()
    } else {
        ids.to_vec()
    };
    let read = ids.iter().take(LISTED).map(|id| read(service, id));
    let read: Vec<Option<Chosen>> = futures::stream::iter(read).buffered(CONCURRENT_READS).try_collect().await?;
    let gone = read.iter().filter(|found| found.is_none()).count();
    let listed: Vec<Chosen> = read.into_iter().flatten().collect();
    let rest = ids.iter().skip(LISTED).cloned();
    let ids: Vec<String> = listed.iter().map(|found| found.letter.id.clone()).chain(rest).collect();
    let heading = counted(ids.len(), "dead letter", "dead letters");
    Ok(html! {
        div.heading { h1 { (heading) " to replay or discard" } div.muted { span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } } }
        @if gone > 0 { p.notice { (number(gone)) " of the chosen are no longer dead letters: replayed or discarded since." } }
        @if has_more { p.notice { "There are more. These are the newest " (number(ids.len())) "; open this page again for the next ones." } }
        section.panel aria-label="Chosen dead letters" {
            @if listed.is_empty() { (empty("No chosen change is a dead letter now.", &html! { p { a href=(NAME) { "All dead letters" } } })) } @else {
                div.scroll tabindex="0" role="region" aria-label="Chosen dead letters, which may be wider than the page" {
                    table.chosen-letters {
                        thead { tr { th { "Delivered" } th { "Document" } th { "Reason" } th { "Message" } } }
                        tbody { @for found in &listed { (row(viewer, found)) } }
                    }
                }
                @if ids.len() > listed.len() { p.foot.muted { "And " (number(ids.len() - listed.len())) " more." } }
            }
        }
        @if !listed.is_empty() {
            div.writes data-writes {
                div.footer-bar.stack {
                    div.row {
                        div { strong { "Replay" } div.muted { "Captures each change again, as a version if that is possible now. What still cannot be stored stays a dead letter." } }
                        span.right { (replay(&ids, &format!("Replay {}", counted(ids.len(), "change", "changes")))) }
                    }
                    div.row {
                        div {
                            strong { "Discard" }
                            div.muted { (discarded(&listed, ids.len())) }
                        }
                        span.right { (discard(&listed, &ids)) }
                    }
                }
            }
            (reads_only())
        }
        p { a href=(NAME) data-key="Escape" { "All dead letters" } }
    })
}

/// A dead letter and the id of its document; `None` if it is no longer one.
async fn read(service: &Service, id: &str) -> Result<Option<Chosen>, ApiError> {
    match service.changefeed.dead_letters.show(id).await {
        Ok(letter) => {
            let document = letter.payload.as_deref().and_then(document_id);
            Ok(Some(Chosen { letter: DeadLetter { payload: None, ..letter }, document }))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn row(viewer: &Viewer, found: &Chosen) -> Markup {
    let letter = &found.letter;
    html! {
        tr {
            td { (viewer.written_time(&letter.captured_at)) }
            td { a href=(Address::of(NAME).with("id", &letter.id)) data-open { @match &found.document { Some(id) => { span.mono { (id) } } None => "not known" } } }
            td { (letter.reason) }
            td { (letter.message) }
        }
    }
}

/// What a discard does, in a sentence.
fn discarded(listed: &[Chosen], count: usize) -> Markup {
    html! {
        @match listed {
            [one] if count == 1 => {
                @match &one.document {
                    Some(id) => { "Discard the change of document " span.mono { (id) } "; it is never captured." }
                    None => "Discard the change of a document that is not known; it is never captured.",
                }
            }
            _ => { "Discard " (number(count)) " changes; they are never captured." }
        }
        @if count == 1 { " Its payload is deleted." } @else { " Their payloads are deleted." } " This cannot be undone."
    }
}

fn discard(listed: &[Chosen], ids: &[String]) -> Markup {
    let label = match listed {
        [Chosen { document: Some(id), .. }] if ids.len() == 1 => format!("Discard the change of {id}"),
        _ => format!("Discard {}", counted(ids.len(), "change", "changes")),
    };
    form("", "DELETE", ids, &html! { button.danger { (label) } })
}

/// The form that replays dead letters, in order.
pub fn replay(ids: &[String], label: &str) -> Markup {
    form("/replay", "POST", ids, &html! { button.primary data-key="r" { (label) " " kbd { "r" } } })
}

fn form(path: &str, method: &str, ids: &[String], button: &Markup) -> Markup {
    html! {
        form data-each={ (API) "/dead-letters/{id}" (path) } data-method=(method) data-ids=(json!(ids)) { (button) output.strong {} ul.failures hidden {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_a_payload_is_found_in_both_modes() {
        for (payload, id) in [
            (r#"{"id": "1"}"#, Some("1")),
            (r#"{"current": {"id": "2"}, "metadata": {}}"#, Some("2")),
            (r#"{"current": {}, "metadata": {"id": "3"}}"#, Some("3")),
            (r#"{"id": 4}"#, None),
            ("{", None),
        ] {
            assert_eq!(document_id(payload).as_deref(), id, "{payload}");
        }
    }
}
