//! Batches of changes are stored as versions.

use azure_data_cosmos::models::TimeToLive;
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{World, batch_of};

fn document(id: &str, n: i64) -> Value {
    json!({"id": id, "pk": "a", "n": n})
}

#[tokio::test]
async fn a_version_has_the_document_and_its_origin() {
    let world = World::new().await;
    let stored = world.put("a", json!({"id": "1", "pk": "a", "z": 1, "b": {"ü": [null, ""]}, "ttl": 3600})).await;
    let (status, answer) = world.handler().invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&answer["Outputs"], &answer["ReturnValue"]), (&json!({}), &Value::Null));
    assert!(answer["Logs"][0].as_str().is_some_and(|log| log.contains("stored 1 versions")), "{answer}");

    let version = world.only_version().await;
    let etag = stored["_etag"].as_str().expect("etag");
    assert_eq!(version["id"], format!("{:010}-{}", stored["_ts"].as_i64().expect("ts"), etag.trim_matches('"')));
    assert_eq!(
        (&version["pk"], &version["sourceId"], &version["partitionKey"]),
        (&json!("a"), &json!("1"), &json!(["a"]))
    );
    assert_eq!(
        (&version["operation"], &version["sourceTs"], &version["etag"]),
        (&json!("write"), &stored["_ts"], &stored["_etag"])
    );
    assert_eq!(version["expiresAt"].as_i64(), stored["_ts"].as_i64().map(|ts| ts + 3600));
    assert_eq!(version["capturedBy"], "3b1a5a3e-0000-4000-8000-000000000001");
    assert_eq!(version["document"].to_string(), r#"{"id":"1","pk":"a","z":1,"b":{"ü":[null,""]},"ttl":3600}"#);
}

#[tokio::test]
async fn a_batch_that_is_redelivered_adds_nothing() {
    let world = World::new().await;
    let handler = world.handler();
    let mut documents = Vec::new();
    for n in 0..50 {
        documents.push(world.put("a", document(&format!("item-{n}"), n)).await);
    }
    let batch = batch_of(&documents);
    let (first, second) = tokio::join!(handler.invoke(&batch, false), handler.invoke(&batch, true));
    assert_eq!((first.0, second.0), (StatusCode::OK, StatusCode::OK));
    let versions = world.versions().await;
    assert_eq!(versions.len(), 50);
    let (_, third) = handler.invoke(&batch, true).await;
    assert!(
        third["Logs"][0].as_str().is_some_and(|log| log.starts_with("stored 0 versions, 50 already present")),
        "{third}"
    );
    assert_eq!(world.versions().await, versions);
}

#[tokio::test]
async fn every_version_of_a_document_is_captured_in_any_order_of_delivery() {
    let world = World::new().await;
    let handler = world.handler();
    let mut versions = Vec::new();
    for n in 0..4 {
        versions.push(world.put("a", document("1", n)).await);
    }
    versions.rotate_left(2);
    for version in &versions {
        handler.invoke(&batch_of(std::slice::from_ref(version)), false).await;
    }
    let mut captured: Vec<i64> =
        world.versions().await.values().filter_map(|version| version["document"]["n"].as_i64()).collect();
    captured.sort_unstable();
    assert_eq!(captured, [0, 1, 2, 3]);
}

