//! Creates the jobs of restores and undos, and reads their requests.

use std::collections::HashSet;

use changefeed_backup_format::BackupLocation;
use changefeed_cosmos::{DocumentName, Error, Key, reassemble, split_large_record, timestamp};
use changefeed_history::SCHEMA;
use changefeed_jobs::{Budget, JobState, Work, check_budget, new_id};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::backup_files::BackupFiles;
use super::planned_item::Counts;
use super::restore_record::{PLAN_TTL, PLANNED_ITEMS_TTL, RestoreRecord};
use super::restore_request::{RestoreRequest, Selection, Target};
use super::restores::{RESTORE, Restores};
use super::undo::UndoRequest;
use super::undo_claim::UndoClaim;
use crate::backup::format_error;

/// The most documents that are listed in a job's record, which is written often. A longer list is an item of its own.
const MAX_LISTED: usize = 100;

impl Restores {
    /// Creates the job of a restore.
    ///
    /// # Errors
    /// When the request is invalid; when its backup is damaged or cannot be read; and when the job cannot be stored.
    pub async fn create_job(&self, request: &RestoreRequest) -> Result<RestoreRecord, Error> {
        self.create_job_of(request, None).await
    }

    /// [`Self::create_job`] as a part of a restore of several sources with this id.
    pub(super) async fn create_job_of(
        &self,
        request: &RestoreRequest,
        joint: Option<&str>,
    ) -> Result<RestoreRecord, Error> {
        check_budget(request.ru_per_second).map_err(|message| Error::invalid("planning a restore", message))?;
        self.check_not_erased(request).await?;
        let target = self.target_container(request.into.as_deref()).await?;
        self.check_captured(request)?;
        // A request with a field that no restore can change is refused now.
        self.composition(request).await?;
        let mut only_on = None;
        if let Target::Backup(locations) = &request.target {
            self.check_locations(locations).await?;
            let files = BackupFiles::find(&self.locations, locations).await?;
            files.check_target(target.key_paths(), request.delete_created_after)?;
            only_on = self.locations.required_host(locations.iter().map(String::as_str));
        }
        if let Selection::Partition(key) = &request.selection {
            self.history.check_key(key).await?;
        }
        let mut record = RestoreRecord {
            joint: joint.map(str::to_owned),
            into: request.into.clone(),
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            capture_lag: request.capture_lag.clone(),
            warnings: self.warnings(request).await?,
            ..queued(request.recorded()?, self.jobs.budget(request.ru_per_second).await?, self.jobs.now())
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

    /// Checks that all locations are allowed, before anything is sent to one of them, and that several are not files: JSON files
    /// are restored from one location.
    async fn check_locations(&self, locations: &[String]) -> Result<(), Error> {
        let locations: Vec<BackupLocation> =
            locations.iter().map(|name| self.locations.open(name)).collect::<Result<_, _>>().map_err(format_error)?;
        for location in locations.iter().filter(|_| locations.len() > 1) {
            if location.as_file().await.map_err(format_error)?.is_some() {
                let message = format!(
                    "{location} is a file; several locations must be backups: a full one, then its increments in order. \
                     To restore several files, name their folder, or restore them one by one"
                );
                return Err(Error::invalid("restoring from backups", message));
            }
        }
        Ok(())
    }

    /// Creates the job that undoes a restore that was a job. If the restore was undone before, that undo is returned.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such restore;
    /// [`Conflict`](changefeed_cosmos::ErrorKind::Conflict) when it has not ended;
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when it was a dry run; and when the job cannot be stored.
    pub async fn create_undo_job(&self, id: &str, request: &UndoRequest) -> Result<RestoreRecord, Error> {
        self.create_undo_job_of(id, request, None).await
    }

    /// [`Self::create_undo_job`] as a part of a restore of several sources with this id.
    pub(super) async fn create_undo_job_of(
        &self,
        id: &str,
        request: &UndoRequest,
        joint: Option<&str>,
    ) -> Result<RestoreRecord, Error> {
        check_budget(request.ru_per_second)
            .map_err(|message| Error::invalid(format!("undoing restore {id}"), message))?;
        let record = self.record(id).await?;
        self.check_undoable(&record)?;
        let queued = queued(request.recorded(id), self.jobs.budget(request.ru_per_second).await?, self.jobs.now());
        let undo_id = if request.dry_run {
            queued.id.clone()
        } else {
            match self.claim_undo(id, None, request.key.as_ref()).await? {
                UndoClaim::New(undo_id) => undo_id,
                UndoClaim::Taken(undo) => return Ok(*undo),
            }
        };
        let undo = RestoreRecord {
            id: undo_id,
            undo_of: Some(record.id),
            joint: joint.map(str::to_owned),
            into: record.into,
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ..queued
        };
        let undo = self.create_restore(undo).await?;
        // Another request may have created it.
        self.record(&undo.id).await
    }

    /// Stores a long list of documents as an item of its own.
    async fn store_list(&self, job_id: &str, documents: &[DocumentName], dry_run: bool) -> Result<(), Error> {
        let id = list_id(job_id);
        let mut list =
            json!({"id": id, "kind": "restore-documents", "jobId": job_id, "documents": documents, "schema": SCHEMA});
        if dry_run {
            list["ttl"] = json!(PLANNED_ITEMS_TTL);
        }
        let jobs = self.jobs.open().await?;
        for item in split_large_record(&list, &id, &["documents"], &Map::new())? {
            jobs.upsert(&Key::text(&item.id), &item.id, &item.value()?).await?;
        }
        Ok(())
    }

    /// Reads the request of a job, with its list of documents, each once.
    ///
    /// # Errors
    /// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when it is damaged, and when the list cannot be read.
    pub(super) async fn request_of(&self, job_id: &str, mut recorded: Value) -> Result<RestoreRequest, Error> {
        if recorded["documents"].is_number() {
            let (jobs, id) = (self.jobs.open().await?, list_id(job_id));
            let action = || format!("reading the documents of restore {job_id}");
            let missing = || Error::corrupt(action(), format!("item {id} does not exist"));
            let list = jobs.read(&Key::text(&id), &id).await?.ok_or_else(missing)?;
            recorded["documents"] = reassemble(&jobs, list, &["documents"]).await?["documents"].take();
        }
        let mut request = RestoreRequest::of_record(recorded)
            .map_err(|error| Error::corrupt(format!("reading the request of restore {job_id}"), error))?;
        if let Selection::Documents(documents) = &mut request.selection {
            let mut names = HashSet::new();
            documents.retain(|name| names.insert(name.to_index_key()));
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

/// The record of a job that no worker has started.
fn queued(request: Value, budget: Budget, now: DateTime<Utc>) -> RestoreRecord {
    RestoreRecord {
        id: new_id(now),
        kind: RESTORE.name.to_owned(),
        state: JobState::Queued,
        request,
        undo_of: None,
        undone_by: None,
        last_undo: None,
        joint: None,
        into: None,
        requested_by: None,
        reason: None,
        started_at: timestamp(now),
        planned_at: None,
        planned_counts: None,
        capture_lag: None,
        warnings: Vec::new(),
        attempt: None,
        finished_at: None,
        counts: Counts::default(),
        items: Vec::new(),
        request_charge: 0.0,
        job: Some(Work::queued(budget, now)),
        schema: SCHEMA,
    }
}
