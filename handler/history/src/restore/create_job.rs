//! Restores that answer at once, and those that become jobs.

use chrono::Utc;
use serde_json::Value;

use super::plan::Counts;
use super::record::{KIND, RestoreRecord, RestoreReport};
use super::request::{RestoreRequest, Selection, check_budget};
use super::undo::UndoRequest;
use super::work::undo_request;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::jobs::{JobState, Work, new_id};
use crate::store::{Role, Store};
use crate::version::{SCHEMA, timestamp};

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// It was done, or planned.
    Report(Box<RestoreReport>),
    /// It is a job now.
    Job(Box<RestoreRecord>),
}

impl Store {
    /// Plans a restore and, unless it is a dry run, executes it. One that is too large for a request becomes a job.
    ///
    /// # Errors
    /// As [`Store::plan_restore`], [`Store::execute_restore`] and [`Store::create_restore_job`].
    pub async fn run_restore(&self, request: &RestoreRequest) -> Result<Restored, Error> {
        let plan = if request.is_job() { None } else { self.plan_restore(request).await? };
        Ok(match plan {
            None => Restored::Job(Box::new(self.create_restore_job(request).await?)),
            Some(plan) if request.dry_run => Restored::Report(Box::new(plan.report())),
            Some(plan) => Restored::Report(Box::new(self.execute_restore(plan).await?)),
        })
    }

    /// Plans the undoing of a restore and, unless it is a dry run, executes it. Of a restore that was a job it is one.
    ///
    /// # Errors
    /// As [`Store::plan_undo`], [`Store::execute_restore`] and [`Store::create_undo_job`].
    pub async fn run_undo(&self, id: &str, request: &UndoRequest) -> Result<Restored, Error> {
        Ok(match self.plan_undo(id, request).await? {
            None => Restored::Job(Box::new(self.create_undo_job(id, request).await?)),
            Some(plan) if request.dry_run => Restored::Report(Box::new(plan.report())),
            Some(plan) => Restored::Report(Box::new(self.execute_restore(plan).await?)),
        })
    }

    /// Makes a job of a restore, for whoever runs jobs.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the job cannot be stored.
    pub async fn create_restore_job(&self, request: &RestoreRequest) -> Result<RestoreRecord, Error> {
        self.target_container(request.into.as_deref()).await?;
        if let Selection::Partition(key) = &request.selection {
            self.check_key(key).await?;
        }
        self.create_job(RestoreRecord {
            into: request.into.clone(),
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ..queued(request.recorded()?, request.ru_per_second)
        })
        .await
    }

    /// Makes a job of undoing a restore that was a job.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore; [`ErrorKind::Conflict`] when it is not over; and when the
    /// job cannot be stored.
    pub async fn create_undo_job(&self, id: &str, request: &UndoRequest) -> Result<RestoreRecord, Error> {
        let refused = |kind, message: &str| Error::new(kind, format!("undoing restore {id}"), message);
        check_budget(request.ru_per_second).map_err(|message| refused(ErrorKind::Invalid, &message))?;
        let record = self.restore(id).await?;
        if !record.state.is_end() {
            return Err(refused(ErrorKind::Conflict, "it is not over; cancel it first, or wait"));
        }
        if record.state == JobState::Planned {
            return Err(refused(ErrorKind::Invalid, "it was only planned: there is nothing to undo"));
        }
        self.create_job(RestoreRecord {
            undo_of: Some(record.id),
            into: record.into,
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ..queued(undo_request(id, request.dry_run, request.force), request.ru_per_second)
        })
        .await
    }

    async fn create_job(&self, record: RestoreRecord) -> Result<RestoreRecord, Error> {
        let refused = |message: String| Error::invalid("storing a restore", message);
        let body = serde_json::to_value(&record).map_err(|error| refused(error.to_string()))?;
        let jobs = self.container(Role::Jobs).await?;
        match jobs.create(&Key::text(&record.id), &record.id, &body).await {
            // The id is random: it is the same job, and the reply was lost.
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(record),
        }
    }
}

fn queued(request: Value, ru_per_second: Option<f64>) -> RestoreRecord {
    let now = Utc::now();
    RestoreRecord {
        id: new_id(now),
        kind: KIND.to_owned(),
        state: JobState::Queued,
        request,
        undo_of: None,
        undone_by: None,
        into: None,
        requested_by: None,
        reason: None,
        started_at: timestamp(now),
        finished_at: None,
        counts: Counts::default(),
        items: Vec::new(),
        request_charge: 0.0,
        job: Some(Work { ru_per_second, updated_at: timestamp(now), ..Work::default() }),
        schema: SCHEMA,
    }
}
