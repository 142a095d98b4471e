//! Documents that exchange values of a unique key on different pages of a job.
//!
//! A model says which documents can be written: all whose value is free, or is that of a document that is written too. Workers
//! are killed between any two of their writes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use changefeed_jobs::JobState;
use changefeed_operations::{Action, Changefeed, Counts, PlannedItem, RESTORE, RestoreRecord, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::restore_outcomes::{emails, world_with_unique_emails, write_all, write_emails, write_rotated};
use crate::support::jobs::{
    capture_as_one_state, finish, finish_under_faults, restore_view, run_slice_until, small_limits, start_restore,
};
use crate::support::{DEADLINE, World, until};

/// More than two pages of a job with small limits.
const COUNT: usize = 12;

/// Documents of which each has the email of one on another page, and the second to restore.
struct Exchange {
    world: World,
    changefeed: Changefeed,
    second: i64,
    good: Vec<String>,
    bad: Vec<String>,
}

/// The partner of a document, on another page.
fn partner(n: usize) -> usize {
    (n + COUNT / 2) % COUNT
}

impl Exchange {
    async fn new(claim: Duration) -> Self {
        let world = world_with_unique_emails().await;
        let changefeed = world.changefeed(|options| {
            options.jobs = small_limits();
            options.jobs.claim = claim;
        });
        let second = capture_as_one_state(&changefeed, &write_emails(&world, COUNT, |n| n).await).await;
        let good = emails(&world, COUNT).await;
        write_emails(&world, COUNT, partner).await;
        let bad = emails(&world, COUNT).await;
        Self { world, changefeed, second, good, bad }
    }

    async fn start(&self) -> String {
        start_restore(&self.changefeed, json!({"all": true, "asOf": self.second, "job": true})).await
    }

    /// Whether a job tries refused documents again.
    async fn is_exchanging(&self, id: &str) -> bool {
        let records = self.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'restore'").await;
        records.iter().any(|record| record["id"] == id && record["job"]["cursor"]["phase"] == "exchange")
    }

    /// Checks that a restore has written each document, and has recorded each write once.
    async fn check_all_written(&self, id: &str) {
        assert_eq!(emails(&self.world, COUNT).await, self.good);
        let record = restore_view(&self.changefeed, id).await.record;
        assert_eq!(record.counts, Counts { replace: COUNT as u64, ..Counts::default() }, "{}", json!(record));
        check_record(&self.world, &record).await;
    }

    async fn undo(&self, id: &str) -> RestoreRecord {
        let undo = self.changefeed.restores.undo(id, &UndoRequest::default()).await.expect("undo");
        let Restored::Job(undo) = undo else { panic!("the undo of a job is a job") };
        finish(&self.changefeed, &undo.id).await;
        restore_view(&self.changefeed, &undo.id).await.record
    }
}

/// Checks that a record counts its items, and lists exactly the documents that its restore was the last to write, with their
/// etags.
async fn check_record(world: &World, record: &RestoreRecord) {
    assert_eq!(record.counts, Counts::of(&record.items), "{}", json!(record));
    let names: BTreeSet<(String, &str)> =
        record.items.iter().map(|item| (item.partition_key.to_string(), item.id.as_str())).collect();
    assert_eq!(names.len(), record.items.len(), "each document is listed once: {}", json!(record));
    for item in &record.items {
        let live = live(world, item).await;
        if item.action == Action::Delete {
            assert!(live.is_none(), "{}", json!(item));
            continue;
        }
        let is_own = live.as_ref().is_some_and(|live| live["restore_id"] == record.id);
        assert_eq!(is_own, item.action.is_write(), "{}: {live:?}", json!(item));
        if is_own {
            assert_eq!(
                item.restored_etag.as_deref(),
                live.and_then(|it| Some(it["_etag"].as_str()?.to_owned())).as_deref()
            );
        }
    }
}

async fn live(world: &World, item: &PlannedItem) -> Option<Value> {
    let key: Value = serde_json::from_str(&item.partition_key.to_string()).expect("a key");
    world.live(key[0].as_str().expect("a text").to_owned(), &item.id).await
}

#[tokio::test]
async fn documents_that_exchanged_values_on_different_pages_of_a_job_are_restored_and_undone() {
    let exchange = Box::pin(Exchange::new(Duration::from_millis(1500))).await;
    let id = exchange.start().await;
    assert_eq!(finish(&exchange.changefeed, &id).await, JobState::Done);
    exchange.check_all_written(&id).await;
    let undone = exchange.undo(&id).await;
    assert_eq!((undone.state, undone.counts.replace), (JobState::Done, COUNT as u64), "{}", json!(undone));
    assert_eq!(emails(&exchange.world, COUNT).await, exchange.bad);

    // A stored plan, and an exchange of all documents with each other.
    write_rotated(&exchange.world, COUNT, 1).await;
    let request = json!({"all": true, "asOf": exchange.second, "job": true, "dryRun": true});
    let plan = start_restore(&exchange.changefeed, request).await;
    assert_eq!(finish(&exchange.changefeed, &plan).await, JobState::Planned);
    exchange.changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!(finish(&exchange.changefeed, &plan).await, JobState::Done);
    exchange.check_all_written(&plan).await;
}

#[tokio::test]
async fn documents_of_a_file_that_exchanged_values_are_restored_from_different_pages() {
    let exchange = Box::pin(Exchange::new(Duration::from_millis(1500))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let documents: Vec<Value> = (0..COUNT)
        .map(|n| json!({"id": format!("{n:03}"), "pk": "a", "email": exchange.good[n], "text": "x"}))
        .collect();
    std::fs::write(folder.path().join("documents.json"), json!(documents).to_string()).expect("written");
    let from = folder.path().to_str().expect("a path").to_owned();
    let id = start_restore(&exchange.changefeed, json!({"from": from})).await;
    assert_eq!(
        finish(&exchange.changefeed, &id).await,
        JobState::Done,
        "{:?}",
        exchange.changefeed.restores.show(&id).await
    );
    exchange.check_all_written(&id).await;
}

#[tokio::test]
async fn a_chain_of_values_over_many_pages_needs_no_transaction() {
    const MANY: usize = 130;
    let world = world_with_unique_emails().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = capture_as_one_state(&changefeed, &write_emails(&world, MANY, |n| n).await).await;
    let good = emails(&world, MANY).await;
    // Each document has the email of the next one, and the last one a new one.
    write_emails(&world, MANY, |n| n + 1).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true})).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    assert_eq!(emails(&world, MANY).await, good);
    let record = restore_view(&changefeed, &id).await.record;
    assert_eq!(record.counts, Counts { replace: MANY as u64, ..Counts::default() });
    check_record(&world, &record).await;
}

