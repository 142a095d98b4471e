//! Incremental backups that read the change feed: what they contain, what they cost, and that a chain of them restores every
//! document, while partitions split and merge, documents change and workers are killed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use changefeed_backup_format::{BackupLocation, BackupReader, Digest, Line};
use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::{BackupView, Changefeed};
use futures::StreamExt;
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backups::{
    Documents, assert_sound, delete_event, live_documents, name_of, run_backup, run_restore, truncate,
};
use crate::support::jobs::{capture, finish, small_limits};
use crate::support::verify::run_verification;
use crate::support::{DEADLINE, World, until};

struct Chain {
    world: World,
    changefeed: Changefeed,
    folder: TempDir,
    backups: Vec<String>,
    lsn: i64,
}

impl Chain {
    async fn start(jobs: JobOptions) -> Self {
        let world = World::new().await;
        let changefeed = world.changefeed(|options| options.jobs = jobs);
        Self { world, changefeed, folder: tempfile::tempdir().expect("folder"), backups: Vec::new(), lsn: 1_000_000 }
    }

    async fn put(&self, n: usize, value: u32) -> Value {
        let key = format!("key-{}", n % 13);
        let document = json!({"id": format!("item-{n}"), "pk": key, "value": value, "group": n % 3, "nested": {"list": [null, 1.5]}});
        self.world.put(key, document).await
    }

    /// Stores documents, several at a time.
    async fn put_all(&self, numbers: impl Iterator<Item = usize>, value: u32) -> Vec<Value> {
        let puts = numbers.map(|n| self.put(n, value));
        futures::stream::iter(puts).buffer_unordered(32).collect().await
    }

    /// Deletes a document, and captures the delete as AllVersionsAndDeletes mode reports it.
    async fn delete(&mut self, n: usize) {
        let event = self.delete_uncaptured(n).await;
        capture(&self.changefeed, &[event]).await;
    }

    async fn delete_uncaptured(&mut self, n: usize) -> Value {
        let (key, id) = (format!("key-{}", n % 13), format!("item-{n}"));
        self.world.container("events").await.delete_item(key.clone(), &id, None).await.expect("delete");
        self.lsn += 1;
        delete_event(&key, &id, self.lsn)
    }

