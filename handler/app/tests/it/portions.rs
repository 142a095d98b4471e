//! A large job is divided among portions, which several workers claim.

use std::collections::BTreeSet;
use std::time::Duration;

use changefeed_cosmos::{Key, PageRequest, timestamp};
use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::{Changefeed, RESTORE, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, RequestKind};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::restore_jobs::{bodies, change_documents, start_restore_of_sixty, write_and_capture};
use crate::stalled_leases;
use crate::support::jobs::{finish, restore_view, run_slice_until, small_limits, start_restore};
use crate::support::verify::{start_verification, verification_result};
use crate::support::{DEADLINE, World, until};

/// Physical partitions of the jobs container.
const PARTITIONS: usize = 4;

fn divided(world: &World) -> Changefeed {
    world.changefeed(|options| {
        options.jobs = JobOptions { portion_items: 1, claim: Duration::from_millis(400), ..small_limits() };
    })
}

/// The records of portions.
async fn portions(world: &World) -> Vec<Value> {
    world.query("jobs", "SELECT * FROM c WHERE c.kind = 'portion'").await
}

async fn record(world: &World, id: &str) -> Value {
    world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await.remove(0)
}

/// Deletes the records of the first two portions of a divided job, which lists as many portions as new. Returns the ids of those two.
async fn forget_two_portions(world: &World, id: &str, new: usize) -> Vec<String> {
    let jobs = world.container("jobs").await;
    let mut divided = record(world, id).await;
    let mut forgotten = Vec::new();
    for portion in divided["job"]["portions"].as_array_mut().expect("portions").iter_mut().take(new) {
        let portion_id = portion["id"].as_str().expect("an id").to_owned();
        (portion["state"], portion["cursor"]) =
            (json!("new"), record(world, &portion_id).await["job"]["cursor"].take());
        forgotten.push(portion_id);
    }
    forgotten.truncate(2);
    for portion_id in &forgotten {
        jobs.delete_item(portion_id.clone(), portion_id, None).await.expect("deleted");
    }
    jobs.upsert_item(id.to_owned(), id, divided, None).await.expect("stored");
    forgotten
}

