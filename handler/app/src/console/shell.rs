//! The shell: the same page for everyone, without data. Its script brings the content of the page that the address names.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Path;
use maud::{Markup, html};

use super::address::API;
use super::frame::{Frame, PAGES};
use super::page::answer;

/// `GET /api/console`: the shell of the first page.
pub async fn start() -> HttpResponse {
    shell("overview")
}

/// `GET /api/console/{id}`: the shell of a page. Its parameters are those of the view.
pub async fn get(page: Path<String>) -> HttpResponse {
    let known = PAGES.iter().chain(&OTHER_PAGES).find(|(name, _)| *name == page.as_str());
    match known {
        Some((name, _)) => shell(name),
        None => answer(StatusCode::NOT_FOUND, frame("Not found", "", &unknown())),
    }
}

/// The pages that are not in the navigation.
const OTHER_PAGES: [(&str, &str); 4] =
    [("document", "Document"), ("documents", "Find documents"), ("restore", "Restore"), ("words", "Words")];

fn shell(page: &str) -> HttpResponse {
    let content = html! {
        div.loading aria-hidden="true" { div {} div {} div {} }
        noscript {
            section.panel {
                div.body {
                    h2 { "Without JavaScript" }
                    p {
                        "Pages can be read without JavaScript where no function key is needed: with " code { "changefeed local" }
                        ", and where the platform signs you in. "
                        a href={ (API) "/views/" (page) } { "Show the page without JavaScript" } "."
                    }
                    p { "Writing needs JavaScript, or the command line." }
                }
            }
        }
    };
    answer(StatusCode::OK, frame("changefeed", page, &content))
}

fn frame(title: &str, page: &str, content: &Markup) -> Markup {
    Frame { title, page, scope: "", sources: &[], source: None, is_shell: true }.around(content)
}

/// What is shown for a name that no page has.
pub fn unknown() -> Markup {
    html! {
        section.panel.error role="alert" data-final {
            div.body {
                h2 { "There is no such page" }
                p {
                    "The pages are "
                    @for (number, (name, shown)) in PAGES.iter().enumerate() {
                        @if number > 0 { ", " }
                        a href=(name) { (shown) }
                    }
                    "."
                }
            }
        }
    }
}
