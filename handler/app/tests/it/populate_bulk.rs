//! Sample documents are written in bulk, and the writes of one document keep their order.

use std::collections::BTreeMap;
use std::time::Duration;

use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::identity::{events, truth};

const COUNT: usize = 2400;

async fn populate(world: &World, request: Value) -> Value {
    let (status, report) = world.handler().post("/api/populate", &request).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    report
}

/// The numbers of the documents by their ids, in the order in which they were written.
async fn written(world: &World) -> BTreeMap<String, Vec<i64>> {
    let mut written = BTreeMap::<String, Vec<i64>>::new();
    for change in truth(&events(&world.changefeed(|_| ())).await).await.into_iter().flatten() {
        let document = &change["current"];
        let id = document["id"].as_str().expect("an id").to_owned();
        written.entry(id).or_default().push(document["seq"].as_i64().expect("a number"));
    }
    written
}

/// Every document was written, and those of an id in their order.
async fn assert_written(world: &World, report: &Value, is_repeated: bool) {
    let mut written = written(world).await;
    for (id, numbers) in &mut written {
        if is_repeated {
            numbers.dedup();
        }
        assert!(numbers.is_sorted_by(|one, other| one < other), "{id}: {numbers:?}");
    }
    let ids = written.len();
    let mut numbers: Vec<i64> = written.into_values().flatten().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=COUNT as i64).collect::<Vec<_>>());
    assert_eq!(report["upserted"], COUNT);
    if !is_repeated {
        assert_eq!((&report["created"], &report["replaced"]), (&json!(ids), &json!(COUNT - ids)));
    }
}

/// The writes to `events`: kind, items and request units.
fn writes(world: &World) -> Vec<(LoggedKind, usize, f64)> {
    let requests = world.endpoint.take_requests().into_iter();
    let writes = requests.filter(|request| {
        let is_write = matches!(request.kind, LoggedKind::Create | LoggedKind::Upsert | LoggedKind::Batch);
        is_write && request.container.as_deref() == Some("events")
    });
    writes.map(|request| (request.kind, request.items.max(1), request.request_charge)).collect()
}

fn fault(times: u32, effect: Effect) -> Fault {
    Fault { container: Some("events".into()), kind: RequestKind::Write, times, effect }
}

#[tokio::test]
async fn documents_are_written_in_few_requests_and_counted_exactly() {
    let world = World::new().await;
    let report = populate(&world, json!({"count": COUNT, "seed": 7})).await;
    let writes = writes(&world);
    let is_bulk = |(kind, items, _): &(LoggedKind, usize, f64)| *kind == LoggedKind::Batch || *items == 1;
    assert!(writes.iter().all(is_bulk), "{writes:?}");
    assert_eq!(writes.iter().map(|(_, items, _)| items).sum::<usize>(), COUNT);
    assert!(writes.len() <= COUNT / 25, "{} requests", writes.len());
    let charge: f64 = writes.iter().map(|(_, _, charge)| charge).sum();
    assert!((report["requestCharge"].as_f64().expect("a charge") - charge).abs() < 0.01 * charge, "{report} {charge}");
    assert_written(&world, &report, false).await;
}

#[tokio::test]
async fn a_throttled_document_is_written_before_the_next_one_of_its_id() {
    let world = World::new().await;
    for id in ["28036", "27601", "28801"] {
        let throttled = Effect::Status { status: 429, substatus: 3200 };
        world.endpoint.inject(fault(2, throttled).on_item(id));
    }
    world.endpoint.inject(fault(2, Effect::Status { status: 429, substatus: 3200 }));
    world.endpoint.inject(fault(1, Effect::Status { status: 400, substatus: 0 }).on_item("28035"));
    let report = populate(&world, json!({"count": COUNT, "seed": 7})).await;
    assert_written(&world, &report, false).await;
}

#[tokio::test]
async fn documents_find_their_partitions_while_one_is_split() {
    let world = World::new().await;
    let partitions = world.endpoint.partitions("dev", "events").await.expect("partitions");
    let (split, report) = tokio::join!(
        world.endpoint.split("dev", "events", Some(&partitions[0].id), Duration::from_millis(300)),
        populate(&world, json!({"count": COUNT, "seed": 7})),
    );
    split.expect("split");
    assert_written(&world, &report, false).await;
    let partitions = world.endpoint.partitions("dev", "events").await.expect("partitions");
    world.endpoint.split("dev", "events", Some(&partitions[2].id), Duration::ZERO).await.expect("split");
    let report = populate(&world, json!({"count": COUNT, "seed": 8})).await;
    assert_eq!(report["upserted"], COUNT);
}

#[tokio::test]
async fn after_a_lost_reply_the_documents_of_the_request_are_written_again() {
    let world = World::new().await;
    world.endpoint.inject(fault(1, Effect::LoseReply));
    let report = populate(&world, json!({"count": COUNT, "seed": 7})).await;
    assert_eq!(world.endpoint.pending_faults(), 0);
    assert_written(&world, &report, true).await;
}

#[tokio::test]
async fn with_a_rate_documents_that_are_due_together_are_written_together() {
    let world = World::new().await;
    let report = populate(&world, json!({"count": 100, "seed": 7, "ratePerSecond": 200})).await;
    // The last document is due after 99 two hundredths of a second.
    assert!(report["seconds"].as_f64().expect("seconds") >= 0.49, "{report}");
    let writes = writes(&world);
    assert_eq!(writes.iter().map(|(_, items, _)| items).sum::<usize>(), 100);
    assert!((5..=60).contains(&writes.len()), "{} requests", writes.len());
}
