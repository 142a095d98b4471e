//! Documents that a release broke, and restores of them.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_operations::{Changefeed, RestoreReport, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use serde_json::{Value, json};

use super::jobs::{capture, capture_as_one_state, restore_request};
use super::{DEADLINE, World, until};

pub const COUNT: usize = 40;
pub const KEYS: usize = 8;

pub fn id(n: usize) -> String {
    format!("item-{n:02}")
}

pub fn key(n: usize) -> String {
    format!("key-{}", n % KEYS)
}

pub async fn put(world: &World, n: usize, state: &str) -> Value {
    world.put(key(n), json!({"id": id(n), "pk": key(n), "state": state})).await
}

/// Documents of all physical partitions that were good, and are bad now. Every fourth one was deleted. Returns the second to restore.
pub async fn broken(world: &World, changefeed: &Changefeed) -> i64 {
    let mut good = Vec::new();
    for n in 0..COUNT {
        good.push(put(world, n, "good").await);
    }
    let second = capture_as_one_state(changefeed, &good).await;
    for n in 0..COUNT {
        if n % 4 == 0 {
            world.container("events").await.delete_item(key(n), &id(n), None).await.expect("deleted");
        } else {
            capture(changefeed, &[put(world, n, "bad").await]).await;
        }
    }
    world.endpoint.take_requests();
    second
}

pub async fn restore(changefeed: &Changefeed, second: i64) -> RestoreReport {
    restore_by(changefeed, json!({"all": true, "asOf": second})).await
}

pub async fn restore_by(changefeed: &Changefeed, request: Value) -> RestoreReport {
    match changefeed.restores.run(&restore_request(request)).await.expect("restore") {
        Restored::Report(report) => *report,
        Restored::Job(record) => panic!("restore {} became a job", record.id),
    }
}

/// Waits until documents of another batch than a delayed one are written.
pub async fn a_batch_is_written(world: &World) {
    let is_batch =
        |request: &LoggedRequest| request.kind == LoggedKind::Batch && request.container.as_deref() == Some("events");
    until("a batch is written", DEADLINE, async || world.endpoint.requests().iter().any(is_batch)).await;
}

pub async fn undo(changefeed: &Changefeed, report: &RestoreReport) -> RestoreReport {
    let id = report.id.as_deref().expect("a record");
    match changefeed.restores.undo(id, &UndoRequest::default()).await.expect("undo") {
        Restored::Report(report) => *report,
        Restored::Job(record) => panic!("undo {} became a job", record.id),
    }
}

/// The documents with each state.
pub async fn states(world: &World) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for state in world.query("events", "SELECT VALUE c.state FROM c").await {
        *states.entry(state.as_str().expect("a state").to_owned()).or_default() += 1;
    }
    states
}

pub fn counted(states: &[(&str, usize)]) -> BTreeMap<String, usize> {
    states.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect()
}

pub fn fault(times: u32, effect: Effect) -> Fault {
    Fault { container: Some("events".into()), kind: RequestKind::Write, times, effect }
}

/// [`broken`] documents, and a request that waits before it is executed: the next write of this document, with those beside it in its batch.
pub async fn broken_and_slow(n: usize) -> (World, Changefeed, i64) {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    world.endpoint.inject(fault(1, Effect::Delay(Duration::from_secs(5))).on_item(id(n)));
    (world, changefeed, second)
}
