//! Restores and undos at the same time: a record lists only its own writes, and a restore is undone once.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::{Changefeed, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::jobs::{
    capture, capture_as_one_state, finish, restore_view, run_slice_until, small_limits, start_restore,
};
use crate::support::{CommandLine, DEADLINE, Handler, World, batch_of, until, version_id};

const COUNT: usize = 40;

fn id(n: usize) -> String {
    format!("item-{n:03}")
}

async fn put(world: &World, n: usize, v: u32) -> Value {
    world.put("a", json!({"id": id(n), "pk": "a", "v": v})).await
}

/// Writes and captures documents. Then overwrites some and deletes others, and creates some that capture knows to be new.
/// Returns the second to restore.
async fn write_and_change(world: &World, changefeed: &Changefeed) -> i64 {
    let mut stored = Vec::new();
    for n in 0..COUNT {
        stored.push(put(world, n, 1).await);
    }
    let second = capture_as_one_state(changefeed, &stored).await;
    for n in 0..COUNT {
        if n % 4 == 0 {
            world.container("events").await.delete_item("a", &id(n), None).await.expect("deleted");
        } else {
            put(world, n, 2).await;
        }
    }
    for n in COUNT..COUNT + 10 {
        create(world, changefeed, n).await;
    }
    second
}

/// Creates a document, which capture knows to be new.
async fn create(world: &World, changefeed: &Changefeed, n: usize) {
    let stored = put(world, n, 2).await;
    let metadata = json!({"lsn": n, "operationType": "create", "crts": stored["_ts"]});
    capture(changefeed, &[json!({"current": stored, "metadata": metadata})]).await;
}

/// The restores that list each document as written.
async fn writers(changefeed: &Changefeed, ids: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut writers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for restore in ids {
        for item in restore_view(changefeed, restore).await.record.items {
            if item.action.is_write() {
                writers.entry(item.id).or_default().push(restore.clone());
            }
        }
    }
    writers
}

#[tokio::test]
async fn each_of_six_concurrent_jobs_lists_only_its_own_writes() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        let request = json!({"all": true, "asOf": second, "deleteCreatedAfter": true, "job": true});
        ids.push(start_restore(&changefeed, request).await);
    }
    let states = futures::future::join_all(ids.iter().map(|id| finish(&changefeed, id))).await;
    assert!(states.iter().all(|state| *state == JobState::Done), "{states:?}");
    let writers = writers(&changefeed, &ids).await;
    assert_eq!(writers.len(), COUNT + 10);
    for n in 0..COUNT {
        let live = world.live("a", &id(n)).await.expect("live");
        assert_eq!(live["v"], 1);
        assert_eq!(writers[&id(n)], [live["restore_id"].as_str().expect("a stamp")], "{n}");
    }
    for n in COUNT..COUNT + 10 {
        assert!(world.live("a", &id(n)).await.is_none());
        assert_eq!(writers[&id(n)].len(), 1, "{n}: {writers:?}");
    }
}

#[tokio::test]
async fn a_document_that_is_created_again_after_a_job_deleted_it_stays() {
    for changes_key in [&["/pk", "/sourceId"][..], &["/id"]] {
        let world = World::with_keys(&["/pk"], changes_key).await;
        let changefeed = world.changefeed(|options| options.jobs = JobOptions { parallel: 1, ..small_limits() });
        let before = capture_as_one_state(&changefeed, &[put(&world, COUNT, 1).await]).await;
        for n in 0..COUNT {
            create(&world, &changefeed, n).await;
        }
        let job = start_restore(&changefeed, json!({"all": true, "asOf": before, "deleteCreatedAfter": true})).await;
        // The slice is stopped before the last of eight pages, each of which waits for a query.
        let slow = Effect::Delay(Duration::from_millis(500));
        let container = Some("events".into());
        world.endpoint.inject(Fault { container, kind: RequestKind::Query, times: 10_000, effect: slow });
        let is_deleted = async || world.live("a", &id(0)).await.is_none();
        let end = run_slice_until(&changefeed, &job, is_deleted).await;
        assert!(end != SliceEnd::Ended(JobState::Done) && is_deleted().await, "{end:?}");
        world.endpoint.clear_faults();
        let again = put(&world, 0, 3).await;
        // An application changes one that the job has not come to: the job sees it once, too.
        put(&world, COUNT - 1, 3).await;
        assert_eq!(finish(&changefeed, &job).await, JobState::Done);
        assert_eq!(world.live("a", &id(0)).await, Some(again.clone()));
        let left = world.query("events", "SELECT VALUE c.id FROM c ORDER BY c.id").await;
        assert_eq!(left, [id(0), id(COUNT)]);
        let done = restore_view(&changefeed, &job).await.record;
        assert_eq!((done.counts.delete, done.counts.total()), (COUNT as u64, COUNT as u64 + 1));
        assert_eq!(done.items.len(), COUNT + 1, "each document once");

        let Restored::Job(undo) = changefeed.restores.undo(&job, &UndoRequest::default()).await.expect("undo") else {
            panic!("the undo of a job is a job");
        };
        assert_eq!(finish(&changefeed, &undo.id).await, JobState::Conflicts);
        let undone = restore_view(&changefeed, &undo.id).await.record;
        assert_eq!((undone.counts.create, undone.counts.conflict), (COUNT as u64 - 1, 1));
        assert_eq!(world.live("a", &id(0)).await, Some(again));
    }
}

