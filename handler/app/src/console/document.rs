//! *Document*: its versions, what each of them changed, the document as it was and who set what.

use actix_web::HttpRequest;
use changefeed_cosmos::Key;
use changefeed_history::{AsOf, Filter, SearchRequest, TimeExpression};
use maud::{Markup, html};
use serde_json::Value;

use super::address::Address;
use super::blame_view::blame;
use super::chosen_version::chosen;
use super::comparison::comparison;
use super::document_link::named;
use super::document_parameters::{DocumentParameters, DocumentRequest, Part, View};
use super::elements::empty;
use super::page::Page;
use super::version_list::VersionList;
use super::viewer::Viewer;
use super::whole_view::whole;
use crate::http::{ApiError, Query};
use crate::service::Service;

const NAME: &str = "document";
const TITLE: &str = "Document";
/// How far the clock of this machine may be behind, in seconds.
const CLOCK_SECONDS: i64 = 60;
/// The most versions with one id that are looked at to find the keys of former documents.
const SEARCHED_ROWS: u32 = 1000;

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    let parameters = match Query::<DocumentParameters>::read(request, viewer.zone()) {
        Ok(parameters) => parameters,
        Err(error) => return Page::of_error(NAME, TITLE, &error, &html! {}),
    };
    let title = if parameters.id.is_empty() { TITLE } else { &parameters.id };
    match page(service, viewer, &parameters).await {
        Ok(page) => page,
        Err(error) => Page::of_error(NAME, title, &error, &html! { h1.mono { (title) } }),
    }
}

async fn page(service: &Service, viewer: &Viewer, parameters: &DocumentParameters) -> Result<Page, ApiError> {
    if parameters.id.is_empty() {
        return Err(ApiError::bad_request("id is missing; give the id of a document"));
    }
    let mut others_may_exist = false;
    let mut request = if parameters.has_key() {
        parameters.read(None)?
    } else {
        let found = keys_of(service, &parameters.id).await?;
        match found.keys.as_slice() {
            [(key, _)] => {
                others_may_exist = !found.is_whole;
                parameters.read(Some(key.clone()))?
            }
            _ => return Ok(choice(&parameters.id, &found)),
        }
    };
    let as_of = match parameters.as_of.trim() {
        "" => None,
        text => {
            let time = viewer.read(text).map_err(|message| ApiError::bad_request(format!("asOf: {message}")))?;
            Some(as_of(service, viewer, &mut request, time).await?)
        }
    };
    let is_unknown = matches!(as_of, Some(TimeState { is_known: false, .. }));
    let content = content(service, viewer, &request, as_of.as_ref()).await?;
    let content = html! {
        @if others_may_exist {
            p.notice { "This id has many versions. A former document with the same id and another partition key may be among those that were not looked at: to see it, add its key to the address, " code { "&pk=…" } "." }
        }
        (content)
    };
    // What is not known at a time has no version that could stand for the time in the address.
    let address = Some(request.address()).filter(|_| request.part == Part::Lines(0) && !is_unknown);
    Ok(Page { address, ..Page::new(NAME, request.document.id.clone(), content) })
}

/// The documents with an id.
struct Alike {
    /// Their keys, and whether each is live.
    keys: Vec<(Key, bool)>,
    /// Whether every version with this id was looked at, so that no former document is missing here.
    is_whole: bool,
}

/// Finds all live documents with an id, and the former ones among the first versions with it.
async fn keys_of(service: &Service, id: &str) -> Result<Alike, ApiError> {
    let history = &service.changefeed.history;
    let filter = Filter::parse(&format!("id={}", Value::from(id))).map_err(ApiError::bad_request)?;
    let search = SearchRequest { filters: vec![filter], max_items: Some(SEARCHED_ROWS), ..SearchRequest::default() };
    let (live, page) = tokio::try_join!(history.live_keys(id), history.search(&search))?;
    let mut keys: Vec<(Key, bool)> = live.into_iter().map(|key| (key, true)).collect();
    for row in page.items {
        if !keys.iter().any(|(key, _)| *key == row.partition_key) {
            keys.push((row.partition_key, false));
        }
    }
    Ok(Alike { keys, is_whole: page.continuation.is_none() })
}

/// The page for an id that no document has, or several.
fn choice(id: &str, found: &Alike) -> Page {
    let content = html! {
        h1.mono { (id) }
        section.panel {
            @if found.keys.is_empty() && found.is_whole {
                (empty("No document has this id.", &html! { p.muted { "Neither a live document nor a version in the history has it." } }))
            } @else {
                div.head { h2 { @if found.keys.len() == 1 { "A document with this id" } @else { "Several documents have this id" } } }
                ul.counts.body {
                    @for (key, is_live) in &found.keys {
                        li {
                            a.mono href=(named(Address::of(NAME), id, key)) data-open { "partition key " (key) }
                            @if *is_live { span.pill { "live" } } @else { span.muted { "does not exist now" } }
                        }
                    }
                }
                @if !found.is_whole {
                    p.foot.muted { "There may be former documents with other partition keys: this id has many versions. To see one, add its key to the address: " code { "&pk=…" } }
                }
            }
        }
    };
    Page::new(NAME, id, content)
}

