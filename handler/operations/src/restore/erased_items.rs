//! What a restore says about documents that are erased: neither its plan nor its record names them.

use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::{DocumentName, Error, ErrorKind, Key, printable};
use changefeed_history::{ERASED, ErasedSet};
use tokio::time::Instant;

use super::planned_item::{Action, PlannedItem};
use super::restore_request::{RestoreRequest, Selection};
use super::restores::Restores;

/// How long transient failures of a page are retried within a slice.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);

impl PlannedItem {
    /// The item of a document that is erased.
    pub(super) fn erased() -> Self {
        let nameless = DocumentName { id: String::new(), partition_key: Key::new(Vec::new()) };
        Self::without_write(nameless, Action::Unknown).with_message(ERASED)
    }

    /// Whether it stands for a document that was erased after it was named. A line of a backup may have no id either.
    fn has_lost_its_name(&self) -> bool {
        self.id.is_empty() && self.partition_key.components().is_empty() && self.backup_line.is_none()
    }
}

impl Restores {
    /// The documents that are not restored.
    ///
    /// # Errors
    /// When the jobs container cannot be read before the deadline.
    pub(super) async fn erased(&self, deadline: Instant) -> Result<Arc<ErasedSet>, Error> {
        Box::pin(self.history.erased().current(deadline)).await
    }

    /// These items. Those of erased documents lose their names.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub(super) async fn without_erased(&self, items: Vec<PlannedItem>) -> Result<Vec<PlannedItem>, Error> {
        let erased = self.erased(Instant::now() + self.options.timeout).await?;
        let is_erased = |item: &PlannedItem| item.has_lost_its_name() || erased.contains(&item.name());
        let without = |item: PlannedItem| if is_erased(&item) { PlannedItem::erased() } else { item };
        Ok(items.into_iter().map(without).collect())
    }

    /// Refuses a request that names a document that is erased: its record would name it.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`]; and when the jobs container cannot be read.
    pub(super) async fn check_not_erased(&self, request: &RestoreRequest) -> Result<(), Error> {
        let Selection::Documents(documents) = &request.selection else { return Ok(()) };
        let erased = self.erased(Instant::now() + self.options.timeout).await?;
        match documents.iter().find(|document| erased.contains(document)) {
            None => Ok(()),
            Some(document) => {
                let message = format!(
                    "document {} is erased; leave it out, or lift the erasure first: changefeed erase --lift",
                    printable(&document.id)
                );
                Err(Error::new(ErrorKind::Conflict, "planning a restore", message))
            }
        }
    }

    /// How long transient failures of a page are retried: no longer than an erasure waits for them.
    pub(super) fn page_patience(&self) -> Duration {
        PAGE_PATIENCE.min(self.history.erased().options().longest_write)
    }
}
