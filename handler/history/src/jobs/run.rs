//! A job that this runner has claimed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use super::job::{Claim, Job, Read};
use super::kind::{JobKind, Step};
use super::pace::Pace;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::policy::retry;
use crate::store::{Role, Store};
use crate::version::timestamp;

/// How much the last interval counts for the rate.
const RATE_WEIGHT: f64 = 0.3;

/// A job that is being worked on. Its store counts what the work costs.
pub(crate) struct Run {
    /// Everything is done through this one.
    pub store: Store,
    kind: JobKind,
    by: String,
    /// What the slices before cost.
    charged_before: f64,
    state: Mutex<State>,
    pace: Option<Mutex<Pace>>,
    /// Whether to stop at the next step.
    stop: watch::Sender<bool>,
    setup: Mutex<Setup>,
    /// Of two saves the second waits for the etag of the first.
    saving: tokio::sync::Mutex<()>,
}

/// What has to be done before a slice can begin with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Done,
    UnderWay,
    /// It took as long as a slice may take: one step is made all the same, or the job would never move.
    Overdue,
}

struct State {
    job: Job,
    etag: String,
    saved_at: Instant,
    saved_done: u64,
}

impl Run {
    pub(super) fn new(store: Store, kind: JobKind, by: String, job: Job, etag: String) -> Self {
        let budget = job.job.ru_per_second;
        let pace = budget.map(|budget| Mutex::new(Pace::new(budget, job.job.paid_until, seconds())));
        let stop = watch::Sender::new(job.job.cancel);
        let (charged_before, saved_done) = (job.request_charge, job.job.done);
        let state = Mutex::new(State { job, etag, saved_at: Instant::now(), saved_done });
        let (setup, saving) = (Mutex::new(Setup::Done), tokio::sync::Mutex::default());
        Self { store, kind, by, charged_before, state, pace, stop, setup, saving }
    }

    /// The job's id.
    pub fn id(&self) -> String {
        self.state().job.id.clone()
    }

    /// The second since 1970 that the job was asked for: the same in every slice.
    pub fn second(&self) -> i64 {
        self.state().job.second()
    }

    /// A property that only this kind of job has.
    pub fn property(&self, name: &str) -> Value {
        self.state().job.other.get(name).cloned().unwrap_or_default()
    }

    /// The most request units to use in a second.
    pub fn ru_per_second(&self) -> Option<f64> {
        self.state().job.job.ru_per_second
    }

    /// Where to go on; `None` in the first slice.
    pub fn cursor<C: DeserializeOwned>(&self) -> Result<Option<C>, Error> {
        let cursor = self.state().job.job.cursor.clone();
        serde_json::from_value(cursor).map_err(|error| Error::invalid("reading a job's cursor", error.to_string()))
    }

    /// What came of the job so far.
    pub fn counts<C: DeserializeOwned + Default>(&self) -> Result<C, Error> {
        let counts = self.state().job.counts.clone();
        let counts = Some(counts).filter(|counts| !counts.is_null()).map(serde_json::from_value).transpose();
        counts
            .map(Option::unwrap_or_default)
            .map_err(|error| Error::invalid("reading a job's counts", error.to_string()))
    }

    /// Notes how many items there are to look at.
    pub fn set_total(&self, total: Option<u64>) {
        self.state().job.job.total = total;
    }

    /// Notes how many items were looked at, where that is known better than from the last save.
    pub fn set_done(&self, done: u64) {
        self.state().job.job.done = done;
    }

    /// Items that were looked at.
    pub fn done(&self) -> u64 {
        self.state().job.job.done
    }