#[tokio::test]
async fn a_value_of_a_document_that_a_later_page_deletes_is_restored() {
    let world = world_with_unique_emails().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = capture_as_one_state(&changefeed, &write_emails(&world, COUNT, |n| n).await).await;
    let good = emails(&world, COUNT).await;
    write_all(&world, &[(0, "new@example.com", "")]).await;
    let later = world.put("a", json!({"id": "zzz", "pk": "a", "email": "0@example.com"})).await;
    let metadata = json!({"lsn": 1000, "operationType": "create", "crts": later["_ts"]});
    crate::support::jobs::capture(&changefeed, &[json!({"current": later, "metadata": metadata})]).await;
    let request = json!({"all": true, "asOf": second, "job": true, "deleteCreatedAfter": true});
    let id = start_restore(&changefeed, request).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    let record = restore_view(&changefeed, &id).await.record;
    assert_eq!((record.counts.replace, record.counts.delete, record.counts.conflict), (1, 1, 0), "{}", json!(record));
    assert_eq!(emails(&world, COUNT).await, good);
}

#[tokio::test]
async fn an_exchange_over_pages_that_is_too_large_for_a_transaction_is_a_conflict_that_names_the_key() {
    const MANY: usize = 101;
    let world = world_with_unique_emails().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = capture_as_one_state(&changefeed, &write_rotated(&world, MANY, 0).await).await;
    write_rotated(&world, MANY, 1).await;
    let bad = emails(&world, MANY).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true})).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Conflicts);
    let record = restore_view(&changefeed, &id).await.record;
    assert_eq!(record.counts, Counts { conflict: MANY as u64, ..Counts::default() });
    let message = record.items[0].message.clone().expect("a message");
    assert!(
        message.starts_with("unique key /email: document ") && message.contains("need 102 operations"),
        "{message}"
    );
    assert_eq!(emails(&world, MANY).await, bad);
}

