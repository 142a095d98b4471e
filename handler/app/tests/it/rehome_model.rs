//! Compares moves with a simple model, while faults are injected and workers are killed: whatever happened in the other history, the state
//! of each document at each time is the same here.

use std::collections::{BTreeMap, BTreeSet};

use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{AsOf, Batch, TimeExpression};
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, RehomeRequest, RehomeView};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::jobs::{finish_under_faults, small_limits};
use crate::support::rehome::library;

const SEEDS: u64 = 4;
const DOCUMENTS: usize = 8;
const STEPS: usize = 60;
const TENANTS: [&str; 3] = ["north", "south", "west"];

/// Runs a move under faults. Then its counts have every version once, however often it was interrupted.
async fn move_under_faults(world: &World, changefeed: &Changefeed, of: Value, random: &mut SmallRng) -> RehomeView {
    let request: RehomeRequest = serde_json::from_value(of).expect("a request");
    let id = changefeed.rehomes.create_job(&request).await.expect("a job").id;
    let lifetime = |slice: u32| if slice < 12 { 20..300 } else { 3000..8000 };
    let state = finish_under_faults(world, changefeed, &id, random, lifetime).await;
    let view = changefeed.rehomes.show(&id).await.expect("a move");
    assert_eq!(state, JobState::Done, "{view:?}");
    view
}

/// A write or a delete of a document: when, and the document after it.
type Event = (i64, Option<Value>);

struct Old {
    world: World,
    changefeed: Changefeed,
    random: SmallRng,
    clock: i64,
    lsn: i64,
    /// By the number of the document, in order.
    events: BTreeMap<usize, Vec<Event>>,
}

impl Old {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        let changefeed = world.changefeed(|options| options.jobs = small_limits());
        let random = SmallRng::seed_from_u64(seed);
        let mut old = Self { world, changefeed, random, clock: 0, lsn: 100, events: BTreeMap::new() };
        for _ in 0..STEPS {
            old.step().await;
        }
        old
    }

    async fn deliver(&self, payload: Value) {
        let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
        let raw = vec![to_raw_value(&payload).expect("raw")];
        self.changefeed.capture.capture(&batch, raw).await.expect("captured");
    }

    async fn step(&mut self) {
        self.clock += *[0, 0, 1, 7].choose(&mut self.random).expect("seconds");
        self.world.endpoint.set_clock(self.clock).expect("the clock");
        let number = self.random.random_range(0..DOCUMENTS);
        let (id, pk) = (id(number), pk(number));
        self.lsn += 2;
        let live = self.world.live(pk.clone(), &id).await;
        let event = match live.filter(|_| self.random.random_bool(0.2)) {
            Some(live) => {
                self.world.container("events").await.delete_item(pk.clone(), &id, None).await.expect("deleted");
                let second = self.second(live["_ts"].as_i64().expect("_ts")).await;
                let metadata = json!({"operationType": "delete", "id": id, "partitionKey": {"pk": pk}, "crts": second, "lsn": self.lsn,
                    "previousImageLSN": self.lsn - 1});
                self.deliver(json!({"current": {}, "previous": live, "metadata": metadata})).await;
                (second, None)
            }
            None => {
                let tenant = *TENANTS.choose(&mut self.random).expect("a tenant");
                let size = if self.random.random_bool(0.1) { 200_000 } else { 5 };
                let n: u32 = self.random.random();
                let document = json!({"id": id, "pk": pk, "tenant": tenant, "n": n, "text": "x".repeat(size)});
                let stored = self.world.put(pk, document.clone()).await;
                let second = stored["_ts"].as_i64().expect("_ts");
                let metadata = json!({"operationType": "replace", "crts": second, "lsn": self.lsn});
                self.deliver(json!({"current": stored, "metadata": metadata})).await;
                (second, Some(document))
            }
        };
        self.events.entry(number).or_default().push(event);
    }

    /// The second of a change now, which is not before that of the last change.
    async fn second(&self, last: i64) -> i64 {
        let probe = self.world.put("probe", json!({"id": "probe", "pk": "probe"})).await;
        probe["_ts"].as_i64().expect("_ts").max(last)
    }

    fn seconds(&self) -> BTreeSet<i64> {
        self.events.values().flatten().flat_map(|(second, _)| [*second - 1, *second]).collect()
    }
}

fn id(number: usize) -> String {
    format!("order-{number}")
}

fn pk(number: usize) -> String {
    format!("key-{}", number % 2)
}

