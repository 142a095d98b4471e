//! Compares a verification with a simple one that has all data in memory: over random histories with random damage the findings
//! are the same, each once, while workers are interrupted at random. After a repair only damage that cannot be repaired is
//! found, and the history has the current state of every document.
//!
//! Documents are written, deleted and expire, under partition keys of every type and several times in a second. Changes are
//! captured or not. Then records are deleted, emptied or made inexact.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_cosmos::DocumentName;
use changefeed_history::{AsOf, TimeExpression};
use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::Changefeed;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::restore_model::{parsed, sdk_key};
use crate::support::jobs::{capture, finish_under_faults, small_limits};
use crate::support::verify::{finding_summaries, start_verification, verification_result, version_of};
use crate::support::{DEADLINE, Feed, World, until};

type Name = (String, String);
type Summary = (String, String, String);

struct Scenario {
    seed: u64,
    world: World,
    changefeed: Changefeed,
    feed: Feed,
    random: SmallRng,
    hierarchical: bool,
    changes_key: &'static [&'static str],
    lsn: BTreeMap<Name, i64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_match_a_simple_verification_and_a_repair_removes_every_repairable_one() {
    let scenarios = (0..6).map(|seed| async move {
        let mut scenario = Scenario::start(seed).await;
        for round in 0..2 {
            for step in 0..40 {
                scenario.step(round * 100 + step).await;
            }
            scenario.damage().await;
            scenario.wait_for_expiry().await;
            scenario.verify().await;
        }
    });
    futures::future::join_all(scenarios).await;
}

impl Scenario {
    async fn start(seed: u64) -> Self {
        let hierarchical = seed % 2 == 1;
        let keys: &[&str] = if hierarchical { &["/tenant", "/user"] } else { &["/pk"] };
        let changes_key: &[&str] = [&["/pk", "/sourceId"][..], &["/pk"], &["/id"]][seed as usize % 3];
        let world = World::with_keys(keys, changes_key).await;
        let limits = JobOptions { claim: Duration::from_millis(400), ..small_limits() };
        let changefeed = world.changefeed(|options| options.jobs = limits);
        let feed = world.feed().await;
        let random = SmallRng::seed_from_u64(seed);
        Self { seed, world, changefeed, feed, random, hierarchical, changes_key, lsn: BTreeMap::new() }
    }

    async fn step(&mut self, step: usize) {
        let keys = if self.hierarchical {
            vec![json!(["acme", 1]), json!(["acme", null]), json!(["other", true])]
        } else {
            vec![json!(["a"]), json!([7]), json!([1.5]), json!([false]), json!([null])]
        };
        let key = keys.choose(&mut self.random).expect("key").clone();
        let id = format!("item-{}", self.random.random_range(0..8));
        if self.random.random_bool(0.2) {
            self.delete(&key, &id).await;
            return;
        }
        let mut document = json!({"id": id, "step": step});
        if self.hierarchical {
            (document["tenant"], document["user"]) = (key[0].clone(), key[1].clone());
        } else {
            document["pk"] = key[0].clone();
        }
        if self.random.random_bool(0.1) {
            document["ttl"] = json!(1);
        }
        self.world.put(sdk_key(&key), document).await;
        // Some versions are overwritten before the feed delivers them, others are not captured.
        if self.random.random_bool(0.8) {
            let probability = if self.random.random_bool(0.8) { 1.0 } else { 0.0 };
            self.observe(probability).await;
        }
    }

    /// Captures each change of the feed with this probability.
    async fn observe(&mut self, probability: f64) {
        let mut captured = Vec::new();
        for change in self.feed.changes().await {
            self.lsn.insert(self.name(&change), change["_lsn"].as_i64().expect("_lsn"));
            if self.random.random_bool(probability) {
                captured.push(change);
            }
        }
        capture(&self.changefeed, &captured).await;
    }

    fn name(&self, document: &Value) -> Name {
        let key =
            if self.hierarchical { json!([document["tenant"], document["user"]]) } else { json!([document["pk"]]) };
        (key.to_string(), document["id"].as_str().expect("id").to_owned())
    }