/// The number of writes that the endpoint has answered.
fn writes(world: &World) -> usize {
    let is_write = |kind: LoggedKind| {
        use LoggedKind::{Batch, Create, Delete, Replace, Upsert};
        matches!(kind, Batch | Create | Delete | Replace | Upsert)
    };
    world.endpoint.requests().iter().filter(|request| is_write(request.kind)).count()
}

/// Runs a worker, and kills it when the endpoint has answered that many writes. The state, if the job has ended.
async fn run_and_kill_after(exchange: &Exchange, id: &str, count: usize) -> Option<changefeed_jobs::SliceEnd> {
    let before = writes(&exchange.world);
    let slice = exchange.changefeed.runner.run_slice(id, "killed", std::future::pending());
    let is_reached = async {
        while writes(&exchange.world) < before + count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        end = slice => end.ok(),
        () = is_reached => None,
    }
}

#[tokio::test]
async fn workers_that_are_killed_after_any_write_leave_exact_counts_and_records() {
    let exchange = Box::pin(Exchange::new(Duration::from_millis(30))).await;
    let id = exchange.start().await;
    let slow = Effect::Delay(Duration::from_millis(8));
    let every_write = Fault { container: None, kind: RequestKind::Write, times: 1_000_000, effect: slow };
    exchange.world.endpoint.inject(every_write);
    let mut kills = 0;
    loop {
        // The first writes of a worker are those of its claim.
        match run_and_kill_after(&exchange, &id, 2 + kills % 25).await {
            Some(changefeed_jobs::SliceEnd::Ended(state)) => {
                assert_eq!(state, JobState::Done);
                break;
            }
            _ => kills += 1,
        }
        assert!(kills < 500, "the job advances");
    }
    exchange.world.endpoint.clear_faults();
    assert!(kills > 5, "{kills}");
    exchange.check_all_written(&id).await;
    let undone = exchange.undo(&id).await;
    assert_eq!((undone.state, undone.counts.replace), (JobState::Done, COUNT as u64), "{}", json!(undone));
}

#[tokio::test]
async fn a_job_that_is_stopped_or_cancelled_in_an_exchange_has_counted_what_it_wrote() {
    let exchange = Box::pin(Exchange::new(Duration::from_millis(1500))).await;
    let id = exchange.start().await;
    let slow = Effect::Delay(Duration::from_millis(100));
    let every_write =
        Fault { container: Some("events".to_owned()), kind: RequestKind::Write, times: 1_000_000, effect: slow };
    exchange.world.endpoint.inject(every_write);
    // The first page of the exchange writes documents of later pages.
    let end = run_slice_until(&exchange.changefeed, &id, async || exchange.is_exchanging(&id).await).await;
    assert_eq!(end, changefeed_jobs::SliceEnd::More);
    let stopped = restore_view(&exchange.changefeed, &id).await.record;
    check_record(&exchange.world, &stopped).await;
    exchange.world.endpoint.clear_faults();
    let cancelled = exchange.changefeed.jobs.cancel(RESTORE, &id).await.expect("cancelled");
    assert_eq!(cancelled.state, JobState::Cancelled);
    let record = restore_view(&exchange.changefeed, &id).await.record;
    check_record(&exchange.world, &record).await;
    let written = record.counts.replace;
    // On a busy machine all pages may be written before the job sees that it is to stop.
    assert!(written > 0 && written <= COUNT as u64, "{}", json!(record));
    let undone = exchange.undo(&id).await;
    assert_eq!((undone.state, undone.counts.replace), (JobState::Done, written), "{}", json!(undone));
    assert_eq!(emails(&exchange.world, COUNT).await, exchange.bad);
}

