//! Compares the retention with a simple model that has every version.
//!
//! Random histories of several documents: some are deleted and created again, some have several versions in one second, some
//! are too large for one item. Versions are captured late, in any order, and again after their removal. The test sets the clock
//! of the sweeps, changes and unsets the retention, and interrupts sweeps at random times. After every sweep:
//!
//! * within the retention, every document at every second is what it was;
//! * before it, the answer is correct or unknown;
//! * the newest version of every document exists, and no version was removed that the current setting keeps;
//! * every version that can be read has its parts.
//!
//! After a complete sweep, every expired version is removed with its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{AsOf, Batch, ServiceTime, SweepRequest, SweepState, TimeExpression};
use changefeed_operations::Changefeed;
use chrono::DateTime;
use futures::StreamExt;
use local_cosmos::{Effect, Fault, RequestKind};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{World, noise};

const STEPS: usize = 16;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// A version is kept this much longer than the retention.
const GRACE: i64 = HOUR;

/// Partition key and id of a document.
type Name = (&'static str, &'static str);

const NAMES: [Name; 5] = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "3"), ("c", "1")];

/// A version that was captured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    ts: i64,
    lsn: i64,
    id: String,
    removal: bool,
    create: bool,
}

struct Scenario {
    world: World,
    random: SmallRng,
    /// Whether the id of a removal ends with a digest of the document's id.
    digests: bool,
    clock: i64,
    lsn: i64,
    /// Changes that are not captured yet, and changes that are.
    pending: Vec<(Name, Known, Value)>,
    delivered: Vec<(Name, Known, Value)>,
    known: BTreeMap<Name, BTreeSet<Known>>,
    exists: BTreeSet<Name>,
    /// The latest cutoff of all sweeps.
    horizon: i64,
    /// Text that is too large for one item.
    noise: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_every_expired_version_and_no_other() {
    let scenarios = (0..3).map(|seed| async move {
        let keys: &[&str] = [&["/pk", "/sourceId"][..], &["/pk"], &["/id"]][seed as usize];
        let mut scenario = Scenario::start(seed, keys).await;
        for _ in 0..STEPS {
            scenario.step().await;
        }
        scenario.end().await;
    });
    futures::future::join_all(scenarios).await;
}

impl Scenario {
    async fn start(seed: u64, keys: &[&'static str]) -> Self {
        Self {
            world: World::with_keys(&["/pk"], keys).await,
            random: SmallRng::seed_from_u64(seed),
            digests: !keys.contains(&"/sourceId"),
            clock: chrono::Utc::now().timestamp() - 100 * DAY,
            lsn: 0,
            pending: Vec::new(),
            delivered: Vec::new(),
            known: BTreeMap::new(),
            exists: BTreeSet::new(),
            horizon: i64::MIN,
            noise: noise(750_000),
        }
    }

    async fn step(&mut self) {
        self.clock += self.random.random_range(0..2 * DAY);
        for _ in 0..self.random.random_range(0..6) {
            self.change();
        }
        self.capture(0.7).await;
        if self.random.random_bool(0.6) {
            let days = *[None, Some(1), Some(3), Some(10), Some(30)].choose(&mut self.random).expect("a setting");
            self.sweep(days).await;
        }
    }

    async fn end(&mut self) {
        self.capture(1.0).await;
        self.clock += 40 * DAY;
        self.complete_sweep(1).await;
        for (name, known) in &self.known {
            // Only the newest version remains.
            let remaining = self.versions().await;
            let remaining: Vec<&Known> = known.iter().filter(|version| remaining.contains(&version.id)).collect();
            assert_eq!(remaining, known.last().into_iter().collect::<Vec<_>>(), "{name:?}");
        }
    }

    /// Changes a random document, possibly in the same second as the last change.
    fn change(&mut self) {
        if self.random.random_bool(0.7) {
            self.clock += self.random.random_range(1..6 * HOUR);
        }
        self.lsn += 1;
        let name = *NAMES.choose(&mut self.random).expect("a name");
        let (ts, lsn) = (self.clock, self.lsn);
        let removal = self.exists.contains(&name) && self.random.random_bool(0.15);
        let create = !removal && self.exists.insert(name) && self.random.random_bool(0.5);
        let (id, change) = if removal {
            self.exists.remove(&name);
            let metadata = json!({"crts": ts as f64, "lsn": lsn, "operationType": "delete", "id": name.1, "partitionKey": {"pk": name.0}});
            (format!("{ts:010}-delete-{lsn}"), json!({"current": null, "metadata": metadata}))
        } else {
            let text = if self.random.random_bool(0.03) { self.noise.as_str() } else { "" };
            let document = json!({"id": name.1, "pk": name.0, "n": lsn, "text": text, "_ts": ts, "_etag": format!("\"e{lsn}\""), "_lsn": lsn});
            let metadata = json!({"crts": ts as f64, "lsn": lsn, "operationType": "create"});
            let change = if create { json!({"current": document, "metadata": metadata}) } else { document };
            (format!("{ts:010}-e{lsn}"), change)
        };
        self.pending.push((name, Known { ts, lsn, id, removal, create }, change));
    }

    /// Captures a share of the pending changes in any order, and some captured ones again.
    async fn capture(&mut self, share: f64) {
        let pending = std::mem::take(&mut self.pending);
        let (mut captured, later): (Vec<_>, Vec<_>) = pending.into_iter().partition(|_| self.random.random_bool(share));
        self.pending = later;
        self.delivered.extend(captured.iter().cloned());
        for _ in 0..self.random.random_range(0..3) {
            captured.extend(self.delivered.choose(&mut self.random).cloned());
        }
        captured.shuffle(&mut self.random);
        let batch = Batch { function: "f".into(), invocation_id: "i".into(), rewritten_by_host: false };
        let raw = |change: &Value| RawValue::from_string(change.to_string()).expect("JSON");
        let documents = captured.iter().map(|(.., change)| raw(change)).collect();
        let changefeed = self.changefeed(None);
        let report = changefeed.capture.capture(&batch, documents).await.expect("captured");
        assert_eq!(report.dead_lettered, 0);
        let stored = self.versions().await;
        for (name, mut version, _) in captured {
            if version.removal && self.digests {
                let prefix = format!("{}-", version.id);
                version.id = stored.iter().find(|id| id.starts_with(&prefix)).expect("a removal").clone();
            }
            self.known.entry(name).or_default().insert(version);
        }
    }

    fn changefeed(&self, retention_days: Option<u32>) -> Changefeed {
        self.world.changefeed(|options| options.retention_days = retention_days)
    }

    fn request(&self, time_limit: Option<Duration>) -> SweepRequest {
        let now = DateTime::from_timestamp(self.clock, 0).expect("a time");
        SweepRequest { now: ServiceTime::new(now), dry_run: false, time_limit }
    }

    async fn sweep(&mut self, days: Option<u32>) {
        let before = self.versions().await;
        let cutoff = days.map(|days| self.clock - i64::from(days) * DAY - GRACE);
        let is_interrupted = self.random.random_bool(0.5);
        if is_interrupted {
            self.interrupted_sweep(days).await;
        } else if let Some(days) = days {
            self.complete_sweep(days).await;
        } else {
            let report = self.changefeed(None).retention.sweep(&self.request(None)).await.expect("a report");
            assert_eq!((report.state, report.versions), (SweepState::Off, 0));
        }
        self.horizon = self.horizon.max(cutoff.unwrap_or(i64::MIN));
        let after = self.versions().await;
        for removed in before.difference(&after) {
            assert!(
                cutoff.is_some_and(|cutoff| self.is_expired(removed, cutoff)),
                "{removed} was removed with a retention of {days:?} days"
            );
        }
        self.check().await;
    }

    /// Runs a sweep that is dropped, runs out of time, or loses replies.
    async fn interrupted_sweep(&mut self, days: Option<u32>) {
        for container in ["changes", "jobs"] {
            if self.random.random_bool(0.3) {
                let fault = Fault {
                    container: Some(container.into()),
                    kind: RequestKind::Write,
                    times: 1,
                    effect: Effect::LoseReply,
                };
                self.world.endpoint.inject(fault);
            }
        }
        let (changefeed, micros) = (self.changefeed(days), self.random.random_range(0..150_000));
        let limit = Duration::from_micros(micros);
        if self.random.random_bool(0.3) {
            changefeed.retention.sweep(&self.request(Some(limit))).await.expect("a report");
        } else {
            // Drops the sweep at a random time.
            let _ = tokio::time::timeout(limit, changefeed.retention.sweep(&self.request(None))).await;
            self.wait_for_requests_under_way().await;
        }
    }

    /// Waits until the requests of a dropped sweep are answered, because they may still remove versions.
    async fn wait_for_requests_under_way(&self) {
        let mut idle = 0;
        while idle < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            idle = if self.world.endpoint.requests_under_way() == 0 { idle + 1 } else { 0 };
        }
    }

