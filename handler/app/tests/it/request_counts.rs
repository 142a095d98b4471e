//! The requests that an operation needs for a document, counted on the wire. docs/performance.md has the table.

use std::collections::BTreeMap;

use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::{Changefeed, Restored, UndoRequest};
use futures::StreamExt;
use local_cosmos::LoggedKind;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::backups::run_backup;
use crate::support::jobs::{capture, capture_as_one_state, finish, restore_request, start_restore};
use crate::support::verify::run_verification;

const DOCUMENTS: usize = 200;
/// Documents for operations that read pages: the requests of the job itself count little.
const MANY: usize = 2_000;
const KEYS: usize = 20;

/// Writes documents in many partitions.
async fn write(world: &World, documents: usize, state: &str) -> Vec<Value> {
    let puts = (0..documents).map(|n| {
        let key = format!("key-{}", n % KEYS);
        let document = json!({"id": format!("document-{n}"), "pk": key, "state": state, "group": "all"});
        world.put(key, document)
    });
    futures::stream::iter(puts).buffered(16).collect().await
}

/// The requests for items since the last call, for each document: in all, and by kind and container.
fn per_document(world: &World, documents: usize) -> (f64, BTreeMap<(LoggedKind, String), f64>) {
    let mut counts: BTreeMap<_, f64> = BTreeMap::new();
    for request in world.endpoint.take_requests() {
        if !matches!(request.kind, LoggedKind::Metadata | LoggedKind::QueryPlan) {
            *counts.entry((request.kind, request.container.unwrap_or_default())).or_default() += 1.0 / documents as f64;
        }
    }
    (counts.values().sum(), counts)
}

fn check(world: &World, operation: &str, most: f64) {
    check_of(world, DOCUMENTS, operation, most);
}

fn check_of(world: &World, documents: usize, operation: &str, most: f64) {
    let (all, counts) = per_document(world, documents);
    println!("{operation}: {all:.2} requests a document: {counts:.2?}");
    assert!(all <= most, "{operation}: {all:.2} requests per document, {most} at most: {counts:.2?}");
}

/// The documents were good at a second, and are bad now. The bad ones are captured if `is_captured`.
async fn broken(world: &World, changefeed: &Changefeed, is_captured: bool) -> i64 {
    let good = capture_as_one_state(changefeed, &write(world, DOCUMENTS, "good").await).await;
    let bad = write(world, DOCUMENTS, "bad").await;
    if is_captured {
        capture(changefeed, &bad).await;
    }
    // Containers and partitions are known from here on.
    let one = json!({"asOf": good, "id": "document-0", "partitionKey": ["key-0"]});
    changefeed.restores.plan(&restore_request(one)).await.expect("a plan");
    world.endpoint.take_requests();
    good
}

async fn restored(changefeed: &Changefeed, request: Value) -> String {
    match changefeed.restores.run(&restore_request(request)).await.expect("restore") {
        Restored::Report(report) => {
            assert_eq!(report.counts.writes(), DOCUMENTS as u64);
            report.id.expect("a record")
        }
        Restored::Job(record) => panic!("restore {} became a job", record.id),
    }
}

async fn states(world: &World) -> Vec<Value> {
    let mut states = world.query("events", "SELECT VALUE c.state FROM c WHERE c['group'] = 'all'").await;
    states.dedup();
    states
}

#[tokio::test]
async fn a_restore_in_a_request_and_its_undo() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let good = broken(&world, &changefeed, true).await;
    let names: Vec<Value> = (0..DOCUMENTS)
        .map(|n| json!({"id": format!("document-{n}"), "partitionKey": [format!("key-{}", n % KEYS)]}))
        .collect();
    let id = restored(&changefeed, json!({"asOf": good, "documents": names})).await;
    check(&world, "restore of a list", 1.9);
    assert_eq!(states(&world).await, ["good"]);
    world.endpoint.take_requests();
    changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo");
    check(&world, "undo of a restore that is not captured", 1.8);
    assert_eq!(states(&world).await, ["bad"]);
}

#[tokio::test]
async fn an_undo_of_a_restore_that_is_captured() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let good = broken(&world, &changefeed, true).await;
    let id = restored(&changefeed, json!({"asOf": good, "filter": ["group=all"]})).await;
    capture(&changefeed, &world.feed().await.changes().await).await;
    world.endpoint.take_requests();
    changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo");
    check(&world, "undo of a restore that is captured", 0.7);
    assert_eq!(states(&world).await, ["bad"]);
}

