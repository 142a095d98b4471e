//! A job that this worker has claimed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, Key, Meter, retry, timestamp};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::job::{Claim, Job, Read};
use crate::jobs::Jobs;
use crate::pace::Pace;
use crate::places::{ItemPlaces, JobPlaces};

/// How much the last interval counts for the rate.
const RATE_WEIGHT: f64 = 0.3;

/// A job that this worker has claimed.
pub struct Run {
    jobs: Jobs,
    meter: Meter,
    by: String,
    /// The job that this one is a portion of, as it was when this one was claimed.
    of: Option<Job>,
    /// Those of the divided job, if this is a portion.
    places: Arc<JobPlaces>,
    state: Mutex<State>,
    pace: Option<Mutex<Pace>>,
    /// Whether to stop at the next step.
    stop: watch::Sender<bool>,
    setup: Mutex<Setup>,
    /// Serialises saves: the second needs the etag of the first.
    saving: tokio::sync::Mutex<()>,
}

/// The setup that a slice needs before its first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Done,
    UnderWay,
    /// It took as long as a slice may take. One step follows nevertheless, or the job would never advance.
    Overdue,
}

struct State {
    job: Job,
    /// Request units of earlier slices, and of portions.
    charged_before: f64,
    etag: String,
    saved_at: Instant,
    saved_done: u64,
}

impl Run {
    pub(crate) fn new(jobs: &Jobs, by: String, job: Job, etag: String, of: Option<Job>) -> Self {
        let own_places = || Arc::new(JobPlaces::new(jobs.options().parallel));
        let places = of.as_ref().map_or_else(own_places, |of| jobs.places(&of.id));
        let meter = Meter::of_background(jobs.options().background);
        let jobs = jobs.metered(&meter);
        let budget = job.job.ru_per_second;
        let pace = budget.map(|budget| Mutex::new(Pace::new(budget, job.job.paid_until, seconds(jobs.now()))));
        let stop = watch::Sender::new(job.job.cancel);
        let (charged_before, saved_done) = (job.request_charge, job.job.done);
        let state = Mutex::new(State { job, charged_before, etag, saved_at: Instant::now(), saved_done });
        let (setup, saving) = (Mutex::new(Setup::Done), tokio::sync::Mutex::default());
        Self { jobs, meter, by, of, places, state, pace, stop, setup, saving }
    }

    /// The jobs container. Its requests are counted by [`Self::meter`].
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Counts the request units of the work.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The job's id; of a portion, that of the divided job.
    pub fn id(&self) -> String {
        self.of.as_ref().map_or_else(|| self.record_id(), |of| of.id.clone())
    }

    /// The id of the record that is claimed: the portion's own.
    fn record_id(&self) -> String {
        self.state().job.id.clone()
    }

    /// The second since 1970 at which the job was requested: the same in every slice.
    pub fn second(&self) -> i64 {
        self.state().job.second()
    }

    /// A property that only this kind of job has; of a portion, that of the divided job.
    pub fn property(&self, name: &str) -> Value {
        let property = |job: &Job| job.other.get(name).cloned().unwrap_or_default();
        self.of.as_ref().map_or_else(|| property(&self.state().job), property)
    }

    /// The job that this one is a portion of.
    pub(crate) fn of(&self) -> Option<&Job> {
        self.of.as_ref()
    }

    /// The job as it is now.
    pub(crate) fn job(&self) -> Job {
        self.state().job.clone()
    }

