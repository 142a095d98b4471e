//! Other writers change documents while a restore writes them, or before an interrupted one resumes. What they wrote is not lost, and the
//! record says what the restore did.

use std::time::Duration;

use changefeed_jobs::JobState;
use changefeed_operations::{Action, Changefeed, PlannedItem, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use serde_json::{Value, json};

use crate::support::backups::run_backup;
use crate::support::broken::{
    COUNT, a_batch_is_written, broken, broken_and_slow, counted, fault, id, key, put, restore, restore_by, states, undo,
};
use crate::support::jobs::{
    capture, capture_as_one_state, finish, restore_request, restore_view, small_limits, start_restore,
};
use crate::support::{DEADLINE, World, until, version_id};

/// Longer than any test: what waits so long is never executed.
const NEVER: Duration = Duration::from_secs(600);

/// Runs a worker of a job, and kills it after it has deleted the document, before it has recorded that.
async fn kill_after_the_delete(world: &World, changefeed: &Changefeed, job: &str) {
    world.endpoint.inject(Fault { container: Some("changes".into()), ..fault(1, Effect::Delay(NEVER)) });
    tokio::select! {
        end = changefeed.runner.run_slice(job, "killed", std::future::pending()) => panic!("{end:?}"),
        () = is_deleted(world) => {}
    }
    world.endpoint.clear_faults();
}

/// Runs a worker of a job, and kills it when these documents are good, before it has recorded anything.
async fn kill_when_good(world: &World, changefeed: &Changefeed, job: &str, documents: &[usize]) {
    let are_good = async || {
        let good = world.query("events", "SELECT VALUE c.id FROM c WHERE c.state = 'good'").await;
        documents.iter().all(|n| good.contains(&json!(id(*n))))
    };
    tokio::select! {
        end = changefeed.runner.run_slice(job, "killed", std::future::pending()) => panic!("{end:?}"),
        () = until("documents are written", DEADLINE, are_good) => {}
    }
    world.endpoint.clear_faults();
    let record = restore_view(changefeed, job).await.record;
    assert!(record.items.iter().all(|item| item.restored_etag.is_none()), "{record:?}");
}

fn item_of(items: &[PlannedItem], n: usize) -> &PlannedItem {
    items.iter().find(|item| item.id == id(n)).unwrap_or_else(|| panic!("no item {n}: {items:?}"))
}

/// An application reads a document, changes one of its fields, and replaces it whole. Returns it as it is stored.
async fn change(world: &World, n: usize, field: &str) -> Value {
    let query = format!("SELECT * FROM c WHERE c.id = '{}'", id(n));
    let mut document = world.query("events", &query).await.pop().expect("a document");
    document[field] = json!(7);
    world.put(key(n), document).await
}

#[tokio::test]
async fn a_forced_restore_that_resumes_records_what_it_has_overwritten_and_the_undo_brings_that_back() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = broken(&world, &changefeed).await;
    let documents: Vec<Value> = (0..3).map(|n| json!({"id": id(n), "pk": key(n)})).collect();
    let request = json!({"documents": documents, "asOf": second, "force": true, "dryRun": true, "store": true});
    let plan = start_restore(&changefeed, request).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);
    // Versions without a sequence number are ordered by their seconds.
    let planned = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > planned).await;
    // The first one did not exist when the restore was planned.
    let later = [put(&world, 0, "later").await, put(&world, 1, "later").await];
    capture(&changefeed, &later[1..]).await;
    world.endpoint.inject(fault(1, Effect::Delay(NEVER)).on_item(id(2)));
    changefeed.restores.execute_plan(&plan).await.expect("started");
    kill_when_good(&world, &changefeed, &plan, &[0, 1]).await;
    // Capture stores what the restore wrote, before it resumes.
    capture(&changefeed, &world.query("events", "SELECT * FROM c WHERE c.state = 'good'").await).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Done);
    let items = restore_view(&changefeed, &plan).await.record.items;
    for (n, later) in later.iter().enumerate() {
        let item = item_of(&items, n);
        assert_eq!((item.action, &item.replaced_version), (Action::Replace, &Some(version_id(later))), "{item:?}");
    }
    assert_eq!(states(&world).await, counted(&[("good", 3), ("bad", 28)]));
    let Restored::Job(undo) = changefeed.restores.undo(&plan, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
    assert_eq!(states(&world).await, counted(&[("later", 2), ("bad", 29)]));
}

