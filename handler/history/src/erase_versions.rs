//! Removes the versions of documents that are erased.

use std::collections::HashSet;
use std::time::Duration;

use changefeed_cosmos::{DocumentName, Error, KeyComponent, retry};
use tokio::time::Instant;

use crate::history::History;
use crate::read::scope;
use crate::removal::{HeldItem, Remover, items_of};
use crate::removal_log::{RECORDED_TOGETHER, RemovalCause, RemovalLog};
use crate::retention_record::Saved;

/// The items of the changes container that held a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedItems {
    /// Versions.
    pub versions: u64,
    /// Parts of versions that are too large for one item.
    pub parts: u64,
}

impl RemovedItems {
    fn count(&mut self, is_part: bool) {
        *if is_part { &mut self.parts } else { &mut self.versions } += 1;
    }
}

impl History {
    /// The number of items that hold something of a document.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn count_items(&self, document: &DocumentName) -> Result<RemovedItems, Error> {
        let changes = self.changes.open().await?;
        let mut removed = RemovedItems::default();
        for item in items_of(&changes, document, scope(&changes, document).as_ref()).await? {
            removed.count(item.is_part);
        }
        Ok(removed)
    }

    /// Removes every version of a document, with its parts and those of versions that were never completed. `timeout` is for the delete of
    /// one item.
    ///
    /// # Errors
    /// When the changes container cannot be read or written. What was removed stays removed, and the call can be repeated.
    pub async fn remove_items(&self, document: &DocumentName, timeout: Duration) -> Result<RemovedItems, Error> {
        let changes = self.changes.open().await?;
        let (scope, remover) = (scope(&changes, document), Remover { changes: &changes, timeout });
        let jobs = self.horizon.jobs().open().await?;
        let log = RemovalLog { jobs: &jobs, changes: &changes, cause: RemovalCause::Erasure };
        let (mut removed, mut ids) = (RemovedItems::default(), HashSet::new());
        loop {
            let items = items_of(&changes, document, scope.as_ref()).await?;
            if items.is_empty() {
                break;
            }
            let versions: Vec<_> = items.iter().filter(|item| !item.is_part).map(HeldItem::id_and_key).collect();
            for versions in versions.chunks(RECORDED_TOGETHER) {
                log.record(versions, Instant::now() + timeout).await?;
            }
            for item in items {
                remover.delete(&item.name.id, &item.name.partition_key).await?;
                // A query may still see an item that was just deleted.
                if ids.insert(item.name.id) {
                    removed.count(item.is_part);
                }
            }
        }
        self.forget_removing(document, &ids, timeout).await?;
        Ok(removed)
    }

    /// Removes from the progress of the retention which versions of a document it was about to delete.
    async fn forget_removing(
        &self,
        document: &DocumentName,
        ids: &HashSet<String>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let jobs = self.horizon.jobs().open().await?;
        let changes = self.changes.open().await?;
        let (scope, by_source) =
            (scope(&changes, document), changes.key_paths().iter().any(|path| path.is_property("sourceId")));
        loop {
            let mut saved = retry(deadline, || Saved::load(&jobs)).await?;
            let before = saved.progress.removing.len();
            saved.progress.removing.retain(|removing| {
                let has_id = removing.key.components().contains(&KeyComponent::Text(document.id.clone()));
                let is_own = match &scope {
                    Some(scope) if by_source => removing.key == *scope,
                    _ => by_source && has_id,
                };
                !is_own && !ids.contains(&removing.id)
            });
            if saved.progress.removing.len() == before || saved.save(&jobs, deadline).await? {
                return Ok(());
            }
        }
    }
}
