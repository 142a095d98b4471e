//! Restores that are too large for a request and run as jobs.

use std::process::Stdio;
use std::time::Duration;

use changefeed_cosmos::ErrorKind;
use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::{Changefeed, RESTORE, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::support::jobs::{
    capture, finish, item_summaries, restore_request, restore_view, run_slice_until, small_limits, start_restore,
};
use crate::support::{DEADLINE, World, executable, until};

/// Writes and captures the documents `0..count`. Returns the second of the last write, which has passed.
pub async fn write_and_capture(world: &World, changefeed: &Changefeed, count: usize) -> i64 {
    let mut stored = Vec::new();
    for n in 0..count {
        let key = format!("key-{}", n % 4);
        stored.push(world.put(key.clone(), json!({"id": format!("item-{n:03}"), "pk": key, "n": n, "v": 1})).await);
    }
    capture(changefeed, &stored).await;
    let newest = stored.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a document");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > newest).await;
    newest
}

/// Overwrites every third document, deletes every third one and creates some.
pub async fn change_documents(world: &World, count: usize) {
    for n in 0..count {
        let (id, key) = (format!("item-{n:03}"), format!("key-{}", n % 4));
        match n % 3 {
            0 => drop(world.put(key.clone(), json!({"id": id, "pk": key, "n": n, "v": 2})).await),
            1 => drop(world.container("events").await.delete_item(key, &id, None).await.expect("delete")),
            _ => {}
        }
    }
    for n in 0..5 {
        world.put("new", json!({"id": format!("new-{n}"), "pk": "new", "v": 2})).await;
    }
}

/// The sorted bodies of the live documents.
pub async fn bodies(world: &World) -> Vec<Value> {
    let mut documents = world.query("events", "SELECT * FROM c").await;
    for document in &mut documents {
        let fields = document.as_object_mut().expect("object");
        fields.retain(|name, _| !name.starts_with('_') && !["restored_at", "restore_id"].contains(&name.as_str()));
    }
    documents.sort_by_key(ToString::to_string);
    documents
}

#[tokio::test]
async fn a_restore_beyond_the_limits_becomes_a_job_with_the_result_of_a_request_and_can_be_undone() {
    let world = World::new().await;
    let (small_limits, default_limits) =
        (world.changefeed(|options| options.jobs = small_limits()), world.changefeed(|_| ()));
    let second = write_and_capture(&world, &small_limits, 60).await;
    let good = bodies(&world).await;
    change_documents(&world, 60).await;
    let bad = bodies(&world).await;

    let request = json!({"all": true, "asOf": second});
    let expected = default_limits
        .restores
        .plan(&restore_request(request.clone()))
        .await
        .expect("plan")
        .expect("within the limits");
    let dry = start_restore(&small_limits, json!({"all": true, "asOf": second, "dryRun": true})).await;
    assert_eq!(finish(&small_limits, &dry).await, JobState::Planned);
    let plan = restore_view(&small_limits, &dry).await;
    assert_eq!(item_summaries(&plan.record.items), item_summaries(&expected.items));
    assert_eq!(bodies(&world).await, bad, "a dry run writes nothing");

    let id = start_restore(&small_limits, request).await;
    assert_eq!(small_limits.restores.record(&id).await.expect("record").state, JobState::Queued);
    assert_eq!(finish(&small_limits, &id).await, JobState::Unknowns);
    let done = restore_view(&small_limits, &id).await;
    assert_eq!(item_summaries(&done.record.items), item_summaries(&expected.items));
    assert_eq!(
        json!(done.record.counts),
        json!({"create": 20, "replace": 20, "delete": 0, "unchanged": 20, "unknown": 5, "conflict": 0, "failed": 0})
    );
    let restored = bodies(&world).await;
    assert!(good.iter().all(|document| restored.contains(document)) && restored.len() == good.len() + 5);

    let Restored::Job(undo) = small_limits.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&small_limits, &undo.id).await, JobState::Done);
    assert_eq!(bodies(&world).await, bad);
    assert_eq!(small_limits.restores.record(&id).await.expect("record").undone_by, Some(undo.id));
}

