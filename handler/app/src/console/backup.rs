//! A backup: what is in it, what it continues, its files, and the restore from it.

use changefeed_backup_format::{Manifest, SegmentKind, Verification, verify_listing};
use changefeed_jobs::JobState;
use changefeed_operations::BackupView;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::address::{API, Address};
use super::elements::{counted, empty, number};
use super::job_actions::cancel;
use super::job_kind::JobKind;
use super::job_row::{progress as how_far, progress_bar};
use super::restore_form::PlanForm;
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

const BACKUPS: &str = "backups";
/// The most files that are listed.
const SHOWN_FILES: usize = 200;
/// The most backups of a chain.
const MAX_CHAIN: usize = 100;
/// After how many seconds a backup that has not ended is shown again.
const REFRESH_SECONDS: u32 = 2;

/// The page of a backup.
///
/// # Errors
/// When there is no such backup.
pub async fn one(service: &Service, viewer: &Viewer, id: &str) -> Result<Markup, ApiError> {
    let backup = service.changefeed.backups.show(id).await?;
    let files = files(service, &backup).await;
    let chain = chain(service, &backup).await;
    let is_under_way = !backup.state.is_end();
    Ok(html! {
        div.stack data-refresh=[is_under_way.then_some(REFRESH_SECONDS)] {
            div.heading {
                h1 { "Backup of " (viewer.written_time(&backup.started_at)) }
                div.muted { (state(viewer, &backup)) " " span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } }
            }
            @if is_under_way { (progress(&backup)) }
            @if let Some(message) = backup.progress.message.as_ref().filter(|_| backup.state == JobState::Failed) {
                section.panel.error role="alert" { div.body { h2 { "The backup failed" } p { (message) } p.muted { "Start another one with " code { "changefeed backup create" } ", or over HTTP." } } }
            }
            (tiles(&backup))
            section.panel aria-label="Content" { (content(viewer, &backup, &chain)) }
            section.panel aria-label="Files" {
                @if is_under_way { div.head { h2 { "Files" } } (empty("The files are listed when the backup has finished.", &html! {})) }
                @else { (listed(viewer, &files)) }
            }
            @if backup.state.is_end() && let Ok(Verification { manifest: Some(_), .. }) = &files {
                (verification(&backup))
                (restore(&chain))
            }
            p { a href=(BACKUPS) data-key="Escape" { "All backups" } }
        }
    })
}

/// The files of a backup, as its manifest lists them; or why they cannot be read.
async fn files(service: &Service, backup: &BackupView) -> Result<Verification, String> {
    let location = service.settings().locations.open(backup.location()).map_err(|error| error.to_string())?;
    verify_listing(&location).await.map_err(|error| error.to_string())
}

/// A backup and those that it continues, the full one first; or why the full one is not known.
async fn chain(service: &Service, last: &BackupView) -> Result<Vec<BackupView>, String> {
    let mut chain = vec![last.clone()];
    while let Some(earlier) = chain.last().and_then(|backup| backup.request["incrementalFrom"].as_str()) {
        if chain.len() >= MAX_CHAIN {
            return Err(format!("It continues more than {MAX_CHAIN} backups."));
        }
        let location = service.settings().locations.open(earlier).map_err(|error| error.to_string())?;
        let read = verify_listing(&location).await.map_err(|error| error.to_string())?;
        let Some(Manifest { backup, .. }) = read.manifest else {
            return Err(format!("The backup at {earlier}, which it continues, cannot be read."));
        };
        match service.changefeed.backups.show(&backup.id).await {
            Ok(found) => chain.push(found),
            Err(error) => return Err(format!("The backup at {earlier}, which it continues, has no record: {error}")),
        }
    }
    chain.reverse();
    Ok(chain)
}

fn state(viewer: &Viewer, backup: &BackupView) -> Markup {
    let finished = html! { @if let Some(finished) = &backup.finished_at { " " (viewer.written_time(finished)) } };
    let by = html! { @if let Some(by) = backup.request["requestedBy"].as_str() { ", requested by " (by) } };
    html! {
        @match backup.state {
            JobState::Queued => { "It waits for a worker" @if let Some(host) = &backup.only_on { " on " span.mono { (host) } } }
            JobState::Running => "It is being written",
            JobState::Cancelled => { "Cancelled" (finished) }
            JobState::Failed => { "Failed" (finished) }
            _ => { "Finished" (finished) }
        }
        (by) "."
        @if let Some(reason) = backup.request["reason"].as_str() { " Reason: " (reason) "." }
    }
}

fn progress(backup: &BackupView) -> Markup {
    let address = JobKind::Backups.address(&backup.id).to_string();
    html! {
        section.panel aria-label="Progress" {
            div.body {
                (progress_bar(&backup.progress))
                div.row {
                    div.muted { @if backup.state == JobState::Running { (how_far(&backup.progress)) } @else { "Not started yet." } }
                    div.right { (cancel(JobKind::Backups, &backup.id, backup.progress.cancelling, &address)) }
                }
            }
        }
    }
}

