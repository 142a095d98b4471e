//! What a worker does about portions: divide a phase, create them, record the end of one, and join them.

use changefeed_cosmos::{Error, ErrorKind, retry};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::divide::divide;
use crate::job::{Job, Read};
use crate::jobs::Jobs;
use crate::kind::Step;
use crate::parts::Parts;
use crate::portion::{Portion, PortionState};
use crate::run::Run;
use crate::state::JobState;

impl Run {
    /// Begins a phase: saves the cursor of its parts before the first page is read. Divides the parts among portions if they have many
    /// items. Returns the cursor, and `None` if it has divided them: then the kind ends the slice with [`Step::Waiting`], and joins the
    /// portions in a later slice with [`Self::join_portions`].
    ///
    /// # Errors
    /// When the job or its portions cannot be stored.
    pub async fn begin_parts<C: Serialize>(
        &self,
        mut parts: Parts,
        cursor: impl Fn(Parts) -> C,
        counts: &impl Serialize,
    ) -> Result<Option<C>, Error> {
        let mut begun = Vec::new();
        if !self.is_portion() && !self.is_cancelled() {
            let portions;
            (parts, portions) = divide(self.jobs(), &self.job(), parts).await?;
            for (id, parts) in portions {
                let cursor = serde_json::to_value(cursor(parts));
                begun.push(Portion::new(id, cursor.map_err(|error| Error::internal("dividing a job", error))?));
            }
        }
        let is_divided = !begun.is_empty();
        let cursor = cursor(parts);
        self.advance(&cursor, counts, 0)?;
        self.save(|job| job.job.portions = begun).await?;
        if is_divided {
            self.create_portions().await?;
        }
        Ok((!is_divided).then_some(cursor))
    }

    /// Joins the portions, all of which are done: their counts become those of the job, in the same save as this cursor. False if the job
    /// is not divided.
    ///
    /// # Errors
    /// When the cursor cannot be written as JSON.
    pub fn join_portions(&self, cursor: &impl Serialize) -> Result<bool, Error> {
        let cursor = serde_json::to_value(cursor).map_err(|error| Error::internal("joining portions", error))?;
        Ok(self.add_portions(Some(cursor)))
    }

    /// Whether this is a portion of a job: its kind reads its parts to their end, and nothing else.
    pub fn is_portion(&self) -> bool {
        self.of().is_some()
    }

    /// Prepares the slice of a divided job. `None` if its kind is to work on it.
    ///
    /// # Errors
    /// When a portion has failed, or cannot be created.
    pub(crate) async fn settle_portions(&self) -> Result<Option<Step>, Error> {
        let (id, portions) = (self.id(), self.job().job.portions);
        if portions.is_empty() {
            return Ok(None);
        }
        if portions.iter().any(|portion| !portion.state.is_end()) {
            self.create_portions().await?;
            return Ok(Some(Step::Waiting));
        }
        if self.is_cancelled() {
            self.add_portions(None);
            return Ok(Some(Step::More));
        }
        let stopped = portions.into_iter().find(|portion| portion.state != PortionState::Done);
        match stopped {
            Some(Portion { message, .. }) => {
                let message = message.unwrap_or_else(|| "it was cancelled alone".to_owned());
                Err(Error::new(ErrorKind::Invalid, format!("running a portion of job {id}"), message))
            }
            None => Ok(None),
        }
    }

    /// Creates the records of portions that have none yet.
    async fn create_portions(&self) -> Result<(), Error> {
        let job = self.job();
        let deadline = Instant::now() + self.jobs().options().claim;
        for portion in job.job.portions.iter().filter(|portion| portion.state == PortionState::New) {
            let record = job.portion_record(portion, self.jobs().now());
            retry(deadline, || self.jobs().create(&portion.id, &record)).await?;
            let is_created = |of: &&mut Portion| of.id == portion.id && of.state == PortionState::New;
            self.change(|job| {
                if let Some(created) = job.job.portions.iter_mut().find(is_created) {
                    (created.state, created.cursor, created.counts) = (PortionState::Created, Value::Null, Value::Null);
                    (created.done, created.request_charge) = (0, 0.0);
                }
            });
        }
        Ok(())
    }

    /// Records the end of this portion in the job that was divided, unless it is recorded.
    pub(crate) async fn report_end(&self, state: JobState, message: Option<&str>) -> Result<(), Error> {
        let Some(of) = self.of() else { return Ok(()) };
        // If another worker has taken it over, that one records the end.
        let job = self.save(|_| ()).await?;
        let state = PortionState::of_end(state);
        let cursor = if state == PortionState::Failed { job.job.cursor } else { Value::Null };
        let message = message.map(str::to_owned);
        let (counts, done, request_charge) = (job.counts, job.job.done, self.charge());
        let ended = Portion { id: job.id, state, cursor, counts, done, request_charge, message };
        let deadline = Instant::now() + self.jobs().options().claim;
        retry(deadline, || self.jobs().record_end(&of.id, &ended)).await
    }
}

impl Jobs {
    /// Records the end of a portion in the job that was divided, unless it is recorded.
    async fn record_end(&self, job_id: &str, ended: &Portion) -> Result<(), Error> {
        loop {
            let Some(Read { mut job, etag }) = self.read(job_id).await? else { return Ok(()) };
            let unfinished = |portion: &&mut Portion| portion.id == ended.id && !portion.state.is_end();
            let Some(portion) = job.job.portions.iter_mut().find(unfinished) else { return Ok(()) };
            *portion = ended.clone();
            match self.replace(&job, &etag).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A job with what its portions have done so far, if it is divided.
    pub(crate) async fn with_portions(&self, mut job: Job) -> Result<Job, Error> {
        let portions = std::mem::take(&mut job.job.portions);
        for portion in &portions {
            if portion.state != PortionState::Created {
                job.add_portion(&portion.counts, portion.done, portion.request_charge);
                continue;
            }
            let Some(Read { job: portion, .. }) = self.read(&portion.id).await? else { continue };
            job.add_portion(&portion.counts, portion.job.done, portion.request_charge);
            if portion.job.is_claimed(self.now()) {
                let rate = portion.job.rate_per_second.unwrap_or_default();
                job.job.rate_per_second = Some(job.job.rate_per_second.unwrap_or_default() + rate);
                job.job.claim = job.job.claim.or(portion.job.claim);
            }
        }
        job.job.portions = portions;
        Ok(job)
    }
}
