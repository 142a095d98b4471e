//! A request for a backup, and the job that it creates.

use changefeed_backup_format::{
    BackupHeader, BackupLocation, BackupWriter, Content, EarlierBackup, FeedPosition, Source, check_empty,
    read_manifest, unfinished_backup,
};
use changefeed_cosmos::{Error, ErrorKind, timestamp};
use changefeed_history::{Filter, SCHEMA, TimeExpression, check_filter_count};
use changefeed_jobs::{Job, JobState, Work, check_budget, new_id};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::backup_record::BackupView;
use super::backups::{BACKUP, Backups};
use super::format_conversions::{filter_texts, format_error, read_error};
use super::removal_record::RemovalRecord;

/// An incremental backup starts this long before the start of its earlier backup, to allow for clock skew.
const CLOCK_MARGIN: TimeDelta = TimeDelta::seconds(300);

/// A request for a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupRequest {
    /// The location to write to: the path of a folder, or a URL of blobs without a SAS.
    pub to: String,
    /// Back up the history as of this time, instead of the live container.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_of: Option<TimeExpression>,
    /// Conditions that a document must meet in the state that is backed up.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub filter: Vec<Filter>,
    /// The location of the earlier backup that this one continues.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incremental_from: Option<String>,
    /// The reason, for the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Who requests it, for the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// The budget: request units a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ru_per_second: Option<f64>,
}

