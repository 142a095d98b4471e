//! The records of a batch are created together, each is answered for itself, and none is lost when some are not created.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of, version_id};

const KEYS: usize = 20;

/// Documents of many partition keys, so that their records are in every physical partition.
async fn documents(world: &World, count: usize, label: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    for n in 0..count {
        let key = format!("key-{}", n % KEYS);
        documents.push(world.put(key.clone(), json!({"id": format!("{label}-{n}"), "pk": key, "n": n})).await);
    }
    documents
}

fn ids(documents: &[Value]) -> BTreeSet<String> {
    documents.iter().map(version_id).collect()
}

async fn stored(world: &World) -> BTreeSet<String> {
    world.versions().await.into_keys().collect()
}

/// The writes to `changes` since the last call, as kind and items.
fn writes(world: &World) -> Vec<(LoggedKind, usize, u16)> {
    let requests = world.endpoint.take_requests().into_iter();
    let writes = requests.filter(|request| {
        let is_write = matches!(request.kind, LoggedKind::Create | LoggedKind::Upsert | LoggedKind::Batch);
        is_write && request.container.as_deref() == Some("changes")
    });
    writes.map(|request| (request.kind, request.items, request.status)).collect()
}

fn fault(times: u32, status: u16, substatus: u32) -> Fault {
    let effect = Effect::Status { status, substatus };
    Fault { container: Some("changes".into()), kind: RequestKind::Write, times, effect }
}

async fn accepted(handler: &Handler, documents: &[Value]) -> String {
    let (status, answer) = handler.invoke(&batch_of(documents), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["Logs"][0].as_str().expect("a log").to_owned()
}

#[tokio::test]
async fn a_batch_needs_one_request_for_each_physical_partition_and_costs_what_its_records_cost() {
    let world = World::new().await;
    let handler = world.handler();
    // The charge of a record that has a request of its own.
    let alone = documents(&world, 1, "alone").await;
    accepted(&handler, &alone).await;
    let single = world.endpoint.take_requests();
    let single: Vec<_> = single.iter().filter(|request| request.container.as_deref() == Some("changes")).collect();
    let create = single.iter().find(|request| request.kind == LoggedKind::Create).expect("a create");
    let batch = documents(&world, 90, "together").await;
    world.endpoint.take_requests();
    accepted(&handler, &batch).await;
    let requests = world.endpoint.take_requests();
    let requests: Vec<_> = requests.iter().filter(|request| request.kind == LoggedKind::Batch).collect();
    assert_eq!(requests.iter().map(|request| request.items).sum::<usize>(), 90);
    assert_eq!(requests.len(), 4, "{requests:?}");
    let charge: f64 = requests.iter().map(|request| request.request_charge).sum();
    assert!((charge / 90.0 / create.request_charge - 1.0).abs() < 0.05, "{charge} for 90, {create:?} for one");
    assert_eq!(stored(&world).await, ids(&[alone, batch].concat()));
}

#[tokio::test]
async fn a_throttled_record_is_sent_again_without_the_others() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = documents(&world, 40, "item").await;
    accepted(&handler, &documents(&world, 2, "first").await).await;
    world.endpoint.take_requests();
    for document in &batch[..3] {
        world.endpoint.inject(fault(2, 429, 3200).on_item(version_id(document)));
    }
    let log = accepted(&handler, &batch).await;
    assert!(log.starts_with("stored 40 versions"), "{log}");
    let writes = writes(&world);
    assert!(writes.iter().all(|(kind, _, _)| *kind == LoggedKind::Batch), "{writes:?}");
    assert_eq!(writes.iter().map(|(_, items, _)| items).sum::<usize>(), 40 + 3 + 3, "{writes:?}");
    assert_eq!(stored(&world).await.len(), 42);
}

#[tokio::test]
async fn a_record_that_the_service_refuses_becomes_a_dead_letter_and_the_others_are_stored() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = documents(&world, 30, "item").await;
    for (document, status) in batch.iter().zip([400, 413]) {
        // The request of its own is refused too.
        world.endpoint.inject(fault(2, status, 0).on_item(version_id(document)));
    }
    accepted(&handler, &batch).await;
    assert_eq!(stored(&world).await, ids(&batch[2..]));
    let letters = world.dead_letters().await;
    assert_eq!(letters.iter().map(|letter| letter["reason"].clone()).collect::<Vec<_>>(), ["refused", "refused"]);
}

