//! Documents that the host may have rewritten are read again, many in a request.

use std::time::Duration;

use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{World, batch_of, version_id};

const DOCUMENTS: usize = 100;
const STORED: &str = "2024-01-01T10:00:00.000+02:00";
/// As the host delivers it.
const DELIVERED: &str = "2024-01-01T08:00:00+00:00";

/// A document as it is stored, and as the host delivers it.
async fn write(world: &World, id: &str, key: &str) -> Value {
    let mut delivered = world.put(key.to_owned(), json!({"id": id, "pk": key, "at": STORED, "n": 1})).await;
    delivered["at"] = json!(DELIVERED);
    delivered
}

/// The reads of live documents since the last call: single ones, and queries.
fn reads(world: &World) -> (usize, usize) {
    let requests = world.endpoint.take_requests();
    let of_events: Vec<_> = requests.iter().filter(|request| request.container.as_deref() == Some("events")).collect();
    let count = |kind| of_events.iter().filter(|request| request.kind == kind).count();
    (count(LoggedKind::Read), count(LoggedKind::Query))
}

#[tokio::test]
async fn a_batch_of_documents_with_dates_is_read_again_in_few_requests() {
    let world = World::new().await;
    let handler = world.handler();
    let mut batch = Vec::new();
    for n in 0..DOCUMENTS {
        batch.push(write(&world, &format!("document-{n}"), &format!("key-{}", n % 7)).await);
    }
    // One is changed again, one is deleted, and one is delivered twice.
    let changed = json!({"id": "document-1", "pk": "key-1", "at": STORED, "n": 2});
    world.put("key-1", changed).await;
    let events = world.container("events").await;
    events.delete_item("key-2", "document-2", None).await.expect("a delete");
    batch.push(batch[3].clone());
    assert_eq!(handler.invoke(&batch_of(&batch[..1]), false).await.0, StatusCode::OK);
    world.endpoint.take_requests();
    assert_eq!(handler.invoke(&batch_of(&batch), false).await.0, StatusCode::OK);
    let (single, queries) = reads(&world);
    // Alone are read the deleted one, which no query finds, and the one that was delivered twice.
    assert!(single <= 2, "{single} single reads");
    // One for each physical partition.
    assert!(queries <= 4, "{queries} queries");
    let certain = batch.len();
    for (id, key) in [(DELIVERED, "a"), ("x", DELIVERED), ("2024-01-01T08:00:00Z", "b")] {
        batch.push(write(&world, id, key).await);
    }
    assert_eq!(handler.invoke(&batch_of(&batch[certain - 2..]), false).await.0, StatusCode::OK);
    let versions = world.versions().await;
    assert_eq!(versions.len(), DOCUMENTS + 3);
    for document in &batch {
        let version = &versions[&version_id(document)];
        let is_gone = ["document-1", "document-2"].contains(&document["id"].as_str().expect("id"));
        let expected = if is_gone { (json!(false), json!(DELIVERED)) } else { (json!(true), json!(STORED)) };
        assert_eq!((version["exact"].clone(), version["document"]["at"].clone()), expected, "{}", document["id"]);
    }
}

#[tokio::test]
async fn documents_of_a_partition_that_is_throttled_or_split_are_read_together_a_moment_later() {
    let world = World::new().await;
    let handler = world.handler();
    let mut expected = 0;
    for round in 0..3 {
        let mut batch = Vec::new();
        for n in 0..40 {
            batch.push(write(&world, &format!("{round}-{n}"), &format!("key-{n}")).await);
        }
        expected += batch.len();
        let partitions = world.endpoint.partitions("dev", "events").await.expect("partitions");
        let throttled = Effect::Status { status: 429, substatus: 3200 };
        match round {
            0 => world.endpoint.inject(Fault {
                container: Some("events".into()),
                kind: RequestKind::Query,
                times: 2,
                effect: throttled,
            }),
            _ => {
                let split = world.endpoint.split("dev", "events", Some(&partitions[0].id), Duration::ZERO);
                split.await.expect("split");
            }
        }
        world.endpoint.take_requests();
        assert_eq!(handler.invoke(&batch_of(&batch), false).await.0, StatusCode::OK);
        let (single, queries) = reads(&world);
        // Partitions with less than four of the documents are not queried.
        assert!(single <= 6 && (4..=16).contains(&queries), "{single} single reads, {queries} queries");
        let versions = world.versions().await;
        assert_eq!(versions.len(), expected);
        assert!(versions.values().all(|version| version["exact"] == true && version["document"]["at"] == STORED));
    }
}

#[tokio::test]
async fn when_documents_cannot_be_read_together_each_is_read_by_itself() {
    let world = World::new().await;
    let handler = world.handler();
    let mut batch = Vec::new();
    for n in 0..10 {
        batch.push(write(&world, &format!("document-{n}"), "a").await);
    }
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Query,
        times: 1,
        effect: Effect::Status { status: 400, substatus: 0 },
    });
    assert_eq!(handler.invoke(&batch_of(&batch), false).await.0, StatusCode::OK);
    let versions = world.versions().await;
    assert_eq!(versions.len(), 10);
    assert!(versions.values().all(|version| version["exact"] == true && version["document"]["at"] == STORED));
    assert_eq!(reads(&world).0, 10);
}