/// Starts a job that restores sixty documents, and that does not know the state of five documents that were created later.
/// Returns its id and the expected bodies.
pub async fn start_restore_of_sixty(world: &World, changefeed: &Changefeed, options: Value) -> (String, Vec<Value>) {
    let second = write_and_capture(world, changefeed, 60).await;
    let mut good = bodies(world).await;
    change_documents(world, 60).await;
    good.extend((0..5).map(|n| json!({"id": format!("new-{n}"), "pk": "new", "v": 2})));
    good.sort_by_key(ToString::to_string);
    let mut request = json!({"all": true, "asOf": second});
    request.as_object_mut().expect("object").extend(options.as_object().expect("object").clone());
    (start_restore(changefeed, request).await, good)
}

#[tokio::test]
async fn two_concurrent_workers_process_every_document_once() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let (one, other) = tokio::join!(finish(&changefeed, &id), finish(&changefeed, &id));
    assert_eq!((one, other), (JobState::Unknowns, JobState::Unknowns));
    let done = restore_view(&changefeed, &id).await;
    assert_eq!((done.record.counts.total(), done.record.counts.writes()), (65, 40));
    assert_eq!((done.record.items.len(), bodies(&world).await), (65, good));
    for item in done.record.items.iter().filter(|item| item.action.is_write()) {
        let key = format!("key-{}", item.id[5..].parse::<usize>().expect("number") % 4);
        assert_eq!(
            item.restored_etag,
            world.live(key, &item.id).await.expect("live")["_etag"].as_str().map(str::to_owned)
        );
    }
}

#[tokio::test]
async fn a_worker_that_outlives_its_claim_does_not_duplicate_writes() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    // Saves take longer than the claim lasts. Writes of documents are not delayed.
    world.endpoint.inject(Fault {
        container: Some("jobs".into()),
        kind: RequestKind::Write,
        times: 12,
        effect: Effect::Delay(Duration::from_millis(2500)),
    });
    let (one, other) = tokio::join!(finish(&changefeed, &id), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        finish(&changefeed, &id).await
    });
    assert_eq!((one, other), (JobState::Unknowns, JobState::Unknowns));
    let done = restore_view(&changefeed, &id).await;
    assert_eq!((done.record.counts.total(), done.record.counts.writes()), (65, 40), "{}", json!(done));
    assert_eq!((done.record.items.len(), bodies(&world).await), (65, good));
}

#[tokio::test]
async fn a_queued_or_running_job_can_be_cancelled_and_its_writes_undone() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (id, _) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    assert_eq!(changefeed.jobs.cancel(RESTORE, &id).await.expect("cancelled").state, JobState::Cancelled);
    assert_eq!(finish(&changefeed, &id).await, JobState::Cancelled);
    assert_eq!(restore_view(&changefeed, &id).await.record.counts.total(), 0);

    let bad = bodies(&world).await;
    let second = changefeed.restores.record(&id).await.expect("record").request["asOf"].clone();
    let id = start_restore(&changefeed, json!({"all": true, "asOf": second, "ruPerSecond": 400})).await;
    let (state, ()) = tokio::join!(finish(&changefeed, &id), async {
        until("a document is written", DEADLINE, async || {
            changefeed.restores.record(&id).await.expect("record").counts.writes() > 0
        })
        .await;
        assert_eq!(
            changefeed.restores.undo(&id, &UndoRequest::default()).await.expect_err("running").kind(),
            ErrorKind::Conflict
        );
        changefeed.jobs.cancel(RESTORE, &id).await.expect("cancelled");
    });
    assert_eq!(state, JobState::Cancelled);
    let counts = changefeed.restores.record(&id).await.expect("record").counts;
    assert!((1..40).contains(&counts.writes()), "{counts:?}");
    assert_ne!(bodies(&world).await, bad);
    let Restored::Job(undo) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
    assert_eq!(bodies(&world).await, bad);
}

