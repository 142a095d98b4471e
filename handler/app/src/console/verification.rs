//! A verification: its state and progress, what it found, and the repair of that.

use changefeed_cosmos::PageRequest;
use changefeed_jobs::{JobProgress, JobState};
use changefeed_operations::{Finding, FindingKind, Findings, VerifyCounts, VerifyRecord, VerifyView};
use maud::{Markup, html};
use serde_json::json;

use super::address::{API, Address};
use super::document_link::{document, named};
use super::elements::{counted, empty, number, pager};
use super::job_actions::cancel;
use super::job_kind::JobKind;
use super::job_row::{progress as how_far, progress_bar, verification_title, words};
use super::restore_form::reads_only;
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The findings on a page.
const PAGE_ITEMS: u32 = 50;
/// How many seconds pass until the page of a verification that has not ended is shown again.
const REFRESH_SECONDS: u32 = 2;

/// The page of a verification.
///
/// # Errors
/// When there is no such verification, and when it cannot be read.
pub async fn one(service: &Service, viewer: &Viewer, id: &str, continuation: String) -> Result<Markup, ApiError> {
    let continuation = Some(continuation).filter(|continuation| !continuation.is_empty());
    let page = PageRequest { max_items: Some(PAGE_ITEMS), continuation };
    let verifications = &service.changefeed.verifications;
    let (record, found) = tokio::try_join!(verifications.record(id), verifications.findings(id, &page))?;
    let address = JobKind::Verifications.address(id);
    let first = page.continuation.is_some().then(|| address.clone());
    let next = found.continuation.clone().map(|continuation| address.with("continuation", continuation));
    let VerifyView { record, progress, .. } = record.view();
    let progress = progress.as_ref();
    let is_under_way = !record.state.is_end();
    Ok(html! {
        div.stack data-refresh=[is_under_way.then_some(REFRESH_SECONDS)] {
            div.heading {
                h1 { (verification_title(&record.request)) ", " (viewer.written_time(&record.started_at)) }
                div.muted { (state(viewer, &record)) " " span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } }
            }
            @if is_under_way && let Some(progress) = progress { (under_way(&record, progress)) }
            @if record.state == JobState::Failed {
                section.panel.error role="alert" {
                    div.body {
                        h2 { "The verification failed" }
                        p { (progress.and_then(|progress| progress.message.as_deref()).unwrap_or("No reason was recorded.")) }
                        p.muted { "Start another one with " code { "changefeed verify" } ", or over HTTP." }
                    }
                }
            }
            (tiles(&record.counts, record.request_charge))
            section.panel aria-label="Findings" {
                div.head { h2 { "Findings" } }
                (findings(&record, &found))
                @if !found.items.is_empty() { (pager(&format!("{} on this page", number(found.items.len())), first.as_ref(), next.as_ref())) }
            }
            (repair(&record))
            p { a href=(JobKind::Verifications.name()) data-key="Escape" { "All verifications" } }
        }
    })
}

/// The state in a sentence, who requested it, and what it is to do.
fn state(viewer: &Viewer, record: &VerifyRecord) -> Markup {
    let finished = html! { @if let Some(finished) = &record.finished_at { " " (viewer.written_time(finished)) } };
    let request = &record.request;
    html! {
        @match record.state {
            JobState::Queued => "It waits for a worker",
            JobState::Running => "It is running",
            JobState::Cancelled => { "Cancelled" (finished) }
            JobState::Failed => { "Failed" (finished) }
            _ => { "Finished" (finished) }
        }
        @if let Some(by) = &record.requested_by { ", requested by " (by) }
        "."
        @if let Some(shown) = &request.findings_of {
            " It repairs the findings of " a href=(JobKind::Verifications.address(shown)) { "another verification" } "."
        } @else if let Some(location) = &request.digests {
            " It compares the versions with the digests in " (location) "; nothing is written."
        } @else if request.repair { " It repairs what it finds." } @else { " It only compares; nothing is written." }
    }
}

fn under_way(record: &VerifyRecord, progress: &JobProgress) -> Markup {
    let address = JobKind::Verifications.address(&record.id).to_string();
    html! {
        section.panel aria-label="Progress" {
            div.body {
                (progress_bar(progress))
                div.row {
                    div.muted {
                        @if record.state == JobState::Running { (phase(progress.phase.as_deref())) " · " (how_far(progress)) } @else { "Not started yet." }
                    }
                    div.right { (cancel(JobKind::Verifications, &record.id, progress.cancelling, &address)) }
                }
            }
        }
    }
}

/// What a verification does now. Its phases are named in the `verify_job.rs` of the operations.
fn phase(name: Option<&str>) -> &'static str {
    match name {
        Some("letters" | "replay") => "Looking for the documents of dead letters",
        Some("live") => "Comparing the live documents with the history",
        Some("past") => "Reading every version back",
        Some("found") => "Reading the findings to repair",
        Some("chain") => "Reading the digests",
        Some("digests") => "Comparing the versions with their digests",
        Some("confirm") => "Checking each difference again",
        _ => "Starting",
    }
}

