//! The versions of a window with their bodies, page by page: what an export reads.
//!
//! A page takes one query over the physical partitions and returns all versions that the query finds, so that few are read twice: those
//! with which the next page begins, at most eight unless many versions have one second.

use changefeed_cosmos::{Container, Error};

use super::changes::incomplete;
use super::rows_in_order::{PageEnd, rows_in_order};
use super::total_order::ChangeOrder;
use super::version_filter::{VersionFilter, VersionSelector};
use crate::history::History;
use crate::record::read_version;
use crate::version::Version;
use crate::window::Window;

const ACTION: &str = "reading versions";

/// Reads the versions of a window, page by page.
pub struct VersionPages {
    changes: Container,
    selector: VersionSelector,
    order: ChangeOrder,
    after: Option<PageEnd>,
    is_done: bool,
}

impl History {
    /// Reads the selected versions of a window, in their total order.
    ///
    /// # Errors
    /// When the conditions are out of bounds, and when the containers cannot be read.
    pub async fn version_pages(&self, select: &VersionFilter, order: ChangeOrder) -> Result<VersionPages, Error> {
        let changes = self.changes.open().await?;
        let monitored = self.monitored.open().await?;
        let selector = select.selector(&changes, monitored.key_paths(), ACTION)?;
        Ok(VersionPages { changes, selector, order, after: None, is_done: false })
    }

    /// Says that the retention may have deleted versions of a window; `None` if all are in the history. To be asked after the versions
    /// were read.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn missing_from(&self, window: Window) -> Result<Option<String>, Error> {
        Ok(incomplete(window, self.horizon().await?))
    }
}

impl VersionPages {
    /// What selects the versions, to select them among others.
    pub fn into_selector(self) -> VersionSelector {
        self.selector
    }

    /// The next versions: about `page_items`, and at least one; `None` after the last.
    ///
    /// # Errors
    /// When the containers cannot be read, and when a record is damaged.
    pub async fn next(&mut self, page_items: usize) -> Result<Option<Vec<Version>>, Error> {
        let mut versions = Vec::new();
        while versions.is_empty() && !self.is_done {
            let wanted = page_items.max(1);
            let found = rows_in_order(&self.changes, &self.selector, self.order, self.after.as_ref(), wanted).await?;
            let last = found.rows.last().map(|row| row.place.clone());
            match (found.column, last) {
                (None, _) => self.is_done = true,
                (Some(column), Some(place)) => self.after = Some(PageEnd { place, column }),
                (Some(_), None) => return Err(Error::internal(ACTION, "a page without versions has a next page")),
            }
            for row in found.rows {
                let version = read_version(&self.changes, row.record).await?;
                if self.selector.matches(&version) {
                    versions.push(version);
                }
            }
        }
        Ok((!versions.is_empty()).then_some(versions))
    }
}
