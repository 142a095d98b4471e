//! Faults that the client layer must classify: answers that cannot be parsed, metadata that cannot be read, more partitions
//! than the SDK reads by default, containers that were recreated, and stored data that is damaged.

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, TimeToLive};
use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{World, batch_of};

fn fault(container: &str, kind: RequestKind, times: u32, effect: Effect) -> Fault {
    Fault { container: Some(container.into()), kind, times, effect }
}

#[tokio::test]
async fn an_item_whose_answer_cannot_be_parsed_does_not_block_its_batch() {
    let world = World::new().await;
    let handler = world.handler();
    let mut documents = Vec::new();
    for id in ["a", "garbled", "z"] {
        // A date-time string makes capture read the item.
        documents.push(world.put("a", json!({"id": id, "pk": "a", "at": "2026-11-20T10:00:00Z"})).await);
    }
    world.endpoint.inject(fault("events", RequestKind::Read, 1000, Effect::Garble).on_item("garbled"));
    let (status, answer) = handler.invoke(&batch_of(&documents), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let versions = world.versions().await;
    let exact =
        |id: &str| versions.values().find(|version| version["sourceId"] == id).expect("a version")["exact"].clone();
    assert_eq!((exact("a"), exact("garbled"), exact("z")), (json!(true), json!(false), json!(true)));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());

    // A reader gets a permanent error that is not the reader's fault.
    let (status, answer) = handler.get("/api/history/diff?id=garbled&pk=a&from=live&to=live").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &json!("CorruptData")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_write_whose_answer_cannot_be_parsed_is_retried_and_stored_once() {
    let world = World::new().await;
    let handler = world.handler();
    let document = world.put("a", json!({"id": "1", "pk": "a"})).await;
    world.endpoint.inject(fault("changes", RequestKind::Write, 2, Effect::Garble));
    handler.invoke_until_accepted(&batch_of(&[document])).await;
    assert_eq!(world.versions().await.len(), 1);
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_metadata_does_not_delay_a_batch() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let mut documents = Vec::new();
    for n in 0..100 {
        documents.push(world.put("a", json!({"id": format!("item-{n}"), "pk": "a"})).await);
    }
    let batch = changefeed_history::Batch { function: "t".into(), invocation_id: "t".into(), rewritten_by_host: false };
    let raw = |documents: &[Value]| -> Vec<_> {
        documents.iter().map(|document| serde_json::value::to_raw_value(document).expect("raw")).collect()
    };
    changefeed.capture.capture(&batch, raw(&documents[..1])).await.expect("captured");
    for container in ["events", "changes"] {
        world.endpoint.inject(fault(
            container,
            RequestKind::Metadata,
            1000,
            Effect::Status { status: 503, substatus: 0 },
        ));
    }
    changefeed.history.monitored().report_stale();
    changefeed.history.changes().report_stale();
    world.endpoint.take_requests();
    changefeed.capture.capture(&batch, raw(&documents)).await.expect("captured with the known definitions");
    assert_eq!(world.versions().await.len(), 100);
    // Each definition is read once, with the attempts of the SDK, and not once for each document.
    let metadata = world.endpoint.take_requests().iter().filter(|request| request.kind == LoggedKind::Metadata).count();
    assert!(metadata <= 40, "{metadata} reads of metadata for a batch of 100 documents");
}

#[tokio::test(flavor = "multi_thread")]
async fn search_query_status_and_truncate_work_on_150_partitions() {
    let world = World::new().await;
    for container in ["events", "changes"] {
        world.endpoint.set_partition_count("dev", container, 150).await.expect("150 partitions");
    }
    let mut documents = Vec::new();
    for n in 0..40 {
        documents.push(world.put(format!("p{n}"), json!({"id": "1", "pk": format!("p{n}"), "group": n % 2})).await);
    }
    let handler = world.handler();
    let (status, answer) = handler.invoke(&batch_of(&documents), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");

    let (status, answer) = handler.get("/api/history/search?filter=group=1&maxItems=100").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["items"].as_array().expect("rows").len(), 40, "twenty live documents and their versions");
    let query = json!({"container": "events", "query": "SELECT c.pk FROM c", "maxItems": 1000});
    let (status, answer) = handler.post("/api/query", &query).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (status, answer) = handler.get("/api/status").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["containers"][0]["state"], "ready", "{answer}");
    let (status, answer) =
        handler.post("/api/truncate", &json!({"container": "events", "max": 1000, "confirm": "events"})).await;
    assert_eq!((status, &answer["deleted"]), (StatusCode::OK, &json!(40)), "{answer}");
}