/// Delays the next write of a record, which a restore does between its plan and its first write of a document.
fn delay_of_the_record(times: u32) -> Fault {
    Fault {
        container: Some("jobs".into()),
        kind: RequestKind::Write,
        times,
        effect: Effect::Delay(Duration::from_millis(500)),
    }
}

#[tokio::test]
async fn two_restores_in_one_second_list_only_their_own_writes() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await;
    let request = json!({"all": true, "asOf": second, "deleteCreatedAfter": true});
    world.endpoint.inject(delay_of_the_record(2));
    let ((_, one), (_, other)) =
        tokio::join!(handler.post("/api/restores", &request), handler.post("/api/restores", &request));
    assert_eq!((&one["state"], &other["state"]), (&json!("done"), &json!("done")), "{one} {other}");
    let ids = [&one, &other].map(|report| report["id"].as_str().expect("id").to_owned());
    let writers = writers(&changefeed, &ids).await;
    assert_eq!(writers.len(), COUNT + 10);
    assert!(writers.values().all(|writers| writers.len() == 1), "{writers:?}");
    let unchanged = |report: &Value| report["counts"]["unchanged"].as_u64().expect("a number");
    assert_eq!(unchanged(&one) + unchanged(&other), (COUNT + 10) as u64, "{one} {other}");
}

#[tokio::test]
async fn a_document_that_another_writer_has_restored_is_unchanged() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, 1, 1).await;
    handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    put(&world, 1, 2).await;
    let request = json!({"id": id(1), "partitionKey": ["a"], "version": version_id(&stored)});
    world.endpoint.inject(delay_of_the_record(1));
    let ((_, report), ()) = tokio::join!(handler.post("/api/restores", &request), async {
        until("the record is being written", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
        put(&world, 1, 1).await;
    });
    assert_eq!((&report["state"], &report["counts"]["unchanged"]), (&json!("done"), &json!(1)), "{report}");
    let live = world.live("a", &id(1)).await.expect("live");
    assert_eq!(live.get("restore_id"), None, "it is the other writer's: {live}");
}

#[tokio::test]
async fn a_delete_that_another_restore_is_about_to_record_is_not_counted_twice() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let stored = put(&world, 1, 1).await;
    let metadata = json!({"lsn": 1, "operationType": "create", "crts": stored["_ts"]});
    capture(&changefeed, &[json!({"current": stored, "metadata": metadata})]).await;
    let as_of = stored["_ts"].as_i64().expect("_ts") - 100;
    let request = json!({"id": id(1), "partitionKey": ["a"], "asOf": as_of, "deleteCreatedAfter": true, "force": true});
    let slow = |container: &str, delay_ms| Fault {
        container: Some(container.to_owned()),
        kind: RequestKind::Write,
        times: 1,
        effect: Effect::Delay(Duration::from_millis(delay_ms)),
    };
    // The delete of the first one arrives after that of the second one, whose record of it is late.
    world.endpoint.inject(slow("events", 500));
    let ((_, first), (_, second)) = tokio::join!(handler.post("/api/restores", &request), async {
        until("the first delete is under way", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
        world.endpoint.inject(slow("changes", 1200));
        handler.post("/api/restores", &request).await
    });
    assert_eq!((&second["state"], &second["counts"]["delete"]), (&json!("done"), &json!(1)), "{second}");
    assert_eq!((&first["counts"]["delete"], &first["counts"]["unchanged"]), (&json!(0), &json!(1)), "{first}");
}

/// Restores every document within a request. Returns the report.
async fn restore(handler: &Handler, second: i64) -> Value {
    let (status, report) = handler.post("/api/restores", &json!({"all": true, "asOf": second})).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    report
}

#[tokio::test]
async fn a_second_undo_answers_with_the_first() {
    let world = World::new().await;
    let handler = world.handler();
    let second = write_and_change(&world, &world.changefeed(|_| ())).await;
    let report = restore(&handler, second).await;
    let restore = report["id"].as_str().expect("id").to_owned();
    let undo = format!("/api/restores/{restore}/undo");
    world.endpoint.inject(delay_of_the_record(2));
    let body = json!({});
    let (one, other) = tokio::join!(handler.post(&undo, &body), handler.post(&undo, &body));
    let third = handler.post(&undo, &json!({})).await;
    let (_, first) = &one;
    assert_eq!((&first["state"], &first["counts"]["replace"]), (&json!("done"), &json!(30)), "{first}");
    for (status, answer) in [&one, &other, &third] {
        assert_eq!((*status, &answer["id"], &answer["counts"]), (StatusCode::OK, &first["id"], &first["counts"]));
        assert_eq!((&answer["items"], &answer["state"]), (&first["items"], &first["state"]));
    }
    let (_, list) = handler.get("/api/restores").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2), "{list}");
    let command_line = CommandLine::new(&world);
    let (exit, printed) = command_line.text(&["restore", "undo", &restore, "--yes"]).await;
    let undo_id = first["id"].as_str().expect("id");
    assert!(exit == 0 && printed.contains(&format!("is undone by restore {undo_id}")), "{printed}");
    let (exit, again) = command_line.json(&["restore", "undo", &restore, "--yes"]).await;
    assert_eq!((exit, &again["id"], &again["items"]), (0, &first["id"], &first["items"]), "{again}");
    for n in 0..COUNT {
        let v = world.live("a", &id(n)).await.map(|live| live["v"].clone());
        assert_eq!(v, (n % 4 != 0).then(|| json!(2)), "{n}");
    }
}

