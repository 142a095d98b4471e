//! Ids and partition keys that the Functions host may have rewritten.
//!
//! `recordings` has what the real host delivered: `stored` are the documents as they were read, by id and number of the version;
//! `batches` are the arrays of changes in the bodies of the invocations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use changefeed_cosmos::{Container, Key, KeyPath, without_system_properties};
use changefeed_history::{Batch, CaptureReport};
use changefeed_operations::Changefeed;
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::verify::{finding_summaries, run_verification};
use crate::support::{DEADLINE, Local, World, batch_of, changefeed_on, until};

/// Texts as they are stored, and as a host in UTC delivers them.
const REWRITTEN: [(&str, &str); 6] = [
    ("2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00+00:00"),
    ("2024-01-01T03:00:00.0-05:00", "2024-01-01T08:00:00+00:00"),
    ("2024-01-01T08:00:00.0000000Z", "2024-01-01T08:00:00Z"),
    ("2024-01-01T08:00:00.000Z", "2024-01-01T08:00:00Z"),
    ("/Date(1704096000000)/", "2024-01-01T08:00:00Z"),
    ("2024-01-01T08:00:00z", "2024-01-01T08:00:00Z"),
];

fn key_of(document: &Value) -> Key {
    Key::of(document, &[KeyPath::property("pk")]).expect("a key")
}

async fn events(changefeed: &Changefeed) -> Container {
    changefeed.history.monitored().open().await.expect("events")
}

async fn put(events: &Container, document: &Value) {
    let id = document["id"].as_str().expect("id");
    events.upsert(&key_of(document), id, document).await.expect("upsert");
}

async fn delete(events: &Container, document: &Value) {
    let id = document["id"].as_str().expect("id");
    events.delete(&key_of(document), id, None).await.expect("delete").expect("a document");
}

/// Every change of `events`, by physical partition, as the service has it.
async fn truth(events: &Container) -> Vec<Vec<Value>> {
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
fn rewritten(change: &Value) -> Value {
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
type Identity = (String, String, i64, String);

fn identity_of(change: &Value) -> Identity {
    let (metadata, current) = (&change["metadata"], &change["current"]);
    let operation = match metadata["operationType"].as_str().expect("operationType") {
        "delete" if metadata["timeToLiveExpired"] == true => "expire",
        operation => operation,
    };
    let is_removal = current["id"].is_null();
    let id = if is_removal { &metadata["id"] } else { &current["id"] };
    let key = key_of(if is_removal { &metadata["partitionKey"] } else { current });
    let lsn = metadata["lsn"].as_i64().expect("lsn");
    (id.as_str().expect("id").to_owned(), key.to_string(), lsn, operation.to_owned())
}

/// Whether the host rewrites neither the id nor the key.
fn is_plain((id, key, ..): &Identity) -> bool {
    [id, key].iter().all(|text| !text.contains("T0") && !text.contains("T1") && !text.contains("/Date("))
}

async fn versions(changefeed: &Changefeed) -> Vec<(Identity, Value)> {
    let changes = changefeed.history.changes().open().await.expect("changes");
    let versions = changes.select::<Value>("SELECT * FROM c", &serde_json::Map::new(), None).await.expect("query");
    let versions: Vec<Value> = futures::TryStreamExt::try_collect(versions).await.expect("versions");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let identity = |version: &Value| {
        let lsn = version["lsn"].as_i64().expect("lsn");
        (text(&version["sourceId"]), version["partitionKey"].to_string(), lsn, text(&version["operation"]))
    };
    versions.into_iter().map(|version| (identity(&version), version)).collect()
}

/// The identity of every version, sorted. Each must be exact, unless only its body has a time: such a version is not read in the
/// feed.
async fn stored(changefeed: &Changefeed) -> Vec<Identity> {
    let mut identities = Vec::new();
    for (identity, version) in versions(changefeed).await {
        assert!(version["exact"] == true || is_plain(&identity), "{version}");
        identities.push(identity);
    }
    identities.sort();
    identities
}

/// Compares the images of exact versions with those of the service.
async fn assert_exact_images(changefeed: &Changefeed, truth: &[Vec<Value>]) {
    for (identity, version) in versions(changefeed).await.into_iter().filter(|(_, version)| version["exact"] == true) {
        let change = truth.iter().flatten().find(|change| identity_of(change) == identity).expect("a change");
        for (image, field) in [("current", "document"), ("previous", "previous")] {
            if version[field].is_object() {
                assert_eq!(version[field].to_string(), without_system_properties(change[image].clone()).to_string());
            }
        }
    }
}

fn identities<'a>(changes: impl IntoIterator<Item = &'a Value>) -> Vec<Identity> {
    let mut identities: Vec<Identity> = changes.into_iter().map(identity_of).collect();
    identities.sort();
    identities
}

async fn capture(changefeed: &Changefeed, changes: &[Value]) -> CaptureReport {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
    let documents = changes.iter().map(|change| to_raw_value(change).expect("raw")).collect();
    changefeed.capture.capture(&batch, documents).await.expect("captured")
}

/// The requests since the last call, without those for metadata.
fn requests(world: &World) -> Vec<LoggedRequest> {
    let requests = world.endpoint.take_requests().into_iter();
    requests.filter(|request| !matches!(request.kind, LoggedKind::Metadata | LoggedKind::QueryPlan)).collect()
}

fn count(requests: &[LoggedRequest], kind: LoggedKind) -> usize {
    requests.iter().filter(|request| request.kind == kind).count()
}

/// From now on the feed no longer reaches back.
fn forget_feed(world: &World) {
    let effect = Effect::Status { status: 400, substatus: 0 };
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::ChangeFeed,
        times: 100_000,
        effect,
    });
}

