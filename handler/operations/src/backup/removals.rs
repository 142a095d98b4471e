//! The deletions of an incremental backup that reads the change feed: that feed shows none, so they come from the history.
//!
//! A delete is found by the time at which it was recorded, so one that was captured late, or found by a verification, is in the next
//! increment. An expiry that was not captured is found by the time to live of the version. A deletion is written only for a
//! document that does not exist when it is looked up.

use changefeed_backup_format::Line;
use changefeed_cosmos::{DocumentName, Error, Key, KeyRange};
use changefeed_history::Operation;
use changefeed_jobs::PagedQuery;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::backup_record::BackupCounts;
use super::collect::{Collected, Collector, deletion};
use crate::scan::ScanState;

/// A version after which its document did not exist, or does not exist any longer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    source_id: String,
    partition_key: Key,
    operation: Operation,
    source_ts: i64,
    #[serde(default)]
    expires_at: Option<i64>,
}

/// A document that does not exist.
struct Removed {
    name: DocumentName,
    /// Seconds since 1970.
    deleted_ts: Option<i64>,
}

impl Collector<'_> {
    /// Collects a page of deletions from the versions of a range.
    pub(super) async fn removals(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Collected, Error> {
        let history = &self.backups.history;
        let changes = history.changes().open().await?;
        let parameters = Map::from_iter([
            ("@since".to_owned(), json!(self.since().unwrap_or(i64::MIN))),
            ("@now".to_owned(), json!(history.clock().second().await?)),
            ("@delete".to_owned(), json!(Operation::Delete)),
            ("@expire".to_owned(), json!(Operation::Expire)),
        ]);
        let recorded = "(c._ts >= @since AND c.operation IN (@delete, @expire))";
        let source = PagedQuery {
            container: &changes,
            select: "SELECT c.sourceId, c.partitionKey, c.operation, c.sourceTs, c.expiresAt".to_owned(),
            conditions: vec![format!("({recorded} OR (c.expiresAt >= @since AND c.expiresAt <= @now))")],
            parameters,
            key: None,
            page_items: self.page_items,
            places: self.places.clone(),
        };
        let read = |row: Value| {
            serde_json::from_value::<Removal>(row)
                .map_err(|error| Error::corrupt(format!("listing the deletes in container {}", changes.name()), error))
        };
        let mut found = source.page(range, continuation, read, |removal| self.removed(removal)).await?;
        // Of several removals of a document, the newest counts.
        found.items.sort_by_key(|removed| std::cmp::Reverse(removed.deleted_ts));
        let mut lines = Vec::new();
        for Removed { name, deleted_ts } in found.items {
            // Only now, because a page that fails is read again.
            if self.states.get(&name).is_none() {
                self.states.insert(&name, ScanState::RepresentedBy(None));
                lines.push(Line::Deletion(deletion(name, deleted_ts)));
            }
        }
        Ok(Collected { lines, counts: BackupCounts::default(), next: found.next, processed: found.processed })
    }

    /// The document of a removal, if it does not exist and has no deletion yet. An interrupted worker may have written one too, which
    /// does no harm.
    async fn removed(&self, removal: Removal) -> Result<Option<Removed>, Error> {
        let Removal { source_id, partition_key, operation, source_ts, expires_at } = removal;
        let name = DocumentName { id: source_id, partition_key };
        if self.states.get(&name).is_some() {
            return Ok(None);
        }
        if self.backups.history.live(&name).await?.is_some() {
            self.states.insert(&name, ScanState::IsLive);
            return Ok(None);
        }
        let deleted_ts = if operation.is_removal() { Some(source_ts) } else { expires_at };
        Ok(Some(Removed { name, deleted_ts }))
    }
}