    async fn complete_sweep(&mut self, days: u32) {
        let (changefeed, cutoff) = (self.changefeed(Some(days)), self.clock - i64::from(days) * DAY - GRACE);
        let counted =
            changefeed.retention.sweep(&SweepRequest { dry_run: true, ..self.request(None) }).await.expect("a plan");
        let before = self.versions().await;
        let report = changefeed.retention.sweep(&self.request(None)).await.expect("a report");
        assert_eq!((report.state, report.superseded_until), (SweepState::Done, Some(cutoff)));
        self.horizon = self.horizon.max(cutoff);
        let remaining = self.versions().await;
        assert_eq!(report.versions, before.difference(&remaining).count() as u64);
        assert!(counted.versions >= report.versions, "{counted:?} {report:?}");
        for known in self.known.values() {
            // The successor may be missing, because an earlier sweep with a shorter retention removed it.
            let old: Vec<&Known> =
                known.iter().filter(|version| remaining.contains(&version.id) && version.ts <= cutoff).collect();
            assert!(old.len() <= 1, "{old:?} remain with a retention of {days} days at {}", self.clock);
        }
        let parts = self.world.query("changes", "SELECT VALUE c.partOf FROM c WHERE IS_DEFINED(c.partOf)").await;
        assert!(parts.iter().all(|of| remaining.contains(of.as_str().expect("id"))), "{parts:?}");
    }

