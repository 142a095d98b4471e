//! The versions of a window, page by page.

use changefeed_cosmos::{DocumentName, Error};
use changefeed_history::{Change, ChangeOrder, ChangesRequest, VersionFilter, Window};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::reader::WindowReader;
use crate::restore::RestoreMarks;

/// Deletes that are looked up at a time.
const CONCURRENT_READS: usize = 16;

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct WindowChangesRequest {
    /// The window and the conditions.
    pub select: VersionFilter,
    /// The order of the list.
    pub order: ChangeOrder,
    /// Whether the versions have the values of the paths that they changed.
    pub values: bool,
    /// The maximum number of versions on a page, 1 to 1,000; 100 by default.
    pub max_items: Option<u32>,
    /// The continuation of the page before; `None` for the first page.
    pub continuation: Option<String>,
}

/// A version, and whether a restore wrote it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkedChange {
    /// The version.
    #[serde(flatten)]
    pub change: Change,
    /// The restore that wrote it: its record has the version's etag, or it recorded the delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_restore: Option<String>,
    /// Who requested that restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkedChanges {
    /// In the order of the request. A page with a continuation can have fewer versions than requested, even none.
    pub items: Vec<MarkedChange>,
    /// The window.
    pub window: Window,
    /// What the list cannot show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl WindowReader {
    /// Lists the versions of a window, with the paths that each of them changed.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the containers cannot be read.
    pub async fn changes(&self, request: &WindowChangesRequest) -> Result<MarkedChanges, Error> {
        let WindowChangesRequest { select, order, values, max_items, continuation } = request.clone();
        let page = self
            .history
            .changes_in(&ChangesRequest {
                select,
                order,
                max_items,
                continuation,
                values,
                stamp_fields: self.restores.stamp(),
            })
            .await?;
        let times: Vec<_> = page.items.iter().map(|change| change.source_ts..=change.source_ts).collect();
        let marks = self.restores.marks(&times).await?;
        let items = self.each_delete_once(page.items, &marks).await?;
        let items = items.into_iter().map(|change| marked(change, &marks)).collect();
        Ok(MarkedChanges { items, window: page.window, warnings: page.warnings, continuation: page.continuation })
    }
}

impl WindowReader {
    /// Leaves out the deletes that the change feed delivered and that a restore recorded too. Only while a restore was at work there can be
    /// one, and each delete takes a request.
    async fn each_delete_once(&self, changes: Vec<Change>, marks: &RestoreMarks) -> Result<Vec<Change>, Error> {
        if marks.is_empty() {
            return Ok(changes);
        }
        let checked = changes.into_iter().map(|change| async move {
            let name = DocumentName { id: change.id.clone(), partition_key: change.partition_key.clone() };
            let is_second = self.history.is_delete_by_restore(&name, &change.version_id, change.source_ts).await?;
            Ok::<_, Error>((!is_second).then_some(change))
        });
        let checked: Vec<Option<Change>> =
            futures::stream::iter(checked).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(checked.into_iter().flatten().collect())
    }
}

fn marked(change: Change, marks: &RestoreMarks) -> MarkedChange {
    let mark = marks.of(&change.version_id).cloned();
    let (by_restore, requested_by) = mark.map(|mark| (mark.restore, mark.requested_by)).unzip();
    MarkedChange { change, by_restore, requested_by: requested_by.flatten() }
}
