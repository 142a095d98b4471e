//! Runs a restore or an undo: within one request if it is small enough, otherwise as a job.

use changefeed_cosmos::Error;

use super::restore_record::{RestoreRecord, RestoreReport};
use super::restore_request::RestoreRequest;
use super::restores::Restores;
use super::undo::UndoRequest;

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// It was done, or planned.
    Report(Box<RestoreReport>),
    /// It became a job.
    Job(Box<RestoreRecord>),
}

impl Restores {
    /// Plans a restore and, unless it is a dry run, executes it. A restore that is too large for a request becomes a job.
    ///
    /// # Errors
    /// As [`Restores::plan`], [`Restores::execute`] and [`Restores::create_job`].
    pub async fn run(&self, request: &RestoreRequest) -> Result<Restored, Error> {
        let plan = if request.is_job() { None } else { self.plan(request).await? };
        Ok(match plan {
            None => Restored::Job(Box::new(self.create_job(request).await?)),
            Some(plan) if request.dry_run => Restored::Report(Box::new(plan.report())),
            Some(plan) => Restored::Report(Box::new(self.execute(plan).await?)),
        })
    }

    /// Plans the undo of a restore and, unless it is a dry run, executes it. The undo of a job is a job. If the restore was undone
    /// before, the outcome is that of the first undo.
    ///
    /// # Errors
    /// As [`Restores::plan_undo`], [`Restores::execute`] and [`Restores::create_undo_job`].
    pub async fn undo(&self, id: &str, request: &UndoRequest) -> Result<Restored, Error> {
        if !request.dry_run
            && let Some(undo) = self.undo_of(id).await?
        {
            return Ok(if undo.job.is_some() {
                Restored::Job(Box::new(undo))
            } else {
                Restored::Report(Box::new(undo.report()))
            });
        }
        Ok(match self.plan_undo(id, request).await? {
            None => Restored::Job(Box::new(self.create_undo_job(id, request).await?)),
            Some(plan) if request.dry_run => Restored::Report(Box::new(plan.report())),
            Some(plan) => Restored::Report(Box::new(self.execute(plan).await?)),
        })
    }
}
