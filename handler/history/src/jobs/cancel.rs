//! The end of a job before it is done.

use chrono::Utc;

use super::job::{Job, Read};
use super::state::JobState;
use crate::cosmos::{Error, ErrorKind};
use crate::store::Store;

impl Store {
    /// Asks for the end of a job. One that nobody works on ends at once, as far as its claim tells; a running one when its
    /// runner next saves it. What was done stays done. The job as it is then; one that has ended before is left as it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job, and when the jobs container cannot be read or written.
    pub async fn cancel_job(&self, id: &str) -> Result<Job, Error> {
        let missing = || Error::new(ErrorKind::NotFound, format!("cancelling job {id}"), "there is no such job");
        loop {
            let Read { mut job, etag } = self.read_job(id).await?.ok_or_else(missing)?;
            let now = Utc::now();
            let is_claimed = job.job.is_claimed(now);
            if job.state.is_end() || (job.job.cancel && is_claimed) {
                return Ok(job);
            }
            job.job.cancel = true;
            if !is_claimed {
                job.end(JobState::Cancelled, now);
            }
            match self.replace_job(&job, &etag).await {
                Ok(_) => return Ok(job),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}