#[tokio::test]
async fn what_changed_after_a_restore_from_a_backup_wrote_it_is_not_overwritten_when_it_resumes() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    for n in 0..3 {
        put(&world, n, "good").await;
    }
    let folder = tempfile::tempdir().expect("folder");
    let backup = folder.path().join("backup");
    run_backup(&changefeed, json!({"to": backup})).await;
    for n in 0..3 {
        put(&world, n, "bad").await;
    }
    world.endpoint.inject(fault(1, Effect::Delay(NEVER)).on_item(id(2)));
    let job = start_restore(&changefeed, json!({"from": backup})).await;
    kill_when_good(&world, &changefeed, &job, &[0, 1]).await;
    let changed = change(&world, 1, "stock").await;
    assert_eq!(finish(&changefeed, &job).await, JobState::Done);
    let view = restore_view(&changefeed, &job).await;
    assert_eq!(view.record.counts.replace, 3, "{view:?}");
    let message = item_of(&view.record.items, 1).message.as_deref().unwrap_or_default();
    assert!(message.contains("another writer has changed it since"), "{view:?}");
    assert_eq!(world.live(key(1), &id(1)).await, Some(changed));
}

/// The documents of [`broken`], in which a release has written one state. Users have changed two of them since, which are to keep that.
/// Returns a restore that undoes the release, with force.
async fn forced_window(world: &World, changefeed: &Changefeed) -> Value {
    let second = broken(world, changefeed).await;
    let to = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > to).await;
    for n in [1, 9] {
        capture(changefeed, &[change(world, n, "phone").await]).await;
    }
    json!({"changedBetween": {"from": second + 1, "to": to}, "laterChanges": "merge", "force": true})
}

#[tokio::test]
async fn a_forced_undo_of_a_window_leaves_a_document_as_it_is_that_another_writer_has_repaired_meanwhile() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let request = forced_window(&world, &changefeed).await;
    world.endpoint.inject(fault(1, Effect::Delay(Duration::from_secs(5))).on_item(id(1)));
    let other = async {
        a_batch_is_written(&world).await;
        world.put(key(9), json!({"id": id(9), "pk": key(9), "state": "good", "phone": 7, "stock": 7})).await
    };
    let (report, repaired) = tokio::join!(restore_by(&changefeed, request), other);
    let item = item_of(&report.items, 9);
    assert_eq!(item.action, Action::Unchanged, "{item:?}");
    assert_eq!(world.live(key(9), &id(9)).await, Some(repaired));
    assert_eq!(states(&world).await, counted(&[("good", 30)]));
}

#[tokio::test]
async fn a_forced_undo_of_a_window_that_resumes_keeps_the_later_changes_that_it_has_kept_before() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut request = forced_window(&world, &changefeed).await;
    (request["dryRun"], request["store"]) = (json!(true), json!(true));
    request["pk"] = json!(key(1));
    let plan = start_restore(&changefeed, request).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);
    let planned = restore_view(&changefeed, &plan).await.record;
    assert_eq!((planned.counts.total(), planned.items.len()), (5, 5), "each document once: {planned:?}");
    let later = change(&world, 1, "stock").await;
    world.endpoint.inject(fault(1, Effect::Delay(NEVER)).on_item(id(9)));
    changefeed.restores.execute_plan(&plan).await.expect("started");
    kill_when_good(&world, &changefeed, &plan, &[1]).await;
    let written = world.live(key(1), &id(1)).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Done);
    assert_eq!(world.live(key(1), &id(1)).await, written);
    let live = written.expect("a document");
    assert_eq!((&live["state"], &live["phone"], &live["stock"]), (&json!("good"), &json!(7), &json!(7)));
    let items = restore_view(&changefeed, &plan).await.record.items;
    assert_eq!(item_of(&items, 1).replaced_version, Some(version_id(&later)), "{items:?}");
}