/// The document of this name at a second, as it is without the properties of the service.
async fn found(changefeed: &Changefeed, id: &str, key: &str, second: i64) -> Option<Value> {
    let name = DocumentName { id: id.to_owned(), partition_key: Key::text(key) };
    let answer =
        changefeed.history.document_as_of(&name, TimeExpression::from_second(second)).await.expect("an answer");
    match answer {
        AsOf::Version { version, .. } => version.document,
        AsOf::Absent { .. } | AsOf::Unknown { .. } => None,
    }
}

#[tokio::test]
async fn each_document_has_the_same_state_at_each_time_whatever_interrupts_the_move() {
    for seed in 0..SEEDS {
        let mut old = Box::pin(Old::new(seed)).await;
        let new = World::new().await;
        let changefeed = library(&new, &old.world);
        let of = json!({"from": {"connection": "OldCosmosDB", "changes": "changes", "jobs": "jobs", "deadLetters": "dead-letters"}});
        let view = move_under_faults(&new, &changefeed, of, &mut old.random).await;
        let versions = old.world.versions().await;
        assert_eq!(new.versions().await.len(), versions.len(), "seed {seed}: {view:?}");
        for (number, events) in &old.events {
            for second in old.seconds() {
                let expected =
                    events.iter().rev().find(|(at, _)| *at <= second).and_then(|(_, document)| document.clone());
                let is = found(&changefeed, &id(*number), &pk(*number), second).await;
                assert_eq!(is, expected, "seed {seed}: document {number} at {second}");
            }
        }
    }
}

#[tokio::test]
async fn with_another_partition_key_a_document_is_where_its_key_was_at_each_time() {
    for seed in 10..10 + SEEDS {
        let mut old = Box::pin(Old::new(seed)).await;
        let new = World::with_keys(&["/tenant"], &["/pk", "/sourceId"]).await;
        let changefeed = library(&new, &old.world);
        let of = json!({"from": {"connection": "OldCosmosDB", "changes": "changes"}, "newKey": true});
        let view = move_under_faults(&new, &changefeed, of, &mut old.random).await;
        assert!(view.counts.ended > 0, "seed {seed}: no document changed its key");
        for (number, events) in &old.events {
            for second in old.seconds() {
                let live = events.iter().rev().find(|(at, _)| *at <= second).and_then(|(_, document)| document.clone());
                for tenant in TENANTS {
                    let expected = live.clone().filter(|document| document["tenant"] == tenant);
                    let is = found(&changefeed, &id(*number), tenant, second).await;
                    assert_eq!(is, expected, "seed {seed}: document {number} of {tenant} at {second}");
                }
            }
        }
    }
}

#[tokio::test]
async fn copies_in_any_order_and_number_become_the_changes_that_they_are_of() {
    for seed in 20..20 + SEEDS {
        let mut random = SmallRng::seed_from_u64(seed);
        let (old, new) = (World::new().await, World::new().await);
        let changefeed = library(&new, &old);
        old.create("copies", &["/id"]).await;
        // The contents of the changes of each document, by their numbers.
        let mut changes: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let mut batches = Vec::new();
        for lsn in 0..40_usize {
            let (number, n) = (random.random_range(0..DOCUMENTS), random.random_range(0..3_u32));
            changes.entry(number).or_default().push(n);
            let copy = json!({"_originalId": id(number), "pk": pk(number), "n": n, "_lsn": lsn});
            batches.extend(std::iter::repeat_n(copy, random.random_range(1..4)));
        }
        // What is delivered again is stored later.
        for chunk in batches.chunks_mut(9) {
            chunk.shuffle(&mut random);
        }
        let copies = old.container("copies").await;
        for (number, copy) in batches.iter().enumerate() {
            let id = format!("{:08x}-{number}", random.random::<u32>());
            let mut copy = copy.clone();
            copy["id"] = json!(id);
            old.endpoint.set_clock(number as i64 / 3).expect("the clock");
            copies.create_item(id.clone(), &id, copy, None).await.expect("a copy");
        }
        let of = json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}, "flat": {}});
        let view = move_under_faults(&new, &changefeed, of, &mut random).await;
        let stored = new.versions().await;
        assert_eq!(stored.len(), 40, "seed {seed}: {view:?}");
        for (number, contents) in changes {
            let name = DocumentName { id: id(number), partition_key: Key::text(pk(number)) };
            let next = changefeed.history.versions_after(&name, None, 1000).await.expect("versions");
            let found: Vec<u64> =
                next.versions.iter().filter_map(|version| version.document.as_ref()?["n"].as_u64()).collect();
            assert_eq!(
                found,
                contents.iter().map(|n| u64::from(*n)).collect::<Vec<_>>(),
                "seed {seed}: document {number}"
            );
        }
    }
}
