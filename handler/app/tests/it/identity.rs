//! Ids and partition keys that the Functions host may have rewritten.

use std::time::Duration;

use changefeed_cosmos::Container;
use changefeed_history::{Batch, CaptureReport};
use changefeed_operations::Changefeed;
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use reqwest::StatusCode;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::identity::{
    REWRITTEN, assert_exact_images, delete, events, identities, identity_of, put, rewritten, stored, truth,
};
use crate::support::verify::{finding_summaries, run_verification};

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

/// Creates, replaces and deletes a document under each of the keys.
async fn write_under_all_keys(events: &Container, id: impl Fn(usize) -> String) {
    for (number, (key, _)) in REWRITTEN.into_iter().enumerate() {
        let id = id(number);
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
    write_under_all_keys(&events, |number| format!("1-{number}")).await;
    put(&events, &json!({"id": "2", "pk": "a", "at": REWRITTEN[0].0})).await;
    delete(&events, &json!({"id": "2", "pk": "a"})).await;
    let truth = truth(&events).await;
    requests(&world);
    let mut read = 0;
    for (number, range) in truth.iter().enumerate() {
        let report = capture(&changefeed, &range.iter().map(rewritten).collect::<Vec<_>>()).await;
        let requests = requests(&world);
        let is_doubtful = range.iter().any(|change| identity_of(change).0.starts_with("1-"));
        // The ranges are read in their order, up to the one that the batch is from.
        let expected = if is_doubtful { number + 1 } else { 0 };
        assert_eq!(count(&requests, LoggedKind::ChangeFeed), expected, "{requests:?}");
        read += expected;
        assert_eq!(count(&requests, LoggedKind::Query), 0, "{requests:?}");
        let charged: f64 = requests
            .iter()
            .filter(|request| matches!(request.kind, LoggedKind::ChangeFeed | LoggedKind::Create | LoggedKind::Batch))
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

/// The number of reads of the feed for a batch that is from the range of this number: the ranges are read in their order.
async fn reads_for(world: &World, changefeed: &Changefeed, batch: &[&Value]) -> usize {
    requests(world);
    capture(changefeed, &batch.iter().map(|change| rewritten(change)).collect::<Vec<_>>()).await;
    count(&requests(world), LoggedKind::ChangeFeed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_some_of_the_changes_of_a_partition_reads_each_range_once() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    // A lease of a part of a partition, which a merge leaves, delivers every other change.
    for n in 0..20 {
        put(&events, &json!({"id": n.to_string(), "pk": REWRITTEN[2].0})).await;
    }
    let truth = truth(&events).await;
    let number = truth.iter().position(|range| !range.is_empty()).expect("changes");
    let batch: Vec<&Value> = truth[number].iter().step_by(2).collect();
    assert_eq!(reads_for(&world, &changefeed, &batch).await, number + 1);
    assert_eq!(stored(&changefeed).await, identities(batch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_again_only_where_the_service_ends_a_page_early() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    let text = "x".repeat(1_500_000);
    for n in 0..5 {
        put(&events, &json!({"id": n.to_string(), "pk": REWRITTEN[2].0, "text": text})).await;
    }
    let truth: Vec<Vec<Value>> = {
        let mut ranges = Vec::new();
        let mut parts = events.ranges().await.expect("ranges");
        parts.sort_by(|left, right| left.min.cmp(&right.min));
        for range in parts {
            let mut changes: Vec<Value> = Vec::new();
            loop {
                let last = changes.last().and_then(|change| change["metadata"]["lsn"].as_i64()).unwrap_or_default();
                let page =
                    events.changes_after(&range, last, 100.try_into().expect("a number")).await.expect("changes");
                if page.envelopes.is_empty() {
                    break;
                }
                changes.extend(page.envelopes);
            }
            ranges.push(changes);
        }
        ranges
    };
    let number = truth.iter().position(|range| !range.is_empty()).expect("changes");
    // Pages of 4 MB have two of the documents.
    let batch: Vec<&Value> = truth[number].iter().collect();
    assert_eq!(reads_for(&world, &changefeed, &batch).await, number + 3);
    assert_eq!(stored(&changefeed).await, identities(batch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_partition_that_was_split_since_is_found_in_its_parts() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let before = events(&changefeed).await;
    // One id, so that the changes of different partitions can be taken for each other.
    write_under_all_keys(&before, |_| "1".to_owned()).await;
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
