//! Chooses how many documents a page has, so that a page of large documents fits in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of documents on a page. Several pages are read concurrently, so a page must be small; a page of one document would be
/// slow.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Documents on the first page, before any size is known.
const FIRST: usize = 4;

/// Adapts the number of documents on a page to the sizes of earlier ones.
#[derive(Debug)]
pub(super) struct PageSizer(AtomicUsize);

impl Default for PageSizer {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST))
    }
}

impl PageSizer {
    /// Documents for the next page: at least 1, and at most `max`.
    pub(super) fn page_items(&self, max: usize) -> usize {
        self.0.load(Ordering::Relaxed).min(max).max(1)
    }

    /// Adapts to the sizes of a page's documents, in bytes. Documents as large as the largest must fit into [`PAGE_BYTES`], and
    /// a page has at most twice as many documents as the one before.
    pub(super) fn record(&self, sizes: impl Iterator<Item = usize>) {
        let Some(largest) = sizes.max() else { return };
        let before = self.0.load(Ordering::Relaxed);
        let items = (PAGE_BYTES / largest.max(1)).clamp(1, before.saturating_mul(2));
        self.0.store(items, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_while_documents_are_small_and_shrink_at_once_when_one_is_large() {
        let sizer = PageSizer::default();
        assert_eq!((sizer.page_items(100), sizer.page_items(2), sizer.page_items(0)), (FIRST, 2, 1));
        sizer.record([200; 4].into_iter());
        sizer.record([200; 8].into_iter());
        assert_eq!(sizer.page_items(100), 4 * FIRST);
        sizer.record([200, PAGE_BYTES / 3].into_iter());
        assert_eq!(sizer.page_items(100), 3);
        sizer.record(std::iter::empty());
        assert_eq!(sizer.page_items(100), 3);
        sizer.record([4 * PAGE_BYTES].into_iter());
        assert_eq!(sizer.page_items(100), 1);
    }
}