/// What is known of a document at a time.
struct TimeState {
    /// In a sentence.
    sentence: Markup,
    is_known: bool,
}

/// Chooses the version as of a time. Returns what is known.
async fn as_of(
    service: &Service,
    viewer: &Viewer,
    request: &mut DocumentRequest,
    time: TimeExpression,
) -> Result<TimeState, ApiError> {
    let now = chrono::Utc::now().timestamp();
    if time.second() > now + CLOCK_SECONDS {
        return Err(ApiError::bad_request("asOf: the time is in the future; choose a time up to now"));
    }
    let found = service.changefeed.history.document_as_of(&request.document, time).await?;
    let is_known = !matches!(found, AsOf::Unknown { .. });
    let time = viewer.time(time.second());
    let sentence = match found {
        AsOf::Version { version, may_be_deleted } => {
            request.version = Some(version.id.to_string());
            html! {
                "At " (time) " the document was the version of " (viewer.time(version.source_ts)) "."
                @if may_be_deleted { " It may have been deleted before that: no delete is recorded, but it was missing later." }
            }
        }
        AsOf::Absent { because } => {
            request.version = Some(because.to_string());
            html! { "At " (time) " the document did not exist: this version shows it." }
        }
        AsOf::Unknown { since: Some(since) } => {
            html! { "What the document was at " (time) " is not known. Its history begins at " (viewer.time(since)) "." }
        }
        AsOf::Unknown { since: None } => {
            html! { "What the document was at " (time) " is not known. It has no versions." }
        }
    };
    Ok(TimeState { sentence, is_known })
}

async fn content(
    service: &Service,
    viewer: &Viewer,
    request: &DocumentRequest,
    as_of: Option<&TimeState>,
) -> Result<Markup, ApiError> {
    let history = &service.changefeed.history;
    let (list, live) =
        tokio::try_join!(VersionList::read(service, request), async { Ok(history.live(&request.document).await?) })?;
    // Fields that are never stored are not shown either: they would be a difference from every version.
    let live = live.map(|live| history.as_recorded(live));
    let request = &DocumentRequest { list: list.start().cloned(), ..request.clone() };
    let chosen = chosen(service, request, &list, live.as_ref()).await?;
    let is_unknown = as_of.is_some_and(|as_of| !as_of.is_known);
    let chosen = chosen.filter(|_| !is_unknown);
    let detail = match (request.view, &chosen) {
        (_, None) if is_unknown => html! {},
        (_, None) => html! { (empty("This document has no versions and does not exist.", &html! {})) },
        (View::Compare, Some(chosen)) => comparison(service, viewer, request, chosen, live.as_ref()).await?,
        (View::Whole, Some(chosen)) => whole(viewer, request, chosen),
        (View::Blame, Some(chosen)) => blame(service, viewer, request, chosen).await?,
    };
    Ok(html! {
        div.row.heading {
            div {
                h1 { (request.name()) }
                div.muted {
                    @if live.is_some() { "live" } @else { strong { "does not exist now" } }
                    " · " (viewer.zone_at(list.newest().unwrap_or_default()))
                }
            }
            (tabs(request))
            (as_of_form(request))
        }
        @if let Some(as_of) = as_of { p.notice { (as_of.sentence) } }
        div.document {
            section.panel aria-label="Versions" { (list.draw(viewer, request, chosen.as_ref().map(|chosen| &chosen.version))) }
            div.stack { (detail) }
        }
    })
}

fn tabs(request: &DocumentRequest) -> Markup {
    let views = [(View::Compare, "Compare"), (View::Whole, "Whole document"), (View::Blame, "Who set what")];
    html! {
        nav.right.choice aria-label="View" {
            @for (view, name) in views {
                a href=(request.viewed(view).address()) aria-current=[(view == request.view).then_some("true")] { (name) }
            }
        }
    }
}

fn as_of_form(request: &DocumentRequest) -> Markup {
    let key = Value::from_iter(request.document.partition_key.components().iter().cloned().map(Value::from));
    html! {
        form.as-of method="get" action=(NAME) {
            input type="hidden" name="id" value=(request.document.id);
            input type="hidden" name="partitionKey" value=(key);
            input name="asOf" placeholder="as of: 10:31, yesterday" aria-label="Show the document as of a time" autocomplete="off";
            button { "Go" }
        }
    }
}
