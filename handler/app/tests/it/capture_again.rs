//! Documents that the host may have rewritten are read again, many in a request.

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
    // Full queries, and one for the rest of each physical partition.
    assert!(queries <= DOCUMENTS / 25 + 4, "{queries} queries");
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
