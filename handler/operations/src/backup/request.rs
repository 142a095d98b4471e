//! What to back up, and the job made of it.

use changefeed_backup_format::{BackupHeader, Content, EarlierBackup, ReadError, Source, check_empty, read_manifest};
use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::backups::{BACKUP, Backups};
use super::record::BackupView;
use crate::backup::convert::{filter_texts, format_error};
use changefeed_cosmos::Error;
use changefeed_cosmos::timestamp;
use changefeed_history::SCHEMA;
use changefeed_history::TimeExpression;
use changefeed_history::{Filter, check_filter_count};
use changefeed_jobs::{Job, JobState, Work, check_budget, new_id};

/// Clocks differ: an incremental backup looks back this much further than its earlier one was begun.
const CLOCK_MARGIN: TimeDelta = TimeDelta::seconds(300);

/// A request for a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupRequest {
    /// Where to: a folder's path, or a URL of blobs without a SAS.
    pub to: String,
    /// The history as of this moment, in place of the live container.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_of: Option<TimeExpression>,
    /// Conditions that documents meet in the state that is backed up.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub filter: Vec<Filter>,
    /// The place of the earlier backup that this one continues.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incremental_from: Option<String>,
    /// Why, for the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Who, for the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// The most request units to use in a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ru_per_second: Option<f64>,
}

fn refused(message: impl Into<String>) -> Error {
    Error::invalid("backing up", message)
}

impl Backups {
    /// Makes a job of a backup, for whoever runs jobs; one into a folder, for this machine.
    ///
    /// # Errors
    /// When the request is out of bounds; [`Conflict`](changefeed_cosmos::ErrorKind::Conflict) when there is something in the place already; and when
    /// the job cannot be stored.
    pub async fn create_job(&self, request: &BackupRequest) -> Result<BackupView, Error> {
        check_budget(request.ru_per_second).map_err(refused)?;
        check_filter_count(&request.filter).map_err(refused)?;
        let place = self.places.open(&request.to).map_err(format_error)?;
        if place.as_file().await.map_err(format_error)?.is_some() {
            return Err(refused(format!("{place} is a file; a backup is a folder")));
        }
        let now = Utc::now();
        self.backup_header(request, "").await?;
        check_empty(&place).await.map_err(format_error)?;
        let places = std::iter::once(request.to.as_str()).chain(request.incremental_from.as_deref());
        let job = Job {
            id: new_id(now),
            kind: BACKUP.name.to_owned(),
            state: JobState::Queued,
            started_at: timestamp(now),
            finished_at: None,
            counts: json!({}),
            request_charge: 0.0,
            job: Work {
                ru_per_second: request.ru_per_second,
                only_on: self.places.required_host(places),
                updated_at: timestamp(now),
                ..Work::default()
            },
            other: Map::from_iter([("request".to_owned(), json!(request)), ("schema".to_owned(), json!(SCHEMA))]),
        };
        self.jobs.create(&job.id, &job).await?;
        Ok(BackupView::of(job))
    }

    /// What a backup is to be that begins now.
    pub(super) async fn backup_header(&self, request: &BackupRequest, id: &str) -> Result<BackupHeader, Error> {
        let monitored = self.history.monitored().open().await?;
        let now = Utc::now();
        if request.as_of.is_some_and(|moment| moment.second() >= now.timestamp()) {
            return Err(refused("asOf is not over yet: it has to be a second that is past"));
        }
        let source = Source {
            account: self.history.monitored().account().host().await?,
            database: self.history.monitored().database().to_owned(),
            container: self.history.monitored().name().to_owned(),
            partition_key_paths: monitored.key_paths().to_vec(),
        };
        let mut header = BackupHeader {
            id: id.to_owned(),
            source,
            content: request.as_of.map_or(Content::Live {}, |moment| Content::AsOf { moment: moment.time().into() }),
            filter: filter_texts(&request.filter),
            incremental_from: None,
            started_at: now.into(),
            created_by: format!("changefeed {}", env!("CARGO_PKG_VERSION")),
        };
        if let Some(place) = &request.incremental_from {
            header.incremental_from = Some(self.earlier(place, &header).await?);
        }
        Ok(header)
    }

    /// The backup that another one continues, as that one tells of it.
    async fn earlier(&self, place: &str, header: &BackupHeader) -> Result<EarlierBackup, Error> {
        let place = self.places.open(place).map_err(format_error)?;
        let (manifest, digest) = read_manifest(&place).await.map_err(|error| match error {
            ReadError::Damage(damage) => refused(format!("the earlier backup, in {place}: {damage}")),
            ReadError::Location(error) => format_error(error),
        })?;
        let until = manifest.complete_until();
        let earlier = manifest.as_earlier(digest);
        if manifest.backup.source != header.source {
            return Err(refused(format!("the earlier backup, in {place}, is of another container")));
        }
        if manifest.backup.filter != header.filter {
            return Err(refused(format!("the earlier backup, in {place}, has another filter; give the same")));
        }
        match header.content {
            Content::AsOf { moment } if moment < until => {
                Err(refused(format!("asOf is before {until}, until which the earlier backup, in {place}, is complete")))
            }
            _ => match manifest.backup.content {
                Content::Live {} => Ok(EarlierBackup { since: (until.time() - CLOCK_MARGIN).into(), ..earlier }),
                Content::AsOf { .. } => Ok(earlier),
            },
        }
    }
}
