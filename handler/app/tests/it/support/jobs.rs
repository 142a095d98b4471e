//! A history whose jobs are small: what is large elsewhere is a dozen of documents here.

use std::time::Duration;

use changefeed_history::{Batch, JobOptions, JobState, RestoreRequest, RestoreView, Restored, SliceEnd, Store};
use futures::FutureExt;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{DEADLINE, until};

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
pub async fn capture(store: &Store, documents: &[Value]) {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
    let documents = documents.iter().map(|document| to_raw_value(document).expect("raw")).collect();
    store.capture(&batch, documents).await.expect("captured");
}

pub fn request(request: Value) -> RestoreRequest {
    serde_json::from_value(request).expect("request")
}

/// Asks for a restore, which must be one that becomes a job; its id.
pub async fn start(store: &Store, asked: Value) -> String {
    match store.run_restore(&request(asked)).await.expect("restore") {
        Restored::Job(record) => record.id,
        Restored::Report(report) => panic!("no job: {report:?}"),
    }
}

/// Works on a job until it has ended.
pub async fn finish(store: &Store, id: &str) -> JobState {
    loop {
        match store.run_slice(id, "test", tokio::time::sleep(Duration::from_secs(10))).await {
            Ok(SliceEnd::Ended(state)) => return state,
            Ok(SliceEnd::More | SliceEnd::Busy) => {}
            Ok(SliceEnd::NoJob) => panic!("no job {id}"),
            Ok(SliceEnd::Failing { message, .. }) => panic!("{message}"),
            // Another runner had it for all of the slice: on a busy machine, or with saves that are held up.
            Err(error) if error.to_string().contains("what its other runner does") => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Works on a job until the condition holds: then the slice ends.
pub async fn slice_until(store: &Store, id: &str, condition: impl AsyncFn() -> bool) -> SliceEnd {
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let slice = store.run_slice(id, "test", is_over.map(drop));
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
pub async fn shown(store: &Store, id: &str) -> RestoreView {
    let mut view = store.show_restore(id).await.expect("restore");
    while let Some(continuation) = view.continuation.take() {
        let more = store.restore_items(id, Some(&continuation)).await.expect("items");
        view.record.items.extend(more.items);
        view.continuation = more.continuation;
    }
    view
}

/// What is done with each document: its name, the action and the version, in order.
pub fn outline(items: &[changefeed_history::PlannedItem]) -> Vec<String> {
    let line = |item: &changefeed_history::PlannedItem| {
        json!([item.partition_key, item.id, item.action, item.version, item.changes]).to_string()
    };
    let mut lines: Vec<String> = items.iter().map(line).collect();
    lines.sort();
    lines
}
