//! Compares restore jobs with restores in a request: over random histories, a job has the same result for every document,
//! while its workers are interrupted at random. An undo of the job restores the previous state.
//!
//! Documents are written, deleted and expire, under partition keys of every type. Deletes and creates are captured or not.
//! Workers are dropped at random times, requests are throttled, and replies are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_cosmos::DocumentName;
use changefeed_history::{AsOf, TimeExpression};
use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::{Action, Changefeed, Counts, PlannedItem, Restored, UndoRequest};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::restore_model::{body_of, parsed, sdk_key};
use crate::support::jobs::{
    capture, finish_under_faults, item_summaries, restore_request, restore_view, small_limits, start_restore,
};
use crate::support::{DEADLINE, Feed, World, until};

const ROUNDS: usize = 4;

type Name = (String, String);

struct Scenario {
    world: World,
    small_limits: Changefeed,
    default_limits: Changefeed,
    feed: Feed,
    random: SmallRng,
    hierarchical: bool,
    /// The last second of each round.
    seconds: Vec<i64>,
    lsn: BTreeMap<Name, i64>,
}

#[tokio::test]
async fn a_job_with_interrupted_workers_has_the_result_of_a_request() {
    let scenarios = (0..4).map(|seed| async move {
        let mut scenario = Box::pin(Scenario::start(seed, seed % 2 == 1)).await;
        for round in 0..ROUNDS {
            scenario.round(round).await;
        }
        for _ in 0..3 {
            Box::pin(scenario.restore_and_undo(seed)).await;
        }
    });
    futures::future::join_all(scenarios).await;
}

impl Scenario {
    async fn start(seed: u64, hierarchical: bool) -> Self {
        let keys: &[&str] = if hierarchical { &["/tenant", "/user"] } else { &["/pk"] };
        let changes: &[&str] = if seed % 4 < 2 { &["/pk", "/sourceId"] } else { &["/pk"] };
        let world = World::with_keys(keys, changes).await;
        // In half of the scenarios, workers die before they save more than the pages of their items.
        let save_interval = Duration::from_millis(if seed < 2 { 100 } else { 30_000 });
        // Half of the scenarios are divided among portions.
        let portion_items = if seed % 4 == 1 || seed % 4 == 2 { 1 } else { u64::MAX };
        let limits = JobOptions { claim: Duration::from_millis(30), save_interval, portion_items, ..small_limits() };
        let (small_limits, default_limits) =
            (world.changefeed(|options| options.jobs = limits), world.changefeed(|_| ()));
        let feed = world.feed().await;
        let random = SmallRng::seed_from_u64(seed);
        Self {
            world,
            small_limits,
            default_limits,
            feed,
            random,
            hierarchical,
            seconds: Vec::new(),
            lsn: BTreeMap::new(),
        }
    }

    fn keys(&self) -> Vec<Value> {
        if self.hierarchical {
            vec![json!(["acme", 1]), json!(["acme", null]), json!(["other", true])]
        } else {
            vec![json!(["a"]), json!([7]), json!([1.5]), json!([false]), json!([null])]
        }
    }

