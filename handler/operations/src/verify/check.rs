//! The first look: goes through the live documents, and through the versions, and says what may differ.

use changefeed_cosmos::{DocumentName, Error, Key, KeyRange, read_id_and_key, select_id_and_key};
use changefeed_history::{Outline, VersionId, outline_fields};
use changefeed_jobs::{Found, PagedQuery};
use chrono::Utc;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::finding::{Finding, FindingKind};
use super::verifications::Verifications;
use crate::scan::{Seen, Sight, query_versions};

/// What a check is told of.
pub(super) struct Check<'a> {
    pub verifications: &'a Verifications,
    /// The partition key value to stay within.
    pub key: Option<&'a Key>,
    /// How long capture may lag, in seconds.
    pub grace: i64,
    pub page_items: usize,
    /// Rows that are looked at side by side.
    pub concurrency: usize,
    pub seen: &'a Seen,
    /// Large versions that are read side by side.
    pub large: &'a Semaphore,
}

/// What a row came to.
pub(super) enum Suspicion {
    /// These may be findings.
    Suspected(Vec<Finding>),
    /// It is too early to tell.
    Pending,
}

/// A live document, as far as it is needed to find its version.
struct LiveRow {
    name: DocumentName,
    ts: i64,
    etag: String,
}

/// How a version stands in the history.
pub(super) enum Standing {
    /// It is there.
    Exact(Outline),
    /// It is there with values that may have been rewritten.
    Inexact,
    /// It is not there.
    Absent,
}

impl Standing {
    /// Of a version, among the versions of its second.
    pub(super) fn of(id: &str, outlines: Vec<Outline>) -> Self {
        let mut records = outlines.into_iter().filter(|outline| outline.id.plain() == id).peekable();
        if records.peek().is_none() {
            return Self::Absent;
        }
        records.find(|outline| outline.exact).map_or(Self::Inexact, Self::Exact)
    }
}

impl Check<'_> {
    /// Looks at a page of live documents of a range.
    pub(super) async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<Suspicion>, Error> {
        let monitored = self.verifications.history.monitored().open().await?;
        let paths = monitored.key_paths();
        let source = PagedQuery {
            container: &monitored,
            select: format!("SELECT VALUE {{at: {}, ts: c._ts, etag: c._etag}}", select_id_and_key(paths)),
            conditions: Vec::new(),
            parameters: serde_json::Map::new(),
            key: self.key.cloned(),
            page_items: self.page_items,
            concurrency: self.concurrency,
        };
        let row = |item: Value| {
            let name = read_id_and_key(&item["at"], paths)?;
            let (Some(ts), Some(etag)) = (item["ts"].as_i64(), item["etag"].as_str()) else {
                return Err(Error::corrupt("listing documents", format!("the query returned {item}")));
            };
            Ok(LiveRow { name, ts, etag: etag.to_owned() })
        };
        source.page(range, continuation, row, |row| self.suspect_live(row)).await
    }

    async fn suspect_live(&self, row: LiveRow) -> Result<Option<Suspicion>, Error> {
        let id = VersionId::of_write(row.ts, &row.etag);
        let suspected = |kind| Ok(Some(Suspicion::Suspected(vec![Finding::new(kind, &row.name, &id)])));
        match Standing::of(&id, self.verifications.history.outlines_at(&row.name, row.ts).await?) {
            Standing::Exact(_) => Ok(None),
            Standing::Inexact => suspected(FindingKind::Inexact),
            Standing::Absent if Utc::now().timestamp() - row.ts < self.grace => Ok(Some(Suspicion::Pending)),
            Standing::Absent if self.verifications.history.last_outline(&row.name).await?.is_some() => {
                suspected(FindingKind::Missing)
            }
            Standing::Absent => suspected(FindingKind::NeverCaptured),
        }
    }

    /// Looks at a page of versions of a range.
    pub(super) async fn past(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<Suspicion>, Error> {
        let changes = self.verifications.history.changes().open().await?;
        let (page_items, concurrency) = (self.page_items, self.concurrency);
        let mut source = PagedQuery { page_items, concurrency, ..query_versions(&changes, outline_fields(), self.key) };
        // Parts of versions have no time.
        source.conditions.push("IS_DEFINED(c.sourceTs)".to_owned());
        source.page(range, continuation, Ok, |row| self.suspect_version(row)).await
    }

    async fn suspect_version(&self, row: Value) -> Result<Option<Suspicion>, Error> {
        let version = match Outline::deserialize(&row) {
            Ok(version) => version,
            Err(error) => {
                let name = DocumentName {
                    id: row["sourceId"].as_str().unwrap_or_default().to_owned(),
                    partition_key: Key::deserialize(&row["partitionKey"]).unwrap_or_else(|_| Key::new(Vec::new())),
                };
                let id = VersionId::from(row["id"].as_str().unwrap_or_default());
                let finding = Finding::new(FindingKind::Incomplete, &name, &id).with_message(error.to_string());
                return Ok(Some(Suspicion::Suspected(vec![finding])));
            }
        };
        let name = DocumentName { id: version.source_id.clone(), partition_key: version.partition_key.clone() };
        if self.key.is_some_and(|key| *key != name.partition_key) {
            return Ok(None);
        }
        let mut findings = Vec::new();
        if let Some(message) = self.damage(&name, &version).await? {
            findings.push(Finding::new(FindingKind::Incomplete, &name, &version.id).with_message(message));
        }
        if self.is_gone(&name, &version).await? {
            findings.push(Finding::new(FindingKind::Gone, &name, &version.id));
        }
        Ok((!findings.is_empty()).then_some(Suspicion::Suspected(findings)))
    }

    /// What is wrong with a version. What was compressed is read back; of the others it is enough that there is a document.
    async fn damage(&self, name: &DocumentName, version: &Outline) -> Result<Option<String>, Error> {
        if version.is_large {
            let _one_of_few = self.large.acquire().await;
            return Ok(self.verifications.history.read_back(name, &version.id).await?.and_then(Result::err));
        }
        let is_whole = version.is_plain || version.operation.is_removal();
        Ok((!is_whole).then(|| "it has no document".to_owned()))
    }

    /// Whether this is the newest version of a document that should be live and is not.
    async fn is_gone(&self, name: &DocumentName, version: &Outline) -> Result<bool, Error> {
        let has_expired = version.expires_at.is_some_and(|expires| expires <= Utc::now().timestamp());
        if version.operation.is_removal() || has_expired {
            return Ok(false);
        }
        match self.seen.get(name) {
            Some(Sight::IsLive) => return Ok(false),
            Some(Sight::MetBy(id)) if id.as_ref() != Some(&version.id) => return Ok(false),
            Some(Sight::MetBy(_)) | None => {}
        }
        if self.verifications.history.live(name).await?.is_some() {
            self.seen.insert(name, Sight::IsLive);
            return Ok(false);
        }
        let last = self.verifications.history.last_outline(name).await?.map(|last| last.id);
        self.seen.insert(name, Sight::MetBy(last.clone()));
        Ok(last.as_ref() == Some(&version.id))
    }
}