#[tokio::test]
async fn the_undo_of_a_cancelled_job_includes_what_a_killed_worker_did_not_record() {
    let exchange = Box::pin(Exchange::new(Duration::from_millis(30))).await;
    let id = exchange.start().await;
    let slow = Effect::Delay(Duration::from_millis(25));
    exchange.world.endpoint.inject(Fault {
        container: Some("events".to_owned()),
        kind: RequestKind::Write,
        times: 1_000_000,
        effect: slow,
    });
    let end = run_slice_until(&exchange.changefeed, &id, async || exchange.is_exchanging(&id).await).await;
    if end == changefeed_jobs::SliceEnd::More {
        // The worker is killed when it has written and before it stores a page.
        exchange.world.endpoint.clear_faults();
        let delay = Effect::Delay(Duration::from_millis(500));
        exchange.world.endpoint.inject(Fault {
            container: Some("jobs".to_owned()),
            kind: RequestKind::Write,
            times: 1_000,
            effect: delay,
        });
        let live = emails(&exchange.world, COUNT).await;
        let slice = exchange.changefeed.runner.run_slice(&id, "killed", std::future::pending());
        let is_written = until("a write", DEADLINE, async || emails(&exchange.world, COUNT).await != live);
        tokio::select! {
            _ = slice => {}
            () = is_written => {}
        }
        exchange.world.endpoint.clear_faults();
        until("the job is cancelled", DEADLINE, async || {
            exchange.changefeed.jobs.cancel(RESTORE, &id).await.expect("cancelled").state.is_end()
        })
        .await;
    }
    exchange.undo(&id).await;
    assert_eq!(emails(&exchange.world, COUNT).await, exchange.bad);
}

type Name = (String, String);

/// A random state: who has which email, in two partition keys.
async fn write_state(world: &World, owners: &BTreeMap<Name, u32>) -> Vec<Value> {
    let events = world.container("events").await;
    for document in world.query("events", "SELECT c.id, c.pk FROM c").await {
        let [pk, id] = ["pk", "id"].map(|name| document[name].as_str().expect("a text").to_owned());
        events.delete_item(pk, &id, None).await.expect("deleted");
    }
    let mut stored = Vec::new();
    for ((pk, id), email) in owners {
        stored.push(world.put(pk.clone(), json!({"id": id, "pk": pk, "email": email})).await);
    }
    stored
}

fn random_state(random: &mut SmallRng, names: &[Name]) -> BTreeMap<Name, u32> {
    let mut owners = BTreeMap::new();
    for pk in ["a", "b"] {
        let mut emails: Vec<u32> = (0..12).collect();
        emails.shuffle(random);
        for name in names.iter().filter(|(of, _)| of == pk) {
            if random.random_bool(0.85) {
                owners.extend(emails.pop().map(|email| (name.clone(), email)));
            }
        }
    }
    owners
}

/// The documents that a plan can write: `wanted` has the email of each that it creates or replaces, `None` for a delete.
fn writable(wanted: &BTreeMap<Name, Option<u32>>, live: &BTreeMap<Name, u32>) -> BTreeSet<Name> {
    let mut writable: BTreeSet<Name> = wanted.keys().cloned().collect();
    loop {
        let is_blocked = |name: &Name| {
            let Some(email) = wanted[name] else { return false };
            let mut holders =
                live.iter().filter(|(other, held)| **held == email && other.0 == name.0 && *other != name);
            holders.any(|(holder, _)| !writable.contains(holder))
        };
        let blocked: Vec<Name> = writable.iter().filter(|name| is_blocked(name)).cloned().collect();
        if blocked.is_empty() {
            return writable;
        }
        writable.retain(|name| !blocked.contains(name));
    }
}

