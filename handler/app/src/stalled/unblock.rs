//! Frees a lease that a document stalls: captures the page with the document, then moves the checkpoint past it.
//!
//! Properties wanted: nothing is lost or stored twice, whenever this process or the host is killed; a lease with an owner is
//! never changed. A page is captured before the checkpoint moves, and versions have the same ids, by whichever process they are captured. The
//! checkpoint moves under the etag of a lease without an owner. So a crash in between repeats the capture, and of two
//! processes that free the same lease, one finds it moved.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use changefeed_history::Batch;
use changefeed_jobs::job_to_run;
use changefeed_processor::{
    Change, ChangeFeedMode, CheckpointMove, Lease, LeaseObservation, LeaseSet, UndeliverableChange,
};
use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;

use crate::feed::Feed;
use crate::service::Service;
use crate::sources::Sources;
use crate::telemetry;

/// The name of this function in dead letters.
const FUNCTION: &str = "unblock";
/// Between two looks at the leases by hand.
const PAUSE: Duration = Duration::from_millis(500);
/// The trigger has acquired and released a lease again after so many writes.
const WRITES_OF_A_STALL: u32 = 2;

/// Where a lease without a checkpoint starts in LatestVersion mode, which its owner knows and the lease does not record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the beginning of the change feed.
    Beginning,
    /// Unknown: such a lease is not changed.
    Unknown,
}

impl Start {
    /// The start of a trigger, by the name of its function, from its function.json in the folder of the app.
    pub fn of_trigger(app_root: Option<&Path>, function: &str) -> Self {
        let read = |root: &Path| std::fs::read_to_string(root.join(function).join("function.json")).ok();
        let definition: Value =
            app_root.and_then(read).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let is_from_beginning = definition["bindings"][0]["startFromBeginning"] == Value::Bool(true);
        if is_from_beginning { Self::Beginning } else { Self::Unknown }
    }
}

/// The outcome for a lease.
#[derive(Debug, PartialEq)]
pub enum Unblocked {
    /// Its checkpoint was moved past these documents.
    Freed { documents: Vec<String>, changes: usize },
    /// The trigger can deliver its next page.
    NotStalled,
    /// It was not changed, for this reason.
    Unchanged(&'static str),
}

impl Unblocked {
    /// Whether the lease may still be stalled.
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Self::Unchanged(_))
    }
}

impl std::fmt::Display for Unblocked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Freed { documents, changes } => {
                write!(formatter, "processed {changes} changes and moved the checkpoint past {}", documents.join("; "))
            }
            Self::NotStalled => formatter.write_str("no document stalls it"),
            Self::Unchanged(reason) => write!(formatter, "not changed: {reason}"),
        }
    }
}

/// Frees a lease of a source, as far as `deadline` allows. The caller knows that it makes no progress.
pub async fn unblock(
    sources: &Sources,
    service: &Service,
    feed: Feed,
    set: &LeaseSet,
    lease_id: &str,
    start: Start,
    deadline: Instant,
) -> Result<Unblocked> {
    let Some(mut lease) = set.all().await?.into_iter().find(|lease| lease.id == lease_id) else {
        return Ok(Unblocked::Unchanged("it does not exist any longer"));
    };
    if lease.continuation_token.is_none() {
        match (lease.mode(), start) {
            (ChangeFeedMode::LatestVersion, Start::Beginning) => {}
            (ChangeFeedMode::LatestVersion, Start::Unknown) => {
                let reason = "it has no checkpoint; pass --from-beginning if its function.json has startFromBeginning";
                return Ok(Unblocked::Unchanged(reason));
            }
            (ChangeFeedMode::AllVersionsAndDeletes, _) => {
                return Ok(Unblocked::Unchanged("it has no checkpoint, and starts from now"));
            }
        }
    }
    let (mut documents, mut changes) = (Vec::new(), 0);
    let end = loop {
        let page = set.next_page(&lease, None).await?;
        let Some(document) = UndeliverableChange::first(&page.changes, lease.mode()) else {
            break Unblocked::NotStalled;
        };
        let Some(next) = page.continuation_token else {
            break Unblocked::Unchanged("its partition was split, and an instance is to replace it first");
        };
        process(sources, service, feed, &lease, &page.changes).await?;
        match set.move_checkpoint(&lease, &next).await? {
            CheckpointMove::Moved => {}
            CheckpointMove::Owned => break Unblocked::Unchanged("an instance holds it"),
            CheckpointMove::Outdated => break Unblocked::Unchanged("an instance has made progress on it"),
        }
        documents.push(document.to_string());
        changes += page.changes.len();
        lease.continuation_token = Some(next);
        if Instant::now() >= deadline {
            break Unblocked::Unchanged("the time is up");
        }
    };
    Ok(if documents.is_empty() { end } else { Unblocked::Freed { documents, changes } })
}

