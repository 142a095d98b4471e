//! Reads the change feed for a backup: the position at its start, and the documents that were written after a position.

use std::num::NonZeroU32;

use changefeed_backup_format::{FeedPosition, FeedRangePosition, Line};
use changefeed_cosmos::{Container, Error, ErrorKind, FeedItem, FeedStart, Key, KeyRange, retry};
use tokio::time::Instant;

use super::collect::Collector;
use super::feed_cursor::{FeedRangeCursor, FeedStep};
use super::limits::PAGE_PATIENCE;

/// The lines of a page of the change feed.
pub(super) struct FeedLines {
    pub lines: Vec<Line>,
    pub processed: u64,
    /// Where the range continues.
    pub step: FeedStep,
}

/// The position after everything that was written so far; none where the change feed cannot be read, so that the next increment
/// compares all documents.
///
/// # Errors
/// When the service cannot be reached.
pub(super) async fn current_position(container: &Container) -> Result<Option<FeedPosition>, Error> {
    let deadline = Instant::now() + PAGE_PATIENCE;
    let mut unread = retry(deadline, || container.ranges()).await?;
    let mut ranges = Vec::new();
    while let Some(range) = unread.pop() {
        let page = retry(deadline, || container.feed_page(&range, FeedStart::Now, NonZeroU32::MIN)).await;
        match page {
            Ok(page) => match page.continuation {
                Some(continuation) => {
                    ranges.push(FeedRangePosition { min: range.min, max: range.max, continuation });
                }
                // It was split a moment ago.
                None => unread.extend(page.parts),
            },
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                log::warn!("the next incremental backup will compare all documents: {error}");
                return Ok(None);
            }
        }
    }
    ranges.sort_by(|left, right| left.min.cmp(&right.min));
    Ok(Some(FeedPosition { resource_id: container.definition().resource_id.clone(), ranges }))
}

impl Collector<'_> {
    /// Reads the next page of the change feed of a range.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the service does not accept the position, and when the feed cannot be read.
    pub(super) async fn feed_page(&self, monitored: &Container, range: &FeedRangeCursor) -> Result<FeedLines, Error> {
        let deadline = Instant::now() + PAGE_PATIENCE;
        let max_items = NonZeroU32::new(self.page_items as u32).unwrap_or(NonZeroU32::MIN);
        let (keys, start): (KeyRange, _) = (range.range(), FeedStart::After(range.continuation()));
        let page = retry(deadline, || monitored.feed_page(&keys, start, max_items)).await.map_err(unusable)?;
        let step = range.after(&page, self.page_items.max(1));
        let mut lines = Vec::new();
        if matches!(step, FeedStep::Split(_)) {
            return Ok(FeedLines { lines, processed: 0, step });
        }
        let processed = page.items.len() as u64;
        for item in page.items {
            let document = if item.lacks_own_lsn { stored(monitored, &item).await? } else { Some(item.document) };
            if let Some(document) = document {
                lines.extend(self.live_line(document, monitored.key_paths())?);
            }
        }
        Ok(FeedLines { lines, processed, step })
    }
}

/// The stored document, where the feed has replaced one of its properties; `None` if it was deleted since.
async fn stored(monitored: &Container, item: &FeedItem) -> Result<Option<serde_json::Value>, Error> {
    let key = Key::of(&item.document, monitored.key_paths())?;
    let id = item.document["id"].as_str().unwrap_or_default();
    let deadline = Instant::now() + PAGE_PATIENCE;
    retry(deadline, || monitored.read(&key, id)).await
}

/// An error of a position that the service does not accept says what to do.
fn unusable(error: Error) -> Error {
    if error.kind() != ErrorKind::Invalid {
        return error;
    }
    let message =
        format!("the service does not accept the position in the earlier backup; create a full backup: {error}");
    Error::invalid("continuing the earlier backup", message)
}
