//! Which restore undoes another one: a restore is undone once.
//!
//! The id of the undo is stored in the record of the restore, under its etag, before the undo is created. Of two requests at the
//! same time, both get the same id, and only one of them can create the record of the undo. An undo that did not write
//! everything does not prevent another one.

use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, IdempotencyKey, Key, retry, timestamp, without_system_properties};
use changefeed_jobs::JobState;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::time::Instant;

use super::restore_record::RestoreRecord;
use super::restores::{RESTORE, Restores};

/// How often a restore that another request executes is read.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// The undo of a restore.
pub(super) enum UndoClaim {
    /// The caller may create it, with this id.
    New(String),
    /// It is this one.
    Taken(Box<RestoreRecord>),
}

impl Restores {
    /// The undo of a restore that is in progress or has written everything, after it has ended if it is done within one request;
    /// `None` when the restore can be undone.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore; and when the jobs container cannot be read.
    pub async fn undo_of(&self, id: &str) -> Result<Option<RestoreRecord>, Error> {
        let Some(last) = self.record(id).await?.last_undo else { return Ok(None) };
        match self.find(&last).await? {
            Some(undo) if self.is_in_force(&undo) => self.ended(undo).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Refuses the undo of a restore that may still write, and of a dry run.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] and [`ErrorKind::Invalid`].
    pub(super) fn check_undoable(&self, record: &RestoreRecord) -> Result<(), Error> {
        let refused = |kind, message: String| Err(Error::new(kind, format!("undoing restore {}", record.id), message));
        if record.state == JobState::Planned || record.request["dryRun"] == true {
            return refused(ErrorKind::Invalid, "it was a dry run: there is nothing to undo".to_owned());
        }
        if record.job.is_some() && !record.state.is_end() {
            let message = "it has not ended; cancel it, or wait until it ends";
            return refused(ErrorKind::Conflict, message.to_owned());
        }
        match self.running_until(record) {
            Some(until) => {
                let until = timestamp(until);
                let message = format!(
                    "it has not ended; wait until it ends. If its process was killed, it can be undone from {until} on"
                );
                refused(ErrorKind::Conflict, message)
            }
            None => Ok(()),
        }
    }

    /// Claims the undo of a restore. `plan` is the id of a stored plan that is to become the undo. A request that is repeated gets the undo
    /// of the first, whatever its outcome.
    ///
    /// # Errors
    /// As [`Self::check_undoable`]; [`ErrorKind::NotFound`] when there is no such restore; [`ErrorKind::Conflict`] when another
    /// undo is being created; and when the record cannot be read or written.
    pub(super) async fn claim_undo(
        &self,
        id: &str,
        plan: Option<&str>,
        key: Option<&IdempotencyKey>,
    ) -> Result<UndoClaim, Error> {
        let own = match plan {
            Some(plan) => plan.to_owned(),
            None => self.jobs.id_for(key).await?,
        };
        let (jobs, partition) = (self.jobs.open().await?, Key::text(id));
        let deadline = Instant::now() + self.options.timeout;
        loop {
            let read = retry(deadline, || jobs.read(&partition, id)).await?.filter(|read| read["kind"] == RESTORE.name);
            let read = read.ok_or_else(|| RESTORE.not_found("undoing", id))?;
            let etag = read["_etag"].as_str().unwrap_or_default().to_owned();
            let mut stored = without_system_properties(read);
            let record: RestoreRecord = serde_json::from_value(stored.clone())
                .map_err(|error| Error::corrupt(format!("reading restore {id}"), error))?;
            self.check_undoable(&record)?;
            if let Some(last) = record.last_undo {
                match self.find(&last).await? {
                    _ if plan == Some(last.as_str()) => return Ok(UndoClaim::New(last)),
                    Some(undo) if self.is_in_force(&undo) || last == own => {
                        return Ok(UndoClaim::Taken(Box::new(self.ended(undo).await?)));
                    }
                    Some(_) => {}
                    // Another request has claimed it and has not created it, and may never do so.
                    None if plan.is_none() => return Ok(UndoClaim::New(last)),
                    None => {
                        let message = format!("undo {last} of it is being created; retry");
                        return Err(Error::new(ErrorKind::Conflict, format!("undoing restore {id}"), message));
                    }
                }
            }
            stored["lastUndo"] = json!(own);
            match retry(deadline, || jobs.replace(&partition, id, &stored, &etag)).await {
                Ok(_) => return Ok(UndoClaim::New(own)),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The record of a restore that another request executes, when it has ended or the time for it is over.
    pub(super) async fn ended(&self, mut record: RestoreRecord) -> Result<RestoreRecord, Error> {
        let deadline = Instant::now() + self.options.timeout;
        while record.job.is_none() && self.running_until(&record).is_some() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
            record = self.record(&record.id).await?;
        }
        Ok(record)
    }

    /// Until when a restore within one request may still be running; `None` when it has ended or was interrupted.
    fn running_until(&self, record: &RestoreRecord) -> Option<DateTime<Utc>> {
        let started = DateTime::parse_from_rfc3339(&record.started_at).ok()?.to_utc();
        let until = started + TimeDelta::from_std(self.options.timeout * 2).ok()?;
        (!record.state.is_end() && until > self.jobs.now()).then_some(until)
    }

    /// Whether an undo is in progress, or has written everything and was not undone itself.
    fn is_in_force(&self, undo: &RestoreRecord) -> bool {
        match undo.state {
            JobState::Done => undo.undone_by.is_none(),
            JobState::Queued | JobState::Running => undo.job.is_some() || self.running_until(undo).is_some(),
            _ => false,
        }
    }

    /// The record of a restore; `None` if there is none.
    async fn find(&self, id: &str) -> Result<Option<RestoreRecord>, Error> {
        match self.record(id).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
