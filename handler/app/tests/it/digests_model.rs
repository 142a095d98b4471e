//! Compares digests with a simple model that knows what was tampered with.
//!
//! A random history over several hours: writes, deletes, large versions; versions expire and documents are erased, and digests are written
//! now and then to a chain that others continue. Some versions are altered, removed or overwritten with the same content through the raw
//! client, never one that this program has removed. A verification finds exactly the tampering, whether its hour was
//! written before or, where the version was altered back, never.

use std::collections::{BTreeMap, BTreeSet};

use changefeed_history::{ServiceTime, SweepRequest};
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, ErasureRequest};
use chrono::{TimeDelta, Utc};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::World;
use crate::support::digests::{HOUR, LATER, verify_digests, write_digests};
use crate::support::jobs::{capture, finish, small_limits};
use crate::support::verify::{delete_record, finding_summaries, overwrite_record, text_larger_than_an_item};

const SEEDS: u64 = 6;
const STEPS: i64 = 14;
const DAY: i64 = 86_400;

struct Model {
    world: World,
    folder: TempDir,
    random: SmallRng,
    /// Seconds from now, by the clock of the service.
    clock: i64,
    lsn: i64,
    erased: BTreeSet<String>,
    /// The versions in the digests, as they were when they were written.
    sealed: BTreeMap<String, Value>,
    /// What a verification is to find: the kind by the id of the version.
    tampered: BTreeMap<String, &'static str>,
}

#[tokio::test]
async fn exactly_the_tampering_is_found() {
    let (mut kinds, mut removals) = (BTreeSet::new(), 0);
    // Most of the time of an erasure is waiting.
    for (tampered, removed) in futures::future::join_all((0..SEEDS).map(|seed| Box::pin(run(seed)))).await {
        kinds.extend(tampered);
        removals += removed;
    }
    // Otherwise nothing was tested.
    assert_eq!(kinds, BTreeSet::from(["altered", "removed"]));
    assert!(removals > 10, "{removals}");
}

/// The kinds of tampering that are found at the end, and the number of versions in the digests that this program has removed.
async fn run(seed: u64) -> (Vec<&'static str>, usize) {
    let mut model = Model {
        world: World::new().await,
        folder: tempfile::tempdir().expect("folder"),
        random: SmallRng::seed_from_u64(seed),
        clock: 0,
        lsn: 1,
        erased: BTreeSet::new(),
        sealed: BTreeMap::new(),
        tampered: BTreeMap::new(),
    };
    // From here on, removals are recorded.
    model.seal().await;
    for _ in 0..STEPS {
        Box::pin(model.step()).await;
    }
    model.clock += LATER;
    model.seal().await;
    model.check().await;
    let remaining = model.world.versions().await;
    let is_removed = |id: &&String| !remaining.contains_key(*id) && !model.tampered.contains_key(*id);
    let removed = model.sealed.keys().filter(is_removed).count();
    (model.tampered.into_values().collect(), removed)
}

impl Model {
    fn changefeed(&self) -> Changefeed {
        self.world.endpoint.set_clock(self.clock).expect("the clock");
        self.world.changefeed(|options| {
            options.jobs = small_limits();
            options.batch_timeout = std::time::Duration::from_secs(1);
            options.retention_days = Some(30);
        })
    }

    async fn step(&mut self) {
        self.clock += self.random.random_range(0..2 * HOUR);
        self.write().await;
        match self.random.random_range(0..10) {
            0 => self.sweep().await,
            1 => self.erase().await,
            2 | 3 => self.check().await,
            4..7 => self.seal().await,
            _ => {}
        }
        for _ in 0..self.random.random_range(0..3) {
            self.tamper().await;
        }
    }

    /// Captures versions that were written at random times in the past.
    async fn write(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..self.random.random_range(1..12) {
            let id = format!("d{}", self.random.random_range(0..12));
            self.lsn += 1;
            let ts = Utc::now().timestamp() - 400 * DAY + self.lsn * DAY / 2;
            if self.random.random_bool(0.2) {
                let metadata = json!({"crts": ts as f64, "lsn": self.lsn, "operationType": "delete", "id": id, "partitionKey": {"pk": "a"}});
                batch.push(json!({"current": null, "metadata": metadata}));
                continue;
            }
            let text = if self.random.random_bool(0.02) { text_larger_than_an_item() } else { "text".to_owned() };
            batch.push(json!({"id": id, "pk": "a", "text": text, "_ts": ts, "_etag": format!("\"e{}\"", self.lsn), "_lsn": self.lsn}));
        }
        capture(&self.changefeed(), &batch).await;
    }

