//! What is read for many documents at once is as right as what is read for each by itself, and costs no more.

use std::time::Duration;

use changefeed_cosmos::{DocumentName, ErrorKind, Key};
use changefeed_jobs::{JobOptions, SliceEnd};
use changefeed_operations::{Changefeed, PlannedItem, Restored};
use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use serde_json::{Value, json};

use crate::support::identity::events;
use crate::support::jobs::{
    capture, capture_as_one_state, finish, restore_request, restore_view, small_limits, start_restore,
};
use crate::support::verify::{run_verification, version_of};
use crate::support::{DEADLINE, World, until};

const COUNT: usize = 30;

fn id(n: usize) -> String {
    format!("item-{n:02}")
}

async fn put_all(world: &World, state: &str) -> Vec<Value> {
    let mut stored = Vec::new();
    for n in 0..COUNT {
        stored.push(world.put("a", json!({"id": id(n), "pk": "a", "state": state})).await);
    }
    stored
}

async fn next_second() {
    let second = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
}

/// The items of a restore, in the order of their ids.
async fn items_of(changefeed: &Changefeed, id: &str) -> Vec<PlannedItem> {
    let mut items = restore_view(changefeed, id).await.record.items;
    items.sort_by(|one, other| one.id.cmp(&other.id));
    items
}

#[tokio::test]
async fn items_are_in_the_order_of_their_names_which_may_be_given_twice() {
    let world = World::new().await;
    put_all(&world, "good").await;
    let events = events(&world.changefeed(|_| ())).await;
    let numbers = [7, 3, 7, 99, 0, 1, 2, 3];
    let names = numbers.map(|n| DocumentName { id: id(n), partition_key: Key::text("a") });
    let expected = numbers.map(|n| (n < COUNT).then(|| json!(id(n))));
    let ids = |items: Vec<Option<Value>>| items.into_iter().map(|item| Some(item?["id"].clone())).collect::<Vec<_>>();
    assert_eq!(ids(events.read_many(&names).await.expect("items")), expected);
    assert_eq!(ids(events.read_many(&names[..3]).await.expect("items read one by one")), expected[..3]);
    assert_eq!(events.select_many("c.id", &names).await.expect("ids"), expected);
}

#[tokio::test]
async fn documents_of_other_tenants_with_the_same_id_are_not_read() {
    const TENANTS: usize = 300;
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let write = async |state: &str| {
        let mut stored = Vec::new();
        for n in 0..TENANTS {
            let tenant = format!("tenant-{n}");
            stored.push(world.put(tenant.clone(), json!({"id": "settings", "pk": tenant, "state": state})).await);
        }
        stored
    };
    let good = capture_as_one_state(&changefeed, &write("good").await).await;
    capture(&changefeed, &write("bad").await).await;
    let names: Vec<Value> =
        (0..COUNT).map(|n| json!({"id": "settings", "partitionKey": [format!("tenant-{n}")]})).collect();
    world.endpoint.take_requests();
    let request = restore_request(json!({"asOf": good, "documents": names}));
    let Restored::Report(report) = changefeed.restores.run(&request).await.expect("restore") else { panic!("a job") };
    assert_eq!(report.counts.replace, COUNT as u64);
    let is_query = |kind: LoggedKind| matches!(kind, LoggedKind::Query);
    let requests = world.endpoint.take_requests();
    let of_events = requests.iter().filter(|request| request.container.as_deref() == Some("events"));
    let read: usize = of_events.filter(|request| is_query(request.kind)).map(|request| request.items).sum();
    assert!((COUNT..=2 * COUNT).contains(&read), "{read} documents were read to plan and to write {COUNT}");
    let bad = world.query("events", "SELECT VALUE c.pk FROM c WHERE c.state = 'bad'").await;
    assert_eq!(bad.len(), TENANTS - COUNT);
}

