//! Where the versions of an export come from.

use anyhow::Result;
use changefeed_cosmos::DocumentName;
use changefeed_history::{
    ChangeOrder, History, Version, VersionFilter, VersionId, VersionPages, VersionSelector, Versions,
};

/// Versions, a page at a time.
pub trait VersionSource {
    /// The next versions: about `page_items`, and at least one; `None` after the last.
    async fn next(&mut self, page_items: usize) -> Result<Option<Vec<Version>>>;
}

/// Versions of a history: each query is made once, and its pages are read as they are needed.
pub enum HistorySource<'a> {
    /// Those of one document, newest first.
    Document {
        versions: Box<Versions<'a>>,
        select: Box<VersionFilter>,
        selector: Box<VersionSelector>,
        /// The id of the version that was read last.
        last: Option<VersionId>,
    },
    /// Those of a window.
    Window(Box<VersionPages>),
}

/// Versions of a document that one request reads.
const PAGE_ITEMS: usize = 100;

impl<'a> HistorySource<'a> {
    /// Starts to read the selected versions, of one document or of all.
    pub async fn open(
        history: &History,
        document: Option<&'a DocumentName>,
        select: &VersionFilter,
        order: ChangeOrder,
    ) -> Result<Self> {
        let pages = history.version_pages(select, order).await?;
        let Some(document) = document else { return Ok(Self::Window(Box::new(pages))) };
        history.check_key(&document.partition_key).await?;
        Ok(Self::Document {
            versions: Box::new(history.versions_until(document, select.window.to(), PAGE_ITEMS).await?),
            select: Box::new(select.clone()),
            selector: Box::new(pages.into_selector()),
            last: None,
        })
    }
}

impl VersionSource for HistorySource<'_> {
    async fn next(&mut self, page_items: usize) -> Result<Option<Vec<Version>>> {
        match self {
            Self::Window(pages) => Ok(pages.next(page_items).await?),
            Self::Document { versions, select, selector, last } => {
                let mut page = Vec::new();
                while page.len() < page_items
                    && let Some(version) = versions.next().await?
                {
                    // The record that is not exact follows the exact one of the same version.
                    let is_twin = last.as_ref().is_some_and(|last| last.plain() == version.id.plain());
                    *last = Some(version.id.clone());
                    if is_twin {
                        continue;
                    }
                    // The ones that follow are older still.
                    if version.source_ts < select.window.from() {
                        break;
                    }
                    if selector.selects(&version) {
                        page.push(version);
                    }
                }
                Ok((!page.is_empty()).then_some(page))
            }
        }
    }
}
