//! Documents whose ids and keys look like times, and what the history must have of them.

use changefeed_cosmos::{Container, Deletion, Key, KeyPath, without_system_properties};
use changefeed_operations::Changefeed;
use serde_json::{Value, json};

/// Texts as they are stored, and as a host in UTC delivers them.
pub const REWRITTEN: [(&str, &str); 6] = [
    ("2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00+00:00"),
    ("2024-01-01T03:00:00.0-05:00", "2024-01-01T08:00:00+00:00"),
    ("2024-01-01T08:00:00.0000000Z", "2024-01-01T08:00:00Z"),
    ("2024-01-01T08:00:00.000Z", "2024-01-01T08:00:00Z"),
    ("/Date(1704096000000)/", "2024-01-01T08:00:00Z"),
    ("2024-01-01T08:00:00z", "2024-01-01T08:00:00Z"),
];

/// The key of a document in a container with these key paths.
pub fn key_in(document: &Value, paths: &[KeyPath]) -> Key {
    Key::of(document, paths).expect("a key")
}

/// The key path of most tests.
pub fn pk() -> [KeyPath; 1] {
    [KeyPath::property("pk")]
}

pub async fn events(changefeed: &Changefeed) -> Container {
    changefeed.history.monitored().open().await.expect("events")
}

pub async fn put(events: &Container, document: &Value) {
    put_in(events, document, &pk()).await;
}

pub async fn put_in(events: &Container, document: &Value, paths: &[KeyPath]) {
    let id = document["id"].as_str().expect("id");
    events.upsert(&key_in(document, paths), id, document).await.expect("upsert");
}

pub async fn delete(events: &Container, document: &Value) {
    delete_in(events, document, &pk()).await;
}

pub async fn delete_in(events: &Container, document: &Value, paths: &[KeyPath]) {
    let id = document["id"].as_str().expect("id");
    let deleted = events.delete(&key_in(document, paths), id, None).await.expect("delete");
    assert!(matches!(deleted, Deletion::Done(_)), "{deleted:?}");
}

/// Every change of `events`, by physical partition, as the service has it.
pub async fn truth(events: &Container) -> Vec<Vec<Value>> {
    let mut ranges = Vec::new();
    let mut parts = events.ranges().await.expect("ranges");
    parts.sort_by(|left, right| left.min.cmp(&right.min));
    for range in parts {
        let page_items = 1000.try_into().expect("a number");
        ranges.push(events.changes_after(&range, 0, page_items).await.expect("changes").envelopes);
    }
    ranges
}

/// A change as the host delivers it.
pub fn rewritten(change: &Value) -> Value {
    let mut delivered = rewritten_value(change);
    if change["metadata"]["id"].is_string() {
        delivered["metadata"]["id"] = change["metadata"]["id"].clone();
    }
    delivered
}

fn rewritten_value(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let found = REWRITTEN.iter().find(|(stored, _)| stored == text);
            json!(found.map_or(text.as_str(), |(_, delivered)| delivered))
        }
        Value::Array(items) => items.iter().map(rewritten_value).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), rewritten_value(value))).collect(),
        other => other.clone(),
    }
}

/// Id, key, sequence number and operation: what a version must have.
pub type Identity = (String, String, i64, String);

pub fn identity_of(change: &Value) -> Identity {
    identity_in(change, &pk())
}

pub fn identity_in(change: &Value, paths: &[KeyPath]) -> Identity {
    let (metadata, current) = (&change["metadata"], &change["current"]);
    let operation = match metadata["operationType"].as_str().expect("operationType") {
        "delete" if metadata["timeToLiveExpired"] == true => "expire",
        operation => operation,
    };
    let is_removal = current["id"].is_null();
    let id = if is_removal { &metadata["id"] } else { &current["id"] };
    let key = key_in(if is_removal { &metadata["partitionKey"] } else { current }, paths);
    let lsn = metadata["lsn"].as_i64().expect("lsn");
    (id.as_str().expect("id").to_owned(), key.to_string(), lsn, operation.to_owned())
}

/// Whether the host rewrites neither the id nor the key.
pub fn is_plain((id, key, ..): &Identity) -> bool {
    [id, key].iter().all(|text| !text.contains("T0") && !text.contains("T1") && !text.contains("/Date("))
}

pub async fn versions(changefeed: &Changefeed) -> Vec<(Identity, Value)> {
    let changes = changefeed.history.changes().open().await.expect("changes");
    let versions = changes.select::<Value>("SELECT * FROM c", &serde_json::Map::new(), None).await.expect("query");
    let versions: Vec<Value> = futures::TryStreamExt::try_collect(versions).await.expect("versions");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let identity = |version: &Value| {
        let lsn = version["lsn"].as_i64().expect("lsn");
        let key: Key = serde_json::from_value(version["partitionKey"].clone()).expect("a key");
        (text(&version["sourceId"]), key.to_string(), lsn, text(&version["operation"]))
    };
    versions.into_iter().map(|version| (identity(&version), version)).collect()
}

/// The identity of every version, sorted. Each must be exact, unless only its body has a time: such a version is not read in the
/// feed.
pub async fn stored(changefeed: &Changefeed) -> Vec<Identity> {
    let mut identities = Vec::new();
    for (identity, version) in versions(changefeed).await {
        assert!(version["exact"] == true || is_plain(&identity), "{version}");
        identities.push(identity);
    }
    identities.sort();
    identities
}

/// Compares the images of exact versions with those of the service.
pub async fn assert_exact_images(changefeed: &Changefeed, truth: &[Vec<Value>]) {
    assert_exact_images_in(changefeed, truth, &pk()).await;
}

pub async fn assert_exact_images_in(changefeed: &Changefeed, truth: &[Vec<Value>], paths: &[KeyPath]) {
    for (identity, version) in versions(changefeed).await.into_iter().filter(|(_, version)| version["exact"] == true) {
        let change = truth.iter().flatten().find(|change| identity_in(change, paths) == identity).expect("a change");
        for (image, field) in [("current", "document"), ("previous", "previous")] {
            if version[field].is_object() {
                assert_eq!(version[field].to_string(), without_system_properties(change[image].clone()).to_string());
            }
        }
    }
}

pub fn identities<'a>(changes: impl IntoIterator<Item = &'a Value>) -> Vec<Identity> {
    identities_in(changes, &pk())
}

pub fn identities_in<'a>(changes: impl IntoIterator<Item = &'a Value>, paths: &[KeyPath]) -> Vec<Identity> {
    let mut identities: Vec<Identity> = changes.into_iter().map(|change| identity_in(change, paths)).collect();
    identities.sort();
    identities
}