#[tokio::test]
async fn partition_keys_of_every_type_are_distinguished() {
    let world = World::new().await;
    let handler = world.handler();
    for key in [json!("a"), json!(7), json!(1.5), json!(true), json!(null)] {
        let document = json!({"id": "1", "pk": key, "_ts": 1_700_000_000, "_etag": format!("\"{key}\""), "_lsn": 1});
        let (status, answer) = handler.invoke(&batch_of(&[document]), false).await;
        assert_eq!(status, StatusCode::OK, "{key}: {answer}");
    }
    let without = json!({"id": "1", "_ts": 1_700_000_000, "_etag": "\"without\"", "_lsn": 1});
    handler.invoke(&batch_of(&[without]), false).await;
    let keys: Vec<String> =
        world.versions().await.values().map(|version| version["partitionKey"].to_string()).collect();
    for expected in [r#"["a"]"#, "[7]", "[1.5]", "[true]", "[null]", "[{}]"] {
        assert!(keys.iter().any(|key| key == expected), "{expected} in {keys:?}");
    }
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_hierarchical_partition_key_is_stored_as_its_components() {
    let world = World::with_keys(&["/tenant", "/user/id"], &["/pk", "/sourceId"]).await;
    let stored = world.put(("acme", 5), json!({"id": "1", "tenant": "acme", "user": {"id": 5}})).await;
    world.handler().invoke(&batch_of(&[stored]), false).await;
    let version = world.only_version().await;
    assert_eq!((&version["partitionKey"], &version["pk"]), (&json!(["acme", 5]), &json!(r#"["acme",5]"#)));
}

#[tokio::test]
async fn a_changes_container_may_have_another_partition_key() {
    let world = World::with_keys(&["/pk"], &["/pk"]).await;
    let stored = world.put("a", document("1", 1)).await;
    let (status, answer) = world.handler().invoke(&batch_of(&[stored]), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.only_version().await["document"]["n"], 1);
}

#[tokio::test]
async fn a_large_document_is_compressed_into_one_record() {
    let world = World::new().await;
    let compressible = world.put("a", json!({"id": "1", "pk": "a", "text": "0123456789".repeat(195_000)})).await;
    let (status, answer) = world.handler().invoke(&batch_of(&[compressible]), true).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let version = world.only_version().await;
    assert!(version.get("document").is_none() && version["documentZstd"].is_string());
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_value_that_the_host_may_rewrite_is_read_from_the_document_unless_it_has_changed() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a", "at": "2024-01-01T10:00:00+02:00"})).await;
    let mut rewritten = stored.clone();
    rewritten["at"] = json!("2024-01-01T08:00:00+00:00");
    handler.invoke(&batch_of(std::slice::from_ref(&rewritten)), false).await;
    let version = world.only_version().await;
    assert_eq!((&version["exact"], &version["document"]["at"]), (&json!(true), &json!("2024-01-01T10:00:00+02:00")));

    let newer = world.put("a", json!({"id": "1", "pk": "a", "at": "2024-01-02T10:00:00+02:00"})).await;
    let mut late = rewritten.clone();
    late["_etag"] = json!("\"missed\"");
    handler.invoke(&batch_of(&[late]), false).await;
    let versions = world.versions().await;
    let missed = versions.values().find(|version| version["etag"] == "\"missed\"").expect("a version");
    assert_eq!((&missed["exact"], &missed["document"]["at"]), (&json!(false), &json!("2024-01-01T08:00:00+00:00")));
    assert!(versions.values().all(|version| version["etag"] != newer["_etag"]));
}

#[tokio::test]
async fn a_document_without_dates_is_not_read_again() {
    let world = World::new().await;
    let handler = world.handler();
    let stored =
        world.put("a", json!({"id": "1", "pk": "a", "latitude": 35.4995, "timestamp": "2024-01-01 00:00:00"})).await;
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Read,
        times: 100,
        effect: Effect::Status { status: 403, substatus: 0 },
    });
    let (status, answer) = handler.invoke(&batch_of(&[stored]), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.only_version().await["exact"], true);
}

#[tokio::test]
async fn a_batch_may_mix_documents_and_changes_of_all_versions_and_deletes_mode() {
    let world = World::new().await;
    let stored = world.put("a", document("1", 1)).await;
    let delete = |expired: bool, lsn: i64| {
        json!({"current": null, "metadata": {"crts": 1_700_000_000.0, "lsn": lsn, "operationType": "delete",
            "timeToLiveExpired": expired, "id": "2", "partitionKey": {"pk": "a"}}})
    };
    let replace = json!({"current": {"id": "2", "pk": "a", "n": 2, "_ts": 1_700_000_001, "_etag": "\"r\""},
        "previous": {"id": "2", "pk": "a", "n": 1, "_ts": 1_700_000_000, "_etag": "\"c\""},
        "metadata": {"crts": 1_700_000_001.0, "lsn": 8, "operationType": "replace", "previousImageLSN": 7}});
    let batch = batch_of(&[stored, delete(false, 9), delete(true, 10), replace]);
    let handler = world.handler();
    handler.invoke(&batch, false).await;
    handler.invoke(&batch, false).await;
    let versions = world.versions().await;
    assert_eq!(versions.len(), 4);
    assert_eq!(versions["1700000000-delete-9"]["operation"], "delete");
    assert_eq!(versions["1700000000-delete-10"]["operation"], "expire");
    assert!(versions["1700000000-delete-9"].get("document").is_none());
    let replaced = &versions["1700000001-r"];
    assert_eq!(
        (&replaced["operation"], &replaced["previous"]),
        (&json!("replace"), &json!({"id": "2", "pk": "a", "n": 1}))
    );
}

#[tokio::test]
async fn an_invalid_document_becomes_a_dead_letter_and_the_rest_of_the_batch_is_captured() {
    let world = World::new().await;
    let handler = world.handler();
    let good = world.put("a", document("good", 1)).await;
    let deep = format!(
        "{{\"id\":\"deep\",\"pk\":\"a\",\"_ts\":1,\"_etag\":\"d\",\"x\":{}1{}}}",
        "[".repeat(1000),
        "]".repeat(1000)
    );
    let huge = json!({"id": "huge", "_ts": 1, "pk": "x".repeat(3000), "_etag": "h"}).to_string();
    let bad = [
        "5".to_owned(),
        r#"{"pk":"a","_ts":1,"_etag":"n"}"#.to_owned(),
        json!({"id": "x".repeat(1024), "pk": "a", "_ts": 1, "_etag": "s"}).to_string(),
        deep,
        huge,
    ];
    let batch = format!("[{},{}]", bad.join(","), good);
    for _ in 0..2 {
        let (status, answer) = handler.invoke(&batch, false).await;
        assert_eq!(status, StatusCode::OK);
        assert!(answer["Logs"][0].as_str().is_some_and(|log| log.contains("5 dead letters")), "{answer}");
    }
    assert_eq!(world.only_version().await["sourceId"], "good");
    let dead_letters = world.dead_letters().await;
    assert_eq!(dead_letters.len(), bad.len());
    for payload in &bad {
        let letter =
            dead_letters.iter().find(|letter| letter["payload"] == *payload.as_str()).expect("the delivered payload");
        assert_eq!((&letter["function"], letter["reason"].is_string()), (&json!("CosmosChangeFeed"), true));
        assert_eq!(letter["invocationId"], "3b1a5a3e-0000-4000-8000-000000000001");
    }
}

#[tokio::test]
async fn a_document_whose_id_and_key_look_like_times_is_stored_under_its_id_and_key() {
    let world = World::new().await;
    let handler = world.handler();
    let time = "2024-01-01T10:00:00+02:00";
    let stored = world.put(time, json!({"id": time, "pk": time, "n": 1})).await;
    let rewritten = |stored: &Value| {
        let mut document = stored.clone();
        (document["id"], document["pk"]) = (json!("2024-01-01T08:00:00+00:00"), json!("2024-01-01T08:00:00+00:00"));
        document
    };
    handler.invoke(&batch_of(&[rewritten(&stored)]), false).await;
    let version = world.only_version().await;
    assert_eq!((&version["sourceId"], &version["pk"], &version["exact"]), (&json!(time), &json!(time), &json!(true)));
    let mut late = rewritten(&world.put(time, json!({"id": time, "pk": time, "n": 2})).await);
    late["_etag"] = json!("\"missed\"");
    handler.invoke(&batch_of(&[late]), false).await;
    let missed =
        world.versions().await.into_values().find(|version| version["etag"] == "\"missed\"").expect("a version");
    assert_eq!(
        (&missed["sourceId"], &missed["partitionKey"], &missed["exact"]),
        (&json!(time), &json!([time]), &json!(false))
    );
}

#[tokio::test]
async fn deletes_of_one_transaction_are_distinguished_under_any_key_of_the_changes_container() {
    for key in [&["/pk", "/sourceId"][..], &["/pk"]] {
        let world = World::with_keys(&["/pk"], key).await;
        let delete = |id: &str| json!({"current": null, "metadata": {"crts": 1_700_000_000.0, "lsn": 9, "operationType": "delete", "id": id, "partitionKey": {"pk": "a"}}});
        let (status, answer) = world.handler().invoke(&batch_of(&[delete("1"), delete("2")]), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(world.query("changes", "SELECT * FROM c").await.len(), 2, "{key:?}");
    }
}

#[tokio::test]
async fn a_version_has_the_expiry_time_of_the_containers_default_time_to_live() {
    let world = World::new().await;
    let events = world.container("events").await;
    let properties = events.read(None).await.expect("read").into_model().expect("properties");
    events.replace(properties.with_default_ttl(TimeToLive::Seconds(500)), None).await.expect("replace");
    let stored = world.put("a", document("1", 1)).await;
    world.handler().invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    assert_eq!(world.only_version().await["expiresAt"].as_i64(), stored["_ts"].as_i64().map(|ts| ts + 500));
}