/// Several workers run slices of a job until it ends. Each is killed after a random time, and another one takes its place.
async fn finish_with_killed_workers(changefeed: &Changefeed, id: &str, seed: u64) -> JobState {
    let workers = (0..PARTITIONS as u64).map(|number| async move {
        let mut random = SmallRng::seed_from_u64(seed * 100 + number);
        for slice in 0.. {
            let state = changefeed.jobs.job(id).await.expect("job").state;
            if state.is_end() {
                return state;
            }
            let worker = format!("worker-{number}-{slice}");
            let lifetime = Duration::from_millis(random.random_range(30..if slice % 8 == 7 { 4000 } else { 500 }));
            let run = changefeed.runner.run_slice(id, &worker, std::future::pending());
            match tokio::time::timeout(lifetime, run).await {
                Ok(Ok(SliceEnd::Failing { message, .. })) => panic!("{message}"),
                Ok(Ok(SliceEnd::Waiting)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) => panic!("{error}"),
            }
        }
        unreachable!("the loop returns when the job ends")
    });
    futures::future::join_all(workers).await[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_restore_and_undo_together_and_count_each_document_once() {
    let seeds = (0..3).map(|seed| async move {
        let world = World::new().await;
        let changefeed = divided(&world);
        let second = write_and_capture(&world, &changefeed, 60).await;
        change_documents(&world, 60).await;
        let bad = bodies(&world).await;
        let id = start_restore(&changefeed, json!({"all": true, "asOf": second})).await;
        assert_eq!(finish_with_killed_workers(&changefeed, &id, seed).await, JobState::Unknowns, "seed {seed}");
        let done = restore_view(&changefeed, &id).await.record;
        let expected = json!({"create": 20, "replace": 20, "delete": 0, "unchanged": 20, "unknown": 5, "conflict": 0, "failed": 0});
        assert_eq!((json!(done.counts), done.items.len()), (expected, 65), "seed {seed}");
        let restored = bodies(&world).await;
        let good = restored.iter().filter(|document| document["v"] == 1).count();
        assert_eq!((good, restored.len()), (60, 65), "seed {seed}");

        let Restored::Job(undo) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
            panic!("the undo of a job is a job");
        };
        assert_eq!(finish_with_killed_workers(&changefeed, &undo.id, seed + 10).await, JobState::Done, "seed {seed}");
        let undone = restore_view(&changefeed, &undo.id).await.record;
        assert_eq!(undone.counts.writes(), 40, "seed {seed}: {}", json!(undone));
        assert_eq!(bodies(&world).await, bad, "seed {seed}");

        // Live documents, documents of the history, and the pages that were undone.
        // A worker that was killed when it had recorded the end of a portion is succeeded by one that ends it.
        for portion in portions(&world).await.iter().filter(|portion| portion["state"] == "running") {
            let portion_id = portion["id"].as_str().expect("an id");
            let ended = changefeed.runner.run_slice(portion_id, "test", std::future::pending()).await;
            assert_eq!(ended.expect("ended"), SliceEnd::Ended(JobState::Done), "seed {seed}");
        }
        let portions = portions(&world).await;
        assert_eq!(portions.len(), 3 * PARTITIONS, "seed {seed}");
        for portion in &portions {
            assert!(portion["state"] == "done" && portion["ttl"].is_u64(), "seed {seed}: {portion}");
        }
        assert_eq!(record(&world, &id).await["job"]["portions"], Value::Null, "seed {seed}");
    });
    futures::future::join_all(seeds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_verify_together_and_count_each_document_once() {
    let world = World::new().await;
    let changefeed = divided(&world);
    write_and_capture(&world, &changefeed, 60).await;
    // These are not captured.
    change_documents(&world, 60).await;
    let changed = chrono::Utc::now().timestamp();
    until("the end of the grace time", DEADLINE, async || chrono::Utc::now().timestamp() > changed + 2).await;
    let id = start_verification(&changefeed, json!({"graceSeconds": 1, "repair": true})).await;
    assert_eq!(finish_with_killed_workers(&changefeed, &id, 0).await, JobState::Done);
    let (record, findings) = verification_result(&changefeed, &id).await;
    let counts = json!(record.counts);
    // 20 documents were overwritten, 5 created, and 20 deleted.
    assert_eq!((counts["documents"].as_u64(), counts["repaired"].as_u64(), findings.len()), (Some(45), Some(45), 45));
    assert!(portions(&world).await.len() >= 3 * PARTITIONS, "documents, versions and findings");
}

#[tokio::test]
async fn each_portion_has_a_physical_partition_of_the_jobs_container_and_a_part_of_the_budget() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({"ruPerSecond": 100_000})).await;
    let slice = || changefeed.runner.run_slice(&id, "test", std::future::pending());
    assert_eq!(slice().await.expect("divided"), SliceEnd::Waiting);
    let begun = portions(&world).await;
    let jobs = changefeed.jobs.open().await.expect("jobs");
    let mut ranges = BTreeSet::new();
    for portion in &begun {
        let key = Key::text(portion["id"].as_str().expect("an id"));
        ranges.insert(jobs.range_of(&key).await.expect("a range").min);
        assert_eq!(
            (&portion["state"], &portion["startedAt"]),
            (&json!("queued"), &record(&world, &id).await["startedAt"])
        );
    }
    assert_eq!((begun.len(), ranges.len()), (PARTITIONS, PARTITIONS));
    // Each takes what is left of the budget when it is claimed.
    for left in (1..=PARTITIONS).rev() {
        assert_eq!(slice().await.expect("a portion is done"), SliceEnd::More);
        let done = portions(&world).await.into_iter().filter(|portion| portion["state"] == "done");
        let budgets: Vec<f64> = done.filter_map(|portion| portion["job"]["ruPerSecond"].as_f64()).collect();
        assert!(budgets.contains(&(100_000.0 / left as f64)), "{left}: {budgets:?}");
    }
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
    let charges = portions(&world).await.into_iter().filter_map(|portion| portion["requestCharge"].as_f64());
    let (whole, of_portions) =
        (record(&world, &id).await["requestCharge"].as_f64().expect("a charge"), charges.sum::<f64>());
    assert!(of_portions > 100.0 && whole > of_portions, "{whole} RU, of which {of_portions} of portions");
}

#[tokio::test]
async fn a_job_with_a_small_budget_or_few_items_is_not_divided() {
    for (budget, portion_items, portions_of_phase) in [(1_999, 1, 0), (2_000, 1, 2), (100_000, 61, 0), (100_000, 60, 4)]
    {
        let world = World::new().await;
        let limits = JobOptions { portion_items, ..small_limits() };
        let changefeed = world.changefeed(|options| options.jobs = limits);
        let second = write_and_capture(&world, &changefeed, 60).await;
        let request = json!({"all": true, "asOf": second, "ruPerSecond": budget});
        let id = start_restore(&changefeed, request).await;
        assert_eq!(finish(&changefeed, &id).await, JobState::Done);
        // The live documents, and those of the history.
        assert_eq!(portions(&world).await.len(), 2 * portions_of_phase, "{budget} RU/s, {portion_items} items");
        assert_eq!(changefeed.restores.record(&id).await.expect("record").counts.unchanged, 60);
    }
}

#[tokio::test]
async fn a_divided_job_shows_what_its_portions_did_and_is_cancelled_when_each_has_ended() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, _) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let writes = async || changefeed.restores.record(&id).await.expect("record").counts.writes();
    assert_eq!(
        changefeed.runner.run_slice(&id, "test", std::future::pending()).await.expect("divided"),
        SliceEnd::Waiting
    );
    let slow = Effect::Delay(Duration::from_millis(200));
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Write,
        times: 1000,
        effect: slow,
    });
    while writes().await == 0 {
        run_slice_until(&changefeed, &id, async || writes().await > 0).await;
    }
    let shown = changefeed.restores.show(&id).await.expect("restore");
    let progress = shown.progress.expect("progress");
    assert!(shown.record.counts.writes() > 0 && progress.done > 0 && progress.total >= Some(60), "{progress:?}");
    let listed = changefeed.restores.list(&PageRequest::default()).await.expect("a list").items.remove(0);
    assert_eq!(listed.record.counts, shown.record.counts);
    let own = record(&world, &id).await["counts"].take();
    assert_eq!((&own["create"], &own["replace"]), (&json!(0), &json!(0)), "the portions have counts of their own");

    world.endpoint.clear_faults();
    let cancelled = changefeed.jobs.cancel(RESTORE, &id).await.expect("cancelled");
    assert_eq!((cancelled.state, cancelled.job.cancel), (JobState::Running, true));
    let before = writes().await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Cancelled);
    let view = restore_view(&changefeed, &id).await.record;
    let written = view.items.iter().filter(|item| item.restored_etag.is_some()).count() as u64;
    assert_eq!((view.counts.writes(), written), (before, before), "nothing was written after it was cancelled");
    assert!(portions(&world).await.iter().all(|portion| portion["state"] != "queued"));

    let Restored::Job(undo) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
}