#[tokio::test]
async fn a_job_writes_exactly_the_documents_whose_values_can_be_free() {
    futures::future::join_all((0..6).map(|seed| Box::pin(random_exchange(seed)))).await;
}

async fn random_exchange(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let world = world_with_unique_emails().await;
    let changefeed = world.changefeed(|options| {
        options.jobs = small_limits();
        options.jobs.page_items = 2 + (seed % 2) as usize;
        options.jobs.claim = Duration::from_millis(30);
        options.jobs.save_interval = Duration::from_millis(if seed.is_multiple_of(3) { 30_000 } else { 100 });
    });
    let names: Vec<Name> =
        ["a", "b"].iter().flat_map(|pk| (0..9).map(move |n| ((*pk).to_owned(), format!("{n:03}")))).collect();
    let good = random_state(&mut random, &names);
    let second = capture_as_one_state(&changefeed, &write_state(&world, &good).await).await;
    write_state(&world, &random_state(&mut random, &names)).await;
    let request = json!({"all": true, "asOf": second, "job": true, "dryRun": true});
    let plan = start_restore(&changefeed, request).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);
    let planned = restore_view(&changefeed, &plan).await.record;
    let mut wanted: BTreeMap<Name, Option<u32>> = BTreeMap::new();
    for item in planned.items.iter().filter(|item| item.action.is_write()) {
        let key: Value = serde_json::from_str(&item.partition_key.to_string()).expect("a key");
        let name = (key[0].as_str().expect("a text").to_owned(), item.id.clone());
        wanted.insert(name.clone(), good.get(&name).copied().filter(|_| item.action != Action::Delete));
    }
    // Other writers change a document, and create one that has a value of the plan.
    if random.random_bool(0.5) {
        let (pk, id) =
            wanted.keys().collect::<Vec<_>>().choose(&mut random).map(|name| (*name).clone()).expect("a name");
        if let Some(mut document) = world.live(pk.clone(), &id).await {
            document["text"] = json!("changed");
            world.put(pk.clone(), document).await;
            wanted.remove(&(pk, id));
        }
    }
    if random.random_bool(0.5) {
        let events = world.container("events").await;
        for email in 0..12 {
            let foreign = json!({"id": "foreign", "pk": "a", "email": email});
            if events.create_item("a", "foreign", foreign, None).await.is_ok() {
                break;
            }
        }
    }
    let mut live: BTreeMap<Name, u32> = BTreeMap::new();
    for document in world.query("events", "SELECT * FROM c").await {
        let [pk, id] = ["pk", "id"].map(|name| document[name].as_str().expect("a text").to_owned());
        live.insert((pk, id), u32::try_from(document["email"].as_u64().expect("a number")).expect("small"));
    }
    let writable = writable(&wanted, &live);
    changefeed.restores.execute_plan(&plan).await.expect("started");
    let lifetime_ms = |slice| 20..if slice % 8 == 7 { 4000 } else { 300 };
    finish_under_faults(&world, &changefeed, &plan, &mut random, lifetime_ms).await;
    let record = restore_view(&changefeed, &plan).await.record;
    check_record(&world, &record).await;
    let written: BTreeSet<Name> = record
        .items
        .iter()
        .filter(|item| item.action.is_write())
        .map(|item| {
            let key: Value = serde_json::from_str(&item.partition_key.to_string()).expect("a key");
            (key[0].as_str().expect("a text").to_owned(), item.id.clone())
        })
        .collect();
    assert_eq!(written, writable, "seed {seed}: {wanted:?} {live:?} {}", json!(record));
}