#[tokio::test]
async fn versions_of_a_container_that_was_recreated_with_another_key_are_stored_under_that_key() {
    let world = World::new().await;
    let handler = world.handler();
    let before = world.put("a", json!({"id": "1", "pk": "a", "region": "west"})).await;
    handler.invoke_until_accepted(&batch_of(&[before])).await;

    let database = world.client.sdk().database_client("dev");
    world.container("events").await.delete(None).await.expect("deleted");
    let key = PartitionKeyDefinition::new(vec!["/region".into()]);
    let properties = ContainerProperties::new("events", key).with_default_ttl(TimeToLive::NoDefault);
    database.create_container(properties, None).await.expect("recreated");
    let after = world.put(PartitionKey::from("west"), json!({"id": "1", "pk": "a", "region": "west"})).await;
    handler.invoke_until_accepted(&batch_of(std::slice::from_ref(&after))).await;

    let versions = world.versions().await;
    let keys: Vec<&Value> = versions.values().map(|version| &version["partitionKey"]).collect();
    assert!(keys.contains(&&json!(["a"])) && keys.contains(&&json!(["west"])) && keys.len() == 2, "{keys:?}");
    let (status, answer) = handler.get("/api/history/versions?id=1&pk=west").await;
    assert_eq!((status, answer["items"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)), "{answer}");
}

#[tokio::test]
async fn damaged_stored_data_is_reported_as_such_and_names_the_record() {
    let world = World::new().await;
    let handler = world.handler();
    let changes = world.container("changes").await;
    let record = json!({"id": "1700000000-x", "pk": "a", "sourceId": "1", "partitionKey": ["a"], "operation": "write",
        "sourceTs": 1_700_000_000, "etag": "\"x\"", "capturedAt": "2026-01-01T00:00:00.000Z", "capturedBy": "t",
        "exact": true, "schema": 1, "documentZstd": "bm90IHpzdGQ="});
    let key = PartitionKey::from(("a", "1"));
    changes.create_item(key, "1700000000-x", record, None).await.expect("created");
    for path in ["versions/1700000000-x?id=1&pk=a", "versions?id=1&pk=a", "search"] {
        let (status, answer) = handler.get(&format!("/api/history/{path}")).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {answer}");
        assert_eq!(answer["error"]["code"], "CorruptData", "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("1700000000-x")), "{answer}");
    }
    let restore = json!({"id": "r-1", "kind": "restore", "startedAt": "2026-01-01T00:00:00.000Z", "state": 7});
    let letter = json!({"id": "l-1", "capturedAt": "2026-01-01T00:00:00.000Z", "attempts": "x"});
    for (container, id, record) in [("jobs", "r-1", restore), ("dead-letters", "l-1", letter)] {
        world.container(container).await.create_item(id, id, record, None).await.expect("created");
    }
    for (path, id) in [("restores", "r-1"), ("dead-letters", "l-1")] {
        let (status, answer) = handler.get(&format!("/api/{path}")).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::INTERNAL_SERVER_ERROR, &json!("CorruptData")),
            "{answer}"
        );
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains(id)), "{answer}");
    }
    // A restore reports the damage too.
    let restore = json!({"id": "1", "partitionKey": ["a"], "version": "1700000000-x", "dryRun": true});
    let (status, answer) = handler.post("/api/restores", &restore).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{answer}");
}

#[tokio::test]
async fn a_job_is_cancelled_only_by_its_own_kind() {
    let world = World::new().await;
    let handler = world.handler();
    let (status, verification) = handler.post("/api/verify", &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{verification}");
    let id = verification["id"].as_str().expect("an id");
    for kind in ["restores", "backups"] {
        let (status, answer) = handler.post(&format!("/api/{kind}/{id}/cancel"), &json!({})).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("NotFound")), "{kind}: {answer}");
    }
    let (_, answer) = handler.get(&format!("/api/verify/{id}")).await;
    assert_eq!(answer["state"], "queued", "{answer}");
    let (status, answer) = handler.post(&format!("/api/verify/{id}/cancel"), &json!({})).await;
    assert_eq!((status, &answer["state"]), (StatusCode::OK, &json!("cancelled")), "{answer}");
}

#[tokio::test]
async fn a_second_status_opens_no_new_client() {
    let world = World::new().await;
    let handler = world.handler();
    let account_reads = async || {
        let (status, answer) = handler.get("/api/status").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        world.endpoint.take_requests().iter().filter(|request| request.path.trim_matches('/').is_empty()).count()
    };
    assert!(account_reads().await > 0, "a new client reads the account");
    assert_eq!(account_reads().await, 0);
}