    async fn versions(&self) -> BTreeSet<String> {
        let ids = self.world.query("changes", "SELECT VALUE c.id FROM c WHERE NOT IS_DEFINED(c.partOf)").await;
        ids.iter().map(|id| id.as_str().expect("id").to_owned()).collect()
    }

    fn is_expired(&self, id: &str, cutoff: i64) -> bool {
        let of = |known: &&BTreeSet<Known>| known.iter().any(|version| version.id == id);
        let known = self.known.values().find(of).expect("a known version");
        let successor = known.iter().skip_while(|version| version.id != id).nth(1);
        successor.is_some_and(|successor| successor.ts <= cutoff)
    }

    async fn check(&mut self) {
        let stored = self.versions().await;
        let changefeed = self.changefeed(Some(1));
        let mut checks = Vec::new();
        for (name, known) in &self.known {
            assert!(stored.contains(&known.last().expect("a version").id), "the newest version of {name:?} is removed");
            let mut seconds: BTreeSet<i64> =
                (0..2).map(|_| self.clock - self.random.random_range(0..60 * DAY)).collect();
            for version in known.iter().filter(|_| self.random.random_bool(0.2)) {
                seconds.extend([version.ts - 1, version.ts]);
            }
            seconds.extend([self.horizon, self.horizon.saturating_add(1)].into_iter().filter(|second| *second > 0));
            checks.extend(seconds.into_iter().map(|second| (*name, known, second)));
        }
        let check = |(name, known, second)| self.check_second(&changefeed, name, known, second);
        futures::stream::iter(checks).map(check).buffer_unordered(8).collect::<()>().await;
        for record in self.world.query("changes", "SELECT * FROM c WHERE IS_DEFINED(c.documentParts)").await {
            let query = format!("SELECT VALUE c.id FROM c WHERE c.partOf = '{}'", record["id"].as_str().expect("id"));
            let parts = self.world.query("changes", &query).await.len() as u64;
            assert_eq!(record["documentParts"].as_u64(), Some(parts), "{}", record["id"]);
        }
    }

    async fn check_second(&self, changefeed: &Changefeed, name: Name, known: &BTreeSet<Known>, second: i64) {
        let document = DocumentName { id: name.1.to_owned(), partition_key: Key::text(name.0) };
        let moment = TimeExpression::from(DateTime::from_timestamp(second, 0).expect("a time"));
        let found = changefeed.history.document_as_of(&document, moment).await.unwrap_or_else(|error| {
            let refused = self.world.endpoint.requests().into_iter().rfind(|request| request.status == 400);
            panic!("{error}: {refused:?}")
        });
        let expected = known.iter().rfind(|version| version.ts <= second);
        let is_created_later = known.first().is_some_and(|first| first.create);
        let is_correct = match (&found, expected) {
            (AsOf::Version { version, .. }, Some(expected)) => version.id == expected.id && !expected.removal,
            (AsOf::Absent { because }, Some(expected)) => *because == expected.id && expected.removal,
            (AsOf::Absent { .. }, None) => is_created_later,
            (AsOf::Unknown { .. }, None) => !is_created_later || second < self.horizon,
            (AsOf::Unknown { since }, Some(_)) => second < self.horizon && since.is_some_and(|since| since > second),
            (AsOf::Version { .. }, None) => false,
        };
        assert!(
            is_correct,
            "{name:?} as of {second}, horizon {}: found {found:?}, expected {expected:?}",
            self.horizon
        );
    }
}