#[tokio::test]
async fn a_forced_restore_of_fields_leaves_the_other_fields_to_a_writer_that_changes_them_meanwhile() {
    let (world, changefeed, second) = broken_and_slow(1).await;
    let other = async {
        a_batch_is_written(&world).await;
        change(&world, 9, "stock").await
    };
    let request = json!({"all": true, "asOf": second, "fields": ["state"], "force": true});
    let (report, later) = tokio::join!(restore_by(&changefeed, request), other);
    assert_eq!(later["state"], "bad");
    let item = item_of(&report.items, 9);
    assert_eq!((item.action.is_write(), &item.replaced_version), (true, &Some(version_id(&later))), "{item:?}");
    let live = world.live(key(9), &id(9)).await.expect("a document");
    assert_eq!((&live["state"], &live["stock"]), (&json!("good"), &json!(7)));
}

#[tokio::test]
async fn a_forced_restore_of_a_document_that_another_writer_deletes_meanwhile_has_replaced_nothing() {
    let (world, changefeed, second) = broken_and_slow(1).await;
    let other = async {
        a_batch_is_written(&world).await;
        world.container("events").await.delete_item(key(9), &id(9), None).await.expect("deleted");
    };
    let request = json!({"all": true, "asOf": second, "force": true});
    let (report, ()) = tokio::join!(restore_by(&changefeed, request), other);
    let item = item_of(&report.items, 9);
    assert_eq!((item.action, &item.replaced_version), (Action::Create, &None), "{item:?}");
}

#[tokio::test]
async fn a_document_that_changes_after_its_write_whose_reply_was_lost_counts_as_written() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    world.endpoint.inject(fault(1, Effect::LoseReply).on_item(id(1)));
    let slow = Fault { kind: RequestKind::Read, ..fault(1, Effect::Delay(Duration::from_secs(5))) };
    world.endpoint.inject(slow.on_item(id(1)));
    let other = async {
        let query = format!("SELECT VALUE c.state FROM c WHERE c.id = '{}'", id(1));
        let is_good = async || world.query("events", &query).await == ["good"];
        until("the document is written", DEADLINE, is_good).await;
        change(&world, 1, "stock").await
    };
    let (report, changed) = tokio::join!(restore(&changefeed, second), other);
    assert_eq!(report.counts.writes(), COUNT as u64, "{report:?}");
    let item = item_of(&report.items, 1);
    let message = item.message.as_deref().unwrap_or_default();
    assert!(item.restored_etag.is_none() && message.contains("another writer has changed it since"), "{item:?}");
    let undone = undo(&changefeed, &report).await;
    assert_eq!((undone.counts.writes(), undone.counts.conflict), (COUNT as u64 - 1, 1), "{undone:?}");
    assert_eq!(item_of(&undone.items, 1).action, Action::Conflict);
    assert_eq!(world.live(key(1), &id(1)).await, Some(changed));
}

#[tokio::test]
async fn an_undo_does_not_believe_a_read_of_a_version_that_was_overwritten() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    let report = restore(&changefeed, second).await;
    // As if a replica that the restore has not reached answered: the live version is the one that the record says it replaced.
    let record = report.id.clone().expect("a record");
    let jobs = world.container("jobs").await;
    let mut stored: Value =
        jobs.read_item(record.clone(), &record, None).await.expect("read").into_model().expect("JSON");
    let live = world.live(key(1), &id(1)).await.expect("a document");
    let items = stored["items"].as_array_mut().expect("items");
    let item = items.iter_mut().find(|item| item["id"] == id(1)).expect("an item");
    item["replacedVersion"] = json!(version_id(&live));
    jobs.replace_item(record.clone(), &record, stored, None).await.expect("replaced");
    let error = changefeed.restores.undo(&record, &UndoRequest::default()).await.expect_err("an old read");
    assert!(error.is_transient() && error.to_string().contains("has overwritten; retry later"), "{error}");
}