/// Runs a job until a document is written, and then drops the worker.
async fn abandon_job(changefeed: &Changefeed, id: &str) {
    let has_written = until("a document is written", DEADLINE, async || {
        changefeed.restores.record(id).await.expect("record").counts.writes() > 0
    });
    tokio::select! {
        end = changefeed.runner.run_slice(id, "killed", std::future::pending()) => panic!("{end:?}"),
        () = has_written => {}
    }
}

#[tokio::test]
async fn a_cancelled_job_whose_worker_died_ends_after_its_claim_expires() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (id, _) = start_restore_of_sixty(&world, &changefeed, json!({"ruPerSecond": 200})).await;
    abandon_job(&changefeed, &id).await;
    until("the job is cancelled", DEADLINE, async || {
        let job = changefeed.jobs.cancel(RESTORE, &id).await.expect("cancelled");
        assert!(job.job.cancel && (job.state == JobState::Running) == job.job.claim.is_some(), "{job:?}");
        job.state == JobState::Cancelled
    })
    .await;
    let Restored::Job(undo) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
}

#[tokio::test]
async fn the_budget_of_a_job_without_a_worker_can_be_changed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({"ruPerSecond": 200})).await;
    abandon_job(&changefeed, &id).await;
    let claimed = changefeed.jobs.set_budget(&id, 100_000.0).await.expect("a job");
    assert_eq!(claimed.job.ru_per_second, Some(200.0), "a worker holds the job");
    assert!(changefeed.jobs.set_budget(&id, 1.0).await.is_err());
    until("the claim has expired", DEADLINE, async || {
        changefeed.jobs.set_budget(&id, 100_000.0).await.expect("a job").job.ru_per_second == Some(100_000.0)
    })
    .await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
}

#[tokio::test]
async fn a_job_stays_within_its_budget_of_request_units_and_reports_its_charge() {
    let world = World::new().await;
    let changefeed =
        world.changefeed(|options| options.jobs = JobOptions { parallel: 8, page_items: 100, ..small_limits() });
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({"ruPerSecond": 400})).await;
    let used_before = world.endpoint.usage().request_units;
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    let used = world.endpoint.usage().request_units - used_before;
    let record = changefeed.restores.record(&id).await.expect("record");
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).expect("time");
    let duration = time(record.finished_at.as_deref().expect("finished")) - time(&record.started_at);
    let seconds = duration.num_milliseconds() as f64 / 1000.0;
    let charge = record.request_charge;
    // A page may be in progress when the budget is used up.
    assert!(charge <= 400.0 * seconds + 800.0, "{charge} RU in {seconds} s");
    assert!(charge > 1200.0 && (0.8 * used..=1.05 * used).contains(&charge), "{charge} of {used}");
    assert_eq!(bodies(&world).await, good);
}

#[tokio::test]
async fn a_job_with_a_transient_failure_records_the_message_and_is_retried() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let failing_queries = |status| Fault {
        container: Some("changes".into()),
        kind: RequestKind::Query,
        times: 1000,
        effect: Effect::Status { status, substatus: 0 },
    };
    world.endpoint.inject(failing_queries(503));
    let slice =
        tokio::time::timeout(Duration::from_secs(60), changefeed.runner.run_slice(&id, "test", std::future::pending()))
            .await;
    assert!(matches!(slice.expect("in time"), Ok(SliceEnd::Failing { failures: 1, .. })));
    let job = changefeed.jobs.job(&id).await.expect("job");
    assert!((job.state, job.job.failures) == (JobState::Running, 1) && job.job.message.is_some(), "{job:?}");
    world.endpoint.clear_faults();
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
    assert_eq!(changefeed.jobs.job(&id).await.expect("job").job.message, None);
}