#[tokio::test]
async fn a_second_undo_of_a_job_answers_with_the_first() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await;
    let restore = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true})).await;
    finish(&changefeed, &restore).await;
    let undo = format!("/api/restores/{restore}/undo");
    let body = json!({});
    let (one, other) = tokio::join!(handler.post(&undo, &body), handler.post(&undo, &body));
    assert_eq!((one.0, other.0), (StatusCode::ACCEPTED, StatusCode::ACCEPTED), "{one:?} {other:?}");
    assert_eq!(one.1["id"], other.1["id"]);
    let undo_id = one.1["id"].as_str().expect("id").to_owned();
    assert_eq!(finish(&changefeed, &undo_id).await, JobState::Done);
    let (status, third) = handler.post(&undo, &json!({})).await;
    assert_eq!((status, &third["id"]), (StatusCode::ACCEPTED, &json!(undo_id)), "{third}");
    assert_eq!(third["state"], "done");
    assert_eq!(
        changefeed.restores.list(&changefeed_cosmos::PageRequest::default()).await.expect("list").items.len(),
        2
    );
    let (exit, printed) = CommandLine::new(&world).text(&["restore", "undo", &restore, "--yes"]).await;
    assert!(exit == 0 && printed.contains(&format!("Restore {undo_id}: ")), "{printed}");
}

#[tokio::test]
async fn an_undo_with_conflicts_can_be_repeated_with_force() {
    let world = World::new().await;
    let handler = world.handler();
    let second = write_and_change(&world, &world.changefeed(|_| ())).await;
    let report = restore(&handler, second).await;
    let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
    put(&world, 1, 5).await;
    let (_, first) = handler.post(&undo, &json!({})).await;
    assert_eq!((&first["state"], &first["counts"]["conflict"]), (&json!("conflicts"), &json!(1)), "{first}");
    let (_, forced) = handler.post(&undo, &json!({"force": true})).await;
    assert_eq!((&forced["state"], &forced["counts"]["replace"]), (&json!("done"), &json!(1)), "{forced}");
    assert_ne!(forced["id"], first["id"]);
    assert_eq!(world.live("a", &id(1)).await.expect("live")["v"], 2);
}

#[tokio::test]
async fn a_restore_that_is_running_is_not_undone() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await;
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Write,
        times: 1,
        effect: Effect::Delay(Duration::from_millis(2500)),
    });
    let refused = async {
        until("a document is being written", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
        let (_, list) = handler.get("/api/restores").await;
        let running = &list["items"][0];
        assert_eq!(running["state"], "running", "{list}");
        let undo = format!("/api/restores/{}/undo", running["id"].as_str().expect("id"));
        for body in [json!({}), json!({"dryRun": true})] {
            let (status, answer) = handler.post(&undo, &body).await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(status == StatusCode::CONFLICT && message.contains("has not ended"), "{status} {answer}");
        }
        undo
    };
    let (_, undo) = tokio::join!(restore(&handler, second), refused);
    let (status, undone) = handler.post(&undo, &json!({})).await;
    assert_eq!((status, &undone["state"]), (StatusCode::OK, &json!("done")), "{undone}");
}

#[tokio::test]
async fn an_undo_that_is_repeated_after_another_undo_of_it_is_another_restore() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await;
    let undo = async |id: &str| match changefeed.restores.undo(id, &UndoRequest::default()).await.expect("undo") {
        Restored::Report(report) => report,
        Restored::Job(record) => panic!("{record:?}"),
    };
    let request = serde_json::from_value(json!({"all": true, "asOf": second})).expect("request");
    let Restored::Report(restored) = changefeed.restores.run(&request).await.expect("restore") else {
        panic!("a small restore")
    };
    let restore = restored.id.expect("id");
    let undone = undo(&restore).await.id.expect("id");
    let redone = undo(&undone).await;
    assert_eq!((redone.state, redone.counts.replace), (JobState::Done, 30));
    // The documents have other etags now: to take them back, undo the last restore.
    let again = undo(&restore).await;
    assert_ne!(again.id, Some(undone));
    assert_eq!(again.state, JobState::Conflicts);
}