fn tiles(backup: &BackupView) -> Markup {
    let counts = json!(backup.counts);
    let tile = |name: &str, shown: &str| {
        let count = counts[name].as_u64().unwrap_or_default();
        html! { div.tile.zero[count == 0] { strong { (number(count as usize)) } (shown) } }
    };
    html! {
        div.tiles {
            (tile("documents", "documents")) (tile("deletions", "deletions")) (tile("bytes", "bytes, compressed"))
            (tile("unknown", "unknown")) (tile("inexact", "not exact"))
            @if backup.request_charge > 0.0 { div.tile.zero { strong { (number(backup.request_charge.round() as usize)) } "RU" } }
        }
    }
}

fn content(viewer: &Viewer, backup: &BackupView, chain: &Result<Vec<BackupView>, String>) -> Markup {
    let filters: Vec<&str> =
        backup.request["filter"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let as_of = match &backup.request["asOf"] {
        Value::Number(second) => second.as_i64().map(|second| viewer.time(second)),
        Value::String(text) => Some(viewer.written_time(text)),
        _ => None,
    };
    html! {
        div.head { h2 { "Content" } }
        dl.facts {
            dt { "Location" } dd.mono { (backup.location()) }
            @if let Some(host) = &backup.only_on { dt { "Machine" } dd.mono { (host) } }
            dt { "Documents" } dd { @match &as_of { Some(time) => { "as of " (time) } None => "as they were when it was written" } }
            @if !filters.is_empty() { dt { "Filter" } dd.mono { (filters.join(" and ")) } }
            @if backup.request["incrementalFrom"].is_string() {
                dt { "Continues" }
                dd {
                    @match chain {
                        Ok(chain) => {
                            @for (at, earlier) in chain.iter().take(chain.len() - 1).enumerate() {
                                @if at > 0 { ", " }
                                a href=(Address::of(BACKUPS).with("id", &earlier.id)) { (viewer.written_time(&earlier.started_at)) }
                            }
                        }
                        Err(message) => { span.error-text { (message) } }
                    }
                }
            }
        }
    }
}

fn listed(viewer: &Viewer, files: &Result<Verification, String>) -> Markup {
    let listing = match files {
        Ok(listing) => listing,
        Err(message) => {
            return html! {
                div.head { h2 { "Files" } }
                (empty("The files cannot be read from here.", &html! { p.muted { (message) } }))
            };
        }
    };
    let segments = listing.manifest.iter().flat_map(Manifest::segments_in_order);
    let count = listing.manifest.as_ref().map_or(0, |manifest| manifest.segments.len());
    html! {
        div.head {
            h2 { "Files" }
            @if let Some(manifest) = &listing.manifest {
                span.muted { (counted(count, "file", "files")) ", " (number(manifest.compressed_bytes() as usize)) " bytes; complete until " (viewer.written_time(&manifest.complete_until().to_string())) }
            }
        }
        @for damage in &listing.damages { p.notice { (damage.to_string()) } }
        @if count > 0 {
            div.scroll tabindex="0" role="region" aria-label="Files, which may be wider than the page" {
                table.files {
                    thead { tr { th { "File" } th { "Holds" } th.num { "Lines" } th.num { "Bytes" } th.num { "Unpacked" } } }
                    tbody {
                        @for segment in segments.take(SHOWN_FILES) {
                            tr {
                                td.mono { (segment.name.to_string()) }
                                td { @match segment.kind { SegmentKind::Deletions => "deletions", SegmentKind::Documents => "documents" } }
                                td.num { (number(segment.count as usize)) }
                                td.num { (number(segment.compressed_bytes as usize)) }
                                td.num { (number(segment.bytes as usize)) }
                            }
                        }
                    }
                }
            }
            @if count > SHOWN_FILES { p.foot.muted { "The first " (number(SHOWN_FILES)) " of " (number(count)) " files." } }
        } @else if listing.manifest.is_some() { (empty("The backup has no files: it has no documents.", &html! {})) }
    }
}

/// The form that reads all files. The script shows the result.
fn verification(backup: &BackupView) -> Markup {
    html! {
        form.writes data-writes data-verify={ (API) "/backups/" (backup.id) "/verify" } {
            div.footer-bar.row {
                div { strong { "Verify" } div.muted { "Reads every file and compares its digest. The listing above does not." } output.strong {} }
                button.right { "Verify every digest" }
            }
        }
    }
}

fn restore(chain: &Result<Vec<BackupView>, String>) -> Markup {
    let Ok(chain) = chain else { return html! {} };
    let locations: Vec<&str> = chain.iter().map(BackupView::location).collect();
    let from = if let [location] = locations.as_slice() { json!(location) } else { json!(locations) };
    let content = html! {
        div.footer-bar.row {
            div {
                strong { "Restore from this backup" }
                div.muted { @if chain.len() > 1 { "With the backups that it continues. " } "Shows a plan first. Nothing is written yet." }
            }
            button.primary.right data-key="r" { "Preview the restore " kbd { "r" } }
        }
    };
    PlanForm { request: json!({"all": true, "from": from}), content: &content, needs: None }.draw()
}
