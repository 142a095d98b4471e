//! Jobs that scan all documents while documents are created and deleted: each document is processed exactly once, as of the
//! target time.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_backup_format::{BackupLocation, BackupReader, Line};
use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::Changefeed;
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::support::backups::body_of;
use crate::support::jobs::{capture, restore_view, small_limits, start_restore};
use crate::support::{DEADLINE, World, until};

const COUNT: usize = 60;

fn id(n: usize) -> String {
    format!("item-{n:02}")
}

async fn put(world: &World, n: usize, v: u32) -> Value {
    world.put("a", json!({"id": id(n), "pk": "a", "v": v})).await
}

async fn delete(world: &World, n: usize) {
    world.container("events").await.delete_item("a", &id(n), None).await.expect("delete");
}

/// Writes and captures every document. Returns the second before the changes.
async fn write_and_capture(world: &World, changefeed: &Changefeed) -> i64 {
    let mut stored = Vec::new();
    for n in 0..COUNT {
        stored.push(put(world, n, 1).await);
    }
    capture(changefeed, &stored).await;
    let second = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    second
}

/// Runs a job until `live_is_scanned` returns true, which means that the job has scanned the live documents. Then creates the
/// deleted documents again, deletes others and runs the job to its end.
async fn run_while_documents_change(
    world: &World,
    changefeed: &Changefeed,
    id: &str,
    live_is_scanned: impl AsyncFn() -> bool,
) {
    let slow = Effect::Delay(Duration::from_millis(20));
    let query = Fault { container: Some("changes".into()), kind: RequestKind::Query, times: 10_000, effect: slow };
    world.endpoint.inject(query);
    let scanned = async {
        while !live_is_scanned().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let slice = changefeed.runner.run_slice(id, "first", async { drop(stopped.await) });
    let (end, ()) = tokio::join!(slice, async {
        scanned.await;
        drop(stop);
    });
    assert_eq!(end.expect("slice"), SliceEnd::More, "the deleted documents are not scanned yet");
    world.endpoint.clear_faults();
    for n in 0..COUNT / 3 {
        put(world, n, 3).await;
        delete(world, COUNT / 3 + n).await;
    }
    loop {
        match changefeed.runner.run_slice(id, "second", std::future::pending()).await.expect("slice") {
            SliceEnd::Ended(state) => {
                break assert!(matches!(state, JobState::Done | JobState::Conflicts), "{state:?}");
            }
            end => assert_eq!(end, SliceEnd::More),
        }
    }
}

/// Jobs with small limits that scan one range after another.
fn sequential_changefeed(world: &World) -> Changefeed {
    world.changefeed(|options| options.jobs = JobOptions { parallel: 1, ..small_limits() })
}

#[tokio::test]
async fn a_restore_plans_every_document_once() {
    let world = World::new().await;
    let changefeed = sequential_changefeed(&world);
    let second = write_and_capture(&world, &changefeed).await;
    for n in 0..COUNT / 3 {
        delete(&world, n).await;
    }
    let job = start_restore(&changefeed, json!({"all": true, "asOf": second})).await;
    let live_is_scanned = async || changefeed.jobs.job(&job).await.expect("job").job.cursor["phase"] == "past";
    run_while_documents_change(&world, &changefeed, &job, live_is_scanned).await;
    let items = restore_view(&changefeed, &job).await.record.items;
    let mut planned: BTreeMap<String, usize> = BTreeMap::new();
    items.iter().for_each(|item| *planned.entry(item.id.clone()).or_default() += 1);
    assert_eq!(planned, (0..COUNT).map(|n| (id(n), 1)).collect());
    assert!(items.iter().all(|item| item.version.is_some()), "every document existed at the target time: {items:?}");
}

#[tokio::test]
async fn a_backup_as_of_a_time_has_every_document_once() {
    let world = World::new().await;
    let changefeed = sequential_changefeed(&world);
    let second = write_and_capture(&world, &changefeed).await;
    let expected: BTreeMap<String, Value> = world
        .query("events", "SELECT * FROM c")
        .await
        .into_iter()
        .map(|item| (item["id"].to_string(), body_of(item)))
        .collect();
    for n in 0..COUNT / 3 {
        delete(&world, n).await;
    }
    let folder = tempfile::tempdir().expect("folder");
    let to = folder.path().join("backup");
    let request = serde_json::from_value(json!({"to": to, "asOf": second})).expect("request");
    let job = changefeed.backups.create_job(&request).await.expect("a job").id;
    let live = (COUNT - COUNT / 3) as u64;
    let live_is_scanned = async || changefeed.jobs.job(&job).await.expect("job").job.done >= live;
    run_while_documents_change(&world, &changefeed, &job, live_is_scanned).await;
    let mut reader = BackupReader::open(BackupLocation::folder(&to)).await.expect("open");
    let mut found = BTreeMap::new();
    while let Some(line) = reader.next().await.expect("line") {
        let Line::Document(document) = line else { panic!("a deletion") };
        let body = body_of(document.into_body());
        assert_eq!(found.insert(body["id"].to_string(), body), None, "a document is in the backup once");
    }
    assert_eq!(found, expected);
}
