//! A page of items of a restore that is a job, as it is stored in the jobs container.

use changefeed_cosmos::{DocumentName, Error, digest};
use changefeed_jobs::ItemsPage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::planned_item::{Action, BackupLine, PlannedItem, UniqueKeyRetry};

/// The kind of the pages.
pub(super) const PAGE_KIND: &str = "restore-items";
/// The most bytes of JSON for the differences of one document in a record.
const MAX_RECORDED_CHANGES: usize = 2000;

/// An item with what its plan saw: the etag of the live document, and a digest of the document in a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredItem {
    #[serde(flatten)]
    item: PlannedItem,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    live_etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    body_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    unique_key_retry: Option<UniqueKeyRetry>,
}

impl StoredItem {
    /// The item without what only its plan needs.
    pub(super) fn planned(&self) -> &PlannedItem {
        &self.item
    }

    /// The line of a backup that is restored.
    pub(super) fn backup_line(&self) -> Option<&BackupLine> {
        self.item.backup_line.as_ref()
    }
}

impl From<PlannedItem> for StoredItem {
    fn from(item: PlannedItem) -> Self {
        let (live_etag, body_digest) = (item.live_etag.clone(), item.body_digest.clone());
        let unique_key_retry = item.retry;
        Self { item: without_large_changes(item), live_etag, body_digest, unique_key_retry }
    }
}

impl From<StoredItem> for PlannedItem {
    fn from(stored: StoredItem) -> Self {
        let (live_etag, body_digest, retry) = (stored.live_etag, stored.body_digest, stored.unique_key_retry);
        Self { live_etag, body_digest, retry, ..stored.item }
    }
}

/// A page of items.
pub(super) type RestorePage = ItemsPage<StoredItem>;

/// The tag by which the page is found on which a document was refused.
pub(super) fn document_tag(item: &PlannedItem) -> String {
    digest(&item.name().to_index_key())
}

/// The tags of a page: the documents that a unique key has refused.
pub(super) fn refused_tags(items: &[PlannedItem]) -> Vec<String> {
    items.iter().filter(|item| item.retry.is_some()).map(document_tag).collect()
}

/// The items of a page, as they were planned or done.
pub(super) fn planned_items(page: &RestorePage) -> Vec<PlannedItem> {
    page.items.iter().cloned().map(PlannedItem::from).collect()
}

/// Removes differences that are too large for a record. They can be computed from the versions that the item names.
pub(super) fn without_large_changes(mut item: PlannedItem) -> PlannedItem {
    if json!(item.changes).to_string().len() > MAX_RECORDED_CHANGES {
        item.changes.clear();
    }
    item
}

/// The item of a page for a document. A page has many documents, so large differences are removed at once. A document that
/// cannot be planned is a failed item; a transient failure is returned, and the page is planned again.
pub(super) fn page_item(
    name: DocumentName,
    planned: Result<Option<PlannedItem>, Error>,
) -> Result<Option<PlannedItem>, Error> {
    match planned {
        Ok(item) => Ok(item.map(without_large_changes)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => Ok(Some(PlannedItem::without_write(name, Action::Failed).with_message(error.to_string()))),
    }
}
