//! *Find documents*: live documents and versions by the values of their fields.

use actix_web::HttpRequest;
use changefeed_cosmos::FieldPath;
use changefeed_history::{Filter, SearchRequest, SearchRow, TimeExpression};
use maud::{Markup, html};
use serde::Deserialize;

use super::address::Address;
use super::document_link::{document, named};
use super::elements::{counted, empty, field, operation, pager, value};
use super::page::Page;
use super::viewer::{Viewer, utc};
use crate::http::{ApiError, Query};
use crate::service::Service;

const NAME: &str = "documents";
/// The page of the navigation to which it belongs.
const FIND: &str = "find";
const TITLE: &str = "Find documents";
/// The rows on a page.
const PAGE_ITEMS: u32 = 50;
/// The most fields of a row.
const SHOWN_FIELDS: usize = 4;

/// The parameters as they are in the address. An empty one is the same as none, because forms send empty fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DocumentsParameters {
    filter: String,
    from: String,
    to: String,
    continuation: String,
}

/// What the page shows.
struct Request {
    text: String,
    search: SearchRequest,
}

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    let parameters = match Query::<DocumentsParameters>::read(request, viewer.zone()) {
        Ok(parameters) => parameters,
        Err(error) => return Page::of_error(FIND, TITLE, &error, &heading()),
    };
    match page(service, viewer, &parameters).await {
        Ok(page) => page,
        Err(error) => {
            let form = html! { (heading()) section.panel { (form(&parameters)) } };
            Page::of_error(FIND, TITLE, &error, &form)
        }
    }
}

async fn page(service: &Service, viewer: &Viewer, parameters: &DocumentsParameters) -> Result<Page, ApiError> {
    let Some(request) = parameters.read(viewer).map_err(ApiError::bad_request)? else {
        let content = html! { (heading()) section.panel { (form(parameters)) (introduction()) } };
        return Ok(Page::new(FIND, TITLE, content));
    };
    let found = service.changefeed.history.search(&request.search).await?;
    let is_first = request.search.continuation.is_none();
    let next = found.continuation.map(|continuation| request.address().with("continuation", continuation));
    let first = (!is_first).then(|| request.address());
    let filters = &request.search.filters;
    let mut fields: Vec<&FieldPath> = Vec::new();
    for field in filters.iter().flat_map(Filter::fields) {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    let content = html! {
        (heading())
        section.panel aria-label="Documents and versions" {
            (form(parameters))
            @if found.items.is_empty() {
                (empty("No document and no version matches.", &html! { p.muted { "A text in a filter is written exactly, with its capital letters." } }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Documents and versions, which may be wider than the page" {
                    table.rows {
                        thead { tr { th { "Time" } th { span.hidden { "Operation" } } th { "Document" } th { "Fields" } th { "By" } } }
                        tbody { @for found in &found.items { (row(viewer, found, &fields)) } }
                    }
                }
                (pager(&format!("{} on this page, oldest first", counted(found.items.len(), "row", "rows")), first.as_ref(), next.as_ref()))
            }
        }
    };
    Ok(Page { address: is_first.then(|| request.address()), ..Page::new(FIND, TITLE, content) })
}

impl DocumentsParameters {
    /// The request; `None` without any condition.
    fn read(&self, viewer: &Viewer) -> Result<Option<Request>, String> {
        let time = |name: &str, text: &str| -> Result<Option<TimeExpression>, String> {
            match text.trim() {
                "" => Ok(None),
                text => viewer.read(text).map(Some).map_err(|message| format!("{name}: {message}")),
            }
        };
        let text = self.filter.trim();
        let (from, to) = (time("from", &self.from)?, time("to", &self.to)?);
        if text.is_empty() {
            return Ok(None);
        }
        let filter = Filter::parse(text).map_err(|message| format!("filter: {message}"))?;
        let continuation = Some(self.continuation.clone()).filter(|continuation| !continuation.is_empty());
        let search = SearchRequest { filters: vec![filter], from, to, max_items: Some(PAGE_ITEMS), continuation };
        Ok(Some(Request { text: text.to_owned(), search }))
    }
}

impl Request {
    /// The address of the first page, with absolute times.
    fn address(&self) -> Address {
        let times = [("from", self.search.from), ("to", self.search.to)];
        let address = Address::of(NAME).with("filter", self.text.as_str());
        times.into_iter().fold(address, |address, (name, time)| match time {
            Some(time) => address.with(name, utc(time.second())),
            None => address,
        })
    }
}

/// The heading of the page, with the way to the other kind of search.
fn heading() -> Markup {
    html! {
        div.row.heading {
            div { h1 { (TITLE) } div.muted { "Live documents and versions, by the values of their fields" } }
            (kinds(NAME))
        }
    }
}

/// What can be searched for.
pub fn kinds(page: &str) -> Markup {
    html! {
        nav.right.choice aria-label="Kind of search" {
            @for (name, shown) in [("find", "What changed"), (NAME, "Documents by field")] {
                a href=(name) aria-current=[(name == page).then_some("true")] { (shown) }
            }
        }
    }
}

fn form(parameters: &DocumentsParameters) -> Markup {
    let input = |name: &str, label: &str, text: &str, hint: &str| {
        html! {
            label { span { (label) }
                input name=(name) value=(text.trim()) placeholder=(hint) autocomplete="off" spellcheck="false";
            }
        }
    };
    html! {
        form.head.filters.by-field method="get" action=(NAME) {
            (input("filter", "Fields", &parameters.filter, "city_name=Davidson and phone exists"))
            (input("from", "From", &parameters.from, "any time"))
            (input("to", "To", &parameters.to, "now"))
            button { "Find" }
        }
    }
}

fn introduction() -> Markup {
    let examples = [
        ("city_name=Davidson", "a value"),
        ("city_name starts with DAV", "the beginning of a text"),
        ("latitude < 34 and phone exists", "several conditions"),
        ("tags[]=new or state in (NC, SC)", "an element of an array, or one of some values"),
    ];
    html! {
        div.body {
            p { "Write what a field of the document is, or was:" }
            ul.examples {
                @for (example, meaning) in examples {
                    li { a.mono href=(Address::of(NAME).with("filter", example)) { (example) } " " span.muted { (meaning) } }
                }
            }
        }
    }
}

fn row(viewer: &Viewer, found: &SearchRow, fields: &[&FieldPath]) -> Markup {
    let is_live = found.operation.is_none();
    let address = named(Address::of("document"), &found.id, &found.partition_key);
    let address = if is_live { address } else { address.with("version", &found.version_id) };
    html! {
        tr {
            td { (viewer.time(found.source_ts)) }
            td.ops {
                @match found.operation { Some(done) => (operation(done)), None => { span.pill.live { "live" } } }
            }
            td { a href=(address) data-open { (document(&found.id, &found.partition_key)) } }
            td {
                @for path in fields.iter().take(SHOWN_FIELDS) {
                    div.change {
                        (field(path)) " "
                        @match path.of(&found.document) {
                            Some(found) => { span.mono { (value(found)) } }
                            None => { span.muted { "none" } }
                        }
                    }
                }
            }
            td.mono.muted { @match &found.actor { Some(actor) => (actor), None => { span aria-label="unknown" { "–" } } } }
        }
    }
}
