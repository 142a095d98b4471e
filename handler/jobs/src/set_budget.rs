//! Changes the budget of a job that is resumed.

use crate::budget::check_budget;
use crate::job::{Job, Read};
use crate::jobs::Jobs;

use changefeed_cosmos::{Error, ErrorKind};

impl Jobs {
    /// Gives a job another budget of request units a second, from its next slice on. A job that a worker has claimed, or that
    /// has ended, is not changed: its worker uses the budget that the slice began with. Returns the job as it is then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job, when the budget is out of bounds, and when the jobs container cannot
    /// be read or written.
    pub async fn set_budget(&self, id: &str, ru_per_second: f64) -> Result<Job, Error> {
        let action = || format!("changing the budget of job {id}");
        check_budget(Some(ru_per_second)).map_err(|message| Error::invalid(action(), message))?;
        loop {
            let missing = || Error::not_found(action(), "there is no such job");
            let Read { mut job, etag } = self.read(id).await?.ok_or_else(missing)?;
            let is_set = job.job.ru_per_second == Some(ru_per_second);
            if is_set || job.state.is_end() || job.job.is_claimed(self.now()) {
                return Ok(job);
            }
            job.job.ru_per_second = Some(ru_per_second);
            job.job.share_of = None;
            // Past use was within the budget of its time.
            job.job.paid_until = None;
            match self.replace(&job, &etag).await {
                Ok(_) => return Ok(job),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}
