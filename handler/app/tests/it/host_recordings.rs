//! What the real host sent for batches and timers, sent to the handler: every document is stored once, under its own id and key,
//! as the account has it.
//!
//! The recordings are those of `local-host`. The documents are in this endpoint, so system properties are replaced.

use std::path::Path;

use changefeed_cosmos::without_system_properties;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::identity::{events, key_of, put, truth, versions};
use crate::support::{Handler, World};

const SYSTEM_PROPERTIES: [&str; 4] = ["_rid", "_self", "_etag", "_ts"];
const BATCHES: [&str; 6] = [
    "latest-version-plain",
    "core-tools-framing",
    "no-retry-policy",
    "retry-fixed-delay",
    "retry-other-failures",
    "retry-exhausted",
];
/// Documents that have a property of the feed.
const OWN_LSN: &str = "own-lsn";
const BATCH_ITEMS: usize = 100;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local-host/tests/it/recordings").join(name);
    std::fs::read_to_string(path).expect("a recording")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Sends a recorded request, with its head and framing, to this function.
async fn send(handler: &Handler, function: &str, recorded: &Value, body: &str) -> (StatusCode, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut request = client.post(format!("{}/{function}", handler.url()));
    for line in recorded["head"].as_array().expect("lines").iter().skip(1) {
        let (name, value) = text(line).split_once(": ").expect("a header");
        if !["Host", "Transfer-Encoding", "Content-Length"].contains(&name) {
            request = request.header(name, value);
        }
    }
    let body = body.to_owned();
    let body = match text(&recorded["framing"]) {
        "chunked" => reqwest::Body::wrap_stream(futures::stream::iter([Ok::<_, std::io::Error>(body)])),
        _ => body.into(),
    };
    let response = request.body(body).send().await.expect("an answer");
    (response.status(), response.text().await.expect("a body"))
}

/// The recorded element with the system properties of this endpoint.
fn of_this_endpoint(delivered: &str, envelopes: &[Value]) -> String {
    let element: Value = serde_json::from_str(delivered).expect("a document");
    let rid_of_id = |envelope: &&Value| envelope["current"]["n"] == element["n"] && same_id(envelope, &element);
    let envelope = envelopes.iter().find(rid_of_id).unwrap_or_else(|| panic!("{delivered}"));
    let mut changed = delivered.to_owned();
    for name in SYSTEM_PROPERTIES {
        let member = |value: &Value| format!("\"{name}\":{value}");
        changed = changed.replace(&member(&element[name]), &member(&envelope["current"][name]));
    }
    let lsn = |value: &Value| format!("\"_lsn\":{value}}}");
    changed.replace(&lsn(&element["_lsn"]), &lsn(&envelope["metadata"]["lsn"]))
}

fn same_id(envelope: &Value, element: &Value) -> bool {
    envelope["current"]["id"] == element["id"]
}

/// The recorded body with another batch.
fn with_batch(body: &str, batch: &str) -> String {
    let mut body: Value = serde_json::from_str(body).expect("a body");
    body["Data"]["documents"] = Value::String(Value::String(batch.to_owned()).to_string());
    body.to_string()
}

