//! Jobs with small limits, so that a few documents need several pages and slices.

use std::ops::Range;
use std::time::Duration;

use changefeed_cosmos::Background;
use changefeed_history::Batch;
use changefeed_jobs::{DefaultBudget, JobOptions, JobState, SliceEnd};
use changefeed_operations::{Changefeed, PlannedItem, RestoreRequest, RestoreView, Restored};
use futures::FutureExt;
use local_cosmos::{Effect, Fault, RequestKind};
use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{DEADLINE, World, until};

/// Limits that a dozen documents exceed.
pub fn small_limits() -> JobOptions {
    JobOptions {
        max_candidates: 12,
        max_restored: 6,
        page_items: 5,
        part_items: 10,
        parallel: 3,
        portion_items: u64::MAX,
        claim: Duration::from_millis(1500),
        save_interval: Duration::from_millis(100),
        slice: Duration::from_secs(10),
        // The endpoint has one clock, so one second and a margin are enough.
        settle: Duration::from_millis(1010),
        default_budget: DefaultBudget::Unlimited,
        background: Background::default(),
    }
}

/// Captures a batch of documents as it was delivered.
pub async fn capture(changefeed: &Changefeed, documents: &[Value]) {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
    let documents = documents.iter().map(|document| to_raw_value(document).expect("raw")).collect();
    changefeed.capture.capture(&batch, documents).await.expect("captured");
}

/// Captures documents as they were just stored. Returns the second of the last one, after it has passed: later writes have later
/// times.
pub async fn capture_as_one_state(changefeed: &Changefeed, stored: &[Value]) -> i64 {
    capture(changefeed, stored).await;
    let second = stored.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a document");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    second
}

pub fn restore_request(request: Value) -> RestoreRequest {
    serde_json::from_value(request).expect("request")
}

/// Starts a restore that must become a job. Returns the id of the job.
pub async fn start_restore(changefeed: &Changefeed, request: Value) -> String {
    match changefeed.restores.run(&restore_request(request)).await.expect("restore") {
        Restored::Job(record) => record.id,
        Restored::Report(report) => panic!("the restore did not become a job: {report:?}"),
    }
}

/// Runs slices of a job until the job ends.
pub async fn finish(changefeed: &Changefeed, id: &str) -> JobState {
    loop {
        match changefeed.runner.run_slice(id, "test", tokio::time::sleep(Duration::from_secs(10))).await {
            Ok(SliceEnd::Ended(state)) => return state,
            Ok(SliceEnd::More | SliceEnd::Waiting | SliceEnd::Busy) => {}
            Ok(SliceEnd::NoJob) => panic!("job {id} does not exist"),
            Ok(SliceEnd::Failing { message, .. }) => panic!("{message}"),
            // Another worker held the job for the whole slice: on a busy machine, or while saves are delayed.
            Err(error) if error.to_string().contains("could not be claimed within this slice") => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs slices of a job until the job ends, while random faults are injected. A worker is dropped after a random time in
/// `lifetime_ms`, which may depend on the number of the slice.
pub async fn finish_under_faults(
    world: &World,
    changefeed: &Changefeed,
    id: &str,
    random: &mut SmallRng,
    lifetime_ms: impl Fn(u32) -> Range<u64>,
) -> JobState {
    for slice in 0.. {
        if random.random_bool(0.3) {
            world.endpoint.inject(random_fault(random));
        }
        let lifetime = Duration::from_millis(random.random_range(lifetime_ms(slice)));
        let worker = format!("worker-{slice}");
        match tokio::time::timeout(lifetime, changefeed.runner.run_slice(id, &worker, std::future::pending())).await {
            Ok(Ok(SliceEnd::Ended(state))) => {
                world.endpoint.clear_faults();
                return state;
            }
            Ok(Ok(SliceEnd::Failing { message, .. })) => assert!(slice < 200, "{message}"),
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => assert!(slice < 200, "{error}"),
        }
    }
    unreachable!("the loop returns when the job ends")
}

fn random_fault(random: &mut SmallRng) -> Fault {
    let effects = [
        Effect::LoseReply,
        Effect::Status { status: 429, substatus: 3200 },
        Effect::Status { status: 503, substatus: 0 },
        Effect::Delay(Duration::from_millis(30)),
    ];
    let container = ["events", "changes", "jobs"].choose(random).map(|name| (*name).to_owned());
    let kind = if random.random_bool(0.7) { RequestKind::Write } else { RequestKind::Any };
    let effect = effects.choose(random).expect("an effect").clone();
    Fault { container, kind, times: random.random_range(1..10), effect }
}

/// Runs a slice of a job and stops it when the condition holds.
pub async fn run_slice_until(changefeed: &Changefeed, id: &str, condition: impl AsyncFn() -> bool) -> SliceEnd {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let slice = changefeed.runner.run_slice(id, "test", stopped.map(drop));
    tokio::pin!(slice);
    let end = tokio::select! {
        end = &mut slice => end,
        () = until("the slice is to stop", DEADLINE, condition) => {
            stop.send(()).expect("a running slice");
            slice.await
        }
    };
    end.expect("slice")
}

/// A restore with all of its items.
pub async fn restore_view(changefeed: &Changefeed, id: &str) -> RestoreView {
    let mut view = changefeed.restores.show(id).await.expect("restore");
    while let Some(continuation) = view.continuation.take() {
        let more = changefeed.restores.items(id, Some(&continuation)).await.expect("items");
        view.record.items.extend(more.items);
        view.continuation = more.continuation;
    }
    view
}

/// The name, action, version and changes of each item, sorted.
pub fn item_summaries(items: &[PlannedItem]) -> Vec<String> {
    let line =
        |item: &PlannedItem| json!([item.partition_key, item.id, item.action, item.version, item.changes]).to_string();
    let mut lines: Vec<String> = items.iter().map(line).collect();
    lines.sort();
    lines
}
