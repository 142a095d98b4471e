//! The views: what the pages show.

use actix_web::http::StatusCode;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use maud::html;

use super::frame::meanings;
use super::job_kind::JobKind;
use super::page::Page;
use super::shell::unknown;
use super::viewer::Viewer;
use super::{dead_letter_list, document, documents, find, health, job_list, overview, restore};
use crate::http::NamedOrFirst;

/// `GET /api/views/{id}`: the page with this name. Its parameters are those in the address of the page.
pub async fn get(request: HttpRequest, source: NamedOrFirst, name: Path<String>) -> HttpResponse {
    let (service, sources) = (&*source.service, &source.sources);
    let viewer = Viewer::of(&request);
    let page = match name.as_str() {
        "backups" => Box::pin(job_list::view(&request, service, &viewer, JobKind::Backups)).await,
        "dead-letters" => Box::pin(dead_letter_list::view(&request, service, &viewer)).await,
        "document" => Box::pin(document::view(&request, service, &viewer)).await,
        "documents" => Box::pin(documents::view(&request, service, &viewer)).await,
        "find" => Box::pin(find::view(&request, service, &viewer)).await,
        "health" => Box::pin(health::view(&request, service, &viewer)).await,
        "jobs" => Box::pin(job_list::all(&request, service, &viewer)).await,
        "overview" => Box::pin(overview::view(&request, service, &viewer, sources)).await,
        "restore" => Box::pin(restore::view(&request, service, &viewer)).await,
        "restores" => Box::pin(job_list::restores(&request, service, &viewer)).await,
        "verifications" => Box::pin(job_list::view(&request, service, &viewer, JobKind::Verifications)).await,
        "words" => words(),
        _ => Page { status: StatusCode::NOT_FOUND, ..Page::new("", "Not found", unknown()) },
    };
    page.answer(&request, service)
}

/// The words of the pages, for a browser without scripts. Others have a dialog.
fn words() -> Page {
    let content = html! {
        h1 { "Words" }
        section.panel { div.body { (meanings()) } }
    };
    Page::new("words", "Words", content)
}
