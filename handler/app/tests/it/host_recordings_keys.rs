//! What the real host sent for documents with other keys than a text, for jobs and for a large document, sent to the handler.

use changefeed_cosmos::{KeyPath, without_system_properties};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::host_recordings::{of_this_endpoint, read, replay_all_versions, replay_batches, send, text, with_batch};
use crate::support::identity::{events, put, truth};
use crate::support::{World, batch_of};

const HIERARCHICAL: &[&str] = &["/tenant", "/user/id", "/session"];
const ONE: &[&str] = &["/pk"];

fn recording(name: &str) -> Value {
    serde_json::from_str(&read(&format!("{name}.json"))).expect("JSON")
}

/// An account whose monitored container has the key of the recording.
async fn world(name: &str, key: &[&'static str]) -> (World, Vec<KeyPath>) {
    assert_eq!(recording(name)["observed"]["partitionKeyPaths"], json!(key), "{name}");
    let paths = key.iter().map(|path| path.parse().expect("a key path")).collect();
    (World::with_keys(key, &["/pk", "/sourceId"]).await, paths)
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_with_other_keys_are_stored_under_them() {
    for (name, key) in [("hierarchical-key", HIERARCHICAL), ("no-key-value", ONE)] {
        let (world, paths) = world(name, key).await;
        replay_batches(name, &world, &paths).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_of_documents_with_other_keys_are_stored_under_them() {
    for (name, key) in [("all-versions-hierarchical-key", HIERARCHICAL), ("all-versions-no-key-value", ONE)] {
        let (world, paths) = world(name, key).await;
        replay_all_versions(name, false, &world, &paths).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_request_for_a_job_runs_the_job() {
    let recording = recording("jobs-trigger");
    let recorded = &recording["requests"][0];
    let world = World::new().await;
    let handler = world.handler();
    // The recorded document is none of this program's, so nothing is done.
    let (status, answer) = send(&handler, "RunJobs", recorded, text(&recorded["body"])).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(serde_json::from_str::<Value>(&answer).is_ok_and(|answer| answer.is_object()), "{answer}");

    let (status, job) = handler.post("/api/verify", &json!({"graceSeconds": 0})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let id = text(&job["id"]);
    let view = loop {
        let batch = batch_of(&world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await);
        let (status, answer) = send(&handler, "RunJobs", recorded, &with_batch(text(&recorded["body"]), &batch)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let (_, view) = handler.get(&format!("/api/verify/{id}")).await;
        if !["queued", "running"].contains(&text(&view["state"])) {
            break view;
        }
    };
    assert_eq!(view["state"], "done", "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_request_for_a_large_document_stores_it() {
    let recording = recording("two-megabyte-document");
    let recorded = &recording["requests"][0];
    let body = text(&recording["observed"]["bodyWithTheTextShortened"]);
    let body = body.replace("<2000000 times x>", &"x".repeat(2_000_000));
    let parsed: Value = serde_json::from_str(&body).expect("a body");
    let batch: String = serde_json::from_str(text(&parsed["Data"]["documents"])).expect("a batch");
    let delivered = batch.strip_prefix('[').and_then(|batch| batch.strip_suffix(']')).expect("one document");

    let world = World::new().await;
    let events = events(&world.changefeed(|_| ())).await;
    let document = json!({"id": "big", "pk": "a", "text": "x".repeat(2_000_000)});
    put(&events, &document).await;
    let truth: Vec<Value> = truth(&events).await.into_iter().flatten().collect();
    let body = with_batch(&body, &format!("[{}]", of_this_endpoint(delivered, &truth)));
    let handler = world.handler();
    let (status, answer) = send(&handler, "CosmosChangeFeed", recorded, &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    // The version is compressed, so it is read over HTTP.
    let second = &truth[0]["current"]["_ts"];
    let (_, view) = handler.get(&format!("/api/history/document?id=big&pk=a&asOf={second}")).await;
    let version = &view["version"];
    assert!(without_system_properties(version["document"].clone()) == document, "another document");
    assert_eq!((&version["exact"], world.dead_letters().await.len()), (&json!(true), 0));
}