/// Deletes what a failure of the file system left of an unfinished backup, if nothing can resume it.
pub(super) async fn discard_half_written(location: &BackupLocation) -> Result<(), Error> {
    if BackupWriter::discard_half_written(location).await.map_err(format_error)? {
        log::warn!(
            "{location} had an unfinished backup whose progress.json was only half written; a new backup is started there"
        );
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("backing up", message)
}

impl BackupRequest {
    /// Whether this request resumes the backup that another one created: both have the same content at the same location.
    fn resumes(&self, other: &Self) -> bool {
        let content = |request: &Self| (request.to.clone(), request.as_of, request.incremental_from.clone());
        content(self) == content(other) && self.filter == other.filter
    }
}

impl Backups {
    /// Creates the job of a backup, or queues the failed job at this location again if it has the same content. A backup into a
    /// folder can only be run on this machine.
    ///
    /// # Errors
    /// When the request is invalid; [`Conflict`](ErrorKind::Conflict) when the location is not empty; and when the job cannot be
    /// stored.
    pub async fn create_job(&self, request: &BackupRequest) -> Result<BackupView, Error> {
        self.create_job_as(new_id(self.jobs.now()), request).await
    }

    /// Creates the job of a backup under this id: see [`create_job`](Self::create_job).
    pub(crate) async fn create_job_as(&self, id: String, request: &BackupRequest) -> Result<BackupView, Error> {
        check_budget(request.ru_per_second).map_err(invalid)?;
        check_filter_count(&request.filter).map_err(invalid)?;
        let location = self.locations.open(&request.to).map_err(format_error)?;
        // A location that is not allowed is refused before anything is sent to the other one.
        if let Some(earlier) = &request.incremental_from {
            self.locations.open(earlier).map_err(format_error)?;
        }
        if location.as_file().await.map_err(format_error)?.is_some() {
            return Err(invalid(format!(
                "{location} is a file; a backup needs a folder of its own: use another location"
            )));
        }
        let now = self.jobs.now();
        self.backup_header(request, "").await?;
        discard_half_written(&location).await?;
        if let Some(failed) = self.failed_at(&location).await?
            && serde_json::from_value(failed.request.clone()).is_ok_and(|stored| request.resumes(&stored))
        {
            self.jobs.requeue(BACKUP, &failed.id).await?;
            if let Some(budget) = request.ru_per_second {
                self.jobs.set_budget(&failed.id, budget).await?;
            }
            return self.show(&failed.id).await;
        }
        check_empty(&location).await.map_err(format_error)?;
        let locations = std::iter::once(request.to.as_str()).chain(request.incremental_from.as_deref());
        let job = Job {
            id,
            kind: BACKUP.name.to_owned(),
            state: JobState::Queued,
            started_at: timestamp(now),
            finished_at: None,
            counts: json!({}),
            request_charge: 0.0,
            job: Work {
                only_on: self.locations.required_host(locations),
                ..Work::queued(self.jobs.budget(request.ru_per_second).await?, now)
            },
            other: Map::from_iter([("request".to_owned(), json!(request)), ("schema".to_owned(), json!(SCHEMA))]),
        };
        self.jobs.create(&job.id, &job).await?;
        Ok(BackupView::of(job))
    }

    /// The unfinished backup at a location, if it has failed: for want of room or of a permission, for example.
    ///
    /// # Errors
    /// When the location or the jobs container cannot be read.
    pub async fn failed_at(&self, location: &BackupLocation) -> Result<Option<BackupView>, Error> {
        let Some(unfinished) = unfinished_backup(location).await.map_err(format_error)? else {
            return Ok(None);
        };
        match self.show(&unfinished.id).await {
            Ok(backup) => Ok(Some(backup).filter(|backup| backup.state == JobState::Failed)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The header of a backup that begins now. An increment reads the change feed if the earlier backup has a position in the feed
    /// of this container, and both are backups of the live documents.
    pub(super) async fn backup_header(&self, request: &BackupRequest, id: &str) -> Result<BackupHeader, Error> {
        if let Some(moment) = request.as_of
            && !self.history.clock().is_over(moment.second()).await?
        {
            let now = timestamp(self.history.clock().now().await?.time());
            return Err(invalid(format!("asOf is not over yet: it is now {now}; use an earlier time")));
        }
        let (source, resource_id) = self.source().await?;
        let mut header = BackupHeader {
            id: id.to_owned(),
            source,
            content: request.as_of.map_or(Content::Live {}, |moment| Content::AsOf { moment: moment.time().into() }),
            filter: filter_texts(&request.filter),
            incremental_from: None,
            started_at: self.jobs.now().into(),
            created_by: format!("changefeed {}", env!("CARGO_PKG_VERSION")),
        };
        if let Some(location) = &request.incremental_from {
            header.incremental_from = Some(self.earlier_backup(location, &header, &resource_id).await?);
        }
        Ok(header)
    }

    /// The container that is backed up, as a header names it, and its resource id.
    pub(crate) async fn source(&self) -> Result<(Source, String), Error> {
        let monitored = self.history.monitored().open().await?;
        let source = Source {
            account: self.history.monitored().account().host().await?,
            database: self.history.monitored().database().to_owned(),
            container: self.history.monitored().name().to_owned(),
            partition_key_paths: monitored.key_paths().iter().map(ToString::to_string).collect(),
        };
        Ok((source, monitored.definition().resource_id.clone()))
    }

    /// The backup that another one continues, as the header of the later one names it.
    async fn earlier_backup(
        &self,
        location: &str,
        header: &BackupHeader,
        resource_id: &str,
    ) -> Result<EarlierBackup, Error> {
        let location = self.locations.open(location).map_err(format_error)?;
        if RemovalRecord::load(&self.jobs.open().await?).await?.has(&location) {
            return Err(invalid(format!("the earlier backup in {location} is being deleted; continue another one")));
        }
        let read = read_manifest(&location).await;
        let (manifest, digest) = read.map_err(|error| read_error(&location, "reading the earlier backup", error))?;
        let until = manifest.complete_until();
        let earlier = manifest.as_earlier(digest);
        if manifest.backup.source != header.source {
            let Source { account, database, container, .. } = manifest.backup.source;
            let source = format!("container {container} of database {database}, {account}");
            return Err(invalid(format!("the earlier backup in {location} is of another container: {source}")));
        }
        if manifest.backup.filter != header.filter {
            let filter =
                if manifest.backup.filter.is_empty() { "none".to_owned() } else { manifest.backup.filter.join(", ") };
            return Err(invalid(format!(
                "the earlier backup in {location} has another filter: {filter}; use the same"
            )));
        }
        match header.content {
            Content::AsOf { moment } if moment < until => {
                let message =
                    format!("asOf is before {until}, the time of the earlier backup in {location}; use a later time");
                Err(invalid(message))
            }
            _ => match manifest.backup.content {
                Content::Live {} => {
                    let is_live = matches!(header.content, Content::Live {});
                    let is_usable = |feed: &FeedPosition| is_live && feed.resource_id == resource_id;
                    let feed = manifest.feed.filter(is_usable);
                    Ok(EarlierBackup { since: (until.time() - CLOCK_MARGIN).into(), feed, ..earlier })
                }
                Content::AsOf { .. } => Ok(earlier),
            },
        }
    }
}