#[tokio::test]
async fn a_record_that_fails_fails_the_batch_and_the_next_delivery_adds_it_alone() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = documents(&world, 30, "item").await;
    world.endpoint.inject(fault(1, 403, 5300).on_item(version_id(&batch[7])));
    world.endpoint.inject(fault(1, 403, 5300).on_item(version_id(&batch[7])));
    let (status, answer) = handler.invoke(&batch_of(&batch), false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(stored(&world).await.len(), 29);
    let log = accepted(&handler, &batch).await;
    assert!(log.starts_with("stored 1 versions, 29 already present"), "{log}");
    assert_eq!(stored(&world).await, ids(&batch));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test]
async fn records_find_their_partitions_after_splits_and_a_merge_between_and_during_deliveries() {
    let world = World::new().await;
    let handler = world.handler();
    let mut expected = Vec::new();
    let first = documents(&world, 50, "first").await;
    accepted(&handler, &first).await;
    expected.extend(first);
    let partitions = world.endpoint.partitions("dev", "changes").await.expect("partitions");
    world.endpoint.split("dev", "changes", Some(&partitions[1].id), Duration::ZERO).await.expect("split");
    let second = documents(&world, 50, "second").await;
    world.endpoint.take_requests();
    accepted(&handler, &second).await;
    // The ranges are read again for the batch, and not for each of its records.
    let requests = world.endpoint.take_requests();
    let metadata = requests.iter().filter(|request| request.kind == LoggedKind::Metadata).count();
    assert!(metadata <= 6, "{metadata} requests for metadata: {requests:?}");
    expected.extend(second);
    let partitions = world.endpoint.partitions("dev", "changes").await.expect("partitions");
    let neighbors = [partitions[0].id.as_str(), partitions[1].id.as_str()];
    world.endpoint.merge("dev", "changes", neighbors, Duration::ZERO).await.expect("merge");
    let third = documents(&world, 50, "third").await;
    accepted(&handler, &third).await;
    expected.extend(third);
    // A split that takes a while: the partition answers 410 until its parts are there.
    let fourth = documents(&world, 50, "fourth").await;
    let partitions = world.endpoint.partitions("dev", "changes").await.expect("partitions");
    let (split, log) = tokio::join!(
        world.endpoint.split("dev", "changes", Some(&partitions[0].id), Duration::from_millis(300)),
        accepted(&handler, &fourth),
    );
    split.expect("split");
    assert!(log.starts_with("stored 50 versions"), "{log}");
    expected.extend(fourth);
    assert_eq!(stored(&world).await, ids(&expected));
}

#[tokio::test]
async fn a_container_that_is_created_again_gets_the_records_of_a_batch() {
    let world = World::new().await;
    let handler = world.handler();
    accepted(&handler, &documents(&world, 10, "first").await).await;
    world.container("changes").await.delete(None).await.expect("delete");
    world.create("changes", &["/pk", "/sourceId"]).await;
    let batch = documents(&world, 10, "second").await;
    handler.invoke_until_accepted(&batch_of(&batch)).await;
    assert_eq!(stored(&world).await, ids(&batch));
}

#[tokio::test]
async fn large_and_small_documents_of_one_batch_are_whole() {
    let world = World::new().await;
    let handler = world.handler();
    let mut batch = documents(&world, 5, "small").await;
    for (n, bytes) in [400_000, 900_000, 1_100_000, 1_900_000].into_iter().enumerate() {
        let key = format!("key-{n}");
        let text: String = (0..bytes).map(|at| char::from(b'a' + ((at * 7 + at / 13) % 26) as u8)).collect();
        batch.push(world.put(key.clone(), json!({"id": format!("large-{n}"), "pk": key, "text": text})).await);
    }
    accepted(&handler, &batch).await;
    let sizes: BTreeMap<String, usize> = world
        .versions()
        .await
        .into_values()
        .map(|version| {
            let id = version["sourceId"].as_str().expect("an id").to_owned();
            (id, version["document"]["text"].as_str().map_or(0, str::len))
        })
        .collect();
    assert_eq!(sizes.len(), 9);
    // The largest is compressed: its record is not the document.
    assert_eq!([sizes["large-0"], sizes["large-1"], sizes["large-2"]], [400_000, 900_000, 1_100_000]);
    let now = batch[8]["_ts"].as_i64().expect("_ts");
    let (status, answer) = handler.get(&format!("/api/history/document?id=large-3&pk=key-3&asOf={now}")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["version"]["document"]["text"].as_str().map(str::len), Some(1_900_000));
}
