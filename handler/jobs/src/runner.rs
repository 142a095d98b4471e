//! Runs a slice of a job: claim it, work for a while, save it.

use std::sync::Arc;

use changefeed_cosmos::{Error, ErrorKind};

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

    /// Works on a job, or on a portion of it, until `until` completes or the job ends. If another worker holds the job, waits until that
    /// worker has saved the job again or its claim has expired. The future may be dropped at any instant: another slice resumes from what
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
            biased;
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
            let work = async {
                match run.settle_portions().await? {
                    Some(step) => Ok(step),
                    None => kind.work(&run).await,
                }
            };
            let saving = run.keep_saving();
            tokio::pin!(work, saving);
            let mut over = false;
            loop {
                tokio::select! {
                    biased;
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
            // The end of a portion is not that of its job.
            Ok(SliceEnd::Ended(_)) if run.is_portion() && run.id() == id => Ok(SliceEnd::More),
            end => end,
        }
    }
}

/// Saves the outcome and releases the claim. The end of a portion is recorded in the divided job first.
async fn conclude(run: &Run, stepped: Result<Step, Error>) -> Result<SliceEnd, Error> {
    let (ended, failure) = match stepped {
        Ok(Step::Ended(state)) => (Some(state), None),
        Ok(Step::More) if run.is_cancelled() => (Some(JobState::Cancelled), None),
        Ok(Step::More | Step::Waiting) => (None, None),
        Err(error) if error.kind() == ErrorKind::PreconditionFailed => return Err(error),
        Err(error) => {
            let is_last = !error.is_transient() || run.job().job.failures + 1 >= MAX_FAILURES;
            let ended =
                if run.is_cancelled() { Some(JobState::Cancelled) } else { is_last.then_some(JobState::Failed) };
            (ended, Some(error.to_string()))
        }
    };
    // Other workers have portions of it: it ends after them, or it would still write when it can be undone.
    let ended = ended.filter(|_| !run.job().job.has_portions_under_way());
    if let Some(state) = ended {
        run.report_end(state, failure.as_deref()).await?;
    }
    let save = run.save(|job| {
        job.job.claim = None;
        if let Some(failure) = &failure {
            job.job.failures += 1;
            job.job.message = Some(failure.clone());
        } else if ended.is_some() {
            job.job.message = None;
        }
        if let Some(state) = ended {
            job.end(state, run.jobs().now());
        }
    });
    let job = save.await?;
    Ok(match (ended, failure) {
        (Some(state), _) => SliceEnd::Ended(state),
        (None, Some(message)) => SliceEnd::Failing { failures: job.job.failures, message },
        (None, None) if job.job.is_waiting() => SliceEnd::Waiting,
        (None, None) => SliceEnd::More,
    })
}
