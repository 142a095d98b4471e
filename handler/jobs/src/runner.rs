//! Runs a slice of a job: claim it, work for a while, save it.

use std::sync::Arc;

use changefeed_cosmos::{Error, ErrorKind};
use chrono::Utc;

use crate::claim::{Claimed, claim};
use crate::jobs::Jobs;
use crate::kind::{JobKind, Step};
use crate::run::Run;
use crate::state::{JobState, SliceEnd};

/// Consecutive slices that may fail without progress.
const MAX_FAILURES: u32 = 60;

/// Runs jobs of the kinds that it is given, slice by slice.
#[derive(Clone, Debug)]
pub struct JobRunner {
    jobs: Jobs,
    kinds: Vec<Arc<dyn JobKind>>,
}

impl JobRunner {
    /// Runs jobs of these kinds; those of other kinds are skipped.
    pub fn new(jobs: Jobs, kinds: Vec<Arc<dyn JobKind>>) -> Self {
        Self { jobs, kinds }
    }

    /// How long a slice is.
    pub fn slice_duration(&self) -> std::time::Duration {
        self.jobs.options().slice
    }

    /// Works on a job until `until` completes or the job ends. If another worker holds the job, waits until that worker has
    /// saved the job again or its claim has expired. The future may be dropped at any instant: another slice resumes from what
    /// was saved.
    ///
    /// # Errors
    /// When the job could not be claimed or saved, which brings no event: the caller must run another slice.
    pub async fn run_slice(
        &self,
        id: &str,
        worker: &str,
        until: impl Future<Output = ()> + Send,
    ) -> Result<SliceEnd, Error> {
        tokio::pin!(until);
        let claimed = tokio::select! {
            claimed = claim(&self.jobs, &self.kinds, id, worker) => claimed?,
            () = &mut until => {
                let message = "the job could not be claimed within this slice: another worker holds it, or the service is slow";
                return Err(Error::new(ErrorKind::Unavailable, format!("claiming job {id}"), message));
            }
        };
        let (kind, run) = match claimed {
            Claimed::Run(kind, run) => (kind, run),
            Claimed::Not(end) => return Ok(end),
        };
        let stepped = {
            let work = kind.work(&run);
            let saving = run.keep_saving();
            tokio::pin!(work, saving);
            let mut over = false;
            loop {
                tokio::select! {
                    step = &mut work => break step,
                    error = &mut saving => break Err(error),
                    () = &mut until, if !over => {
                        over = true;
                        run.stop();
                    }
                }
            }
        };
        match conclude(&run, stepped).await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                log::info!("{error}");
                Ok(SliceEnd::Busy)
            }
            end => end,
        }
    }
}

/// Saves the outcome and releases the claim.
async fn conclude(run: &Run, stepped: Result<Step, Error>) -> Result<SliceEnd, Error> {
    let ended = match stepped {
        Ok(Step::Ended(state)) => Some(state),
        Ok(Step::More) if run.is_cancelled() => Some(JobState::Cancelled),
        Ok(Step::More) => None,
        Err(error) if error.kind() == ErrorKind::PreconditionFailed => return Err(error),
        Err(error) => {
            let message = error.to_string();
            let job = run.save(|job| {
                job.job.failures += 1;
                (job.job.message, job.job.claim) = (Some(message.clone()), None);
                if job.job.cancel {
                    job.end(JobState::Cancelled, Utc::now());
                } else if !error.is_transient() || job.job.failures >= MAX_FAILURES {
                    job.end(JobState::Failed, Utc::now());
                }
            });
            let job = job.await?;
            let failures = job.job.failures;
            return Ok(if job.state.is_end() {
                SliceEnd::Ended(job.state)
            } else {
                SliceEnd::Failing { failures, message }
            });
        }
    };
    let save = run.save(|job| match ended {
        Some(state) => {
            job.job.message = None;
            job.end(state, Utc::now());
        }
        None => job.job.claim = None,
    });
    let job = save.await?;
    Ok(if job.state.is_end() { SliceEnd::Ended(job.state) } else { SliceEnd::More })
}