    /// Deletes a document. Half of the deletes are captured.
    async fn delete(&mut self, key: &Value, id: &str) {
        self.observe(0.8).await;
        let deleted = self.world.container("events").await.delete_item(sdk_key(key), id, None).await;
        if deleted.is_err() || self.random.random_bool(0.5) {
            return;
        }
        let lsn = self.lsn.get(&(key.to_string(), id.to_owned())).copied().unwrap_or_default() + 1;
        let paths: &[&str] = if self.hierarchical { &["tenant", "user"] } else { &["pk"] };
        let properties = paths.iter().zip(key.as_array().expect("key"));
        let partition_key: serde_json::Map<String, Value> =
            properties.map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
        let metadata = json!({"crts": chrono::Utc::now().timestamp(), "lsn": lsn, "operationType": "delete", "id": id,
            "partitionKey": partition_key});
        capture(&self.changefeed, &[json!({"current": null, "metadata": metadata})]).await;
    }

    /// Deletes records, empties them or makes them inexact.
    async fn damage(&mut self) {
        for (id, mut record) in self.world.versions().await {
            let paths = self.changes_key.iter();
            let key: Vec<Value> = paths.map(|path| record[path.trim_start_matches('/')].clone()).collect();
            let changes = self.world.container("changes").await;
            match self.random.random_range(0..20) {
                0..2 => drop(changes.delete_item(sdk_key(&json!(key)), &id, None).await.expect("delete")),
                2..5 if record["document"].is_object() => {
                    if self.random.random_bool(0.3) {
                        record.as_object_mut().expect("object").shift_remove("document");
                    } else {
                        record["exact"] = json!(false);
                    }
                    changes.upsert_item(sdk_key(&json!(key)), &id, record, None).await.expect("upsert");
                }
                _ => {}
            }
        }
    }

    /// Waits until every document with a time to live has expired.
    async fn wait_for_expiry(&self) {
        let second = chrono::Utc::now().timestamp() + 2;
        until("documents with a time to live have expired", DEADLINE, async || chrono::Utc::now().timestamp() > second)
            .await;
    }

    async fn live(&self) -> BTreeMap<Name, Value> {
        let documents = self.world.query("events", "SELECT * FROM c").await;
        documents.into_iter().map(|document| (self.name(&document), document)).collect()
    }

    /// The expected findings, computed from all documents and records, and whether a repair can resolve them.
    async fn expected(&self) -> BTreeMap<Summary, bool> {
        let (live, records) = (self.live().await, self.world.versions().await);
        let mut versions: BTreeMap<Name, Vec<&Value>> = BTreeMap::new();
        for record in records.values() {
            let name = (record["partitionKey"].to_string(), record["sourceId"].as_str().expect("id").to_owned());
            versions.entry(name).or_default().push(record);
        }
        let mut expected = BTreeMap::new();
        let mut expect = |kind: &str, id: &str, version: &str, can_be_repaired: bool| {
            let found = (kind.to_owned(), id.to_owned(), version.to_owned());
            assert_eq!(expected.insert(found, can_be_repaired), None);
        };
        for (name, document) in &live {
            let version = version_of(document);
            let known = versions.get(name).map(Vec::as_slice).unwrap_or_default();
            let is_of_version =
                |record: &&&Value| record["id"].as_str().is_some_and(|id| id.replace("-exact", "") == version);
            let records: Vec<_> = known.iter().filter(is_of_version).collect();
            if known.is_empty() {
                expect("neverCaptured", &name.1, &version, true);
            } else if records.is_empty() {
                expect("missing", &name.1, &version, true);
            } else if !records.iter().any(|record| record["exact"] == true) {
                // When the record beside it is inexact too, a repair cannot store an exact one.
                expect("inexact", &name.1, &version, records.len() == 1);
            }
        }
        for (name, known) in &versions {
            let order = |record: &&&Value| {
                let exact = record["exact"] == true;
                (record["sourceTs"].as_i64().expect("ts"), record["lsn"].as_i64().unwrap_or_default(), exact)
            };
            let is_removal = |record: &Value| record["operation"] == "delete" || record["operation"] == "expire";
            let newest = known.iter().max_by_key(order).expect("a version");
            let has_expired =
                newest["expiresAt"].as_i64().is_some_and(|expires| expires <= chrono::Utc::now().timestamp());
            if !live.contains_key(name) && !is_removal(newest) && !has_expired {
                expect("gone", &name.1, newest["id"].as_str().expect("id"), true);
            }
            for record in known.iter().filter(|record| !is_removal(record) && !record["document"].is_object()) {
                expect("incomplete", &name.1, record["id"].as_str().expect("id"), false);
            }
        }
        expected
    }