    /// Does what has to be done before the first step, however long it takes.
    pub async fn set_up<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        *self.setup() = Setup::UnderWay;
        let done = work.await;
        let mut setup = self.setup();
        if *setup == Setup::UnderWay {
            *setup = Setup::Done;
        }
        done
    }

    /// Moves on: from here the work goes on if this runner is killed after the next save.
    pub fn advance(&self, cursor: &impl Serialize, counts: &impl Serialize, looked_at: u64) -> Result<(), Error> {
        let json = |value: serde_json::Result<Value>| {
            value.map_err(|error| Error::invalid("saving a job's cursor", error.to_string()))
        };
        let (cursor, counts) = (json(serde_json::to_value(cursor))?, json(serde_json::to_value(counts))?);
        if *self.setup() == Setup::Overdue {
            self.stop.send_replace(true);
        }
        let mut state = self.state();
        let job = &mut state.job;
        if job.job.cursor != cursor || looked_at > 0 {
            (job.job.failures, job.job.message) = (0, None);
        }
        (job.job.cursor, job.counts) = (cursor, counts);
        job.job.done += looked_at;
        job.job.total = job.job.total.map(|total| total.max(job.job.done));
        Ok(())
    }

    /// Moves to what later steps depend on: how the work is cut into parts, say. It is saved before they begin.
    pub async fn begin(&self, cursor: &impl Serialize, counts: &impl Serialize) -> Result<(), Error> {
        self.advance(cursor, counts, 0)?;
        self.save(|_| ()).await.map(drop)
    }

    /// Whether to begin nothing more: the slice is over, or the job is to end.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the budget allows more, or there is to be no more.
    pub async fn pace(&self) {
        let Some(pace) = &self.pace else { return };
        let wait = {
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = pace.wait(self.store.meter().total(), seconds());
            self.state().job.job.paid_until = Some(pace.paid_until());
            wait
        };
        self.rest(wait).await;
    }

    /// The second at which a job began that [settles](Self::settle), in seconds since 1970 by the service's clock.
    pub fn begun_second(&self) -> Option<i64> {
        self.state().job.job.begun_second
    }

    /// Notes the second at which the job begins, and waits until it is over: whatever is written afterwards is later. A slice
    /// that is interrupted meanwhile has not waited for nothing.
    pub async fn settle(&self) -> Result<(), Error> {
        let (id, settle) = (self.id(), self.store.options.jobs.settle);
        let deadline = Instant::now() + self.store.options.jobs.claim;
        let (jobs, key) = (self.store.container(Role::Jobs).await?, Key::text(&id));
        // It was saved just now, when it was claimed.
        let record = retry(deadline, || jobs.read(&key, &id)).await?;
        let now = record.and_then(|record| record["_ts"].as_i64());
        let now = now.ok_or_else(|| Error::invalid(format!("reading job {id}"), "it is gone"))?;
        let begun = self.begun_second();
        if begun.is_none() {
            self.save(|job| job.job.begun_second = Some(now)).await?;
        }
        if now.saturating_sub(begun.unwrap_or(now)) <= settle.as_secs().cast_signed() {
            tokio::time::sleep(settle).await;
        }
        Ok(())
    }

    /// Waits for so long, or until there is to be no more.
    pub async fn rest(&self, wait: Duration) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    pub(super) async fn work(&self) -> Result<Step, Error> {
        self.kind.work(self).await
    }

    pub(super) fn stop(&self) {
        let mut setup = self.setup();
        if *setup == Setup::Done {
            self.stop.send_replace(true);
        } else {
            *setup = Setup::Overdue;
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state().job.job.cancel
    }

    /// Saves the job every few seconds, which renews the claim. Ends only when that fails.
    pub(super) async fn keep_saving(&self) -> Error {
        loop {
            tokio::time::sleep(self.store.options.jobs.save_interval).await;
            if let Err(error) = self.save(|_| ()).await {
                return error;
            }
        }
    }

    /// Saves the job after a change of it.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] when another runner has taken it over.
    pub(super) async fn save(&self, change: impl FnOnce(&mut Job)) -> Result<Job, Error> {
        let _saving = self.saving.lock().await;
        self.note(change);
        let deadline = Instant::now() + self.store.options.jobs.claim;
        loop {
            let (job, etag) = {
                let state = self.state();
                (state.job.clone(), state.etag.clone())
            };
            match retry(deadline, || self.store.replace_job(&job, &etag)).await {
                Ok(etag) => {
                    self.state().etag = etag;
                    return Ok(job);
                }
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => self.look_again().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes into the job when it is saved, what it cost, and how fast it goes.
    fn note(&self, change: impl FnOnce(&mut Job)) {
        let now = Utc::now();
        let mut state = self.state();
        let State { job, saved_at, saved_done, .. } = &mut *state;
        let (elapsed, done) = (saved_at.elapsed().as_secs_f64(), job.job.done.saturating_sub(*saved_done) as f64);
        if elapsed > 0.5 {
            let rate = done / elapsed;
            let before = job.job.rate_per_second.unwrap_or(rate);
            job.job.rate_per_second = Some(before + (rate - before) * RATE_WEIGHT);
            (*saved_at, *saved_done) = (Instant::now(), job.job.done);
        }
        job.request_charge = self.charged_before + self.store.meter().total();
        job.job.updated_at = timestamp(now);
        job.job.claim = Some(Claim { by: self.by.clone(), until: timestamp(now + self.store.options.jobs.claim) });
        change(job);
    }

    /// Looks at what somebody else has done with the job: asked for its end, or taken it over.
    async fn look_again(&self) -> Result<(), Error> {
        let action = || format!("saving job {}", self.id());
        let lost = |message: &str| Error::new(ErrorKind::PreconditionFailed, action(), message);
        let Some(Read { job, etag }) = self.store.read_job(&self.id()).await? else {
            return Err(lost("it is gone"));
        };
        // A save of this runner whose reply was lost may have given the claim back.
        let claim = job.job.claim.as_ref();
        let own = claim.is_some_and(|claim| claim.by == self.by);
        if !own && (claim.is_some() || job.job.updated_at != self.state().job.job.updated_at) {
            return Err(lost("another runner has taken it over"));
        }
        let mut state = self.state();
        state.etag = etag;
        state.job.job.cancel |= job.job.cancel;
        state.job.other = job.other;
        if state.job.job.cancel {
            self.stop.send_replace(true);
        }
        Ok(())
    }

    fn setup(&self) -> MutexGuard<'_, Setup> {
        self.setup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds() -> f64 {
    Utc::now().timestamp_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobOptions;
    use crate::store::{ContainerNames, StoreOptions};
    use serde_json::json;

    /// A job that was claimed, on an account that is never reached.
    fn run() -> Run {
        let connect = || Box::pin(async { Err(Error::invalid("connecting", "nobody does")) }) as _;
        let name = str::to_owned;
        let names = ContainerNames {
            database: name("dev"),
            monitored: name("events"),
            changes: name("changes"),
            leases: name("leases"),
            jobs: name("jobs"),
            dead_letters: name("dead-letters"),
        };
        let options = StoreOptions {
            concurrency: 1,
            batch_timeout: Duration::from_secs(1),
            indexed_fields: Vec::new(),
            restored_at_field: None,
            retention_days: None,
            jobs: JobOptions::default(),
            places: changefeed_backup_format::LocationAccess::default(),
        };
        let job =
            json!({"id": "1", "kind": "backup", "state": "running", "startedAt": "2026-11-01T00:00:00Z", "job": {}});
        let job = serde_json::from_value(job).expect("a job");
        Run::new(Store::new(Box::new(connect), names, options), JobKind::Backup, "by".into(), job, "etag".into())
    }

    #[test]
    fn a_slice_that_is_over_ends_at_once() {
        let run = run();
        run.stop();
        assert!(run.is_stopping());
    }

    #[tokio::test]
    async fn a_slice_that_is_over_before_all_is_set_up_makes_one_step_all_the_same() {
        let run = run();
        let set_up = async {
            run.stop();
            Ok(5)
        };
        assert_eq!(run.set_up(set_up).await.expect("set up"), 5);
        assert!(!run.is_stopping(), "or it would never move");
        run.advance(&json!({"page": 1}), &json!({}), 1).expect("moved");
        assert!(run.is_stopping());
    }

    #[tokio::test]
    async fn what_takes_less_than_a_slice_to_set_up_does_not_make_it_longer() {
        let run = run();
        run.set_up(async { Ok(()) }).await.expect("set up");
        run.advance(&json!({"page": 1}), &json!({}), 1).expect("moved");
        assert!(!run.is_stopping());
        run.stop();
        assert!(run.is_stopping());
    }
}
