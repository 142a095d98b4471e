//! Another budget for a job that is gone on with.

use chrono::Utc;

use super::job::{Job, Read};
use super::pace::check_budget;
use crate::cosmos::{Error, ErrorKind};
use crate::store::Store;

impl Store {
    /// Holds a job to another budget of request units a second from its next slice on. One that somebody works on, or that
    /// has ended, is left as it is: its runner keeps to the budget that it began with. The job as it is then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job, when the budget is out of bounds, and when the jobs container cannot
    /// be read or written.
    pub async fn set_job_budget(&self, id: &str, ru_per_second: f64) -> Result<Job, Error> {
        let action = || format!("giving job {id} another budget");
        check_budget(Some(ru_per_second)).map_err(|message| Error::invalid(action(), message))?;
        loop {
            let missing = || Error::new(ErrorKind::NotFound, action(), "there is no such job");
            let Read { mut job, etag } = self.read_job(id).await?.ok_or_else(missing)?;
            let is_so = job.job.ru_per_second == Some(ru_per_second);
            if is_so || job.state.is_end() || job.job.is_claimed(Utc::now()) {
                return Ok(job);
            }
            job.job.ru_per_second = Some(ru_per_second);
            // What was used before was within the budget of then.
            job.job.paid_until = None;
            match self.replace_job(&job, &etag).await {
                Ok(_) => return Ok(job),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}
