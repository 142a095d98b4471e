//! Restores that answer at once, and those that become jobs.

use std::collections::HashSet;

use changefeed_cosmos::{DocumentName, Error, ErrorKind, Key, reassemble, split_large_record, timestamp};
use changefeed_history::SCHEMA;
use changefeed_jobs::{JobState, Work, check_budget, new_id};
use chrono::Utc;
use serde_json::{Map, Value, json};

use super::backup_files::BackupFiles;
use super::plan::Counts;
use super::record::{RestoreRecord, RestoreReport};
use super::request::{RestoreRequest, Selection, Target};
use super::restores::{RESTORE, Restores};
use super::undo::UndoRequest;
use super::work::undo_request;
use crate::backup::format_error;

/// Documents in a list that a job's record holds itself: the record is written often.
const MAX_LISTED: usize = 100;
/// Seconds that a plan is kept.
pub(super) const PLAN_TTL: u64 = 7 * 86_400;

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// It was done, or planned.
    Report(Box<RestoreReport>),
    /// It is a job now.
    Job(Box<RestoreRecord>),
}

impl Restores {
    /// Plans a restore and, unless it is a dry run, executes it. One that is too large for a request becomes a job.
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

    /// Plans the undoing of a restore and, unless it is a dry run, executes it. Of a restore that was a job it is one.
    ///
    /// # Errors
    /// As [`Restores::plan_undo`], [`Restores::execute`] and [`Restores::create_undo_job`].
    pub async fn undo(&self, id: &str, request: &UndoRequest) -> Result<Restored, Error> {
        Ok(match self.plan_undo(id, request).await? {
            None => Restored::Job(Box::new(self.create_undo_job(id, request).await?)),
            Some(plan) if request.dry_run => Restored::Report(Box::new(plan.report())),
            Some(plan) => Restored::Report(Box::new(self.execute(plan).await?)),
        })
    }

    /// Makes a job of a restore, for whoever runs jobs.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the job cannot be stored.
    pub async fn create_job(&self, request: &RestoreRequest) -> Result<RestoreRecord, Error> {
        check_budget(request.ru_per_second).map_err(|message| Error::invalid("planning a restore", message))?;
        let written = self.target_container(request.into.as_deref()).await?;
        let mut only_on = None;
        if let Target::Backup(places) = &request.target {
            self.check_several(places).await?;
            let files = BackupFiles::find(self, places).await?;
            files.check_target(written.key_paths(), request.delete_created_after)?;
            only_on = self.places.required_host(places.iter().map(String::as_str));
        }
        if let Selection::Partition(key) = &request.selection {
            self.history.check_key(key).await?;
        }
        let mut record = RestoreRecord {
            into: request.into.clone(),
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ..queued(request.recorded()?, request.ru_per_second)
        };
        if let Selection::Documents(documents) = &request.selection
            && documents.len() > MAX_LISTED
        {
            self.store_list(&record.id, documents, request.dry_run).await?;
            record.request["documents"] = json!(documents.len());
        }
        if let Some(work) = &mut record.job {
            work.only_on = only_on;
        }
        self.create_restore(record).await
    }

    /// Files of other tools are restored from one place.
    async fn check_several(&self, places: &[String]) -> Result<(), Error> {
        for name in places.iter().filter(|_| places.len() > 1) {
            let place = self.places.open(name).map_err(format_error)?;
            if place.as_file().await.map_err(format_error)?.is_some() {
                let message = format!(
                    "{place} is a file; several places must be backups, a full one and after it its increments in \
                     order. Of several files, name the folder or restore one after the other"
                );
                return Err(Error::invalid("restoring from backups", message));
            }
        }
        Ok(())
    }

    /// Makes a job of undoing a restore that was a job.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore; [`ErrorKind::Conflict`] when it is not over; and when the
    /// job cannot be stored.
    pub async fn create_undo_job(&self, id: &str, request: &UndoRequest) -> Result<RestoreRecord, Error> {
        let refused = |kind, message: &str| Error::new(kind, format!("undoing restore {id}"), message);
        check_budget(request.ru_per_second).map_err(|message| refused(ErrorKind::Invalid, &message))?;
        let record = self.record(id).await?;
        if !record.state.is_end() {
            return Err(refused(ErrorKind::Conflict, "it is not over; cancel it first, or wait"));
        }
        if record.state == JobState::Planned {
            return Err(refused(ErrorKind::Invalid, "it was only planned: there is nothing to undo"));
        }
        self.create_restore(RestoreRecord {
            undo_of: Some(record.id),
            into: record.into,
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ..queued(undo_request(id, request.dry_run, request.force), request.ru_per_second)
        })
        .await
    }

    /// Stores a long list of documents beside the job that restores them.
    async fn store_list(&self, job_id: &str, documents: &[DocumentName], dry_run: bool) -> Result<(), Error> {
        let id = list_id(job_id);
        let mut list =
            json!({"id": id, "kind": "restore-documents", "jobId": job_id, "documents": documents, "schema": SCHEMA});
        if dry_run {
            list["ttl"] = json!(PLAN_TTL);
        }
        let jobs = self.jobs.open().await?;
        for item in split_large_record(&list, &id, &["documents"], &Map::new())? {
            jobs.upsert(&Key::text(&item.id), &item.id, &item.body).await?;
        }
        Ok(())
    }

    /// The request of a job, with its list of documents, each once.
    pub(super) async fn request_of(&self, job_id: &str, mut recorded: Value) -> Result<RestoreRequest, Error> {
        if recorded["documents"].is_number() {
            let (jobs, id) = (self.jobs.open().await?, list_id(job_id));
            let missing = || Error::corrupt(format!("reading {id}"), "the list of documents does not exist");
            let list = jobs.read(&Key::text(&id), &id).await?.ok_or_else(missing)?;
            recorded["documents"] = reassemble(&jobs, list, &["documents"]).await?["documents"].take();
        }
        let mut request: RestoreRequest = serde_json::from_value(recorded)
            .map_err(|error| Error::corrupt(format!("reading the request of restore {job_id}"), error))?;
        if let Selection::Documents(documents) = &mut request.selection {
            let mut seen = HashSet::new();
            documents.retain(|name| seen.insert((name.partition_key.to_string(), name.id.clone())));
        }
        Ok(request)
    }

    async fn create_restore(&self, record: RestoreRecord) -> Result<RestoreRecord, Error> {
        let mut body = serde_json::to_value(&record).map_err(|error| Error::internal("storing a restore", error))?;
        if record.request["dryRun"] == true {
            body["ttl"] = json!(PLAN_TTL);
        }
        self.jobs.create(&record.id, &body).await?;
        Ok(record)
    }
}

fn list_id(job_id: &str) -> String {
    format!("{job_id}-documents")
}

fn queued(request: Value, ru_per_second: Option<f64>) -> RestoreRecord {
    let now = Utc::now();
    RestoreRecord {
        id: new_id(now),
        kind: RESTORE.name.to_owned(),
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
        job: Some(Work::queued(ru_per_second)),
        schema: SCHEMA,
    }
}
