//! A history whose jobs are small: what is large elsewhere is a dozen of documents here.

use std::ops::Range;
use std::time::Duration;

use changefeed_history::Batch;
use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::{Changefeed, RestoreRequest, RestoreView, Restored};
use futures::FutureExt;
use local_cosmos::{Effect, Fault, RequestKind};
use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{DEADLINE, World, until};

/// Limits that a few documents exceed.
pub fn small() -> JobOptions {
    JobOptions {
        max_candidates: 12,
        max_restored: 6,
        page_items: 5,
        part_items: 10,
        parallel: 3,
        claim: Duration::from_millis(1500),
        save_interval: Duration::from_millis(100),
        slice: Duration::from_secs(10),
        // The endpoint has one clock.
        settle: Duration::from_millis(1010),
    }
}

/// Captures documents as they were delivered.
pub async fn capture(store: &Changefeed, documents: &[Value]) {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
    let documents = documents.iter().map(|document| to_raw_value(document).expect("raw")).collect();
    store.capture.capture(&batch, documents).await.expect("captured");
}

pub fn request(request: Value) -> RestoreRequest {
    serde_json::from_value(request).expect("request")
}

/// Asks for a restore, which must be one that becomes a job; its id.
pub async fn start(store: &Changefeed, asked: Value) -> String {
    match store.restores.run(&request(asked)).await.expect("restore") {
        Restored::Job(record) => record.id,
        Restored::Report(report) => panic!("no job: {report:?}"),
    }
}

/// Works on a job until it has ended.
pub async fn finish(store: &Changefeed, id: &str) -> JobState {
    loop {
        match store.runner.run_slice(id, "test", tokio::time::sleep(Duration::from_secs(10))).await {
            Ok(SliceEnd::Ended(state)) => return state,
            Ok(SliceEnd::More | SliceEnd::Busy) => {}
            Ok(SliceEnd::NoJob) => panic!("no job {id}"),
            Ok(SliceEnd::Failing { message, .. }) => panic!("{message}"),
            // Another runner had it for all of the slice: on a busy machine, or with saves that are held up.
            Err(error) if error.to_string().contains("another worker holds the job") => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Works on a job until it has ended, with runners that live for so many milliseconds, and a service that has its moods.
pub async fn finish_in_peril(
    world: &World,
    store: &Changefeed,
    id: &str,
    random: &mut SmallRng,
    life: impl Fn(u32) -> Range<u64>,
) -> JobState {
    for slice in 0.. {
        if random.random_bool(0.3) {
            world.endpoint.inject(fault(random));
        }
        let life = Duration::from_millis(random.random_range(life(slice)));
        let runner = format!("runner-{slice}");
        match tokio::time::timeout(life, store.runner.run_slice(id, &runner, std::future::pending())).await {
            Ok(Ok(SliceEnd::Ended(state))) => {
                world.endpoint.clear_faults();
                return state;
            }
            Ok(Ok(SliceEnd::Failing { message, .. })) => assert!(slice < 200, "{message}"),
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => assert!(slice < 200, "{error}"),
        }
    }
    unreachable!("a job ends")
}

fn fault(random: &mut SmallRng) -> Fault {
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

/// Works on a job until the condition holds: then the slice ends.
pub async fn slice_until(store: &Changefeed, id: &str, condition: impl AsyncFn() -> bool) -> SliceEnd {
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let slice = store.runner.run_slice(id, "test", is_over.map(drop));
    tokio::pin!(slice);
    let end = tokio::select! {
        end = &mut slice => end,
        () = until("the slice is over", DEADLINE, condition) => {
            over.send(()).expect("a slice");
            slice.await
        }
    };
    end.expect("slice")
}

/// A restore as it is shown, with all of its items.
pub async fn shown(store: &Changefeed, id: &str) -> RestoreView {
    let mut view = store.restores.show(id).await.expect("restore");
    while let Some(continuation) = view.continuation.take() {
        let more = store.restores.items(id, Some(&continuation)).await.expect("items");
        view.record.items.extend(more.items);
        view.continuation = more.continuation;
    }
    view
}

/// What is done with each document: its name, the action and the version, in order.
pub fn outline(items: &[changefeed_operations::PlannedItem]) -> Vec<String> {
    let line = |item: &changefeed_operations::PlannedItem| {
        json!([item.partition_key, item.id, item.action, item.version, item.changes]).to_string()
    };
    let mut lines: Vec<String> = items.iter().map(line).collect();
    lines.sort();
    lines
}