/// Replays what the real host delivered, for the same documents in this endpoint.
async fn replay(recording: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/recordings").join(recording);
    let recording: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("recording")).expect("JSON");
    let mut by_etag: BTreeMap<String, Value> = BTreeMap::new();
    let mut documents: BTreeMap<String, BTreeMap<i64, Value>> = BTreeMap::new();
    for text in recording["stored"].as_object().expect("stored").values() {
        let document: Value = serde_json::from_str(text.as_str().expect("text")).expect("a document");
        let of_id = documents.entry(document["id"].as_str().expect("id").to_owned()).or_default();
        of_id.insert(document["v"].as_i64().expect("v"), without_system_properties(document.clone()));
        by_etag.insert(document["_etag"].as_str().expect("_etag").to_owned(), document);
    }
    let batches: Vec<Vec<Value>> = recording["batches"]
        .as_array()
        .expect("batches")
        .iter()
        .map(|batch| serde_json::from_str(batch.as_str().expect("text")).expect("changes"))
        .collect();

    let world = World::new().await;
    world.endpoint.keep_previous_images("dev", "events", true).await.expect("previous images");
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    for versions in documents.values() {
        for document in versions.values() {
            put(&events, document).await;
        }
        delete(&events, &versions[&1]).await;
    }
    for end in batches.iter().flatten().filter(|change| !by_etag.contains_key(etag(&change["current"]))) {
        if end["metadata"]["operationType"] == "create" {
            put(&events, &without_system_properties(end["current"].clone())).await;
        }
    }
    let truth = truth(&events).await;

    // What was delivered, with the numbers, times and etags of this endpoint.
    let original = |image: &Value| by_etag.get(etag(image)).unwrap_or(image).clone();
    let name = |change: &Value| {
        let image = original(&change["current"]);
        let id = if image["id"].is_null() { &change["metadata"]["id"] } else { &image["id"] };
        (change["metadata"]["operationType"].to_string(), id.to_string(), image["v"].to_string())
    };
    let handler = world.handler();
    let mut delivered = 0;
    for range in &truth {
        let mut batch = Vec::new();
        for change in range {
            let mut of_host =
                batches.iter().flatten().find(|of_host| name(of_host) == name(change)).expect("a change").clone();
            for image in ["current", "previous"].into_iter().filter(|image| !change[image]["id"].is_null()) {
                for property in ["_etag", "_ts", "_rid", "_self"] {
                    of_host[image][property] = change[image][property].clone();
                }
            }
            for property in ["lsn", "crts"] {
                of_host["metadata"][property] = change["metadata"][property].clone();
            }
            of_host["metadata"]["previousImageLSN"] =
                change["metadata"].get("previousImageLSN").cloned().unwrap_or(json!(0));
            batch.push(of_host);
        }
        delivered += batch.len();
        let (status, answer) = handler.invoke(&batch_of(&batch), true).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    assert_eq!(delivered, batches.iter().flatten().count());
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    assert_exact_images(&changefeed, &truth).await;
    let versions = versions(&changefeed).await;
    assert!(versions.iter().filter(|(identity, _)| !is_plain(identity)).all(|(_, version)| version["exact"] == true));
    assert!(versions.iter().any(|(identity, version)| !is_plain(identity) && version["previous"].is_object()));
}