#[tokio::test]
async fn a_version_that_is_captured_while_a_restore_runs_is_restored() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = JobOptions { parallel: 1, ..small_limits() });
    capture_as_one_state(&changefeed, &put_all(&world, "old").await).await;
    let good = put_all(&world, "good").await;
    let second = good.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a second");
    next_second().await;
    let bad = put_all(&world, "bad").await;
    let job = start_restore(&changefeed, json!({"all": true, "asOf": second})).await;
    // No version is read before the worker is killed.
    let never = Effect::Delay(Duration::from_secs(600));
    world.endpoint.inject(Fault {
        container: Some("changes".into()),
        kind: RequestKind::Query,
        times: 10_000,
        effect: never,
    });
    let is_live = async || changefeed.jobs.job(&job).await.expect("job").job.cursor["phase"] == "live";
    tokio::select! {
        end = changefeed.runner.run_slice(&job, "killed", std::future::pending()) => panic!("{end:?}"),
        () = until("the live documents are planned", DEADLINE, is_live) => {}
    }
    world.endpoint.clear_faults();
    capture(&changefeed, &good).await;
    capture(&changefeed, &bad).await;
    finish(&changefeed, &job).await;
    let restored: Vec<Option<String>> =
        items_of(&changefeed, &job).await.into_iter().map(|item| item.version).collect();
    assert_eq!(restored, good.iter().map(|document| Some(version_of(document))).collect::<Vec<_>>());
    let not_good = world.query("events", "SELECT VALUE c.id FROM c WHERE c.state != 'good'").await;
    assert_eq!(not_good, Vec::<Value>::new());
}

#[tokio::test]
async fn a_document_that_was_found_missing_and_exists_again_may_have_been_deleted() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let good = capture_as_one_state(&changefeed, &put_all(&world, "good").await).await;
    // Every third document is deleted, which a verification finds out.
    let was_missing = |n: usize| n.is_multiple_of(3);
    for n in (0..COUNT).filter(|n| was_missing(*n)) {
        world.container("events").await.delete_item("a", &id(n), None).await.expect("delete");
    }
    next_second().await;
    let (record, _) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(record.counts.repaired, COUNT.div_ceil(3) as u64);
    next_second().await;
    capture(&changefeed, &put_all(&world, "again").await).await;
    let names: Vec<Value> = (0..COUNT).map(|n| json!({"id": id(n), "partitionKey": ["a"]})).collect();
    let list = restore_request(json!({"documents": names, "asOf": good}));
    let listed = changefeed.restores.plan(&list).await.expect("a plan").expect("small enough").items;
    let job = start_restore(&changefeed, json!({"all": true, "asOf": good, "dryRun": true, "job": true})).await;
    finish(&changefeed, &job).await;
    for items in [listed, items_of(&changefeed, &job).await] {
        assert_eq!(items.len(), COUNT);
        for (n, item) in items.iter().enumerate() {
            let has_doubt = item.message.as_ref().is_some_and(|message| message.contains("may have been deleted"));
            assert_eq!((item.id.clone(), has_doubt), (id(n), was_missing(n)), "{item:?}");
        }
    }
}

/// Versions of one second without sequence numbers have an order that does not follow from their times. Every worker must find the
/// same one, whether the document was changed or not.
#[tokio::test]
async fn a_document_whose_versions_have_no_order_is_planned_once_by_many_workers() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = JobOptions { parallel: 1, ..small_limits() });
    let live = put_all(&world, "live").await;
    // Earlier versions of the same second, whose etags are greater.
    let earlier = live.iter().enumerate().map(|(n, document)| {
        let mut earlier = document.clone();
        earlier["state"] = json!("earlier");
        earlier["_etag"] = json!(format!("\"ffffffff-0000-0000-0000-{n:012}\""));
        earlier
    });
    let stored: Vec<Value> = earlier.chain(live.iter().cloned()).collect();
    assert!(stored.iter().all(|document| document["_lsn"].is_null()));
    let second = capture_as_one_state(&changefeed, &stored).await;
    let job = start_restore(&changefeed, json!({"all": true, "asOf": second, "dryRun": true, "job": true})).await;
    let slow = Effect::Delay(Duration::from_millis(5));
    world.endpoint.inject(Fault { container: None, kind: RequestKind::Query, times: 100_000, effect: slow });
    for worker in 0.. {
        assert!(worker < 1_000, "the job does not end");
        let name = format!("worker-{worker}");
        // On a busy machine a claim alone can take that long.
        let slice = Duration::from_millis(60 + 5 * worker);
        match changefeed.runner.run_slice(&job, &name, tokio::time::sleep(slice)).await {
            Ok(SliceEnd::Ended(_)) => break,
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            end => assert!(matches!(end, Ok(SliceEnd::More | SliceEnd::Busy)), "{end:?}"),
        }
    }
    let planned: Vec<String> = items_of(&changefeed, &job).await.into_iter().map(|item| item.id).collect();
    assert_eq!(planned, (0..COUNT).map(id).collect::<Vec<_>>());
}
