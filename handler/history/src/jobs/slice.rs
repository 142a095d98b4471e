//! A slice of a job: claimed, worked on for a while, saved.

use chrono::Utc;

use super::claim::Claimed;
use super::kind::Step;
use super::run::Run;
use super::state::JobState;
use crate::cosmos::{Error, ErrorKind};
use crate::policy::{Decision, decide};
use crate::store::Store;

/// Slices in a row that may fail without getting anywhere.
const MAX_FAILURES: u32 = 60;

/// What came of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceEnd {
    /// There is more to do. The job was saved, which brings an event of the change feed.
    More,
    /// Something failed that may pass. The job was saved with the failure, which brings an event: after a pause another
    /// slice is to be tried.
    Failing {
        /// Slices in a row that failed.
        failures: u32,
        /// What failed.
        message: String,
    },
    /// The job has ended, now or before.
    Ended(JobState),
    /// Another runner works on it.
    Busy,
    /// There is no such job, or none of a kind that this version knows.
    NoJob,
}

impl Store {
    /// How long a slice is to be.
    pub fn slice_duration(&self) -> std::time::Duration {
        self.options.jobs.slice
    }

    /// Works on a job until `until` is over, or the job is. A claim of another runner is waited for: until that has saved
    /// the job again, or has run out. It may be dropped at any instant: another slice goes on from what was saved.
    ///
    /// # Errors
    /// When the job could not be claimed or saved, which brings no event: another slice is to be tried.
    pub async fn run_slice(
        &self,
        id: &str,
        runner: &str,
        until: impl Future<Output = ()> + Send,
    ) -> Result<SliceEnd, Error> {
        tokio::pin!(until);
        let claimed = tokio::select! {
            claimed = self.claim_job(id, runner) => claimed?,
            () = &mut until => {
                let message = "there was no time to see what its other runner does";
                return Err(Error::new(ErrorKind::Unavailable, format!("claiming job {id}"), message));
            }
        };
        let run = match claimed {
            Claimed::Run(run) => run,
            Claimed::Not(end) => return Ok(end),
        };
        let stepped = {
            let work = run.work();
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

/// Saves what became of the job, and gives the claim back.
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
                } else if decide(error.kind()) != Decision::Retry || job.job.failures >= MAX_FAILURES {
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
