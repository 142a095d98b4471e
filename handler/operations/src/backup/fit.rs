//! How many documents go on a page where each is held whole: few where they are large.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of documents on a page. Several pages are read side by side, and a page for each document would be slow.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Documents of the first page, of whose sizes nothing is known.
const FIRST: usize = 4;

/// Follows what the pages of a backup hold.
#[derive(Debug)]
pub(super) struct Fit(AtomicUsize);

impl Default for Fit {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST))
    }
}

impl Fit {
    /// Documents for the next page, of no more than `most`.
    pub fn items(&self, most: usize) -> usize {
        self.0.load(Ordering::Relaxed).min(most).max(1)
    }

    /// Takes in the sizes of documents of a page, in bytes: of such as the largest, no more are to come than fit into
    /// [`PAGE_BYTES`], and not many more than came before.
    pub fn note(&self, sizes: impl Iterator<Item = usize>) {
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
    fn pages_grow_while_documents_are_small_and_shrink_at_once_where_they_are_large() {
        let fit = Fit::default();
        assert_eq!((fit.items(100), fit.items(2), fit.items(0)), (FIRST, 2, 1));
        fit.note([200; 4].into_iter());
        fit.note([200; 8].into_iter());
        assert_eq!(fit.items(100), 4 * FIRST);
        fit.note([200, PAGE_BYTES / 3].into_iter());
        assert_eq!(fit.items(100), 3);
        fit.note(std::iter::empty());
        assert_eq!(fit.items(100), 3);
        fit.note([4 * PAGE_BYTES].into_iter());
        assert_eq!(fit.items(100), 1);
    }
}
