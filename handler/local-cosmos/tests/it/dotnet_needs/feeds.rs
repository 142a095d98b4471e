//! What the SDK needs of the change feed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DOCS, LATEST, P1, RANGE, Scene};

/// Without the etag there is no checkpoint; without the count the iterators throw.
#[tokio::test]
async fn answers_of_the_change_feed_have_an_etag_and_the_number_of_items() {
    let scene = Scene::with_items().await;
    for range in scene.ranges().await {
        let first = scene.get(DOCS, &[LATEST, (RANGE, &range)]).await;
        assert_eq!(first.status, 200, "{}", first.summary());
        let count = first.json()["Documents"].as_array().expect("Documents").len();
        assert_eq!(first.header("x-ms-item-count"), Some(count.to_string().as_str()));
        let etag = first.header("etag").expect("an etag");
        let last = scene.get(DOCS, &[LATEST, (RANGE, &range), ("if-none-match", etag)]).await;
        assert_eq!(last.status, 304, "{}", last.summary());
        assert_eq!(last.header("x-ms-item-count"), Some("0"));
        assert!(last.header("etag").is_some_and(|etag| !etag.is_empty()));
        assert!(last.body.is_empty());
    }
}

/// The estimator computes the lag from both; a session token of another form throws.
#[tokio::test]
async fn the_change_feed_has_the_newest_number_of_its_range_and_of_each_document() {
    let scene = Scene::with_items().await;
    for range in scene.ranges().await {
        let pairs = [LATEST, (RANGE, &range), ("x-ms-max-item-count", "1")];
        let answer = scene.get(DOCS, &pairs).await;
        let token = answer.header("x-ms-session-token").expect("a session token");
        let (id, numbers) = token.split_once(':').expect("range:token");
        assert_eq!(id, range);
        let newest: u64 =
            numbers.split('#').nth(1).and_then(|lsn| lsn.parse().ok()).unwrap_or_else(|| panic!("{token}"));
        let lsn = answer.json()["Documents"][0]["_lsn"].as_u64().expect("a number");
        assert!(lsn < newest, "the first of several documents has {lsn}, the range {newest}");
        let etag = answer.header("etag").expect("an etag");
        let all = scene.get(DOCS, &[LATEST, (RANGE, &range), ("if-none-match", etag)]).await;
        let numbers: Vec<u64> = all.json()["Documents"]
            .as_array()
            .expect("Documents")
            .iter()
            .filter_map(|document| document["_lsn"].as_u64())
            .collect();
        assert_eq!(numbers.last(), Some(&newest), "{numbers:?}");
    }
}

/// Without the sub-status the caller gets the 410, and a processor starts the lease again.
#[tokio::test]
async fn a_range_that_was_split_is_gone_with_its_sub_status() {
    let scene = Scene::with_items().await;
    let old = scene.ranges().await[0].clone();
    let etag = scene.get(DOCS, &[LATEST, (RANGE, &old)]).await.header("etag").expect("an etag").to_owned();
    scene.endpoint.split("db", "c", Some(&old), Duration::ZERO).await.expect("a split");
    let feed = scene.get(DOCS, &[LATEST, (RANGE, &old), ("if-none-match", &etag)]).await;
    assert_eq!((feed.status, feed.substatus()), (410, 1002), "{}", feed.summary());
    let query = scene.query_range("SELECT * FROM c", &old, &[]).await;
    assert_eq!((query.status, query.substatus()), (410, 1002), "{}", query.summary());
    for child in scene.ranges().await.iter().take(2) {
        let feed = scene.get(DOCS, &[LATEST, (RANGE, child), ("if-none-match", &etag)]).await;
        assert_eq!(feed.status, 304, "{child}: {}", feed.summary());
    }
}

/// JsonSerializationException without the time or with another type of operation.
#[tokio::test]
async fn all_versions_have_a_time_and_one_of_three_types() {
    let scene = Scene::with(json!({
        "id": "c",
        "partitionKey": {"paths": ["/pk"], "kind": "Hash"},
        "changeFeedPolicy": {"retentionDuration": 10},
    }))
    .await;
    let full = [("a-im", "Full-Fidelity Feed"), ("x-ms-cosmos-changefeed-wire-format-version", "2021-09-15"), P1];
    let start = scene.get(DOCS, &[full[0], full[1], full[2], ("if-none-match", "*")]).await;
    assert_eq!(start.status, 304, "{}", start.summary());
    let etag = start.header("etag").expect("an etag");
    scene.upsert(&json!({"id": "a", "pk": "p1", "n": 1})).await;
    scene.upsert(&json!({"id": "a", "pk": "p1", "n": 2})).await;
    scene.succeed("DELETE", &format!("{DOCS}/a"), &[P1], &Value::Null).await;
    let changes = scene.get(DOCS, &[full[0], full[1], full[2], ("if-none-match", etag)]).await;
    let documents = changes.json()["Documents"].as_array().expect("Documents").clone();
    let types: Vec<&str> = documents.iter().filter_map(|change| change["metadata"]["operationType"].as_str()).collect();
    assert_eq!(types, ["create", "replace", "delete"], "{documents:?}");
    assert!(documents.iter().all(|change| change["metadata"]["crts"].is_u64()), "{documents:?}");
}

/// Diagnostics of the SDK show it. It is the client's, if the client sent one.
#[tokio::test]
async fn every_answer_of_the_change_feed_names_its_activity() {
    let scene = Scene::with_items().await;
    let activity = ("x-ms-activity-id", "5f1f2f4e-5d0c-4b8e-9a53-0c6f2f0a7b11");
    for range in scene.ranges().await {
        let first = scene.get(DOCS, &[LATEST, (RANGE, &range), activity]).await;
        let etag = first.header("etag").expect("an etag").to_owned();
        let last = scene.get(DOCS, &[LATEST, (RANGE, &range), ("if-none-match", &etag)]).await;
        assert_eq!(last.status, 304, "{}", last.summary());
        for answer in [&first, &last] {
            assert!(answer.header("x-ms-activity-id").is_some_and(|id| id.len() == 36), "{:?}", answer.headers);
        }
    }
}
