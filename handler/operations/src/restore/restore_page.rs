//! The items of a restore that is a job, as the jobs container has them.

use changefeed_jobs::ItemsPage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::PlannedItem;

/// The kind of the pages.
pub(super) const PAGE_KIND: &str = "restore-items";
/// The most bytes of JSON that the changes of one document take in a record.
const MAX_RECORDED_CHANGES: usize = 2000;

/// An item with the etag that its plan saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredItem {
    #[serde(flatten)]
    item: PlannedItem,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    live_etag: Option<String>,
}

impl From<PlannedItem> for StoredItem {
    fn from(item: PlannedItem) -> Self {
        Self { live_etag: item.live_etag.clone(), item: shortened(item) }
    }
}

impl From<StoredItem> for PlannedItem {
    fn from(stored: StoredItem) -> Self {
        Self { live_etag: stored.live_etag, ..stored.item }
    }
}

/// Leaves out changes that are long to tell: the versions that the item names tell them too.
pub(super) fn shortened(mut item: PlannedItem) -> PlannedItem {
    if json!(item.changes).to_string().len() > MAX_RECORDED_CHANGES {
        item.changes.clear();
    }
    item
}

/// A page of items.
pub(super) type RestorePage = ItemsPage<StoredItem>;

/// The items of a page, as they were planned or done.
pub(super) fn planned_items(page: &RestorePage) -> Vec<PlannedItem> {
    page.items.iter().cloned().map(PlannedItem::from).collect()
}
