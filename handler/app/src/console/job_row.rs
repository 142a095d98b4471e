//! A job as a row of a list: what it is, its state, its progress, and what can be done with it.

use changefeed_jobs::{JobProgress, JobState};
use changefeed_operations::{ListedJob, RestoreRequest, VerifyRequest};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::elements::number;
use super::job_actions::actions;
use super::job_kind::JobKind;
use super::restore_heading::heading;
use super::viewer::Viewer;

/// How many seconds pass until a list with a job that has not ended is shown again.
pub const REFRESH_SECONDS: u32 = 2;

/// The name of a state, as in JSON.
pub fn state_name(state: JobState) -> String {
    serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A state as a pill. It is red where a person should look.
pub fn state_pill(state: JobState) -> Markup {
    let is_bad = matches!(state, JobState::Failed | JobState::Conflicts | JobState::Unknowns | JobState::Findings);
    html! { span.pill.bad[is_bad] { (state_name(state)) } }
}

/// What a job does, in a few words.
pub fn title(viewer: &Viewer, job: &ListedJob) -> Markup {
    match JobKind::of(job) {
        JobKind::Restores => {
            let request = RestoreRequest::of_record(job.request.clone()).ok();
            html! { @if job.is_plan() { "Plan: " } (heading(viewer, request.as_ref(), job.undo_of.as_deref())) }
        }
        JobKind::Backups => {
            html! { @if job.request["incrementalFrom"].is_string() { "Incremental backup" } @else { "Backup" } " to " span.mono { (job.request["to"].as_str().unwrap_or("?")) } }
        }
        JobKind::Verifications => {
            let request = VerifyRequest::deserialize(&job.request).unwrap_or_default();
            html! { (verification_title(&request)) }
        }
    }
}

/// What a verification does.
pub fn verification_title(request: &VerifyRequest) -> Markup {
    html! {
        @if request.findings_of.is_some() { "Repair of findings" } @else if request.repair { "Verification with repair" } @else if request.digests.is_some() { "Verification with digests" } @else { "Verification" }
        @if let Some(key) = &request.partition_key { " of partition " span.mono { (key) } }
    }
}

/// How far a job is: `1,020 of 4,000, about 3 s left`.
pub fn progress(progress: &JobProgress) -> Markup {
    html! {
        (number(progress.done as usize)) @if let Some(total) = progress.total { " of " (number(total as usize)) } " processed"
        @if let Some(seconds) = progress.seconds_left { ", about " (number(seconds as usize)) " s left" }
        @if let Some(message) = &progress.message { div.error-text { "retrying: " (message) } }
    }
}

/// A bar that shows how far a job is. Without a total it shows that the job runs.
pub fn progress_bar(progress: &JobProgress) -> Markup {
    html! { progress value=[progress.total.map(|_| progress.done.to_string())] max=[progress.total.map(|total| total.max(1).to_string())] aria-label="Progress" {} }
}

/// The counts of a job: `1,020 documents, 3 segments`; `None` if all are 0.
pub fn numbers(counts: &Value) -> Option<String> {
    let shown = |(name, value): (&String, &Value)| {
        let count = value.as_u64().filter(|count| *count > 0)?;
        Some(format!("{} {}", number(usize::try_from(count).unwrap_or(usize::MAX)), words(name)))
    };
    let parts: Vec<String> = counts.as_object().into_iter().flatten().filter_map(shown).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The name of a field as words: `neverCaptured` is `never captured`.
pub fn words(name: &str) -> String {
    let letters = name.chars().flat_map(|letter| {
        if letter.is_ascii_uppercase() { vec![' ', letter.to_ascii_lowercase()] } else { vec![letter] }
    });
    letters.collect()
}

/// What a job has done so far, or did, and why it failed.
pub fn outcome(job: &ListedJob) -> Markup {
    let shown = job.progress();
    let message = shown.as_ref().and_then(|shown| shown.message.as_ref());
    let counts = numbers(&job.counts);
    html! {
        @match (&shown, job.state) {
            (_, JobState::Queued) => { "waits for a worker" @if let Some(host) = job.only_on() { " on " span.mono { (host) } } }
            (None, JobState::Running) => "runs within one request, or was interrupted",
            (Some(shown), JobState::Running) => { (progress_bar(shown)) div { (progress(shown)) } }
            _ => { @match counts { Some(counts) => (counts), None if message.is_none() => "nothing", None => {} } }
        }
        @if job.state.is_end() && let Some(message) = message { div.error-text { (message) } }
    }
}

/// A row. `next` is the list that it belongs to.
pub fn row(viewer: &Viewer, job: &ListedJob, next: &str) -> Markup {
    let kind = JobKind::of(job);
    html! {
        tr {
            td { (viewer.written_time(&job.started_at)) }
            td { (state_pill(job.state)) @if job.undone_by.is_some() { " " span.pill { "undone" } } }
            td {
                a href=(kind.address(&job.id)) id={ "job-" (job.id) } data-open { (title(viewer, job)) }
                @if let Some(reason) = job.reason() { div.muted { (reason) } }
            }
            td { (outcome(job)) }
            td.muted { (job.requested_by().unwrap_or("–")) }
            td { (actions(job, next)) }
        }
    }
}

/// A table of jobs. Its name is for screen readers.
pub fn table(viewer: &Viewer, jobs: &[ListedJob], name: &str, next: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ (name) ", which may be wider than the page" } {
            table.jobs {
                thead { tr { th { "Started" } th { "State" } th { "What" } th { "Progress and result" } th { "By" } th { span.hidden { "Actions" } } } }
                tbody { @for job in jobs { (row(viewer, job, next)) } }
            }
        }
    }
}