#[tokio::test]
async fn a_restore_of_documents_that_are_not_captured_saves_them() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let good = broken(&world, &changefeed, false).await;
    restored(&changefeed, json!({"asOf": good, "filter": ["group=all"]})).await;
    check(&world, "restore of documents that are not captured", 2.7);
    assert_eq!(world.versions().await.len(), 2 * DOCUMENTS);
}

#[tokio::test]
async fn a_restore_as_a_job_and_its_undo() {
    let world = World::new().await;
    let changefeed =
        world.changefeed(|options| options.jobs = JobOptions { max_restored: 10, ..JobOptions::default() });
    let good = broken(&world, &changefeed, true).await;
    let id = start_restore(&changefeed, json!({"asOf": good, "filter": ["group=all"], "job": true})).await;
    world.endpoint.take_requests();
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    check(&world, "restore as a job", 1.8);
    assert_eq!(states(&world).await, ["good"]);
    let Restored::Job(undo) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo is no job")
    };
    world.endpoint.take_requests();
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
    check(&world, "undo as a job", 1.7);
    assert_eq!(states(&world).await, ["bad"]);
}

#[tokio::test]
async fn a_verification_reads_pages() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    capture(&changefeed, &write(&world, MANY, "good").await).await;
    world.endpoint.take_requests();
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!((record.counts.documents, record.counts.versions, findings), (MANY as u64, MANY as u64, Vec::new()));
    check_of(&world, MANY, "verification", 0.1);
}

#[tokio::test]
async fn backups_read_pages() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let folder = tempfile::tempdir().expect("folder");
    let to = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    write(&world, MANY, "good").await;
    // With their sequence numbers, as the change feed has them.
    let good = capture_as_one_state(&changefeed, &world.feed().await.changes().await).await;
    world.endpoint.take_requests();
    let full = run_backup(&changefeed, json!({"to": to("full")})).await;
    assert_eq!(full.counts.documents, MANY as u64);
    check_of(&world, MANY, "full backup", 0.05);
    run_backup(&changefeed, json!({"to": to("as-of"), "asOf": good})).await;
    check_of(&world, MANY, "backup as of a time", 1.0);
    capture(&changefeed, &write(&world, MANY, "bad").await).await;
    world.endpoint.take_requests();
    let increment = run_backup(&changefeed, json!({"to": to("increment"), "incrementalFrom": full.location()})).await;
    assert_eq!(increment.counts.documents, MANY as u64);
    check_of(&world, MANY, "incremental backup", 0.05);
}

/// The requests for items since the last call: how many have a low priority, and the containers of the others.
fn item_requests(world: &World, bucket: Option<&str>) -> (usize, Vec<String>) {
    let requests = world.endpoint.take_requests();
    let of_items = requests.iter().filter(|request| {
        !matches!(request.kind, LoggedKind::Metadata | LoggedKind::QueryPlan) && request.container.is_some()
    });
    let (low, others): (Vec<_>, Vec<_>) =
        of_items.partition(|request| request.priority_level.as_deref() == Some("Low"));
    assert!(low.iter().all(|request| request.throughput_bucket.as_deref() == bucket), "{low:#?}");
    assert!(others.iter().all(|request| request.throughput_bucket.is_none()), "{others:#?}");
    (low.len(), others.iter().filter_map(|request| request.container.clone()).collect())
}

#[tokio::test]
async fn the_requests_of_jobs_have_a_low_priority_and_a_bucket_and_no_others_have() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| {
        options.jobs.background.throughput_bucket = Some(3);
    });
    let good = broken(&world, &changefeed, true).await;
    assert_eq!(item_requests(&world, None).0, 0, "capture is no background work");
    let request = restore_request(json!({"asOf": good, "filter": ["group=all"]}));
    changefeed.restores.plan(&request).await.expect("a plan");
    let (low, others) = item_requests(&world, None);
    assert!(low == 0 && !others.is_empty(), "a restore within one request is waited for");

    let id = start_restore(&changefeed, json!({"asOf": good, "filter": ["group=all"], "job": true})).await;
    world.endpoint.take_requests();
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    let (low, others) = item_requests(&world, Some("3"));
    // What finds and claims the job is not its work.
    assert!(low > DOCUMENTS && others.iter().all(|container| container == "jobs"), "{low} low, others: {others:?}");
    run_verification(&changefeed, json!({})).await;
    let (low, others) = item_requests(&world, Some("3"));
    assert!(low > 5 && others.iter().all(|container| container == "jobs"), "{low} low, others: {others:?}");
}
