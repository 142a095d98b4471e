//! *Backups* and *Verifications*: lists with their state and their numbers, one backup, and the findings of a verification.

use actix_web::HttpRequest;
use changefeed_cosmos::PageRequest;
use changefeed_operations::{Finding, FindingKind};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::address::{API, Address};
use super::backup;
use super::document_link::{document, named};
use super::elements::{empty, number, pager};
use super::page::Page;
use super::viewer::Viewer;
use crate::http::{ApiError, Query};
use crate::service::Service;

/// The records on a page.
const PAGE_ITEMS: u32 = 50;
/// After how many seconds a list with a job that has not ended is shown again.
const REFRESH_SECONDS: u32 = 2;

/// A kind of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Backups.
    Backups,
    /// Verifications.
    Verifications,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct JobParameters {
    id: String,
    continuation: String,
}

impl JobKind {
    fn name(self) -> &'static str {
        match self {
            Self::Backups => "backups",
            Self::Verifications => "verifications",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Backups => "Backups",
            Self::Verifications => "Verifications",
        }
    }

    /// The path of the HTTP API.
    fn path(self) -> &'static str {
        match self {
            Self::Backups => "backups",
            Self::Verifications => "verify",
        }
    }

    /// What starts one.
    fn command(self) -> &'static str {
        match self {
            Self::Backups => "changefeed backup create",
            Self::Verifications => "changefeed verify",
        }
    }
}

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer, kind: JobKind) -> Page {
    match content(request, service, viewer, kind).await {
        Ok(content) => Page::new(kind.name(), kind.title(), content),
        Err(error) => Page::of_error(kind.name(), kind.title(), &error, &html! { h1 { (kind.title()) } }),
    }
}

async fn content(request: &HttpRequest, service: &Service, viewer: &Viewer, kind: JobKind) -> Result<Markup, ApiError> {
    let parameters = Query::<JobParameters>::read(request, viewer.zone())?;
    let continuation = Some(parameters.continuation).filter(|continuation| !continuation.is_empty());
    let is_first = continuation.is_none();
    let page = PageRequest { max_items: Some(PAGE_ITEMS), continuation };
    if !parameters.id.is_empty() {
        return match kind {
            JobKind::Backups => Box::pin(backup::one(service, viewer, &parameters.id)).await,
            JobKind::Verifications => findings(service, viewer, &parameters.id, &page).await,
        };
    }
    let (records, continuation) = match kind {
        JobKind::Backups => {
            let found = service.changefeed.backups.list(&page).await?;
            (found.items.iter().map(|record| serde_json::json!(record)).collect::<Vec<_>>(), found.continuation)
        }
        JobKind::Verifications => {
            let found = service.changefeed.verifications.list(&page).await?;
            (found.items.iter().map(|record| serde_json::json!(record)).collect(), found.continuation)
        }
    };
    let next = continuation.map(|continuation| Address::of(kind.name()).with("continuation", continuation));
    let first = (!is_first).then(|| Address::of(kind.name()));
    let is_running = records.iter().any(is_under_way);
    Ok(html! {
        div.heading { h1 { (kind.title()) } div.muted { span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } } }
        section.panel aria-label=(kind.title()) data-refresh=[is_running.then_some(REFRESH_SECONDS)] {
            @if records.is_empty() {
                (empty("There are none yet.", &html! { p.muted { "Start one with " code { (kind.command()) } ", or over HTTP." } }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label={ (kind.title()) ", which may be wider than the page" } {
                    table {
                        thead { tr { th { "Started" } th { "State" } th { "Numbers" } th { "By" } th { span.hidden { "Actions" } } } }
                        tbody { @for record in &records { (row(viewer, kind, record)) } }
                    }
                }
                (pager(&format!("{} on this page", number(records.len())), first.as_ref(), next.as_ref()))
            }
        }
    })
}

fn is_under_way(record: &Value) -> bool {
    matches!(record["state"].as_str(), Some("queued" | "running"))
}

fn row(viewer: &Viewer, kind: JobKind, record: &Value) -> Markup {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let is_bad = matches!(text("state"), "failed" | "findings");
    let started = viewer.written_time(text("startedAt"));
    html! {
        tr {
            td { a href=(Address::of(kind.name()).with("id", text("id"))) data-open { (started) } }
            td { span.pill.bad[is_bad] { (text("state")) } }
            td { (numbers(&record["counts"])) @if let Some(message) = record["progress"]["message"].as_str() { div.error-text { (message) } } }
            td.muted { (record["requestedBy"].as_str().unwrap_or("–")) }
            td {
                @if is_under_way(record) {
                    form.writes data-writes data-post={ (API) "/" (kind.path()) "/" (text("id")) "/cancel" } data-next=(kind.name()) { button { "Cancel" } }
                }
            }
        }
    }
}

/// The counts of a record: `1,020 documents, 3 segments`.
fn numbers(counts: &Value) -> String {
    let shown = |(name, value): (&String, &Value)| {
        let count = value.as_u64().filter(|count| *count > 0)?;
        // `removedVersions` is `removed versions`.
        let words: String =
            name.chars()
                .flat_map(|letter| {
                    if letter.is_ascii_uppercase() { vec![' ', letter.to_ascii_lowercase()] } else { vec![letter] }
                })
                .collect();
        Some(format!("{} {words}", number(usize::try_from(count).unwrap_or(usize::MAX))))
    };
    let parts: Vec<String> = counts.as_object().into_iter().flatten().filter_map(shown).collect();
    if parts.is_empty() { "nothing yet".to_owned() } else { parts.join(", ") }
}

/// The findings of a verification.
async fn findings(service: &Service, viewer: &Viewer, id: &str, page: &PageRequest) -> Result<Markup, ApiError> {
    let verifications = &service.changefeed.verifications;
    let (record, found) = tokio::try_join!(verifications.record(id), verifications.findings(id, page))?;
    let address = Address::of(JobKind::Verifications.name()).with("id", id);
    let next = found.continuation.map(|continuation| address.clone().with("continuation", continuation));
    let first = page.continuation.is_some().then(|| address.clone());
    let counts = serde_json::json!(record.counts);
    Ok(html! {
        div.heading {
            h1 { "Verification of " (viewer.written_time(&record.started_at)) }
            div.muted { (numbers(&counts)) }
        }
        section.panel aria-label="Findings" {
            @if found.items.is_empty() { (empty("No findings.", &html! {})) } @else {
                div.scroll tabindex="0" role="region" aria-label="Findings, which may be wider than the page" {
                    table {
                        thead { tr { th { "Document" } th { "Finding" } } }
                        tbody { @for finding in &found.items { (finding_row(finding)) } }
                    }
                }
                (pager(&format!("{} on this page", number(found.items.len())), first.as_ref(), next.as_ref()))
            }
        }
        p { a href=(JobKind::Verifications.name()) data-key="Escape" { "All verifications" } }
    })
}

fn finding_row(finding: &Finding) -> Markup {
    let shown = serde_json::json!(finding);
    html! {
        tr {
            td {
                @if finding.kind == FindingKind::UnknownIdentity {
                    a href=(Address::of("dead-letters").with("id", finding.version.to_string())) data-open { "a dead letter" }
                } @else {
                    a href=(named(Address::of("document"), &finding.id, &finding.partition_key)) data-open { (document(&finding.id, &finding.partition_key)) }
                }
            }
            td { (shown["kind"].as_str().unwrap_or_default()) @if let Some(message) = shown["message"].as_str() { div.muted { (message) } } }
        }
    }
}