/// Does with a page what the function of the feed does.
async fn process(sources: &Sources, service: &Service, feed: Feed, lease: &Lease, changes: &[Change]) -> Result<()> {
    match feed {
        Feed::Capture | Feed::CaptureAllVersions => {
            let documents = changes.iter().map(|change| change.payload(lease.mode())).collect::<Result<_, _>>()?;
            let invocation_id = format!("{FUNCTION}:{}", lease.lease_token);
            let batch = Batch { function: FUNCTION.to_owned(), invocation_id, rewritten_by_host: false };
            let capturing = async {
                let captured = service.changefeed.capture.capture(&batch, documents).await;
                telemetry::captured(changes.len(), captured.as_ref().ok());
                captured
            };
            let captured = telemetry::in_span(FUNCTION, capturing).await;
            service.metrics().batch(captured.as_ref().ok());
            captured?;
        }
        Feed::Jobs => {
            let jobs = changes.iter().filter_map(|change| job_to_run(change.current.as_ref()?)).collect();
            for line in sources.run_jobs(jobs, std::future::pending()).await? {
                log::info!("{line}");
            }
        }
    }
    Ok(())
}

/// Frees the leases of a feed that a document stalls, without the record of earlier looks: looks at them for up to `wait`
/// first. Returns a line for each of them, and whether one may still be stalled.
pub async fn unblock_by_hand(
    sources: &Sources,
    service: &Service,
    feed: Feed,
    start: Start,
    wait: Duration,
) -> Result<(Vec<String>, bool)> {
    let set = service.lease_set(feed).await?;
    let mut lines = Vec::new();
    match set.pin_unstarted().await? {
        0 => {}
        pinned => lines.push(format!("stored the first checkpoint of {pinned} leases")),
    }
    let mut observed = Vec::new();
    for lease in set.all().await? {
        if let Some(document) = set.first_undeliverable(&lease).await? {
            observed.push((LeaseObservation::first(&lease, Utc::now()), document));
        }
    }
    let until = Instant::now() + wait;
    let is_established =
        |observation: &LeaseObservation| !observation.is_owned && observation.writes >= WRITES_OF_A_STALL;
    while Instant::now() < until && !observed.iter().all(|(observation, _)| is_established(observation)) {
        tokio::time::sleep(PAUSE.min(until.saturating_duration_since(Instant::now()))).await;
        for lease in set.all().await? {
            if let Some((observation, _)) =
                observed.iter_mut().find(|(observation, _)| observation.lease_id == lease.id)
            {
                // The trigger acquires a stalled lease for a moment, again and again.
                let is_a_moment = !observation.is_owned
                    && lease.owner.is_some()
                    && observation.continuation_token == lease.continuation_token;
                if !is_a_moment {
                    *observation = observation.next(&lease, Utc::now(), Duration::MAX);
                }
            }
        }
    }
    let mut is_any_stalled = false;
    for (observation, document) in &observed {
        let deadline = Instant::now() + service.time_limit();
        let outcome = if observation.is_owned {
            Unblocked::Unchanged("an instance holds it, and may deliver the document or fail; see the log of the host")
        } else {
            unblock(sources, service, feed, &set, &observation.lease_id, start, deadline).await?
        };
        is_any_stalled |= outcome.is_unchanged();
        let about = if outcome.is_unchanged() { format!(" ({document})") } else { String::new() };
        lines.push(format!("lease {} of {}: {outcome}{about}", observation.lease_id, feed.name()));
    }
    if observed.is_empty() {
        lines.push(format!("no document stalls a lease of {}", feed.name()));
    }
    Ok((lines, is_any_stalled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_the_triggers_of_this_app_is_the_beginning_and_of_others_unknown() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for function in [Feed::Capture, Feed::Jobs].map(Feed::function) {
            assert_eq!(Start::of_trigger(Some(&root), function), Start::Beginning);
            assert_eq!(Start::of_trigger(Some(&root.join("docs")), function), Start::Unknown);
            assert_eq!(Start::of_trigger(None, function), Start::Unknown);
        }
    }
}