    /// Writes and deletes within about a second.
    async fn round(&mut self, round: usize) {
        for step in 0..14 {
            let key = self.keys().choose(&mut self.random).expect("key").clone();
            let id = format!("item-{}", self.random.random_range(0..8));
            if self.random.random_bool(0.2) {
                self.delete(&key, &id).await;
                continue;
            }
            let mut document = json!({"id": id, "round": round, "step": step, "group": (step + round) % 3});
            if self.hierarchical {
                (document["tenant"], document["user"]) = (key[0].clone(), key[1].clone());
            } else {
                document["pk"] = key[0].clone();
            }
            if self.random.random_bool(0.1) {
                document["ttl"] = json!(1);
            }
            self.world.put(sdk_key(&key), document).await;
            // Some versions are overwritten before the feed delivers them.
            if self.random.random_bool(0.8) {
                self.observe().await;
            }
        }
        self.observe().await;
        // Documents with a time to live have expired in this second, which a restore may use, and do not expire during a restore.
        let second = chrono::Utc::now().timestamp() + 2;
        self.seconds.push(second);
        until("the next round", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    }

    fn name(&self, document: &Value) -> Name {
        let key =
            if self.hierarchical { json!([document["tenant"], document["user"]]) } else { json!([document["pk"]]) };
        (key.to_string(), document["id"].as_str().expect("id").to_owned())
    }

    /// Captures the changes of the feed, some of them as creates.
    async fn observe(&mut self) {
        let mut changes = Vec::new();
        for change in self.feed.changes().await {
            let (name, lsn) = (self.name(&change), change["_lsn"].as_i64().expect("_lsn"));
            let is_first = self.lsn.insert(name, lsn).is_none();
            changes.push(if is_first && self.random.random_bool(0.7) {
                let metadata = json!({"lsn": lsn, "operationType": "create", "crts": change["_ts"]});
                json!({"current": change, "metadata": metadata})
            } else {
                change
            });
        }
        capture(&self.default_limits, &changes).await;
    }

    async fn delete(&mut self, key: &Value, id: &str) {
        self.observe().await;
        let deleted = self.world.container("events").await.delete_item(sdk_key(key), id, None).await;
        let name = (key.to_string(), id.to_owned());
        if deleted.is_err() || !self.random.random_bool(0.5) {
            return;
        }
        let lsn = self.lsn.get(&name).copied().unwrap_or_default() + 1;
        let paths: &[&str] = if self.hierarchical { &["tenant", "user"] } else { &["pk"] };
        let partition_key: serde_json::Map<String, Value> = paths
            .iter()
            .zip(key.as_array().expect("key"))
            .map(|(path, value)| ((*path).to_owned(), value.clone()))
            .collect();
        let metadata = json!({"crts": chrono::Utc::now().timestamp(), "lsn": lsn, "operationType": "delete", "id": id,
            "partitionKey": partition_key});
        capture(&self.default_limits, &[json!({"current": null, "metadata": metadata})]).await;
    }

    async fn restore_and_undo(&mut self, seed: u64) {
        let second = *self.seconds.choose(&mut self.random).expect("a second");
        let key = self.keys().choose(&mut self.random).expect("key").clone();
        let mut request = match self.random.random_range(0..6) {
            0..3 => json!({"all": true}),
            3 => json!({"partitionKey": key}),
            4 => json!({"filter": ["group=1"]}),
            _ => json!({"filter": ["group!=1"], "filterOn": "live"}),
        };
        request["asOf"] = json!(second);
        request["job"] = json!(true);
        if self.random.random_bool(0.5) {
            request["deleteCreatedAfter"] = json!(true);
        }
        let before = self.live().await;
        let expected = self
            .default_limits
            .restores
            .plan(&restore_request(request.clone()))
            .await
            .expect("plan")
            .expect("within the limits");
        let id = start_restore(&self.small_limits, request.clone()).await;
        let state = self.finish(&id).await;
        let done = restore_view(&self.small_limits, &id).await;
        let context = || format!("seed {seed}: {request} {id}");
        let is_unknown = expected.items.iter().any(|item| item.action == Action::Unknown);
        let expected_state = if is_unknown { JobState::Unknowns } else { JobState::Done };
        assert_eq!(state, expected_state, "{}: {}", context(), json!(done));
        assert_eq!(item_summaries(&done.record.items), item_summaries(&expected.items), "{}", context());
        assert_eq!(done.record.counts, Counts::of(&expected.items), "{}", context());
        let mut expected_documents = before.clone();
        for item in &expected.items {
            self.apply(item, &mut expected_documents).await;
        }
        let after = self.live().await;
        assert_eq!(after, expected_documents, "{}", context());
        self.check_etags(&done.record.items).await;

        let Restored::Job(undo) = self.small_limits.restores.undo(&id, &UndoRequest::default()).await.expect("undo")
        else {
            panic!("the undo of a job is a job");
        };
        let state = self.finish(&undo.id).await;
        let undone = restore_view(&self.small_limits, &undo.id).await;
        assert_eq!(state, JobState::Done, "{}: {}", context(), json!(undone));
        assert_eq!(undone.record.counts.writes(), done.record.counts.writes(), "{}: {}", context(), json!(undone));
        assert_eq!(self.live().await, before, "{}", context());
        self.observe().await;
    }

    async fn live(&self) -> BTreeMap<Name, Value> {
        let documents = self.world.query("events", "SELECT * FROM c").await;
        documents.iter().map(|document| (self.name(document), body_of(document))).collect()
    }

    /// Applies an item of a plan to a map of documents.
    async fn apply(&self, item: &PlannedItem, live: &mut BTreeMap<Name, Value>) {
        let name = (item.partition_key.to_string(), item.id.clone());
        if !item.action.is_write() {
            return;
        }
        let Some(version) = &item.version else {
            live.remove(&name);
            return;
        };
        let document = DocumentName { id: item.id.clone(), partition_key: item.partition_key.clone() };
        let version = self.default_limits.history.version(&document, version).await.expect("version");
        live.insert(name, body_of(&version.document.expect("document")));
    }

    /// Checks that written documents have the recorded etags and that the history has the deletes.
    async fn check_etags(&self, items: &[PlannedItem]) {
        for item in items.iter().filter(|item| item.action.is_write()) {
            if item.action == Action::Delete {
                let name = DocumentName { id: item.id.clone(), partition_key: item.partition_key.clone() };
                let now = self
                    .default_limits
                    .history
                    .document_as_of(&name, TimeExpression::from(chrono::Utc::now()))
                    .await
                    .expect("as of");
                assert!(matches!(now, AsOf::Absent { .. }), "{item:?}: {now:?}");
            }
            let live = self.world.live(sdk_key(&parsed(&item.partition_key.to_string())), &item.id).await;
            let etag = live.and_then(|live| Some(live["_etag"].as_str()?.to_owned()));
            assert_eq!(item.restored_etag, etag, "{item:?}");
        }
    }

    /// Runs a job with workers that are dropped soon. Every sixteenth worker lives long enough for some progress.
    async fn finish(&mut self, id: &str) -> JobState {
        let lifetime_ms = |slice| 20..if slice % 16 == 15 { 4000 } else { 400 };
        finish_under_faults(&self.world, &self.small_limits, id, &mut self.random, lifetime_ms).await
    }
}