    fn location(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// The request for the next backup: a full one first, then increments.
    fn next_request(&self) -> Value {
        let mut request = json!({"to": self.location(&format!("backup-{}", self.backups.len()))});
        if let Some(earlier) = self.backups.last() {
            request["incrementalFrom"] = json!(earlier);
        }
        request
    }

    async fn back_up(&mut self) -> BackupView {
        let view = run_backup(&self.changefeed, self.next_request()).await;
        self.add(&view).await;
        view
    }

    async fn add(&mut self, view: &BackupView) {
        assert_sound(view).await;
        self.backups.push(view.location().to_owned());
    }

    /// Whether a backup of the chain was made from the change feed.
    async fn reads_feed(&self, number: usize) -> bool {
        let reader = BackupReader::open(BackupLocation::folder(&self.backups[number])).await.expect("open");
        reader.manifest().backup.incremental_from.as_ref().is_some_and(|earlier| earlier.feed.is_some())
    }

    /// The documents and the deletions of a backup of the chain, by id.
    async fn lines(&self, number: usize) -> (Vec<String>, Vec<String>) {
        let mut reader = BackupReader::open(BackupLocation::folder(&self.backups[number])).await.expect("open");
        let (mut documents, mut deletions) = (Vec::new(), Vec::new());
        while let Some(line) = reader.next().await.expect("line") {
            match line {
                Line::Document(document) => documents.push(document.id().to_owned()),
                Line::Deletion(deletion) => deletions.push(deletion.id),
            }
        }
        documents.sort();
        deletions.sort();
        (documents, deletions)
    }

    /// Restores the first backups of the chain into the empty container, and compares.
    async fn assert_restores(&self, count: usize, expected: &Documents) {
        truncate(&self.changefeed).await;
        let id = run_restore(&self.changefeed, json!({"from": self.backups[..count]})).await;
        assert_eq!(live_documents(&self.world).await, *expected, "{count} backups");
        let counts = self.changefeed.restores.record(&id).await.expect("record").counts;
        assert_eq!((counts.create, counts.conflict), (expected.len() as u64, 0), "each document is restored once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_contains_what_changed_and_costs_little_more_than_the_feed_of_it() {
    for partitions in [1, 4, 9] {
        let mut chain = Chain::start(JobOptions::default()).await;
        chain.world.endpoint.set_partition_count("dev", "events", partitions).await.expect("partitions");
        let stored = chain.put_all(0..647, 0).await;
        capture(&chain.changefeed, &stored).await;
        let full = chain.back_up().await;
        assert_eq!(full.counts.documents, 647);
        let changed = chain.put_all(100..130, 1).await;
        capture(&chain.changefeed, &changed).await;
        chain.world.endpoint.take_requests();
        let increment = chain.back_up().await;
        assert_eq!((increment.counts.documents, increment.counts.deletions), (30, 0));
        assert!(chain.reads_feed(1).await);
        // The endpoint charges about what the service does: 2 a page and 1 a document.
        let feed = 2.0 * partitions as f64 + 30.0;
        let allowed = 1.2 * feed + 5.0 * partitions as f64;
        let requests = chain.world.endpoint.take_requests();
        // What the job writes about itself is not counted. The deletes are looked for in the history.
        let is_of_feed = |request: &&LoggedRequest| {
            request.container.as_deref() != Some("jobs") && request.kind != LoggedKind::Metadata
        };
        let data = requests.iter().filter(is_of_feed);
        let charge: f64 = data.map(|request| request.request_charge).sum();
        assert!(increment.request_charge <= allowed, "{partitions}: {} of {allowed}", increment.request_charge);
        assert!(charge <= allowed, "{partitions} partitions: {charge} of {allowed} RU");
        // Nothing has changed since.
        let empty = chain.back_up().await;
        assert_eq!((empty.counts.documents, empty.counts.deletions), (0, 0));
        let expected = live_documents(&chain.world).await;
        chain.assert_restores(3, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_come_from_the_history_whenever_they_were_recorded() {
    let mut chain = Chain::start(small_limits()).await;
    let mut stored = Vec::new();
    for n in 0..12 {
        stored.push(chain.put(n, 0).await);
    }
    let mut expiring = json!({"id": "item-12", "pk": "key-12", "value": 0});
    expiring["ttl"] = json!(2);
    stored.push(chain.world.put("key-12", expiring).await);
    capture(&chain.changefeed, &stored).await;
    chain.delete(0).await;
    chain.put(0, 1).await;
    chain.back_up().await;
    chain.delete(1).await;
    chain.delete(2).await;
    chain.put(2, 1).await;
    let late = chain.delete_uncaptured(3).await;
    chain.world.container("events").await.delete_item("key-4", "item-4", None).await.expect("delete");
    until("the expiry", DEADLINE, async || chain.world.live("key-12", "item-12").await.is_none()).await;
    chain.back_up().await;
    // The first document was deleted and created again before the earlier backup.
    let ids = |ids: &[usize]| ids.iter().map(|n| format!("item-{n}")).collect::<Vec<_>>();
    assert_eq!(chain.lines(1).await, (ids(&[2]), ids(&[1, 12])));
    // A delete that is captured late, and one that nothing captured and a verification finds.
    capture(&chain.changefeed, &[late]).await;
    run_verification(&chain.changefeed, json!({"repair": true})).await;
    chain.back_up().await;
    let (documents, deletions) = chain.lines(2).await;
    assert!(
        documents.is_empty() && deletions.contains(&"item-3".into()) && deletions.contains(&"item-4".into()),
        "{deletions:?}"
    );
    assert!(chain.reads_feed(1).await && chain.reads_feed(2).await);
    let expected = live_documents(&chain.world).await;
    chain.assert_restores(3, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_with_a_filter_records_what_no_longer_meets_it() {
    let mut chain = Chain::start(small_limits()).await;
    chain.put_all(0..20, 5).await;
    let full = json!({"to": chain.location("full"), "filter": ["value=5"]});
    run_backup(&chain.changefeed, full).await;
    chain.put(3, 6).await;
    chain.put(30, 5).await;
    let increment =
        json!({"to": chain.location("increment"), "incrementalFrom": chain.location("full"), "filter": ["value=5"]});
    let view = run_backup(&chain.changefeed, increment).await;
    chain.backups = vec![chain.location("full"), chain.location("increment")];
    assert_eq!(chain.lines(1).await, (vec!["item-30".to_owned()], vec!["item-3".to_owned()]), "{view:?}");
    let mut expected = live_documents(&chain.world).await;
    expected.retain(|_, document| document["value"] == 5);
    chain.assert_restores(2, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_lsn_of_the_application_is_in_an_increment() {
    let mut chain = Chain::start(small_limits()).await;
    chain.back_up().await;
    chain.world.put("a", json!({"_lsn": 5, "id": "own", "pk": "a"})).await;
    chain.world.put("a", json!({"id": "none", "pk": "a"})).await;
    chain.back_up().await;
    truncate(&chain.changefeed).await;
    run_restore(&chain.changefeed, json!({"from": chain.backups})).await;
    assert_eq!(chain.world.live("a", "own").await.expect("live")["_lsn"], 5);
    assert!(chain.world.live("a", "none").await.expect("live").get("_lsn").is_none());
}

/// Runs slices of a job that are dropped at random times, and then runs the job to its end.
async fn finish_with_killed_workers(changefeed: &Changefeed, random: &mut SmallRng, id: &str) -> JobState {
    for _ in 0..4 {
        let lifetime = Duration::from_micros(random.random_range(0..120_000));
        let slice = changefeed.runner.run_slice(id, "killed", std::future::pending());
        if let Ok(Ok(SliceEnd::Ended(state))) = tokio::time::timeout(lifetime, slice).await {
            return state;
        }
    }
    finish(changefeed, id).await
}

/// Splits or merges a partition at random.
async fn change_partitions(chain: &Chain, random: &mut SmallRng) {
    let partitions = chain.world.endpoint.partitions("dev", "events").await.expect("partitions");
    if random.random_bool(0.5) && partitions.len() > 1 {
        let first = random.random_range(0..partitions.len() - 1);
        let pair = [partitions[first].id.as_str(), partitions[first + 1].id.as_str()];
        chain.world.endpoint.merge("dev", "events", pair, Duration::ZERO).await.expect("merge");
    } else {
        chain.world.endpoint.split("dev", "events", None, Duration::ZERO).await.expect("split");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_restores_every_state_while_partitions_change_and_workers_are_killed() {
    for seed in 0..2 {
        let mut random = SmallRng::seed_from_u64(seed);
        let claim = Duration::from_millis(300);
        let mut chain = Chain::start(JobOptions { claim, page_items: 4, ..small_limits() }).await;
        let mut states = Vec::new();
        for phase in 0..5 {
            for _ in 0..40 {
                let n = random.random_range(0..50);
                chain.put(n, random.random_range(0..1000)).await;
            }
            for (_, document) in live_documents(&chain.world).await {
                if random.random_bool(0.15) {
                    let id =
                        document["id"].as_str().expect("id").trim_start_matches("item-").parse().expect("a number");
                    chain.delete(id).await;
                }
            }
            if phase > 0 {
                change_partitions(&chain, &mut random).await;
            }
            let request = serde_json::from_value(chain.next_request()).expect("request");
            let job = chain.changefeed.backups.create_job(&request).await.expect("backup");
            let state = finish_with_killed_workers(&chain.changefeed, &mut random, &job.id).await;
            assert_eq!(state, JobState::Done);
            let view = chain.changefeed.backups.show(&job.id).await.expect("backup");
            chain.add(&view).await;
            assert_eq!(chain.reads_feed(phase).await, phase > 0, "phase {phase}");
            states.push(live_documents(&chain.world).await);
        }
        for (phase, state) in states.iter().enumerate() {
            chain.assert_restores(phase + 1, state).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_change_while_an_increment_is_written_are_in_it_or_in_the_next() {
    let mut chain = Chain::start(JobOptions { page_items: 3, ..small_limits() }).await;
    chain.put_all(0..60, 0).await;
    chain.back_up().await;
    for round in 1..4 {
        chain.put_all(0..30, round * 1000).await;
        let is_over = AtomicBool::new(false);
        let writer = async {
            let mut random = SmallRng::seed_from_u64(u64::from(round));
            while !is_over.load(Ordering::Relaxed) {
                chain.put(random.random_range(0..60), round * 1000 + random.random_range(1..1000)).await;
            }
        };
        let backup = async {
            let view = run_backup(&chain.changefeed, chain.next_request()).await;
            is_over.store(true, Ordering::Relaxed);
            view
        };
        let ((), view) = tokio::join!(writer, backup);
        chain.add(&view).await;
    }
    chain.back_up().await;
    let expected = live_documents(&chain.world).await;
    chain.assert_restores(5, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_feed_cannot_be_continued_the_increment_compares_all_documents_or_says_what_to_do() {
    let mut chain = Chain::start(small_limits()).await;
    chain.put_all(0..20, 0).await;
    chain.back_up().await;
    // A position that the service does not accept.
    let effect = Effect::Status { status: 400, substatus: 0 };
    let fault = Fault { container: Some("events".into()), kind: RequestKind::ChangeFeed, times: 100, effect };
    chain.world.endpoint.inject(fault);
    let request = serde_json::from_value(chain.next_request()).expect("request");
    let job = chain.changefeed.backups.create_job(&request).await.expect("backup");
    assert_eq!(finish(&chain.changefeed, &job.id).await, JobState::Failed);
    let message = chain.changefeed.jobs.job(&job.id).await.expect("job").job.message.expect("a message");
    assert!(message.contains("create a full backup"), "{message}");
    assert!(BackupReader::open(BackupLocation::folder(job.location())).await.is_err(), "there is no backup");
    chain.world.endpoint.clear_faults();
    std::fs::remove_dir_all(job.location()).expect("removed");

    // An earlier backup of format 1 has no position, and one as of a time has none either.
    as_format_1(&chain.backups[0]);
    chain.put(5, 1).await;
    chain.back_up().await;
    assert!(!chain.reads_feed(1).await);
    chain.put(6, 1).await;
    chain.back_up().await;
    assert!(chain.reads_feed(2).await, "the increment has a position of its own");
    // A whole second after the start of the earlier backup, which is over.
    let second = chrono::Utc::now().timestamp() + 1;
    until("that second to be over", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    let as_of = json!({"to": chain.location("as-of"), "asOf": second, "incrementalFrom": chain.backups[2]});
    let as_of = run_backup(&chain.changefeed, as_of).await;
    chain.add(&as_of).await;
    chain.put(7, 1).await;
    chain.back_up().await;
    assert!(!chain.reads_feed(3).await && !chain.reads_feed(4).await);
    let expected = live_documents(&chain.world).await;
    chain.assert_restores(5, &expected).await;
}

/// Writes the manifest of a backup as format 1 does: without a position.
fn as_format_1(location: &str) {
    let path = Path::new(location).join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
    let fields = manifest.as_object_mut().expect("object");
    fields.insert("format".into(), json!(1));
    assert!(fields.shift_remove("feed").is_some() && fields.shift_remove("digest").is_some());
    let text = serde_json::to_string_pretty(&manifest).expect("text");
    let text = text.strip_suffix("\n}").expect("an object");
    let digest = Digest::of(text.as_bytes());
    std::fs::write(&path, format!("{text},\n  \"digest\": \"{digest}\"\n}}\n")).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_of_a_container_that_was_created_again_compares_all_documents() {
    let mut chain = Chain::start(small_limits()).await;
    let mut stored = Vec::new();
    for n in 0..10 {
        stored.push(chain.put(n, 0).await);
    }
    capture(&chain.changefeed, &stored).await;
    chain.back_up().await;
    chain.world.container("events").await.delete(None).await.expect("deleted");
    chain.world.create("events", &["/pk"]).await;
    for n in 0..5 {
        chain.put(n, 1).await;
    }
    // Another worker, which has not read the definition of the former container.
    chain.changefeed = chain.world.changefeed(|options| options.jobs = small_limits());
    chain.back_up().await;
    assert!(!chain.reads_feed(1).await);
    let expected = live_documents(&chain.world).await;
    assert_eq!(expected.len(), 5);
    chain.assert_restores(2, &expected).await;
    assert!(expected.keys().all(|name| stored.iter().any(|document| name_of(document) == *name)));
}
