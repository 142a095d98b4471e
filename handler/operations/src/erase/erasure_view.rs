//! Erasures as they are shown: what was removed, and where copies may still be.

use changefeed_cosmos::{Error, PageRequest, timestamp};
use changefeed_jobs::{JobProgress, JobState};
use chrono::{DateTime, Days};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, json};

use super::erasure_record::ErasureRecord;
use super::erasures::Erasures;
use crate::backup::BACKUP;

/// The days for which the service's continuous backup may be set to keep its copies.
const SERVICE_DAYS: (u64, u64) = (7, 30);

/// An erasure as it is shown. It is the receipt of an erasure that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureView {
    /// Its record.
    #[serde(flatten)]
    pub record: ErasureRecord,
    /// Its progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// The backups that were written before and may hold the documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<HoldingBackup>,
    /// What the service itself may still hold; absent before the end, and where nothing was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceCopies>,
}

/// A backup that may hold a document that was erased after it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldingBackup {
    /// The id of the backup.
    pub id: String,
    /// Its location.
    pub to: String,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When it is deleted; absent where no one has said so: then it is kept until it is deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept_until: Option<String>,
}

/// How long the service itself may hold what was erased, if the account has continuous backup. The change feed of all versions
/// ends with that backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceCopies {
    /// Until when, with the retention of 7 days, RFC 3339 in UTC.
    pub until_with_seven_days: String,
    /// Until when, with the retention of 30 days.
    pub until_with_thirty_days: String,
}

/// A list of erasures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErasureList {
    /// Newest first; in JSON with the progress instead of the state of the work.
    #[serde(serialize_with = "with_progress")]
    pub items: Vec<ErasureRecord>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

fn with_progress<S: Serializer>(records: &[ErasureRecord], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(records.iter().cloned().map(ErasureRecord::view))
}

impl ErasureRecord {
    /// The record as it is shown: with the progress instead of the state of the work.
    pub fn view(mut self) -> ErasureView {
        let progress = self.job.take().map(|job| job.progress());
        ErasureView { record: self, progress, backups: Vec::new(), service: None }
    }

    /// Whether it removes documents: it is neither a dry run nor lifts an erasure.
    fn removes(&self) -> bool {
        self.request["dryRun"] != true && self.request["lift"] != true
    }
}

impl ServiceCopies {
    /// The copies of what was removed at this time.
    fn of(finished_at: &str) -> Option<Self> {
        let finished = DateTime::parse_from_rfc3339(finished_at).ok()?.to_utc();
        let after = |days| finished.checked_add_days(Days::new(days)).map(timestamp);
        let (shorter, longer) = SERVICE_DAYS;
        Some(Self { until_with_seven_days: after(shorter)?, until_with_thirty_days: after(longer)? })
    }
}

impl Erasures {
    /// A page of the erasures, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<ErasureList, Error> {
        let (items, continuation) = self.records(request).await?;
        Ok(ErasureList { items, continuation })
    }

    /// An erasure, with the backups that may hold what it has removed.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such erasure.
    pub async fn show(&self, id: &str) -> Result<ErasureView, Error> {
        let record = self.record(id).await?;
        let (removes, until) = (record.removes(), record.finished_at.clone());
        let mut view = record.view();
        if view.record.request["lift"] != true {
            let until = until.clone().unwrap_or_else(|| view.record.started_at.clone());
            view.backups = self.backups_until(&until).await?;
        }
        view.service = until
            .filter(|_| removes && view.record.state != JobState::Cancelled)
            .and_then(|until| ServiceCopies::of(&until));
        Ok(view)
    }

    /// The backups that were requested up to a time and are complete, newest first.
    async fn backups_until(&self, until: &str) -> Result<Vec<HoldingBackup>, Error> {
        let parameters =
            Map::from_iter([("@kind".to_owned(), json!(BACKUP.name)), ("@until".to_owned(), json!(until))]);
        let query = "SELECT c.id, c.request.to, c.startedAt FROM c \
                     WHERE c.kind = @kind AND c.state = 'done' AND c.startedAt <= @until";
        let mut backups: Vec<HoldingBackup> =
            self.jobs.open().await?.select(query, &parameters, None).await?.try_collect().await?;
        backups.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(backups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_holds_copies_for_seven_or_thirty_days() {
        let copies = ServiceCopies::of("2026-02-01T10:00:00.000Z").expect("copies");
        assert_eq!(copies.until_with_seven_days, "2026-02-08T10:00:00.000Z");
        assert_eq!(copies.until_with_thirty_days, "2026-03-03T10:00:00.000Z");
    }
}
