//! Executes the stored plan of a dry run: its job continues, and writes exactly the documents that it has stored, each over the
//! etag that it has stored.

use changefeed_cosmos::{Error, ErrorKind, Key, retry, timestamp, without_system_properties};
use changefeed_jobs::{JobState, Work};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::planned_item::Counts;
use super::restore_record::RestoreRecord;
use super::restores::{RESTORE, Restores};
use super::undo_claim::UndoClaim;

/// What can be said when a plan is executed. It replaces what the plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecuteRequest {
    /// The reason, for the record.
    pub reason: Option<String>,
    /// Who requests it, for the record.
    pub requested_by: Option<String>,
}

impl Restores {
    /// [`Self::execute_plan_as`] for the reason and the requester of the plan.
    ///
    /// # Errors
    /// As [`Self::execute_plan_as`].
    pub async fn execute_plan(&self, id: &str) -> Result<RestoreRecord, Error> {
        self.execute_plan_as(id, &ExecuteRequest::default()).await
    }

    /// Starts the execution of a stored plan, once: of a plan that is or was executed, the record is returned. If it is the plan of an
    /// undo, and another undo was faster, that one is returned.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore; [`ErrorKind::Conflict`] when the plan is not complete yet;
    /// [`ErrorKind::Invalid`] when it is not a plan, or was not completed; and when the record cannot be read or written.
    pub async fn execute_plan_as(&self, id: &str, request: &ExecuteRequest) -> Result<RestoreRecord, Error> {
        let (jobs, key) = (self.jobs.open().await?, Key::text(id));
        let deadline = Instant::now() + self.options.timeout;
        loop {
            let read = retry(deadline, || jobs.read(&key, id)).await?.filter(|read| read["kind"] == RESTORE.name);
            let read = read.ok_or_else(|| RESTORE.not_found("executing", id))?;
            let etag = read["_etag"].as_str().unwrap_or_default().to_owned();
            let stored = without_system_properties(read);
            let plan: RestoreRecord = serde_json::from_value(stored.clone())
                .map_err(|error| Error::corrupt(format!("reading restore {id}"), error))?;
            if plan.planned_counts.is_some() {
                return Ok(plan);
            }
            check_executable(&plan)?;
            if let Some(undone) = &plan.undo_of
                && let UndoClaim::Taken(undo) = self.claim_undo(undone, Some(id), None).await?
            {
                return Ok(*undo);
            }
            let (record, body) = started(plan, stored, request, self.jobs.now())?;
            match retry(deadline, || jobs.replace(&key, id, &body, &etag)).await {
                Ok(_) => return Ok(record),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Refuses what is not a complete plan.
fn check_executable(plan: &RestoreRecord) -> Result<(), Error> {
    let refused = |kind, message: String| Err(Error::new(kind, format!("executing plan {}", plan.id), message));
    match plan.state {
        _ if plan.request["dryRun"] != true => {
            refused(ErrorKind::Invalid, "it is a restore and not a plan; plan it with dryRun and job".to_owned())
        }
        JobState::Planned => Ok(()),
        JobState::Queued | JobState::Running => {
            refused(ErrorKind::Conflict, "it is not complete yet; wait until its state is planned".to_owned())
        }
        _ => refused(ErrorKind::Invalid, "its planning failed or was cancelled; plan again".to_owned()),
    }
}

/// The record of a plan as a queued job that executes it. It does not expire any more.
fn started(
    plan: RestoreRecord,
    mut stored: Value,
    said: &ExecuteRequest,
    now: DateTime<Utc>,
) -> Result<(RestoreRecord, Value), Error> {
    let work = plan.job.unwrap_or_default();
    let mut request = plan.request;
    if let Some(properties) = request.as_object_mut() {
        properties.shift_remove("dryRun");
        properties.shift_remove("store");
    }
    let record = RestoreRecord {
        state: JobState::Queued,
        request,
        reason: said.reason.clone().or(plan.reason),
        requested_by: said.requested_by.clone().or(plan.requested_by),
        planned_at: Some(plan.started_at),
        planned_counts: Some(plan.counts),
        started_at: timestamp(now),
        finished_at: None,
        counts: Counts::default(),
        job: Some(Work { only_on: work.only_on.clone(), ..Work::queued(work.budget(), now) }),
        ..plan
    };
    let updated = serde_json::to_value(&record).map_err(|error| Error::internal("storing a restore", error))?;
    if let (Some(stored), Value::Object(updated)) = (stored.as_object_mut(), updated) {
        stored.shift_remove("ttl");
        stored.shift_remove("finishedAt");
        stored.extend(updated);
    }
    Ok((record, stored))
}