/// A restore that deletes a document, whose delete is refused, and another writer that deletes it before or after the restore reads it again.
async fn a_refused_delete(is_deleted_before_the_read: bool) {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (_, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    world.endpoint.take_requests();
    world.endpoint.inject(fault(1, Effect::Status { status: 412, substatus: 0 }).on_item(id(1)));
    // The restore reads the document before the delete, after the refusal, and before it tries again.
    let slow = Fault { kind: RequestKind::Read, ..fault(10, Effect::Delay(Duration::from_secs(3))) };
    world.endpoint.inject(slow.on_item(id(1)));
    let request = restore_request(request);
    let other = async {
        until("the refusal, and a read after it", DEADLINE, async || {
            let requests = world.endpoint.requests();
            let refused = requests.iter().position(|request| request.status == 412);
            let is_read = |from: usize| requests[from..].iter().any(|request| request.kind == LoggedKind::Read);
            refused.is_some_and(|refused| is_deleted_before_the_read || is_read(refused))
        })
        .await;
        world.container("events").await.delete_item(key(1), &id(1), None).await.expect("deleted");
    };
    let (restored, ()) = tokio::join!(changefeed.restores.run(&request), other);
    let Restored::Report(report) = restored.expect("restore") else { panic!("a job") };
    assert_eq!((report.counts.delete, report.counts.unchanged), (0, 1), "{report:?}");
    let deletes = world.query("changes", "SELECT VALUE c.id FROM c WHERE c.operation = 'delete'").await;
    assert_eq!(deletes, Vec::<Value>::new(), "the delete of another writer is for capture to record");
}

#[tokio::test]
async fn a_document_that_another_writer_deletes_after_a_refusal_was_not_deleted_by_the_restore() {
    tokio::join!(a_refused_delete(true), a_refused_delete(false));
}

/// Captures a change as the feed of all versions and deletes reports it.
async fn capture_by_feed(changefeed: &Changefeed, mut stored: Value, lsn: i64, operation: &str) {
    let metadata = match operation {
        "delete" => json!({"lsn": lsn, "operationType": operation, "crts": stored["_ts"], "id": stored["id"],
            "partitionKey": {"pk": stored["pk"]}}),
        _ => json!({"lsn": lsn, "operationType": operation, "crts": stored["_ts"]}),
    };
    stored["_lsn"] = json!(lsn);
    let current = if operation == "delete" { Value::Null } else { stored };
    capture(changefeed, &[json!({"current": current, "metadata": metadata})]).await;
}

/// A document, and the request for a restore to a second before it was created, which deletes it.
async fn a_document_that_a_restore_deletes(world: &World, changefeed: &Changefeed) -> (Value, Value) {
    let before = capture_as_one_state(changefeed, &[put(world, 0, "old").await]).await;
    let stored = put(world, 1, "new").await;
    capture_by_feed(changefeed, stored.clone(), 1, "create").await;
    let request = json!({"id": id(1), "partitionKey": [key(1)], "asOf": before, "deleteCreatedAfter": true});
    (stored, request)
}

async fn is_deleted(world: &World) {
    until("the document is deleted", DEADLINE, async || world.live(key(1), &id(1)).await.is_none()).await;
}

/// The seconds of the deletes that the history has.
async fn seconds_of_deletes(world: &World) -> Vec<i64> {
    let seconds = world.query("changes", "SELECT VALUE c.sourceTs FROM c WHERE c.operation = 'delete'").await;
    seconds.iter().map(|second| second.as_i64().expect("a second")).collect()
}

async fn wait_until_after(second: i64) {
    until("later seconds", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
}

#[tokio::test]
async fn a_document_that_another_writer_deletes_just_before_a_restore_does_was_not_deleted_by_it() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (_, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    world.endpoint.inject(fault(1, Effect::Delay(Duration::from_secs(5))).on_item(id(1)));
    let request = restore_request(request);
    let other = async {
        until("the restore deletes", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
        world.container("events").await.delete_item(key(1), &id(1), None).await.expect("deleted");
    };
    let (restored, ()) = tokio::join!(changefeed.restores.run(&request), other);
    let Restored::Report(report) = restored.expect("restore") else { panic!("a job") };
    assert_eq!((report.counts.delete, report.counts.unchanged), (0, 1), "{report:?}");
    assert_eq!(seconds_of_deletes(&world).await, Vec::<i64>::new());
    let undone = undo(&changefeed, &report).await;
    assert_eq!((undone.counts.writes(), world.live(key(1), &id(1)).await), (0, None), "{undone:?}");
}

#[tokio::test]
async fn deletes_of_documents_with_one_id_have_a_record_each_whatever_the_key_of_the_changes_container_is() {
    for changes_key in [&["/pk", "/sourceId"][..], &["/sourceId"], &["/pk"], &["/id"]] {
        let world = World::with_keys(&["/pk"], changes_key).await;
        let changefeed = world.changefeed(|_| ());
        let before = capture_as_one_state(&changefeed, &[put(&world, 0, "old").await]).await;
        let tenants = ["a", "b", "c"];
        for (tenant, lsn) in tenants.into_iter().zip(1..) {
            let stored = world.put(tenant, json!({"id": "settings", "pk": tenant})).await;
            capture_by_feed(&changefeed, stored, lsn, "create").await;
        }
        let documents: Vec<Value> = tenants.iter().map(|tenant| json!({"id": "settings", "pk": tenant})).collect();
        let request = json!({"documents": documents, "asOf": before, "deleteCreatedAfter": true});
        let report = restore_by(&changefeed, request).await;
        assert_eq!(report.counts.delete, 3, "{changes_key:?} {report:?}");
        assert_eq!(seconds_of_deletes(&world).await.len(), 3, "{changes_key:?}");
    }
}

#[tokio::test]
async fn the_time_of_a_delete_is_not_early_because_the_clock_was_read_slowly_before() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (_, mut request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    let slow = Fault {
        container: Some("jobs".into()),
        kind: RequestKind::Read,
        times: 1,
        effect: Effect::Delay(Duration::from_secs(5)),
    };
    // Older than the slow measurement: no delete is recorded before the version that it removes.
    capture_by_feed(&changefeed, put(&world, 2, "new").await, 2, "create").await;
    world.endpoint.inject(slow.on_item("clock"));
    changefeed.restores.run(&restore_request(request.clone())).await.expect("restore");
    assert_eq!(world.endpoint.pending_faults(), 0, "the clock was read");
    request["id"] = json!(id(2));
    request["partitionKey"] = json!([key(2)]);
    let began = chrono::Utc::now().timestamp();
    changefeed.restores.run(&restore_request(request)).await.expect("restore");
    let latest = seconds_of_deletes(&world).await.into_iter().max().expect("deletes");
    assert!((began - 2..=chrono::Utc::now().timestamp()).contains(&latest), "{latest} {began}");
}

#[tokio::test]
async fn a_delete_that_is_recorded_late_is_before_the_document_that_was_created_since() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (_, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    // The restore does not know whether it was its delete that was executed, and looks for another one for a while.
    world.endpoint.inject(fault(1, Effect::LoseReply).on_item(id(1)));
    let request = restore_request(request);
    let other = async {
        is_deleted(&world).await;
        until("the delete is sent again", DEADLINE, async || {
            let mut requests = world.endpoint.requests().into_iter();
            requests.any(|request| (request.kind, request.status) == (LoggedKind::Delete, 404))
        })
        .await;
        let again = put(&world, 1, "again").await;
        capture_by_feed(&changefeed, again.clone(), 3, "create").await;
        again["_ts"].as_i64().expect("a time")
    };
    let (restored, again) = tokio::join!(changefeed.restores.run(&request), other);
    let Restored::Report(report) = restored.expect("restore") else { panic!("a job") };
    assert_eq!(report.counts.delete, 1, "{report:?}");
    let deletes = seconds_of_deletes(&world).await;
    assert!(deletes.len() == 1 && deletes[0] <= again, "{deletes:?} {again}");
    wait_until_after(again + 4).await;
    let request = restore_request(json!({"id": id(1), "partitionKey": [key(1)], "asOf": again + 4}));
    let plan = changefeed.restores.plan(&request).await.expect("a plan");
    assert!(format!("{plan:?}").contains("Unchanged"), "{plan:?}");
}

#[tokio::test]
async fn a_delete_that_is_recorded_late_is_not_after_the_delete_that_the_feed_has_reported() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (stored, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    world.endpoint.inject(fault(1, Effect::LoseReply).on_item(id(1)));
    let request = restore_request(request);
    let feed = async {
        is_deleted(&world).await;
        capture_by_feed(&changefeed, stored.clone(), 2, "delete").await;
    };
    let (restored, ()) = tokio::join!(changefeed.restores.run(&request), feed);
    let Restored::Report(report) = restored.expect("restore") else { panic!("a job") };
    assert_eq!(report.counts.delete, 1, "{report:?}");
    let reported = stored["_ts"].as_i64().expect("a time");
    assert_eq!(seconds_of_deletes(&world).await, vec![reported; 2]);
}

#[tokio::test]
async fn a_delete_that_another_worker_records_is_not_after_the_delete_that_the_feed_has_reported() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (stored, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    let job = a_plan_that_deletes(&changefeed, &request, false).await;
    changefeed.restores.execute_plan(&job).await.expect("started");
    kill_after_the_delete(&world, &changefeed, &job).await;
    assert_eq!(seconds_of_deletes(&world).await, Vec::<i64>::new());
    let reported = stored["_ts"].as_i64().expect("a time");
    capture_by_feed(&changefeed, stored, 2, "delete").await;
    wait_until_after(reported + 2).await;
    assert_eq!(finish(&changefeed, &job).await, JobState::Done);
    assert_eq!(seconds_of_deletes(&world).await, vec![reported; 2]);
    let view = restore_view(&changefeed, &job).await;
    assert_eq!(view.record.counts.delete, 1, "{view:?}");
}

/// The stored plan of a restore that deletes the document.
async fn a_plan_that_deletes(changefeed: &Changefeed, request: &Value, force: bool) -> String {
    let request = json!({"documents": [{"id": id(1), "pk": key(1)}], "asOf": request["asOf"], "deleteCreatedAfter": true,
        "force": force, "dryRun": true, "store": true});
    let plan = start_restore(changefeed, request).await;
    assert_eq!(finish(changefeed, &plan).await, JobState::Planned);
    plan
}

#[tokio::test]
async fn a_document_that_another_writer_deletes_before_a_plan_is_executed_was_not_deleted_by_it() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (_, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    let plan = a_plan_that_deletes(&changefeed, &request, false).await;
    world.container("events").await.delete_item(key(1), &id(1), None).await.expect("deleted");
    changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!(finish(&changefeed, &plan).await, JobState::Done);
    let record = restore_view(&changefeed, &plan).await.record;
    assert_eq!((record.counts.delete, record.counts.unchanged), (0, 1), "{record:?}");
    assert_eq!(seconds_of_deletes(&world).await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_forced_delete_that_resumes_records_the_version_that_it_has_deleted_and_the_undo_brings_that_back() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (stored, request) = a_document_that_a_restore_deletes(&world, &changefeed).await;
    let plan = a_plan_that_deletes(&changefeed, &request, true).await;
    wait_until_after(stored["_ts"].as_i64().expect("a time")).await;
    let later = put(&world, 1, "later").await;
    capture_by_feed(&changefeed, later.clone(), 5, "replace").await;
    changefeed.restores.execute_plan(&plan).await.expect("started");
    kill_after_the_delete(&world, &changefeed, &plan).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Done);
    let items = restore_view(&changefeed, &plan).await.record.items;
    assert_eq!(item_of(&items, 1).replaced_version, Some(version_id(&later)), "{items:?}");
    let Restored::Job(undo) = changefeed.restores.undo(&plan, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
    assert_eq!(states(&world).await, counted(&[("later", 1), ("old", 1)]));
}
