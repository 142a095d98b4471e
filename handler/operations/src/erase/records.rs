//! Removes what the records and pages of jobs say about the documents.

use std::collections::HashSet;

use changefeed_cosmos::{Container, Error, ErrorKind, Key, parts_prefix, reassemble, retry, split_large_record};
use changefeed_history::{DIGESTS_RECORD, REMOVALS};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::erase_counts::EraseCounts;
use super::erasure_record::DOCUMENTS_KIND;
use super::erasures::Erasures;
use super::redaction::{LARGE_FIELDS, Redaction};

/// The kinds of items of the jobs container that never name a document, or are changed by what they record alone.
const OTHER_KINDS: [&str; 8] =
    ["erased", "request", "clock", "lease-watch", "retention", "sizes", DIGESTS_RECORD, REMOVALS];

/// Rewrites records of the jobs container.
pub(super) struct RecordSweep<'a> {
    pub erasures: &'a Erasures,
    pub redaction: &'a Redaction<'a>,
    /// The id of this erasure.
    pub job_id: &'a str,
    /// The erasures that are under way: they need the names of their documents.
    pub unfinished: &'a HashSet<String>,
    pub dry_run: bool,
}

impl RecordSweep<'_> {
    /// Removes the documents from a record as it was read.
    ///
    /// # Errors
    /// When the jobs container cannot be read or written.
    pub(super) async fn sweep(&self, record: Value) -> Result<EraseCounts, Error> {
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        if self.is_left(&record, &id) {
            return Ok(EraseCounts::default());
        }
        let jobs = self.erasures.jobs.open().await?;
        let deadline = Instant::now() + self.erasures.timeout;
        let mut read = Some(record);
        while let Some(record) = read {
            let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
            let before = record.clone();
            let mut record = match reassemble(&jobs, record, &LARGE_FIELDS).await {
                Ok(record) => record,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    log::warn!("a damaged record cannot be searched for erased documents: {error}");
                    return Ok(EraseCounts { unreadable: 1, ..EraseCounts::default() });
                }
                Err(error) => return Err(error),
            };
            if !self.redaction.apply(&mut record) {
                return Ok(EraseCounts::default());
            }
            if self.dry_run || replace(&jobs, &id, record, &etag, deadline).await? {
                if !self.dry_run {
                    remove_parts(&jobs, &id, &before, deadline).await?;
                }
                return Ok(EraseCounts { records: 1, ..EraseCounts::default() });
            }
            // Its worker, or another erasure, has changed it.
            let key = Key::text(&id);
            read = retry(deadline, || jobs.read(&key, &id)).await?;
        }
        Ok(EraseCounts::default())
    }

    fn is_left(&self, record: &Value, id: &str) -> bool {
        let kind = record["kind"].as_str().unwrap_or_default();
        let is_needed = kind == DOCUMENTS_KIND
            && record["jobId"].as_str().is_some_and(|job| job == self.job_id || self.unfinished.contains(job));
        OTHER_KINDS.contains(&kind) || is_needed || id == self.job_id
    }
}

/// Replaces a record that still has this etag. False if it has another one, or was deleted.
async fn replace(jobs: &Container, id: &str, mut record: Value, etag: &str, deadline: Instant) -> Result<bool, Error> {
    if let Some(properties) = record.as_object_mut() {
        for field in LARGE_FIELDS {
            for stored in ["Zstd", "Parts", "Digest"] {
                properties.shift_remove(&format!("{field}{stored}"));
            }
        }
    }
    for item in split_large_record(&record, id, &LARGE_FIELDS, &Map::new())? {
        let (key, body) = (Key::text(&item.id), item.value()?);
        if item.id != id {
            retry(deadline, || jobs.upsert(&key, &item.id, &body)).await?;
            continue;
        }
        match retry(deadline, || jobs.replace(&key, &item.id, &body, etag)).await {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Removes the parts that a record had before it was replaced.
async fn remove_parts(jobs: &Container, id: &str, before: &Value, deadline: Instant) -> Result<(), Error> {
    for field in LARGE_FIELDS {
        let Some(digest) = before[format!("{field}Digest")].as_str() else { continue };
        let query = "SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, @prefix) AND c.partOf = @id";
        let parameters = Map::from_iter([
            ("@prefix".to_owned(), json!(format!("{}{field}-{digest}-", parts_prefix(id)))),
            ("@id".to_owned(), json!(id)),
        ]);
        let parts: Vec<String> = jobs.select(query, &parameters, None).await?.try_collect().await?;
        for part in parts {
            jobs.delete_until(deadline, &Key::text(&part), &part, None).await?;
        }
    }
    Ok(())
}