#[tokio::test]
async fn a_backup_without_progress_counts_its_failures() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    write_and_capture(&world, &changefeed, 10).await;
    let folder = tempfile::tempdir().expect("folder");
    let request = serde_json::from_value(json!({"to": folder.path().join("backup")})).expect("request");
    let id = changefeed.backups.create_job(&request).await.expect("a job").id;
    let effect = Effect::Status { status: 503, substatus: 0 };
    let failing_queries = Fault { container: Some("events".into()), kind: RequestKind::Query, times: 10_000, effect };
    world.endpoint.inject(failing_queries);
    for failures in 1..=2 {
        let end = changefeed.runner.run_slice(&id, "test", std::future::pending()).await.expect("saved");
        assert!(matches!(end, SliceEnd::Failing { failures: counted, .. } if counted == failures), "{end:?}");
        assert_eq!(changefeed.jobs.job(&id).await.expect("job").job.failures, failures);
    }
    world.endpoint.clear_faults();
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
}

/// The processes are killed at different times.
#[tokio::test]
async fn another_worker_resumes_the_job_of_a_killed_process() {
    let kills = [150, 1500, 2200, 2500, 3200].map(|after| async move {
        let world = World::new().await;
        let changefeed = world.changefeed(|options| options.jobs = small_limits());
        let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
        let mut child = executable()
            .args(["restore", "show", &id, "--follow"])
            .env("CosmosDB", world.endpoint.connection_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("changefeed");
        until("the job is claimed", DEADLINE, async || {
            changefeed.jobs.job(&id).await.expect("job").state != JobState::Queued
        })
        .await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns, "after {after} ms");
        let done = restore_view(&changefeed, &id).await;
        assert_eq!((done.record.counts.total(), done.record.counts.writes()), (65, 40), "after {after} ms");
        assert_eq!((done.record.items.len(), bodies(&world).await), (65, good), "after {after} ms");
        let undo = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo");
        let Restored::Job(undo) = undo else { panic!("the undo of a job is a job") };
        assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
        assert_eq!(undo.undo_of, Some(id));
    });
    futures::future::join_all(kills).await;
}

#[tokio::test]
async fn a_slice_that_is_stopped_releases_the_claim_and_the_next_slice_resumes() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    // With this budget the job takes more than two slices on any machine.
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({"ruPerSecond": 400})).await;
    let mut slices = 0;
    loop {
        let before = changefeed.restores.record(&id).await.expect("record").counts.total();
        let has_progressed = async || {
            let record = changefeed.restores.record(&id).await.expect("record");
            record.state.is_end() || record.counts.total() > before
        };
        match run_slice_until(&changefeed, &id, has_progressed).await {
            SliceEnd::Ended(state) => break assert_eq!(state, JobState::Unknowns),
            end => assert_eq!(end, SliceEnd::More),
        }
        let job = changefeed.jobs.job(&id).await.expect("job");
        assert!(job.job.claim.is_none(), "the claim is released");
        slices += 1;
    }
    assert!(slices > 2, "{slices}");
    assert_eq!(bodies(&world).await, good);
    assert_eq!(restore_view(&changefeed, &id).await.record.counts.total(), 65);
}

#[tokio::test]
async fn a_large_restore_into_another_container_does_not_change_the_live_documents() {
    let world = World::new().await;
    world.create("copies", &["/pk"]).await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_capture(&world, &changefeed, 30).await;
    change_documents(&world, 30).await;
    let bad = bodies(&world).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": second, "into": "copies"})).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(changefeed.restores.record(&id).await.expect("record").counts.create, 30);
    let copies = world.query("copies", "SELECT VALUE c.v FROM c").await;
    assert_eq!((copies, bodies(&world).await), (vec![json!(1); 30], bad));
    let Restored::Job(undo) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
    assert_eq!(world.query("copies", "SELECT * FROM c").await, Vec::<Value>::new());
}
