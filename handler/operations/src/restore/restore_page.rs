//! A page of items of a restore that is a job, as it is stored in the jobs container.

use changefeed_cosmos::{DocumentName, Error};
use changefeed_jobs::ItemsPage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::planned_item::{Action, PlannedItem};

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
}

impl From<PlannedItem> for StoredItem {
    fn from(item: PlannedItem) -> Self {
        let (live_etag, body_digest) = (item.live_etag.clone(), item.body_digest.clone());
        Self { item: without_large_changes(item), live_etag, body_digest }
    }
}

impl From<StoredItem> for PlannedItem {
    fn from(stored: StoredItem) -> Self {
        Self { live_etag: stored.live_etag, body_digest: stored.body_digest, ..stored.item }
    }
}

/// A page of items.
pub(super) type RestorePage = ItemsPage<StoredItem>;

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