    async fn verify(&mut self) {
        let seed = self.seed;
        let expected = self.expected().await;
        assert!(!expected.is_empty(), "seed {seed}: there is no damage");
        let summaries: Vec<Summary> = expected.keys().cloned().collect();
        let unrepairable: Vec<Summary> = summaries.iter().filter(|found| !expected[found]).cloned().collect();
        for repair in [false, true] {
            let id = start_verification(&self.changefeed, json!({ "repair": repair })).await;
            let state = self.finish(&id).await;
            let (record, findings) = verification_result(&self.changefeed, &id).await;
            assert_eq!(finding_summaries(&findings), summaries, "seed {seed}, repair {repair}");
            assert_eq!(record.counts.found(), expected.len() as u64, "seed {seed}, repair {repair}");
            let mut remaining = findings;
            remaining.retain(|finding| !finding.repaired);
            assert_eq!(record.counts.repaired, (expected.len() - remaining.len()) as u64, "seed {seed}");
            assert_eq!(
                finding_summaries(&remaining),
                if repair { unrepairable.clone() } else { summaries.clone() },
                "seed {seed}"
            );
            assert_eq!(state, if remaining.is_empty() { JobState::Done } else { JobState::Findings }, "seed {seed}");
        }
        let remaining: Vec<Summary> = self.expected().await.into_keys().collect();
        assert_eq!(remaining, unrepairable, "seed {seed}: the simple verification finds the same");
        self.check_answers().await;
    }

    /// Checks the current state of every document that has a version.
    async fn check_answers(&self) {
        let (live, versions) = (self.live().await, self.world.versions().await);
        let now = chrono::Utc::now().timestamp();
        for record in versions.values() {
            let name = (record["partitionKey"].to_string(), record["sourceId"].as_str().expect("id").to_owned());
            let current = self.as_of(&name, now).await;
            match (live.get(&name), current) {
                (Some(document), AsOf::Version { version, may_be_deleted: false }) => {
                    assert_eq!(version.id.replace("-exact", ""), version_of(document), "{name:?}");
                }
                (None, AsOf::Absent { .. }) => {}
                (live, answer) => panic!("seed {}: {name:?} is {live:?}, but the answer is {answer:?}", self.seed),
            }
            if record["inferred"] == true {
                let second = record["sourceTs"].as_i64().expect("ts");
                if !versions.values().any(|other| is_later_in_second(other, record)) {
                    assert!(matches!(self.as_of(&name, second).await, AsOf::Absent { .. }), "{record}");
                }
                if let AsOf::Version { may_be_deleted, version } = self.as_of(&name, second - 1).await {
                    assert!(may_be_deleted, "seed {}: {version:?} before {record}", self.seed);
                }
            }
        }
    }

    async fn as_of(&self, name: &Name, second: i64) -> AsOf {
        let partition_key = serde_json::from_value(parsed(&name.0)).expect("key");
        let name = DocumentName { id: name.1.clone(), partition_key };
        let moment: TimeExpression = serde_json::from_value(json!(second)).expect("moment");
        self.changefeed.history.document_as_of(&name, moment).await.expect("an answer")
    }

    /// Runs a job with workers that are dropped soon.
    async fn finish(&mut self, id: &str) -> JobState {
        let lifetime_ms = |slice| 20..if slice % 4 == 3 { 4000 } else { 600 };
        finish_under_faults(&self.world, &self.changefeed, id, &mut self.random, lifetime_ms).await
    }
}

/// Whether a version is of the same document and second as another, and follows it.
fn is_later_in_second(other: &Value, record: &Value) -> bool {
    let same = |field: &str| other[field] == record[field];
    same("partitionKey") && same("sourceId") && same("sourceTs") && other["lsn"].as_i64() > record["lsn"].as_i64()
}
