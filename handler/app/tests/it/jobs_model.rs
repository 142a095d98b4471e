//! The promise of large restores, held against small ones: over random histories, a job comes to what a request would come
//! to, document by document, whatever happens to its runners; and undoing it brings everything back.
//!
//! Documents are written, deleted, and expire, under keys of every kind; removals and creations are captured or not.
//! Runners are dropped at random instants, requests are throttled, and replies are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_cosmos::DocumentName;
use changefeed_history::{AsOf, TimeExpression};
use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::{Action, Changefeed, PlannedItem, Restored, UndoRequest};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::restore_model::{parsed, plain, sdk_key};
use crate::support::jobs::{capture, finish_in_peril, outline, request, shown, small, start};
use crate::support::{DEADLINE, Feed, World, until};

const ROUNDS: usize = 4;

type Name = (String, String);

struct Story {
    world: World,
    large: Changefeed,
    ample: Changefeed,
    feed: Feed,
    random: SmallRng,
    hierarchical: bool,
    /// The last second of each round.
    seconds: Vec<i64>,
    lsn: BTreeMap<Name, i64>,
}

#[tokio::test]
async fn a_job_comes_to_what_a_request_would_come_to_whatever_happens_to_its_runners() {
    let stories = (0..4).map(|seed| async move {
        let mut story = Story::begin(seed, seed % 2 == 1).await;
        for round in 0..ROUNDS {
            story.round(round).await;
        }
        for _ in 0..3 {
            story.restore_and_undo(seed).await;
        }
    });
    futures::future::join_all(stories).await;
}

impl Story {
    async fn begin(seed: u64, hierarchical: bool) -> Self {
        let keys: &[&str] = if hierarchical { &["/tenant", "/user"] } else { &["/pk"] };
        let changes: &[&str] = if seed % 4 < 2 { &["/pk", "/sourceId"] } else { &["/pk"] };
        let world = World::with_keys(keys, changes).await;
        // Half of the runners die before they have saved anything but the pages of their items.
        let save_interval = Duration::from_millis(if seed < 2 { 100 } else { 30_000 });
        let options = JobOptions { claim: Duration::from_millis(30), save_interval, ..small() };
        let (large, ample) = (world.store(|all| all.jobs = options), world.store(|_| ()));
        let feed = world.feed().await;
        let random = SmallRng::seed_from_u64(seed);
        Self { world, large, ample, feed, random, hierarchical, seconds: Vec::new(), lsn: BTreeMap::new() }
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
            // Some versions are seen by nobody.
            if self.random.random_bool(0.8) {
                self.observe().await;
            }
        }
        self.observe().await;
        // What has a time to live is gone at the second that may be gone back to, and does not come and go meanwhile.
        let second = chrono::Utc::now().timestamp() + 2;
        self.seconds.push(second);
        until("the next round", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    }

    fn name(&self, document: &Value) -> Name {
        let key =
            if self.hierarchical { json!([document["tenant"], document["user"]]) } else { json!([document["pk"]]) };
        (key.to_string(), document["id"].as_str().expect("id").to_owned())
    }

    /// Captures what has changed, some of it as a creation.
    async fn observe(&mut self) {
        let mut changes = Vec::new();
        for change in self.feed.changed().await {
            let (name, lsn) = (self.name(&change), change["_lsn"].as_i64().expect("_lsn"));
            let is_first = self.lsn.insert(name, lsn).is_none();
            changes.push(if is_first && self.random.random_bool(0.7) {
                let metadata = json!({"lsn": lsn, "operationType": "create", "crts": change["_ts"]});
                json!({"current": change, "metadata": metadata})
            } else {
                change
            });
        }
        capture(&self.ample, &changes).await;
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
        capture(&self.ample, &[json!({"current": null, "metadata": metadata})]).await;
    }

    async fn restore_and_undo(&mut self, seed: u64) {
        let second = *self.seconds.choose(&mut self.random).expect("a second");
        let key = self.keys().choose(&mut self.random).expect("key").clone();
        let mut asked = match self.random.random_range(0..6) {
            0..3 => json!({"all": true}),
            3 => json!({"partitionKey": key}),
            4 => json!({"filter": ["group=1"]}),
            _ => json!({"filter": ["group!=1"], "filterOn": "live"}),
        };
        asked["asOf"] = json!(second);
        asked["job"] = json!(true);
        if self.random.random_bool(0.5) {
            asked["deleteCreatedAfter"] = json!(true);
        }
        let before = self.live().await;
        let expected = self.ample.restores.plan(&request(asked.clone())).await.expect("plan").expect("small enough");
        let id = start(&self.large, asked.clone()).await;
        let state = self.finish(&id).await;
        let done = shown(&self.large, &id).await;
        let told = || format!("seed {seed}: {asked} {id}");
        assert_eq!(state, JobState::Done, "{}: {}", told(), json!(done));
        assert_eq!(outline(&done.record.items), outline(&expected.items), "{}", told());
        assert_eq!(done.record.counts, changefeed_operations::Counts::of(&expected.items), "{}", told());
        let mut should_be = before.clone();
        for item in &expected.items {
            self.apply(item, &mut should_be).await;
        }
        let after = self.live().await;
        assert_eq!(after, should_be, "{}", told());
        self.check_etags(&done.record.items).await;

        let Restored::Job(undo) = self.large.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
            panic!("the undo of a job is a job");
        };
        let state = self.finish(&undo.id).await;
        let undone = shown(&self.large, &undo.id).await;
        assert_eq!(state, JobState::Done, "{}: {}", told(), json!(undone));
        assert_eq!(undone.record.counts.writes(), done.record.counts.writes(), "{}: {}", told(), json!(undone));
        assert_eq!(self.live().await, before, "{}", told());
        self.observe().await;
    }

    async fn live(&self) -> BTreeMap<Name, Value> {
        let documents = self.world.query("events", "SELECT * FROM c").await;
        documents.iter().map(|document| (self.name(document), plain(document))).collect()
    }

    /// What an item of a plan means.
    async fn apply(&self, item: &PlannedItem, live: &mut BTreeMap<Name, Value>) {
        let name = (item.partition_key.to_string(), item.id.clone());
        if !item.action.is_write() {
            return;
        }
        let Some(version) = &item.version else {
            live.remove(&name);
            return;
        };
        let document =
            changefeed_cosmos::DocumentName { id: item.id.clone(), partition_key: item.partition_key.clone() };
        let version = self.ample.history.version(&document, version).await.expect("version");
        live.insert(name, plain(&version.document.expect("document")));
    }

    /// What a record says was written is what is there, and what was removed is known to be gone.
    async fn check_etags(&self, items: &[PlannedItem]) {
        for item in items.iter().filter(|item| item.action.is_write()) {
            if item.action == Action::Delete {
                let name = DocumentName { id: item.id.clone(), partition_key: item.partition_key.clone() };
                let now = self
                    .ample
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

    /// Works on a job with runners that do not live long; every few slices somebody lives long enough to get on.
    async fn finish(&mut self, id: &str) -> JobState {
        let life = |slice| 20..if slice % 16 == 15 { 4000 } else { 400 };
        finish_in_peril(&self.world, &self.large, id, &mut self.random, life).await
    }
}