    /// Changes the job; the next save stores it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Job)) {
        change(&mut self.state().job);
    }

    /// Request units of the job so far.
    pub(crate) fn charge(&self) -> f64 {
        self.state().charged_before + self.meter.total()
    }

    /// Waits for a place for a page. The portions of a job that this process runs share its places; one that is not divided needs none.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.of.as_ref()?;
        Arc::clone(&self.places.pages).acquire_owned().await.ok()
    }

    /// The places for items of the job in this process: `count`.
    pub fn items(&self, count: usize) -> ItemPlaces {
        self.places.items(count)
    }

    /// The number of pages of the job that this process has under way while this run has `pages`: more, if it runs other portions too.
    pub fn pages_at_once(&self, pages: usize) -> usize {
        (pages * Arc::strong_count(&self.places)).min(self.places.count.max(pages)).max(1)
    }

    /// Adds what the portions have done to the job, which is then at this cursor. False if it is not divided.
    pub(crate) fn add_portions(&self, cursor: Option<Value>) -> bool {
        let mut state = self.state();
        let portions = std::mem::take(&mut state.job.job.portions);
        for portion in &portions {
            state.job.add_portion(&portion.counts, portion.done, portion.request_charge);
            state.charged_before += portion.request_charge;
        }
        if let Some(cursor) = cursor.filter(|_| !portions.is_empty()) {
            state.job.job.cursor = cursor;
        }
        !portions.is_empty()
    }

    /// The budget: request units in a second.
    pub fn ru_per_second(&self) -> Option<f64> {
        self.state().job.job.ru_per_second
    }

    /// Where to resume; `None` in the first slice.
    pub fn cursor<C: DeserializeOwned>(&self) -> Result<Option<C>, Error> {
        let cursor = self.state().job.job.cursor.clone();
        serde_json::from_value(cursor)
            .map_err(|error| Error::corrupt(format!("reading the cursor of job {}", self.id()), error))
    }

    /// The counts so far.
    pub fn counts<C: DeserializeOwned + Default>(&self) -> Result<C, Error> {
        let counts = self.state().job.counts.clone();
        let counts = Some(counts).filter(|counts| !counts.is_null()).map(serde_json::from_value).transpose();
        counts
            .map(Option::unwrap_or_default)
            .map_err(|error| Error::corrupt(format!("reading the counts of job {}", self.id()), error))
    }

    /// Sets the number of items to process.
    pub fn set_total(&self, total: Option<u64>) {
        self.state().job.job.total = total;
    }

    /// Sets the number of processed items, where a better figure than the saved one is known.
    pub fn set_done(&self, done: u64) {
        self.state().job.job.done = done;
    }

    /// Items that were processed.
    pub fn done(&self) -> u64 {
        self.state().job.job.done
    }

    /// Runs the setup before the first step, however long it takes.
    pub async fn set_up<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        *self.setup() = Setup::UnderWay;
        let done = work.await;
        let mut setup = self.setup();
        if *setup == Setup::UnderWay {
            *setup = Setup::Done;
        }
        done
    }

    /// Advances the cursor: after the next save, the work resumes here if this worker is killed.
    pub fn advance(&self, cursor: &impl Serialize, counts: &impl Serialize, processed: u64) -> Result<(), Error> {
        let json =
            |value: serde_json::Result<Value>| value.map_err(|error| Error::internal("saving a job's cursor", error));
        let (cursor, counts) = (json(serde_json::to_value(cursor))?, json(serde_json::to_value(counts))?);
        if *self.setup() == Setup::Overdue {
            self.stop.send_replace(true);
        }
        let mut state = self.state();
        let job = &mut state.job;
        if job.job.cursor != cursor || processed > 0 {
            (job.job.failures, job.job.message) = (0, None);
        }
        (job.job.cursor, job.counts) = (cursor, counts);
        job.job.done += processed;
        job.job.total = job.job.total.map(|total| total.max(job.job.done));
        Ok(())
    }

    /// Advances the cursor to a state that later steps depend on, such as the division into parts, and saves it before they
    /// start.
    pub async fn begin(&self, cursor: &impl Serialize, counts: &impl Serialize) -> Result<(), Error> {
        self.advance(cursor, counts, 0)?;
        self.save(|_| ()).await.map(drop)
    }

    /// Whether to start no further step: the slice is over, or the job is being cancelled.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the budget allows more requests, or the run is stopping.
    pub async fn pace(&self) {
        let Some(pace) = &self.pace else { return };
        let wait = {
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = pace.wait(self.meter.total(), seconds(self.jobs.now()));
            self.state().job.job.paid_until = Some(pace.paid_until());
            wait
        };
        self.rest(wait).await;
    }

    /// The second at which a job that [settles](Self::settle) began, since 1970 by the service's clock.
    pub fn begun_second(&self) -> Option<i64> {
        self.of.as_ref().map_or_else(|| self.state().job.job.begun_second, |of| of.job.begun_second)
    }

    /// The second at which the job was last saved, since 1970 by the service's clock: it is over or current.
    pub async fn saved_second(&self) -> Result<i64, Error> {
        let id = self.record_id();
        let deadline = Instant::now() + self.jobs.options().claim;
        let (jobs, key) = (self.jobs.open().await?, Key::text(&id));
        let record = retry(deadline, || jobs.read(&key, &id)).await?;
        let second = record.and_then(|record| record["_ts"].as_i64());
        second.ok_or_else(|| Error::not_found(format!("reading job {id}"), "the record was deleted"))
    }

    /// Records the second at which the job begins, and waits until it is over: all later writes have a later time. A slice that
    /// is interrupted keeps the recorded second.
    pub async fn settle(&self) -> Result<(), Error> {
        let settle = self.jobs.options().settle;
        // The claim saved it just now.
        let now = self.saved_second().await?;
        let begun = self.begun_second();
        if begun.is_none() {
            self.save(|job| job.job.begun_second = Some(now)).await?;
        }
        if now.saturating_sub(begun.unwrap_or(now)) <= settle.as_secs().cast_signed() {
            tokio::time::sleep(settle).await;
        }
        Ok(())
    }

    /// Waits for this duration, or until the run is stopping.
    pub async fn rest(&self, wait: Duration) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    pub(crate) fn stop(&self) {
        let mut setup = self.setup();
        if *setup == Setup::Done {
            self.stop.send_replace(true);
        } else {
            *setup = Setup::Overdue;
        }
    }

    /// Whether the job is being cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state().job.job.cancel
    }

    /// Saves the job every few seconds, which renews the claim. Returns only when that fails.
    pub(crate) async fn keep_saving(&self) -> Error {
        loop {
            tokio::time::sleep(self.jobs.options().save_interval).await;
            if let Err(error) = self.save(|_| ()).await {
                return error;
            }
            self.look_whether_cancelled().await;
        }
    }

    /// Stops a portion of a job that is being cancelled. After a failure, the next look counts.
    async fn look_whether_cancelled(&self) {
        let Some(of) = &self.of else { return };
        if let Ok(Some(Read { job, .. })) = self.jobs.read(&of.id).await
            && job.job.cancel
        {
            self.state().job.job.cancel = true;
            self.stop.send_replace(true);
        }
    }

    /// Changes the job and saves it.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] when another worker has taken it over.
    pub(crate) async fn save(&self, change: impl FnOnce(&mut Job)) -> Result<Job, Error> {
        let _saving = self.saving.lock().await;
        self.update(change);
        let deadline = Instant::now() + self.jobs.options().claim;
        loop {
            let (job, etag) = {
                let state = self.state();
                (state.job.clone(), state.etag.clone())
            };
            match retry(deadline, || self.jobs.replace(&job, &etag)).await {
                Ok(etag) => {
                    self.state().etag = etag;
                    return Ok(job);
                }
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => self.read_after_change().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Updates the job for a save: its time, its cost and its rate.
    fn update(&self, change: impl FnOnce(&mut Job)) {
        let now = self.jobs.now();
        let mut state = self.state();
        let State { job, saved_at, saved_done, charged_before, .. } = &mut *state;
        let (elapsed, done) = (saved_at.elapsed().as_secs_f64(), job.job.done.saturating_sub(*saved_done) as f64);
        if elapsed > 0.5 {
            let rate = done / elapsed;
            let before = job.job.rate_per_second.unwrap_or(rate);
            job.job.rate_per_second = Some(before + (rate - before) * RATE_WEIGHT);
            (*saved_at, *saved_done) = (Instant::now(), job.job.done);
        }
        job.request_charge = *charged_before + self.meter.total();
        job.job.updated_at = timestamp(now);
        job.job.claim = Some(Claim { by: self.by.clone(), until: timestamp(now + self.jobs.options().claim) });
        change(job);
    }

    /// Reads the job after its etag has changed: another process has cancelled it or taken it over.
    async fn read_after_change(&self) -> Result<(), Error> {
        let action = || format!("saving job {}", self.record_id());
        let lost = |message: &str| Error::new(ErrorKind::PreconditionFailed, action(), message);
        let Some(Read { job, etag }) = self.jobs.read(&self.record_id()).await? else {
            return Err(lost("the record was deleted"));
        };
        // A save of this worker whose reply was lost may have released the claim.
        let claim = job.job.claim.as_ref();
        let own = claim.is_some_and(|claim| claim.by == self.by);
        if !own && (claim.is_some() || job.job.updated_at != self.state().job.job.updated_at) {
            return Err(lost("another worker has taken it over"));
        }
        let mut state = self.state();
        state.etag = etag;
        state.job.job.cancel |= job.job.cancel;
        state.job.other = job.other;
        if state.job.state.is_end() {
            state.job.expire_portion();
        }
        for ended in job.job.portions.into_iter().filter(|portion| portion.state.is_end()) {
            if let Some(portion) = state.job.job.portions.iter_mut().find(|portion| portion.id == ended.id) {
                *portion = ended;
            }
        }
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

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::JobOptions;
    use changefeed_cosmos::{Account, LazyContainer};
    use serde_json::json;

    /// A claimed job, on an account that is never reached.
    fn run() -> Run {
        let connect = || Box::pin(async { Err(Error::invalid("connecting", "there is no account")) }) as _;
        let container = LazyContainer::new(Account::new(Box::new(connect)), "dev", "jobs");
        let jobs = Jobs::new(container, JobOptions::default(), None);
        let job =
            json!({"id": "1", "kind": "nothing", "state": "running", "startedAt": "2026-11-01T00:00:00Z", "job": {}});
        let job = serde_json::from_value(job).expect("a job");
        Run::new(&jobs, "by".into(), job, "etag".into(), None)
    }

    #[test]
    fn a_slice_that_is_over_ends_at_once() {
        let run = run();
        run.stop();
        assert!(run.is_stopping());
    }

    #[tokio::test]
    async fn a_slice_whose_time_is_over_during_the_setup_still_makes_one_step() {
        let run = run();
        let set_up = async {
            run.stop();
            Ok(5)
        };
        assert_eq!(run.set_up(set_up).await.expect("set up"), 5);
        assert!(!run.is_stopping(), "or it would never advance");
        run.advance(&json!({"page": 1}), &json!({}), 1).expect("moved");
        assert!(run.is_stopping());
    }

    #[tokio::test]
    async fn a_setup_that_is_shorter_than_a_slice_does_not_extend_it() {
        let run = run();
        run.set_up(async { Ok(()) }).await.expect("set up");
        run.advance(&json!({"page": 1}), &json!({}), 1).expect("moved");
        assert!(!run.is_stopping());
        run.stop();
        assert!(run.is_stopping());
    }
}
