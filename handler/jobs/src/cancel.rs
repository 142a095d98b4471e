//! Ends a job before it is done.

use changefeed_cosmos::{Error, ErrorKind};

use crate::job::{Job, Read};
use crate::jobs::Jobs;
use crate::kind::Kind;
use crate::state::JobState;

impl Jobs {
    /// Cancels a job of this kind. A job that no worker has claimed ends at once; a running one ends when its worker next saves
    /// it, and a divided one when each of its portions has ended. What was done stays done. Returns the job as it is then; a job that has ended is not changed.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job of this kind. Otherwise the error of reading or writing the jobs container.
    pub async fn cancel(&self, kind: Kind, id: &str) -> Result<Job, Error> {
        loop {
            let read = self.read(id).await?.filter(|read| read.job.kind == kind.name);
            let Read { mut job, etag } = read.ok_or_else(|| kind.not_found("cancelling", id))?;
            let now = self.now();
            let is_claimed = job.job.is_claimed(now) || !job.job.portions.is_empty();
            if job.state.is_end() || (job.job.cancel && is_claimed) {
                return Ok(job);
            }
            job.job.cancel = true;
            if !is_claimed {
                job.end(JobState::Cancelled, now);
            }
            match self.replace(&job, &etag).await {
                Ok(_) => return Ok(job),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}
