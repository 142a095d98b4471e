//! *Jobs*: every restore, plan, backup and verification. *Restores*, *Backups* and *Verifications*: those of one kind.

use actix_web::HttpRequest;
use changefeed_cosmos::PageRequest;
use changefeed_jobs::Kind;
use changefeed_operations::ListedJob;
use maud::{Markup, html};
use serde::Deserialize;

use super::address::Address;
use super::elements::{empty, number, pager};
use super::job_kind::{ALL, JobKind};
use super::job_row::{REFRESH_SECONDS, table};
use super::page::Page;
use super::viewer::Viewer;
use super::{backup, verification};
use crate::http::{ApiError, Query};
use crate::service::Service;

/// The jobs on a page.
const PAGE_ITEMS: u32 = 50;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ListParameters {
    continuation: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct JobParameters {
    id: String,
    continuation: String,
}

/// What a list has.
struct JobList {
    name: &'static str,
    title: &'static str,
    kinds: Vec<JobKind>,
    about: &'static str,
    none: Markup,
}

impl JobList {
    /// All jobs.
    fn all() -> Self {
        Self {
            name: "jobs",
            title: "Jobs",
            kinds: ALL.to_vec(),
            about: "Restores, their plans, backups and verifications, newest first. ",
            none: empty(
                "There are no jobs yet.",
                &html! { p.muted { "A restore, a backup or a verification is one." } },
            ),
        }
    }

    fn of(kind: JobKind) -> Self {
        let none = match kind {
            JobKind::Restores => empty(
                "Nothing was restored yet.",
                &html! { p { "Choose a time with too many changes in " a href="find" { "Find" } ", or a version of a document." } },
            ),
            _ => empty(
                "There are none yet.",
                &html! { p.muted { "Start one with " code { (kind.command()) } ", or over HTTP." } },
            ),
        };
        let about = if kind == JobKind::Restores { "Plans are kept for a week. " } else { "" };
        Self { name: kind.name(), title: kind.title(), kinds: vec![kind], about, none }
    }

    async fn draw(&self, service: &Service, viewer: &Viewer, continuation: String) -> Result<Markup, ApiError> {
        let continuation = Some(continuation).filter(|continuation| !continuation.is_empty());
        let first = continuation.is_some().then(|| Address::of(self.name));
        let kinds: Vec<Kind> = self.kinds.iter().map(|kind| kind.kind()).collect();
        let page = PageRequest { max_items: Some(PAGE_ITEMS), continuation };
        let (jobs, next) = service.changefeed.list_jobs(&kinds, &page).await?;
        let next = next.map(|continuation| Address::of(self.name).with("continuation", continuation));
        let is_under_way = jobs.iter().any(ListedJob::is_under_way);
        Ok(html! {
            div.heading { h1 { (self.title) } div.muted { (self.about) span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } } }
            section.panel aria-label=(self.title) data-refresh=[is_under_way.then_some(REFRESH_SECONDS)] {
                @if jobs.is_empty() { (self.none) } @else {
                    (table(viewer, &jobs, self.title, self.name))
                    (pager(&format!("{} on this page", number(jobs.len())), first.as_ref(), next.as_ref()))
                }
            }
        })
    }
}

/// The page of all jobs.
pub async fn all(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    listed(request, service, viewer, JobList::all()).await
}

/// The page of the restores.
pub async fn restores(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    listed(request, service, viewer, JobList::of(JobKind::Restores)).await
}

async fn listed(request: &HttpRequest, service: &Service, viewer: &Viewer, list: JobList) -> Page {
    let content = async {
        let parameters = Query::<ListParameters>::read(request, viewer.zone())?;
        list.draw(service, viewer, parameters.continuation).await
    };
    shown(list.name, list.title, content.await)
}

/// The page of the backups or of the verifications, or the page of one of them.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer, kind: JobKind) -> Page {
    let content = async {
        let JobParameters { id, continuation } = Query::<JobParameters>::read(request, viewer.zone())?;
        match (kind, id.as_str()) {
            (_, "") => JobList::of(kind).draw(service, viewer, continuation).await,
            (JobKind::Backups, id) => Box::pin(backup::one(service, viewer, id)).await,
            (_, id) => Box::pin(verification::one(service, viewer, id, continuation)).await,
        }
    };
    shown(kind.name(), kind.title(), content.await)
}

fn shown(name: &'static str, title: &'static str, content: Result<Markup, ApiError>) -> Page {
    match content {
        Ok(content) => Page::new(name, title, content),
        Err(error) => Page::of_error(name, title, &error, &html! { h1 { (title) } }),
    }
}
