//! What happens in a run, as its seed says: documents are written, processes start, stop, are killed and cut off, partitions split and
//! merge, the network is bad for a while, and an operator restores, undoes and verifies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::{Clock, Container, Key};
use changefeed_history::Role;
use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::{Changefeed, RestoreRequest, UndoRequest, VerifyRequest};
use changefeed_processor::ChangeFeedMode;
use chrono::{DateTime, TimeDelta, Utc};
use local_cosmos::Options;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::check::{self, Restored};
use super::network::{Link, Network, NetworkFaults};
use super::process::{Process, Settings, client};
use crate::support;

/// Documents that are written.
const DOCUMENTS: u32 = 60;
/// From the start of the first processes until documents are written.
const SETTLING: Duration = Duration::from_secs(120);
/// The most processes at once.
const MOST_PROCESSES: usize = 4;
/// How long everything may take to settle after the last fault, by the simulated clock.
const SETTLE_LIMIT: Duration = Duration::from_secs(3600);

/// A run.
pub struct Scenario {
    pub network: Arc<Network>,
    pub mode: ChangeFeedMode,
    pub changefeed: Changefeed,
    events: Container,
    random: ChaCha8Rng,
    processes: Vec<Process>,
    starting: JoinSet<Process>,
    started: u32,
    cut: Vec<(Duration, Link)>,
    bad_until: Duration,
    written: u64,
    /// What was restored, by the ids of the jobs.
    restored: BTreeMap<String, Restored>,
    verifications: Vec<String>,
}

pub fn start_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("a time")
}

/// Creates the containers. Returns the operations of the operator.
pub async fn provision(network: &Arc<Network>) -> Changefeed {
    let client = client(&network.link("operator", true)).await.expect("client");
    support::provision(&client, "").await;
    support::changefeed(&client, Clock::of_runtime(network.now()), JobOptions::default())
}

