//! The answer with a page: a fragment for the script of the shell, or a whole page.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, VARY, X_FRAME_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use changefeed_cosmos::SourceName;
use maud::{Markup, PreEscaped, html};

use super::address::Address;
use super::frame::Frame;
use super::source_links::keep_source;
use crate::http::ApiError;
use crate::service::Service;

/// The header by which the script asks for the content alone.
const FRAGMENT: &str = "x-console-fragment";

/// What a page may load and do. Nothing comes from another host, no script or style is within a page, and a text becomes HTML in one
/// place of the script only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types changefeed";

/// A page.
pub struct Page {
    /// The title.
    pub title: String,
    /// The name of the page in its address.
    pub name: &'static str,
    /// The address with which it is the same page later, with absolute times; `None` if the requested one is.
    pub address: Option<Address>,
    /// The content.
    pub content: Markup,
    /// The status of the answer.
    pub status: StatusCode,
}

impl Page {
    /// A page that is shown as requested.
    pub fn new(name: &'static str, title: impl Into<String>, content: Markup) -> Self {
        Self { title: title.into(), name, address: None, content, status: StatusCode::OK }
    }

    /// The page of an error, below what else the page has.
    pub fn of_error(name: &'static str, title: impl Into<String>, error: &ApiError, rest: &Markup) -> Self {
        let status = error.status_code();
        let is_temporary = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let heading = match status {
            StatusCode::BAD_REQUEST => "This cannot be shown",
            StatusCode::NOT_FOUND => "Not found",
            _ if is_temporary => "Not available now; try again",
            _ => "This could not be read",
        };
        let content = html! {
            (rest)
            section.panel.error role="alert" {
                div.body {
                    h2 { (heading) }
                    p { (error.message()) }
                    // The address of the page itself.
                    @if is_temporary { p { a.button href="" { "Try again" } } }
                }
            }
        };
        Self { status, ..Self::new(name, title, content) }
    }

    /// The answer to a request.
    pub fn answer(self, request: &HttpRequest, service: &Service) -> HttpResponse {
        let settings = service.settings();
        let names = &settings.names;
        let sources = if service.named_source().is_some() { settings.sources.as_slice() } else { &[] };
        let scope = format!("{} / {}", names.database, names.monitored);
        let title = format!("{} · {}/{}", self.title, names.database, names.monitored);
        let html = if request.headers().contains_key(FRAGMENT) {
            let address = self.address.map(|address| address.to_string());
            html! {
                div.view data-title=(title) data-scope=(scope) data-page=(self.name) data-address=[address] data-above=[above(self.name, request)]
                    data-source=[service.named_source()] data-sources=[joined(sources)] {
                    (self.content)
                }
            }
        } else {
            Frame {
                title: &title,
                page: self.name,
                scope: &scope,
                sources,
                source: service.named_source(),
                is_shell: false,
            }
            .around(&html! { div.view { (self.content) } })
        };
        let html = match service.named_source() {
            Some(source) => PreEscaped(keep_source(&html.0, source)),
            None => html,
        };
        answer(self.status, html)
    }
}

/// The names of the sources, for the choice in the head; none where there is nothing to choose.
fn joined(sources: &[SourceName]) -> Option<String> {
    let names = sources.iter().map(SourceName::as_str).collect::<Vec<_>>().join(",");
    Some(names).filter(|names| !names.is_empty())
}

/// HTML with the headers of every page.
pub fn answer(status: StatusCode, html: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .insert_header((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .insert_header((VARY, "x-console-fragment, x-time-zone, x-functions-key"))
        .body(html.into_string())
}

/// The page that is one step up: where the key *back* leads from a page that was opened by a link.
fn above(page: &'static str, request: &HttpRequest) -> Option<&'static str> {
    match page {
        "document" | "documents" => Some("find"),
        "restore" => Some("restores"),
        "overview" => None,
        // One record of a list.
        list if request.query_string().split('&').any(|parameter| parameter.starts_with("id=")) => Some(list),
        _ => Some("overview"),
    }
}
