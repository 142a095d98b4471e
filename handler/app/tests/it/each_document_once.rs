//! Documents come and go while a job goes through all of them: each is met exactly once, as it was at the target.

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

/// Documents that are all there and captured; the second after which things change.
async fn all_there(world: &World, changefeed: &Changefeed) -> i64 {
    let mut stored = Vec::new();
    for n in 0..COUNT {
        stored.push(put(world, n, 1).await);
    }
    capture(changefeed, &stored).await;
    let second = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    second
}

/// Works on a job until `is_past` says that the live documents have been gone through; then makes those anew that were
/// deleted before, deletes others, and works on to the end.
async fn run_while_documents_come_and_go(
    world: &World,
    changefeed: &Changefeed,
    id: &str,
    is_past: impl AsyncFn() -> bool,
) {
    let slow = Effect::Delay(Duration::from_millis(20));
    let query = Fault { container: Some("changes".into()), kind: RequestKind::Query, times: 10_000, effect: slow };
    world.endpoint.inject(query);
    let past = async {
        while !is_past().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let (told, until_told) = tokio::sync::oneshot::channel::<()>();
    let slice = changefeed.runner.run_slice(id, "first", async { drop(until_told.await) });
    let (end, ()) = tokio::join!(slice, async {
        past.await;
        drop(told);
    });
    assert_eq!(end.expect("slice"), SliceEnd::More, "there is more to go through");
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

fn options(world: &World) -> Changefeed {
    world.changefeed(|options| options.jobs = JobOptions { parallel: 1, ..small_limits() })
}

#[tokio::test]
async fn a_restore_plans_every_document_once() {
    let world = World::new().await;
    let changefeed = options(&world);
    let second = all_there(&world, &changefeed).await;
    for n in 0..COUNT / 3 {
        delete(&world, n).await;
    }
    let job = start_restore(&changefeed, json!({"all": true, "asOf": second})).await;
    let is_past = async || changefeed.jobs.job(&job).await.expect("job").job.cursor["phase"] == "past";
    run_while_documents_come_and_go(&world, &changefeed, &job, is_past).await;
    let items = restore_view(&changefeed, &job).await.record.items;
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    items.iter().for_each(|item| *met.entry(item.id.clone()).or_default() += 1);
    assert_eq!(met, (0..COUNT).map(|n| (id(n), 1)).collect());
    assert!(items.iter().all(|item| item.version.is_some()), "all of them were there: {items:?}");
}

#[tokio::test]
async fn a_backup_as_of_a_time_has_every_document_once() {
    let world = World::new().await;
    let changefeed = options(&world);
    let second = all_there(&world, &changefeed).await;
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
    let is_past = async || changefeed.jobs.job(&job).await.expect("job").job.done >= live;
    run_while_documents_come_and_go(&world, &changefeed, &job, is_past).await;
    let mut reader = BackupReader::open(BackupLocation::folder(&to)).await.expect("open");
    let mut found = BTreeMap::new();
    while let Some(line) = reader.next().await.expect("line") {
        let Line::Document(document) = line else { panic!("a deletion") };
        let body = body_of(document.into_body());
        assert_eq!(found.insert(body["id"].to_string(), body), None, "it is there once");
    }
    assert_eq!(found, expected);
}