impl Scenario {
    /// A store with its containers, and the first processes.
    pub async fn start(seed: u64, keeps_trace: bool) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mode = match seed % 2 {
            0 => ChangeFeedMode::AllVersionsAndDeletes,
            _ => ChangeFeedMode::LatestVersion,
        };
        let partitions = Some(random.random_range(1..=6));
        let options = Options { partitions, refuse_unindexed_queries: true, ..Options::default() };
        let network = Network::new(&options, start_time(), random.random());
        network.separate_deliveries();
        if keeps_trace {
            network.keep_trace();
        }
        let changefeed = provision(&network).await;
        let events = changefeed.containers.of(Role::Monitored).open().await.expect("events");
        let mut scenario = Self {
            network,
            mode,
            changefeed,
            events,
            random,
            processes: Vec::new(),
            starting: JoinSet::new(),
            started: 0,
            cut: Vec::new(),
            bad_until: Duration::ZERO,
            written: 0,
            restored: BTreeMap::new(),
            verifications: Vec::new(),
        };
        for _ in 0..2 {
            scenario.start_process();
        }
        // In AllVersionsAndDeletes mode, a lease starts from now: it must have its first continuation token.
        sleep(SETTLING).await;
        scenario
    }

    /// Lets things happen for this long, by the simulated clock.
    pub async fn play(&mut self, duration: Duration) {
        while self.network.elapsed() < duration {
            sleep(Duration::from_secs_f64(self.random.random_range(0.1..20.0))).await;
            self.settle_due();
            match self.random.random_range(0..100) {
                0..58 => self.write().await,
                58..66 => self.change_processes().await,
                66..71 => self.cut_off(),
                71..76 => self.worsen_network(),
                76..82 => self.change_partitions().await,
                82..90 => self.restore().await,
                90..97 => self.undo().await,
                _ => self.verify().await,
            }
        }
    }

    /// Ends all faults, waits until everything has settled, and checks every promise.
    pub async fn end(mut self) {
        self.network.note("end of faults", "");
        self.bad_until = Duration::ZERO;
        self.cut.iter_mut().for_each(|(until, _)| *until = Duration::ZERO);
        self.settle_due();
        if self.processes.is_empty() && self.starting.is_empty() {
            self.start_process();
        }
        let deadline = self.network.elapsed() + SETTLE_LIMIT;
        for id in self.restored.keys().chain(&self.verifications) {
            while !self.changefeed.jobs.job(id).await.expect("the job").state.is_end() {
                assert!(self.network.elapsed() < deadline, "job {id} does not end");
                sleep(Duration::from_secs(5)).await;
            }
        }
        for id in &self.verifications {
            let record = self.changefeed.verifications.record(id).await.expect("record");
            assert!(
                matches!(record.state, JobState::Done | JobState::Findings),
                "{id}: {:?} {:?}",
                record.state,
                record.job
            );
        }
        loop {
            let missing = check::missing(&self, i64::MAX).await;
            if missing.is_empty() {
                break;
            }
            assert!(self.network.elapsed() < deadline, "versions are missing: {missing:#?}");
            sleep(Duration::from_secs(5)).await;
        }
        check::no_dead_letters(&self).await;
        check::history(&self).await;
        for (id, restored) in &self.restored {
            check::restore(&self, id, restored).await;
        }
        self.verify().await;
        let id = self.verifications.last().expect("a verification");
        let record = loop {
            sleep(Duration::from_secs(5)).await;
            let record = self.changefeed.verifications.record(id).await.expect("record");
            if record.state.is_end() {
                break record;
            }
            assert!(self.network.elapsed() < deadline, "verification {id} does not end");
        };
        assert_eq!(record.state, JobState::Done, "{:?}", record.counts);
        while let Some(process) = self.starting.join_next().await {
            self.processes.push(process.expect("started"));
        }
        for process in self.processes.drain(..) {
            process.stop().await;
        }
        check::no_dead_letters(&self).await;
        check::history(&self).await;
    }

    fn start_process(&mut self) {
        self.started += 1;
        let link = self.network.link(&format!("process-{}", self.started), false);
        let (mode, network) = (self.mode, Arc::clone(&self.network));
        let skew = TimeDelta::milliseconds(self.random.random_range(-15_000..=15_000));
        self.network.note("start", &format!("{}, its clock {} ms ahead", link.process(), skew.num_milliseconds()));
        self.starting.spawn(async move {
            loop {
                match Process::start(link.clone(), Settings::new(mode), skew).await {
                    Ok(process) => return process,
                    // A supervisor starts it again.
                    Err(error) => {
                        network.note("failed start", &format!("{}: {error}", link.process()));
                        sleep(Duration::from_secs(10)).await;
                    }
                }
            }
        });
    }

    fn settle_due(&mut self) {
        while let Some(process) = self.starting.try_join_next() {
            self.processes.push(process.expect("started"));
        }
        let now = self.network.elapsed();
        for (_, link) in self.cut.extract_if(.., |(until, _)| *until <= now) {
            self.network.note("connected again", link.process());
            link.set_cut(false);
        }
        if self.bad_until <= now {
            self.network.set_faults(NetworkFaults::default());
        }
    }

    async fn write(&mut self) {
        let only_one_each = self.random.random_bool(0.7);
        for _ in 0..self.random.random_range(1..8) {
            let number = self.random.random_range(0..DOCUMENTS);
            let (id, pk) = (format!("d{number}"), format!("p{}", number % 13));
            let key = Key::text(&pk);
            if self.mode == ChangeFeedMode::AllVersionsAndDeletes && self.random.random_bool(0.2) {
                self.events.delete(&key, &id, None).await.expect("deleted");
            } else {
                self.written += 1;
                let document = json!({"id": id, "pk": pk, "n": self.written});
                self.events.upsert(&key, &id, &document).await.expect("written");
            }
            if only_one_each {
                sleep(Duration::from_millis(self.random.random_range(0..1500))).await;
            }
        }
    }

    async fn change_processes(&mut self) {
        let alive = self.processes.len() + self.starting.len();
        if alive < MOST_PROCESSES && self.random.random_bool(0.55) || alive == 0 {
            return self.start_process();
        }
        if self.processes.is_empty() {
            return;
        }
        let process = self.processes.swap_remove(self.random.random_range(0..self.processes.len()));
        if self.random.random_bool(0.6) {
            self.network.note("kill", process.link.process());
            process.link.kill();
        } else {
            self.network.note("stop", process.link.process());
            // A process that cannot reach the store does not stop in time; it is abandoned.
            drop(tokio::time::timeout(Duration::from_secs(120), process.stop()).await);
        }
    }

    fn cut_off(&mut self) {
        let Some(process) = self.processes.choose(&mut self.random) else { return };
        let link = process.link.clone();
        let duration = Duration::from_secs(self.random.random_range(1..200));
        self.network.note("cut off", &format!("{} for {duration:?}", link.process()));
        link.set_cut(true);
        self.cut.push((self.network.elapsed() + duration, link));
    }

    fn worsen_network(&mut self) {
        let mut part = |most: f64| self.random.random_range(0.0..most);
        let faults = NetworkFaults { delay: None, lost_requests: part(0.2), lost_answers: part(0.2), slow: part(0.3) };
        let duration = Duration::from_secs(self.random.random_range(5..240));
        self.network.note("bad network", &format!("for {duration:?}: {faults:?}"));
        self.network.set_faults(faults);
        self.bad_until = self.network.elapsed() + duration;
    }

    async fn change_partitions(&mut self) {
        let container = *["events", "changes", "jobs", "leases"].choose(&mut self.random).expect("a container");
        let endpoint = &self.network.endpoint;
        let partitions = endpoint.partitions("dev", container).await.expect("partitions");
        let duration = Duration::from_millis(self.random.random_range(0..4000));
        let first = self.random.random_range(0..partitions.len());
        let is_merge = partitions.len() > 8 || self.random.random_bool(0.4);
        match partitions.get(first + 1) {
            Some(next) if is_merge => {
                self.network.note("merge", container);
                endpoint.merge("dev", container, [&partitions[first].id, &next.id], duration).await.map(drop)
            }
            _ => {
                self.network.note("split", container);
                endpoint.split("dev", container, Some(&partitions[first].id), duration).await.map(drop)
            }
        }
        .expect("split or merged");
    }

    async fn restore(&mut self) {
        let written = self.network.second() - start_time().timestamp() - SETTLING.as_secs().cast_signed();
        if written < 60 {
            return;
        }
        let second = self.network.second() - self.random.random_range(5..written.min(1800));
        let is_complete = check::missing(self, second).await.is_empty();
        let mut request = json!({"asOf": second, "all": true, "job": true});
        let deletes_created_after = self.random.random_bool(0.5);
        request["deleteCreatedAfter"] = json!(deletes_created_after);
        let began = self.network.second();
        let request: RestoreRequest = serde_json::from_value(request).expect("a request");
        let record = self.changefeed.restores.create_job(&request).await.expect("a job");
        self.network.note("restore", &format!("{} to {second}", record.id));
        self.restored.insert(record.id, Restored::AsOf { second, began, deletes_created_after, is_complete });
    }

    async fn undo(&mut self) {
        let mut ended = Vec::new();
        for id in self.restored.keys() {
            let record = self.changefeed.restores.record(id).await.expect("record");
            let has_ended = matches!(record.state, JobState::Done | JobState::Unknowns | JobState::Conflicts);
            if has_ended && record.undone_by.is_none() {
                ended.push(id.clone());
            }
        }
        let Some(id) = ended.choose(&mut self.random) else { return };
        let undo = self.changefeed.restores.create_undo_job(id, &UndoRequest::default()).await.expect("an undo");
        self.network.note("undo", &format!("{} of {id}", undo.id));
        self.restored.insert(undo.id, Restored::Undo(id.clone()));
    }

    async fn verify(&mut self) {
        let record = self.changefeed.verifications.create_job(&VerifyRequest::default()).await.expect("a job");
        self.network.note("verification", &record.id);
        self.verifications.push(record.id);
    }
}
