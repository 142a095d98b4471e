//! What the real host sent for batches and timers, sent to the handler: every document is stored once, under its own id and key,
//! as the account has it.
//!
//! The recordings are those of `local-host`. The documents are in this endpoint, so system properties are replaced.

use std::collections::BTreeMap;
use std::path::Path;

use changefeed_cosmos::{KeyPath, without_system_properties};
use local_cosmos::ItemScope;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::identity::{
    assert_exact_images_in, delete_in, events, identities_in, key_in, pk, put, put_in, stored, truth, versions,
};
use crate::support::{Handler, World};

const SYSTEM_PROPERTIES: [&str; 4] = ["_rid", "_self", "_etag", "_ts"];
const BATCHES: [&str; 8] = [
    "latest-version-plain",
    "core-tools-framing",
    "no-retry-policy",
    "retry-fixed-delay",
    "retry-other-failures",
    "retry-exhausted",
    "retry-exponential",
    "poison-stops-the-partition",
];
/// Documents that have a property of the feed.
const OWN_LSN: &str = "own-lsn";
const BATCH_ITEMS: usize = 100;

pub fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local-host/tests/it/recordings").join(name);
    std::fs::read_to_string(path).expect("a recording")
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Sends a recorded request, with its head and framing, to this function.
pub async fn send(handler: &Handler, function: &str, recorded: &Value, body: &str) -> (StatusCode, String) {
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
pub fn of_this_endpoint(delivered: &str, envelopes: &[Value]) -> String {
    let element: Value = serde_json::from_str(delivered).expect("a document");
    let is_same = |envelope: &&Value| envelope["current"]["id"] == element["id"];
    let envelope = envelopes.iter().find(is_same).unwrap_or_else(|| panic!("{delivered}"));
    let mut changed = delivered.to_owned();
    for name in SYSTEM_PROPERTIES {
        let member = |value: &Value| format!("\"{name}\":{value}");
        changed = changed.replace(&member(&element[name]), &member(&envelope["current"][name]));
    }
    let lsn = |value: &Value| format!("\"_lsn\":{value}}}");
    changed.replace(&lsn(&element["_lsn"]), &lsn(&envelope["metadata"]["lsn"]))
}

/// The recorded body with another batch.
pub fn with_batch(body: &str, batch: &str) -> String {
    let mut body: Value = serde_json::from_str(body).expect("a body");
    body["Data"]["documents"] = Value::String(Value::String(batch.to_owned()).to_string());
    body.to_string()
}

/// Every document is stored once, exactly as it was written.
pub async fn assert_stored(world: &World, documents: &[Value], paths: &[KeyPath]) {
    let versions = versions(&world.changefeed(|_| ())).await;
    assert_eq!(versions.len(), documents.len());
    for document in documents {
        let is_of_document = |(id, key, ..): &(String, String, i64, String)| {
            id == text(&document["id"]) && *key == key_in(document, paths).to_string()
        };
        let found: Vec<&Value> =
            versions.iter().filter(|(identity, _)| is_of_document(identity)).map(|(_, version)| version).collect();
        assert_eq!(found.len(), 1, "{document}");
        assert_eq!(found[0]["exact"], true, "{document}");
        assert_eq!(found[0]["document"].to_string(), document.to_string());
    }
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

/// The elements of a recorded batch, as texts.
pub fn elements(recorded: &Value) -> Vec<String> {
    let body: Value = serde_json::from_str(text(&recorded["body"])).expect("a body");
    let batch: String = serde_json::from_str(text(&body["Data"]["documents"])).expect("a batch");
    let elements: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&batch).expect("documents");
    elements.iter().map(|one| one.get().to_owned()).collect()
}

/// Writes the documents of a recording, sends its requests, and checks what is stored.
pub async fn replay_batches(name: &str, world: &World, paths: &[KeyPath]) {
    let recording: Value = serde_json::from_str(&read(&format!("{name}.json"))).expect("JSON");
    let requests = recording["requests"].as_array().expect("requests");
    let stored = recording["stored"].as_object().expect("documents").values();
    let stored: Vec<Value> = stored.map(|stored| serde_json::from_str(text(stored)).expect("a document")).collect();
    let mut documents = BTreeMap::new();
    for element in requests.iter().flat_map(elements) {
        let delivered: Value = serde_json::from_str(&element).expect("a document");
        let original = stored.iter().find(|stored| stored["_etag"] == delivered["_etag"]);
        let mut document = without_system_properties(original.unwrap_or(&delivered).clone());
        if original.is_none() {
            document.as_object_mut().expect("an object").shift_remove("_lsn");
        }
        documents.insert(document["id"].to_string(), document);
    }
    let documents: Vec<Value> = documents.into_values().collect();
    let events = events(&world.changefeed(|_| ())).await;
    for document in &documents {
        put_in(&events, document, paths).await;
    }
    let truth: Vec<Value> = truth(&events).await.into_iter().flatten().collect();
    let handler = world.handler();
    for recorded in requests {
        let elements: Vec<String> = elements(recorded).iter().map(|one| of_this_endpoint(one, &truth)).collect();
        let body = with_batch(text(&recorded["body"]), &format!("[{}]", elements.join(",")));
        let (status, answer) = send(&handler, "CosmosChangeFeed", recorded, &body).await;
        assert_eq!(status, StatusCode::OK, "{name}: {answer}");
        assert!(answer.starts_with('{'), "{name}: {answer}");
    }
    assert_stored(world, &documents, paths).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_requests_for_a_batch_store_each_document_once() {
    for name in BATCHES {
        replay_batches(name, &World::new().await, &pk()).await;
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
        assert_stored(&world, &documents, &pk()).await;
    }
}

/// What was written for a recorded change of AllVersionsAndDeletes mode; a deleted document has its id and key.
struct Written {
    operation: String,
    document: Value,
}

fn written(stored: &BTreeMap<String, Value>, delivered: &Value) -> Written {
    let metadata = &delivered["metadata"];
    let operation = match text(&metadata["operationType"]) {
        "delete" if metadata["timeToLiveExpired"] == true => "expire",
        operation => operation,
    };
    let current = &delivered["current"];
    let document = match stored.get(&current["_etag"].to_string()) {
        Some(original) => without_system_properties(original.clone()),
        None if current["id"].is_string() => without_system_properties(current.clone()),
        // The host may have rewritten the key of a deleted document.
        None => match stored.values().find(|document| document["id"] == metadata["id"]) {
            Some(document) => without_system_properties(document.clone()),
            None => {
                let mut document = metadata["partitionKey"].clone();
                document["id"] = metadata["id"].clone();
                document
            }
        },
    };
    Written { operation: operation.to_owned(), document }
}

/// Makes the changes of a recording, sends its requests, and checks what is stored.
pub async fn replay_all_versions(name: &str, previous_images: bool, world: &World, paths: &[KeyPath]) {
    let recording: Value = serde_json::from_str(&read(&format!("{name}.json"))).expect("JSON");
    let documents = recording["stored"].as_object().expect("documents").values();
    let documents = documents.map(|stored| serde_json::from_str::<Value>(text(stored)).expect("a document"));
    let by_etag: BTreeMap<String, Value> = documents.map(|stored| (stored["_etag"].to_string(), stored)).collect();
    let requests = recording["requests"].as_array().expect("requests");
    let elements = |recorded: &Value| -> Vec<Value> {
        elements(recorded).iter().map(|one| serde_json::from_str(one).expect("a change")).collect()
    };

    world.endpoint.keep_previous_images("dev", "events", previous_images).await.expect("previous images");
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    for Written { operation, document } in
        requests.iter().flat_map(&elements).map(|delivered| written(&by_etag, &delivered))
    {
        match operation.as_str() {
            "delete" => delete_in(&events, &document, paths).await,
            "expire" => {
                let scope = ItemScope { id: Some(text(&document["id"]).to_owned()), partition_key: None };
                assert_eq!(world.endpoint.expire_now("dev", "events", scope).await, Ok(1));
            }
            _ => put_in(&events, &document, paths).await,
        }
    }
    let truth = truth(&events).await;
    let mut changes_of: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for change in truth.iter().flatten() {
        let current = &change["current"]["id"];
        let id = if current.is_string() { current } else { &change["metadata"]["id"] };
        changes_of.entry(id.to_string()).or_default().insert(0, change.clone());
    }

    let handler = world.handler();
    for recorded in requests {
        let mut batch = elements(recorded);
        for element in &mut batch {
            let id = written(&by_etag, element).document["id"].to_string();
            let change = changes_of.get_mut(&id).and_then(Vec::pop).expect("a change");
            for image in ["current", "previous"].into_iter().filter(|image| change[image]["id"].is_string()) {
                for property in SYSTEM_PROPERTIES {
                    element[image][property] = change[image][property].clone();
                }
            }
            for property in ["lsn", "crts"] {
                element["metadata"][property] = change["metadata"][property].clone();
            }
            let previous = change["metadata"].get("previousImageLSN").cloned();
            element["metadata"]["previousImageLSN"] = previous.unwrap_or(json!(0));
        }
        let body = with_batch(text(&recorded["body"]), &Value::Array(batch).to_string());
        let (status, answer) = send(&handler, "CosmosChangeFeed", recorded, &body).await;
        assert_eq!(status, StatusCode::OK, "{name}: {answer}");
    }
    assert_eq!(stored(&changefeed).await, identities_in(truth.iter().flatten(), paths), "{name}");
    assert_exact_images_in(&changefeed, &truth, paths).await;
    assert_eq!(world.dead_letters().await, Vec::<Value>::new(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_requests_of_all_versions_mode_store_every_version_delete_and_expiry() {
    for (name, previous_images) in [
        ("all-versions-create-replace-delete-expire", true),
        ("all-versions-create-replace-delete-expire-without-previous", false),
        ("all-versions-live-documents", false),
    ] {
        replay_all_versions(name, previous_images, &World::new().await, &pk()).await;
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
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}