fn tiles(counts: &VerifyCounts, charge: f64) -> Markup {
    let tile = |count: u64, name: &str, is_finding: bool| {
        html! { div.tile.zero[count == 0].bad[is_finding && count > 0] { strong { (number(count as usize)) } (name) } }
    };
    let open = counts.found().saturating_sub(counts.repaired);
    html! {
        div.tiles {
            (tile(counts.documents, "live documents", false))
            (tile(counts.versions, "versions", false))
            (tile(open, "findings, not repaired", true))
            (tile(counts.repaired, "repaired", false))
            @if counts.pending > 0 { (tile(counts.pending, "too recent to judge", false)) }
            @if charge > 0.0 { (tile(charge.round() as u64, "RU", false)) }
        }
    }
}

fn findings(record: &VerifyRecord, found: &Findings) -> Markup {
    if found.items.is_empty() {
        return none(record);
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Findings, which may be wider than the page" {
            table {
                thead { tr { th { "Document" } th { "Finding" } th { "Repair" } } }
                tbody { @for finding in &found.items { (row(finding)) } }
            }
        }
    }
}

/// What is shown without findings. Only the end of a verification says that there are none.
fn none(record: &VerifyRecord) -> Markup {
    match record.state {
        JobState::Queued | JobState::Running => empty(
            "No findings so far.",
            &html! { p.muted { "A difference is listed after it was checked again, at the end of the verification." } },
        ),
        JobState::Failed | JobState::Cancelled => {
            let end = if record.state == JobState::Failed { "failed" } else { "was cancelled" };
            empty(
                &format!("It is not known whether there are findings: the verification {end}."),
                &html! { p.muted { "None was confirmed before." } },
            )
        }
        _ => empty(
            "No findings.",
            &html! {
                p.muted {
                    @if record.request.findings_of.is_some() { "There was nothing left to repair." }
                    @else if record.request.digests.is_some() { "No version was altered or removed since its digest was written." }
                    @else { "The history has every live document that was compared, and every version can be read back." }
                }
            },
        ),
    }
}

fn row(finding: &Finding) -> Markup {
    let name = json!(finding.kind);
    html! {
        tr {
            td {
                @if finding.kind == FindingKind::UnknownIdentity {
                    a href=(Address::of("dead-letters").with("id", finding.version.to_string())) data-open { "a dead letter" }
                } @else if matches!(finding.kind, FindingKind::Removed | FindingKind::ChainBroken) {
                    (finding.version)
                } @else {
                    a href=(named(Address::of("document"), &finding.id, &finding.partition_key)) data-open { (document(&finding.id, &finding.partition_key)) }
                }
            }
            td { span.pill.bad[!finding.repaired] { (words(name.as_str().unwrap_or_default())) } div.muted { (meaning(finding.kind)) } }
            td {
                @if finding.repaired { "repaired" } @else { span.muted { "not repaired" } }
                @if let Some(message) = &finding.message { div.muted { (message) } }
            }
        }
    }
}

fn meaning(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Missing => "The live version is not in the history; older versions are.",
        FindingKind::NeverCaptured => "The history has no version of this live document.",
        FindingKind::Gone => "The document does not exist, and the history has no delete of it.",
        FindingKind::Inexact => "The live version is stored with values that the Functions host may have rewritten.",
        FindingKind::Incomplete => "A version cannot be read back.",
        FindingKind::UnknownIdentity => "A change is a dead letter: its id or its key is not known.",
        FindingKind::Altered => "A version has another content than when its digest was written.",
        FindingKind::Removed => "A version does not exist, and no removal of it is recorded.",
        FindingKind::Added => "A version is not among the digests of the time at which it was stored.",
        FindingKind::ChainBroken => "A file of the digests is missing, was changed, or is not at its place.",
    }
}

/// The form that repairs the findings. Its button says what is written.
fn repair(record: &VerifyRecord) -> Markup {
    let open = record.counts.found().saturating_sub(record.counts.repaired);
    // What was altered or removed cannot be repaired from here.
    if record.state != JobState::Findings || record.request.digests.is_some() {
        return html! {};
    }
    let mut body = json!({"repair": true, "findingsOf": record.id});
    if let Some(grace) = record.request.grace_seconds {
        body["graceSeconds"] = json!(grace);
    }
    let next = format!("{}?id={{id}}", JobKind::Verifications.name());
    html! {
        form.writes data-writes data-post={ (API) "/verify" } data-body=(body) data-next=(next) {
            div.footer-bar.row {
                div {
                    strong { "Repair what was found" }
                    div.muted { "Stores missing versions in the history and records unreported deletes. No document is changed. Documents that changed since are reported, not repaired." }
                }
                button.primary.right data-key="r" { "Repair " (counted(open as usize, "finding", "findings")) " " kbd { "r" } }
            }
        }
        (reads_only())
    }
}