    async fn sweep(&mut self) {
        let now = ServiceTime::new(Utc::now() + TimeDelta::seconds(self.clock));
        let before = self.world.versions().await;
        let request = SweepRequest { now, dry_run: false, time_limit: None };
        self.changefeed().retention.sweep(&request).await.expect("swept");
        self.forget_removed(&before).await;
    }

    async fn erase(&mut self) {
        let id = format!("d{}", self.random.random_range(0..12));
        let before = self.world.versions().await;
        let documents = json!({"documents": [{"id": id, "pk": "a"}], "confirm": 1});
        let request: ErasureRequest = serde_json::from_value(documents).expect("request");
        let changefeed = self.changefeed();
        let job = changefeed.erasures.create_job(&request).await.expect("a job").id;
        assert_eq!(finish(&changefeed, &job).await, JobState::Done);
        self.erased.insert(id);
        self.forget_removed(&before).await;
    }

    /// What this program has removed is no finding, also if it was altered before.
    async fn forget_removed(&mut self, before: &BTreeMap<String, Value>) {
        let remaining = self.world.versions().await;
        for (id, record) in before.iter().filter(|(id, _)| !remaining.contains_key(*id)) {
            // The name of a delete has a part of its content: the removal of an altered one is not that of the one in the digests.
            if record["operation"] != "delete" {
                self.tampered.remove(id);
            }
        }
    }

    async fn seal(&mut self) {
        let changefeed = self.changefeed();
        let view = write_digests(&changefeed, self.folder.path()).await;
        let Some(until) = view.counts.complete_until else { return };
        let until = chrono::DateTime::parse_from_rfc3339(&until).expect("a time").timestamp();
        for (id, record) in self.world.versions().await {
            if record["_ts"].as_i64().expect("_ts") < until && !self.sealed.contains_key(&id) {
                self.sealed.insert(id, record);
            }
        }
    }

    /// Alters, removes or rewrites a version.
    async fn tamper(&mut self) {
        let versions = self.world.versions().await;
        let known = versions.values().filter(|record| !self.tampered.contains_key(record["id"].as_str().expect("id")));
        let Some(record) = known.choose(&mut self.random).cloned() else { return };
        let id = record["id"].as_str().expect("id").to_owned();
        let is_sealed = self.sealed.contains_key(&id);
        // An altered delete is reported as altered or as removed.
        let is_delete = record["operation"] == "delete";
        // A version whose hour is not written yet is written as it is then.
        let found = match *["alter", "remove", "rewrite"].choose(&mut self.random).expect("a way") {
            "alter" => {
                let mut record = record;
                record["capturedBy"] = json!("an attacker");
                self.overwrite(record).await;
                Some("altered")
            }
            "remove" => {
                self.changefeed();
                delete_record(&self.world, &record).await;
                Some("removed")
            }
            _ => {
                self.overwrite(record).await;
                None
            }
        };
        if let Some(kind) = found.filter(|_| is_sealed) {
            self.tampered.insert(id, if is_delete { "removed" } else { kind });
        }
    }

    async fn overwrite(&self, record: Value) {
        self.changefeed();
        overwrite_record(&self.world, record).await;
    }

    async fn check(&mut self) {
        if self.sealed.is_empty() {
            return;
        }
        let (record, findings) = verify_digests(&self.changefeed(), self.folder.path()).await;
        let found = finding_summaries(&findings).into_iter().map(|(kind, _, version)| {
            let is_delete = version.contains("-delete-");
            (id_of(&version), if is_delete && kind == "altered" { "removed".to_owned() } else { kind })
        });
        let found: BTreeMap<String, String> = found.collect();
        let expected: BTreeMap<String, String> =
            self.tampered.iter().map(|(id, kind)| (id.clone(), (*kind).to_owned())).collect();
        assert_eq!(found, expected, "{findings:#?}");
        // A version that was rewritten is in the digests of two hours.
        assert!(record.counts.found() as usize >= expected.len());
    }
}

/// The id of the version that a finding names: the name of a delete has a part of its content.
fn id_of(name: &str) -> String {
    name.split_once('~').map_or(name, |(short, _)| short).to_owned()
}