#[tokio::test]
async fn a_job_with_a_failed_portion_fails_after_the_others_and_resumes_where_it_stopped() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    assert_eq!(
        changefeed.runner.run_slice(&id, "test", std::future::pending()).await.expect("divided"),
        SliceEnd::Waiting
    );
    let refused = Effect::Status { status: 400, substatus: 0 };
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Query,
        times: 1,
        effect: refused,
    });
    assert_eq!(finish(&changefeed, &id).await, JobState::Failed);
    let job = changefeed.jobs.job(&id).await.expect("job");
    let message = job.job.message.expect("a message");
    assert!(message.contains(&format!("running a portion of job {id}")), "{message}");
    let done = portions(&world).await.iter().filter(|portion| portion["state"] == "done").count();
    assert_eq!(done, PARTITIONS - 1, "the others are done");

    let requeued = changefeed.jobs.requeue(RESTORE, &id).await.expect("queued");
    assert_eq!(requeued.state, JobState::Queued);
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
    let record = changefeed.restores.record(&id).await.expect("record");
    assert_eq!((record.counts.writes(), record.counts.unchanged, record.counts.unknown), (40, 20, 5));
}

#[tokio::test]
async fn portions_that_a_killed_worker_did_not_create_are_created_by_the_next_one() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let slice = || changefeed.runner.run_slice(&id, "test", std::future::pending());
    assert_eq!(slice().await.expect("divided"), SliceEnd::Waiting);
    // The worker was killed when it had created two of four.
    forget_two_portions(&world, &id, PARTITIONS).await;
    assert_eq!(slice().await.expect("created"), SliceEnd::Waiting);
    assert_eq!(portions(&world).await.len(), PARTITIONS);
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
    assert_eq!(changefeed.restores.record(&id).await.expect("record").counts.writes(), 40);
}