/// Every document is stored once, exactly as it was written.
async fn assert_stored(world: &World, documents: &[Value]) {
    let versions = versions(&world.changefeed(|_| ())).await;
    assert_eq!(versions.len(), documents.len());
    for document in documents {
        let is_of_document = |(id, key, ..): &(String, String, i64, String)| {
            id == text(&document["id"]) && *key == key_of(document).to_string()
        };
        let found: Vec<&Value> =
            versions.iter().filter(|(identity, _)| is_of_document(identity)).map(|(_, version)| version).collect();
        assert_eq!(found.len(), 1, "{document}");
        assert_eq!(found[0]["exact"], true, "{document}");
        assert_eq!(found[0]["document"].to_string(), document.to_string());
    }
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_requests_for_a_batch_store_each_document_once() {
    for name in BATCHES {
        let recording: Value = serde_json::from_str(&read(&format!("{name}.json"))).expect("JSON");
        let world = World::new().await;
        let events = events(&world.changefeed(|_| ())).await;
        let stored = recording["stored"].as_object().expect("documents").values();
        let documents: Vec<Value> = stored
            .map(|stored| without_system_properties(serde_json::from_str(text(stored)).expect("a document")))
            .collect();
        for document in &documents {
            put(&events, document).await;
        }
        let truth: Vec<Value> = truth(&events).await.into_iter().flatten().collect();
        let handler = world.handler();
        for recorded in recording["requests"].as_array().expect("requests") {
            let body: Value = serde_json::from_str(text(&recorded["body"])).expect("a body");
            let batch: String = serde_json::from_str(text(&body["Data"]["documents"])).expect("a batch");
            let elements: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&batch).expect("documents");
            let elements: Vec<String> = elements.iter().map(|one| of_this_endpoint(one.get(), &truth)).collect();
            let body = with_batch(text(&recorded["body"]), &format!("[{}]", elements.join(",")));
            let (status, answer) = send(&handler, "CosmosChangeFeed", recorded, &body).await;
            assert_eq!(status, StatusCode::OK, "{name}: {answer}");
            assert!(answer.starts_with('{'), "{name}: {answer}");
        }
        assert_stored(&world, &documents).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_a_host_in_utc_and_in_new_york_rewrote_are_stored_as_they_are() {
    let recorded: Value = serde_json::from_str(&read("latest-version-plain.json")).expect("JSON");
    let recorded = &recorded["requests"][0];
    let rows: Vec<Value> =
        read("odd-values.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let rows: Vec<&Value> = rows.iter().filter(|row| !text(&row["stored"]).contains(OWN_LSN)).collect();
    for zone in ["delivered", "deliveredInNewYork"] {
        let world = World::new().await;
        let events = events(&world.changefeed(|_| ())).await;
        let documents: Vec<Value> =
            rows.iter().map(|row| serde_json::from_str(text(&row["stored"])).expect("a document")).collect();
        for document in &documents {
            put(&events, document).await;
        }
        let truth: Vec<Value> = truth(&events).await.into_iter().flatten().collect();
        let element = |row: &&Value| {
            let delivered = row.get(zone).unwrap_or(&row["delivered"]);
            let id = serde_json::from_str::<Value>(text(&row["stored"])).expect("a document")["id"].clone();
            let envelope = truth.iter().find(|envelope| envelope["current"]["id"] == id).expect("a change");
            let own = text(delivered).strip_suffix('}').expect("an object");
            let system = SYSTEM_PROPERTIES.map(|name| format!("\"{name}\":{}", envelope["current"][name])).join(",");
            format!("{own},{system},\"_attachments\":\"attachments/\",\"_lsn\":{}}}", envelope["metadata"]["lsn"])
        };
        let elements: Vec<String> = rows.iter().map(element).collect();
        let handler = world.handler();
        for batch in elements.chunks(BATCH_ITEMS) {
            let body = with_batch(text(&recorded["body"]), &format!("[{}]", batch.join(",")));
            let (status, answer) = send(&handler, "CosmosChangeFeed", recorded, &body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
        assert_stored(&world, &documents).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_timer_calls_succeed() {
    let recording: Value = serde_json::from_str(&read("timer.json")).expect("JSON");
    let world = World::new().await;
    world.changefeed(|_| ());
    let handler = world.handler();
    for recorded in recording["requests"].as_array().expect("requests") {
        let (status, answer) = send(&handler, "Retention", recorded, text(&recorded["body"])).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(serde_json::from_str::<Value>(&answer).is_ok_and(|answer| answer.is_object()), "{answer}");
    }
    assert_eq!(world.dead_letters().await, json!([]).as_array().expect("none").clone());
}