fn etag(image: &Value) -> &str {
    image["_etag"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_in_utc_delivered_is_stored_under_the_original_ids_and_keys() {
    replay("date-like-ids-and-keys.json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_in_new_york_delivered_is_stored_under_the_original_ids_and_keys() {
    replay("date-like-ids-and-keys-new-york.json").await;
}

/// Creates, replaces and deletes documents with one id under each of the keys.
async fn write_under_all_keys(events: &Container, id: &str) {
    for (key, _) in REWRITTEN {
        for n in 0..2 {
            put(events, &json!({"id": id, "pk": key, "n": n, "at": key})).await;
        }
        delete(events, &json!({"id": id, "pk": key})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_reads_each_range_of_the_feed_once_and_only_if_an_id_or_a_key_is_in_doubt() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    write_under_all_keys(&events, "1").await;
    put(&events, &json!({"id": "2", "pk": "a", "at": REWRITTEN[0].0})).await;
    delete(&events, &json!({"id": "2", "pk": "a"})).await;
    let truth = truth(&events).await;
    requests(&world);
    let mut read = 0;
    for (number, range) in truth.iter().enumerate() {
        let report = capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
        let requests = requests(&world);
        let is_doubtful = range.iter().any(|change| identity_of(change).0 == "1");
        // The ranges are read in their order, up to the one that the batch is from.
        let expected = if is_doubtful { number + 1 } else { 0 };
        assert_eq!(count(&requests, LoggedKind::ChangeFeed), expected, "{requests:?}");
        read += expected;
        assert_eq!(count(&requests, LoggedKind::Query), 0, "{requests:?}");
        let charged: f64 = requests
            .iter()
            .filter(|request| matches!(request.kind, LoggedKind::ChangeFeed | LoggedKind::Create))
            .map(|request| request.request_charge)
            .sum();
        assert!((report.request_charge - charged).abs() < 0.01, "{} and {charged}", report.request_charge);
        // A page has no more changes than the batch.
        let feed = requests.iter().filter(|request| request.kind == LoggedKind::ChangeFeed);
        assert!(feed.clone().all(|request| request.items <= range.len()), "{requests:?}");
        assert!(feed.clone().all(|request| request.request_charge <= 2.0 + range.len() as f64), "{requests:?}");
    }
    assert!(read > 0);
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
    assert_exact_images(&changefeed, &truth).await;

    let deletes: Vec<Value> = truth.iter().flatten().filter(|change| identity_of(change).0 == "2").cloned().collect();
    capture(&changefeed, &deletes).await;
    assert_eq!(count(&requests(&world), LoggedKind::ChangeFeed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_partition_that_was_split_since_is_found_in_its_parts() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let before = events(&changefeed).await;
    write_under_all_keys(&before, "1").await;
    let truth = truth(&before).await;
    for partition in world.endpoint.partitions("dev", "events").await.expect("partitions") {
        world.endpoint.split("dev", "events", Some(&partition.id), Duration::ZERO).await.expect("split");
    }
    for range in &truth {
        capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
    }
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_could_be_of_several_partitions_is_of_none_unless_the_batch_shows_which() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    // Two keys in different partitions that are delivered alike, each with the same numbers and in the same second.
    let keys = [REWRITTEN[2].0, REWRITTEN[3].0, REWRITTEN[4].0, REWRITTEN[5].0];
    let mut same = Vec::new();
    for attempt in 0..50 {
        let id = format!("id-{attempt}");
        let before: Vec<usize> = truth(&events).await.iter().map(Vec::len).collect();
        for key in keys {
            put(&events, &json!({"id": id, "pk": key})).await;
        }
        for key in keys {
            delete(&events, &json!({"id": id, "pk": key})).await;
        }
        let after = truth(&events).await;
        let new = after
            .iter()
            .zip(before)
            .flat_map(|(range, before)| range[before..].iter().map(move |change| (range, change)));
        let deletes: Vec<(Value, Value)> = new
            .filter(|(_, change)| change["metadata"]["operationType"] == "delete")
            .map(|(range, change)| (json!(range), change.clone()))
            .collect();
        let place = |change: &Value| {
            let metadata = &change["metadata"];
            (metadata["lsn"].to_string(), metadata["crts"].to_string(), metadata["previousImageLSN"].to_string())
        };
        let twin = |(range, change): &&(Value, Value)| {
            deletes.iter().any(|(other, twin)| other != range && place(twin) == place(change))
        };
        if let Some(found) = deletes.iter().find(twin) {
            same.push(found.clone());
            break;
        }
    }
    let Some((range, deleted)) = same.pop() else { panic!("no two partitions had deletes with the same numbers") };
    capture(&changefeed, &[rewritten(&deleted)]).await;
    assert_eq!(stored(&changefeed).await, Vec::new());
    assert_eq!(world.dead_letters().await[0]["reason"], "unknown-identity");

    let range = range.as_array().expect("changes").clone();
    let at = range.iter().position(|change| *change == deleted).expect("the delete");
    let create =
        range[..at].iter().rposition(|change| change["metadata"]["lsn"] == deleted["metadata"]["previousImageLSN"]);
    let batch = &range[create.expect("its create")..=at];
    capture(&changefeed, &batch.iter().map(rewritten).collect::<Vec<_>>()).await;
    assert_eq!(stored(&changefeed).await, identities(batch));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_feed_no_longer_reaches_back_the_known_versions_of_the_id_decide() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    // The second version of the first document has a number that the other document's version does not have.
    for (n, (key, _)) in [(1, REWRITTEN[2]), (2, REWRITTEN[2]), (1, REWRITTEN[3])] {
        put(&events, &json!({"id": "1", "pk": key, "n": n})).await;
    }
    let written = truth(&events).await;
    for range in &written {
        capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
    }
    delete(&events, &json!({"id": "1", "pk": REWRITTEN[2].0})).await;
    let all = truth(&events).await;
    let deleted =
        all.iter().flatten().find(|change| change["metadata"]["operationType"] == "delete").expect("a delete");
    forget_feed(&world);
    requests(&world);
    let report = capture(&changefeed, &[rewritten(deleted)]).await;
    assert_eq!((report.stored, report.dead_lettered), (1, 0));
    // The key is not known, so the query reads each partition.
    assert!(count(&requests(&world), LoggedKind::Query) <= 4);
    assert_eq!(stored(&changefeed).await, identities(written.iter().flatten().chain([deleted])));

    // A delete of a version that the history does not have is of no known document.
    let mut unknown = rewritten(deleted);
    (unknown["metadata"]["lsn"], unknown["metadata"]["previousImageLSN"]) = (json!(900), json!(899));
    assert_eq!(capture(&changefeed, &[unknown]).await.dead_lettered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_unknown_document_is_no_version_until_a_verification_repairs_it() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    let (key, delivered_key) = REWRITTEN[0];
    put(&events, &json!({"id": key, "pk": key, "n": 1})).await;
    delete(&events, &json!({"id": key, "pk": key})).await;
    let truth = truth(&events).await;
    forget_feed(&world);
    for range in &truth {
        capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
    }
    assert_eq!(stored(&changefeed).await, Vec::new());
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        let message = letter["message"].as_str().expect("message");
        assert_eq!(letter["reason"], "unknown-identity");
        assert!(message.contains("the Functions host may have rewritten the id") && message.contains(delivered_key));
    }
    // Neither under the key that was delivered nor under another one is there a document to restore.
    let handler = world.handler();
    for name in [key, delivered_key] {
        let url = reqwest::Url::parse_with_params("http://h/", [("id", name), ("pk", name)]).expect("url");
        let (status, page) = handler.get(&format!("/api/history/versions?{}", url.query().expect("query"))).await;
        assert_eq!((status, &page["items"]), (StatusCode::OK, &json!([])), "{page}");
    }

    let kinds = |findings: &[changefeed_operations::Finding]| {
        finding_summaries(findings).into_iter().map(|(kind, ..)| kind).collect::<Vec<_>>()
    };
    assert_eq!(handler.get("/api/status").await.1["hasUnknownIdentity"], true);
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!((record.counts.unknown_identity, record.counts.repaired), (2, 0));
    assert_eq!(kinds(&findings), ["unknownIdentity"; 2]);
    assert!(findings.iter().all(|finding| finding.message.as_deref().is_some_and(|text| text.contains("tries again"))));
    let (record, _) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!((record.counts.unknown_identity, record.counts.repaired), (2, 0));
    assert_eq!(stored(&changefeed).await, Vec::new());

    world.endpoint.clear_faults();
    let (record, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!((record.counts.found(), record.counts.unknown_identity, record.counts.repaired), (2, 2, 2));
    assert!(findings.iter().all(|finding| finding.repaired && finding.recorded.is_some()), "{findings:?}");
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    assert!(handler.get("/api/status").await.1.get("hasUnknownIdentity").is_none());
    // A batch that is delivered again, and another repair, add nothing.
    for range in &truth {
        capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
    }
    let (record, _) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(record.counts.found(), 0);
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_document_shows_its_id_and_key_where_the_feed_does_not() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    let (key, _) = REWRITTEN[3];
    put(&events, &json!({"id": key, "pk": key, "n": 1})).await;
    put(&events, &json!({"id": key, "pk": key, "n": 2})).await;
    let truth = truth(&events).await;
    forget_feed(&world);
    for range in &truth {
        capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
    }
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    let mut versions: Vec<Value> = world.versions().await.into_values().collect();
    versions.sort_by_key(|version| version["lsn"].as_i64());
    let found = |version: &Value| {
        let document = &version["document"];
        assert_eq!((&version["sourceId"], &version["partitionKey"]), (&json!(key), &json!([key])));
        assert_eq!((&document["id"], &document["pk"]), (&json!(key), &json!(key)));
        (document["n"].as_i64(), version["exact"] == true)
    };
    assert_eq!(versions.iter().map(found).collect::<Vec<_>>(), [(Some(1), false), (Some(2), true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_latest_version_mode_a_deleted_document_is_not_stored_under_a_rewritten_key() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    let (key, delivered) = REWRITTEN[2];
    let mut stored_document = world.put(key, json!({"id": "1", "pk": key})).await;
    delete(&events, &json!({"id": "1", "pk": key})).await;
    (stored_document["pk"], stored_document["_lsn"]) = (json!(delivered), json!(1));
    requests(&world);
    assert_eq!(capture(&changefeed, &[stored_document]).await.dead_lettered, 1);
    assert_eq!(count(&requests(&world), LoggedKind::ChangeFeed), 0);
    assert_eq!(stored(&changefeed).await, Vec::new());
    assert_eq!(world.dead_letters().await[0]["reason"], "unknown-identity");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_cannot_be_read_now_fails_the_batch() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.batch_timeout = Duration::from_millis(200));
    let events = events(&changefeed).await;
    put(&events, &json!({"id": "1", "pk": REWRITTEN[0].0})).await;
    let truth = truth(&events).await;
    let delivered: Vec<Value> = truth.iter().flatten().map(rewritten).collect();
    let effect = Effect::Status { status: 503, substatus: 0 };
    let fault = Fault { container: Some("events".into()), kind: RequestKind::ChangeFeed, times: 100_000, effect };
    world.endpoint.inject(fault);
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
    let documents = delivered.iter().map(|change| to_raw_value(change).expect("raw")).collect();
    changefeed.capture.capture(&batch, documents).await.expect_err("unavailable");
    assert_eq!((stored(&changefeed).await, world.dead_letters().await), (Vec::new(), Vec::new()));
    world.endpoint.clear_faults();
    capture(&changefeed, &delivered).await;
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
}

/// An app whose trigger reads AllVersionsAndDeletes mode.
fn all_versions_app() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::copy(root.join("host.json"), folder.path().join("host.json")).expect("host.json");
    let function = std::fs::read_to_string(root.join("CosmosChangeFeed/function.json")).expect("function.json");
    let mut function: Value = serde_json::from_str(&function).expect("JSON");
    let binding = function["bindings"][0].as_object_mut().expect("a binding");
    binding.remove("startFromBeginning");
    binding.insert("changeFeedMode".to_owned(), json!("AllVersionsAndDeletes"));
    binding.insert("feedPollDelay".to_owned(), json!(50));
    std::fs::create_dir(folder.path().join("CosmosChangeFeed")).expect("a folder");
    std::fs::write(folder.path().join("CosmosChangeFeed/function.json"), function.to_string()).expect("function.json");
    folder
}

/// A text that looks like a time. Many of them are delivered alike.
fn date_like(random: &mut StdRng) -> String {
    let second = random.random_range(0..2);
    let fraction = ["", ".0", ".000", ".0000000", ".5", ".50"][random.random_range(0..6)];
    let (hour, zone) = [("08", "Z"), ("08", "z"), ("08", "+00:00"), ("10", "+02:00"), ("03", "-05:00"), ("08", "")]
        [random.random_range(0..6)];
    format!("2024-01-01T{hour}:00:0{second}{fraction}{zone}")
}

#[tokio::test(flavor = "multi_thread")]
async fn random_documents_with_date_like_ids_and_keys_reach_the_history_through_the_host_as_they_are() {
    let app = all_versions_app();
    for seed in 0..2 {
        let local = Local::start_in(app.path(), &[]).await;
        let changefeed = changefeed_on(&local.client, |_| ());
        let events = events(&changefeed).await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut live: BTreeSet<(String, String)> = BTreeSet::new();
        for n in 0..120 {
            if let Some((id, key)) =
                live.iter().nth(random.random_range(0..12)).filter(|_| random.random_bool(0.4)).cloned()
            {
                delete(&events, &json!({"id": id, "pk": serde_json::from_str::<Value>(&key).expect("JSON")})).await;
                live.remove(&(id, key));
                continue;
            }
            let id =
                if random.random_bool(0.5) { date_like(&mut random) } else { format!("{}", random.random_range(0..4)) };
            let key = match random.random_range(0..8) {
                0 => json!(0.123_456_789_012_345_67),
                1 => json!("/Date(1704096000000)/"),
                2 => json!("a"),
                _ => json!(date_like(&mut random)),
            };
            put(&events, &json!({"id": id, "pk": key, "n": n, "at": date_like(&mut random)})).await;
            live.insert((id, key.to_string()));
        }
        let truth = truth(&events).await;
        let expected = identities(truth.iter().flatten());
        let is_all_there = async || local.count("changes").await + local.count("dead-letters").await == expected.len();
        until("every change is captured", DEADLINE, is_all_there).await;
        assert_eq!(stored(&changefeed).await, expected, "seed {seed}");
        assert_exact_images(&changefeed, &truth).await;
        assert_eq!(local.count("dead-letters").await, 0);
    }
}
