//! Lets a failed job run again, after what made it fail was fixed.

use changefeed_cosmos::{Error, ErrorKind, timestamp};

use crate::job::{Job, Read};
use crate::jobs::Jobs;
use crate::kind::Kind;
use crate::state::JobState;

impl Jobs {
    /// Queues a failed job of this kind again: it resumes where it stopped. Returns the job as it is then; a job that has not failed
    /// is not changed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job of this kind. Otherwise the error of reading or writing the jobs container.
    pub async fn requeue(&self, kind: Kind, id: &str) -> Result<Job, Error> {
        loop {
            let read = self.read(id).await?.filter(|read| read.job.kind == kind.name);
            let Read { mut job, etag } = read.ok_or_else(|| kind.not_found("resuming", id))?;
            if job.state != JobState::Failed {
                return Ok(job);
            }
            (job.state, job.finished_at) = (JobState::Queued, None);
            (job.job.failures, job.job.message) = (0, None);
            job.job.renew_portions(id);
            job.job.updated_at = timestamp(self.now());
            match self.replace(&job, &etag).await {
                Ok(_) => return Ok(job),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}