/// A replica that lags may answer with the job as it was before it was divided.
#[tokio::test]
async fn a_portion_does_not_end_because_a_read_of_its_job_is_old() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let slice = async |id: &str| changefeed.runner.run_slice(id, "test", std::future::pending()).await.expect("slice");
    assert_eq!(slice(&id).await, SliceEnd::Waiting);
    let jobs = world.container("jobs").await;
    let divided = record(&world, &id).await;
    let mut before = divided.clone();
    before["job"].as_object_mut().expect("a job").remove("portions");
    jobs.upsert_item(id.clone(), &id, before, None).await.expect("stored");
    // The worker writes what it has read; by then the newest state is there.
    let writes_late = Fault {
        container: Some("jobs".into()),
        kind: RequestKind::Write,
        times: 1,
        effect: Effect::Delay(Duration::from_millis(500)),
    };
    world.endpoint.inject(writes_late.on_item(&id));
    let portion = portions(&world).await.remove(0)["id"].as_str().expect("an id").to_owned();
    let newest = async {
        until("a late write", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
        jobs.upsert_item(id.clone(), &id, divided, None).await.expect("stored");
    };
    let (end, ()) = futures::join!(slice(&portion), newest);
    assert_eq!(end, SliceEnd::Ended(JobState::Done));
    assert_eq!(record(&world, &portion).await["job"]["slices"], 1, "a worker has worked on it");
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
}

#[tokio::test]
async fn a_job_whose_portions_cannot_all_be_created_ends_after_those_that_were() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let slice = async || changefeed.runner.run_slice(&id, "test", std::future::pending()).await.expect("slice");
    assert_eq!(slice().await, SliceEnd::Waiting);
    // Two of four are not there, and cannot be created.
    for portion_id in forget_two_portions(&world, &id, 2).await {
        let refused = Effect::Status { status: 403, substatus: 0 };
        let refused = Fault { container: Some("jobs".into()), kind: RequestKind::Write, times: 1000, effect: refused };
        world.endpoint.inject(refused.on_item(portion_id));
    }
    assert!(matches!(slice().await, SliceEnd::Failing { .. }), "two portions are under way");
    for portion in portions(&world).await {
        let portion_id = portion["id"].as_str().expect("an id");
        let end = changefeed.runner.run_slice(portion_id, "test", std::future::pending()).await.expect("slice");
        assert_eq!(end, SliceEnd::Ended(JobState::Done));
    }
    assert_eq!(slice().await, SliceEnd::Ended(JobState::Failed));

    world.endpoint.clear_faults();
    changefeed.jobs.requeue(RESTORE, &id).await.expect("queued");
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
    assert_eq!(changefeed.restores.record(&id).await.expect("record").counts.writes(), 40);
}

#[tokio::test]
async fn a_portion_whose_killed_worker_had_a_fast_clock_is_taken_over_by_a_command() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, good) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let slice = async || changefeed.runner.run_slice(&id, "test", std::future::pending()).await.expect("slice");
    assert_eq!(slice().await, SliceEnd::Waiting);
    let jobs = world.container("jobs").await;
    for mut portion in portions(&world).await {
        let until = chrono::Utc::now() + chrono::TimeDelta::hours(1);
        portion["state"] = json!("running");
        portion["job"]["claim"] = json!({"by": "killed", "until": until.to_rfc3339()});
        let portion_id = portion["id"].as_str().expect("an id").to_owned();
        jobs.upsert_item(portion_id.clone(), &portion_id, portion, None).await.expect("stored");
    }
    assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
    assert_eq!(bodies(&world).await, good);
}

/// An older version of the program, which shares the leases during an upgrade, skips the records of portions.
#[tokio::test(flavor = "multi_thread")]
async fn a_portion_that_no_worker_continued_is_delivered_again() {
    let world = stalled_leases::world().await;
    let changefeed = divided(&world);
    let (id, _) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    let divided = changefeed.runner.run_slice(&id, "test", std::future::pending()).await.expect("divided");
    assert_eq!(divided, SliceEnd::Waiting);
    let mut portion = portions(&world).await.remove(0);
    let portion_id = portion["id"].as_str().expect("an id").to_owned();
    let saved_at = timestamp(chrono::Utc::now() - chrono::TimeDelta::minutes(10));
    portion["job"]["updatedAt"] = json!(saved_at);
    world.container("jobs").await.upsert_item(portion_id.clone(), &portion_id, portion, None).await.expect("stored");
    let before = record(&world, &id).await;
    stalled_leases::watch(&stalled_leases::handler(&world, &[])).await;
    assert_ne!(record(&world, &portion_id).await["job"]["updatedAt"], saved_at);
    assert_eq!(record(&world, &id).await, before, "the divided job waits");
}

#[tokio::test]
async fn a_phase_that_begins_when_the_slice_is_over_is_divided() {
    let world = World::new().await;
    let changefeed = divided(&world);
    let (id, _) = start_restore_of_sixty(&world, &changefeed, json!({})).await;
    // It waits for a second before it begins.
    let end = run_slice_until(&changefeed, &id, async || record(&world, &id).await["state"] == "running").await;
    assert_eq!(end, SliceEnd::Waiting);
    assert_eq!(portions(&world).await.len(), PARTITIONS);
}
