//! Finds the latest entry of each document in a chain of backups.
//!
//! A chain may have millions of entries, so each takes sixteen bytes of one allocation: a digest of the document's name, and the
//! rank of the entry in the chain.

use changefeed_cosmos::Key;
use sha2::{Digest as _, Sha256};

/// Bits of a rank: a chain is far shorter. The others are the digest's; two of 112 bits are not equal by chance.
const RANK_BITS: u32 = 16;

/// A line of a backup, reduced to its document and its rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

/// The entries of the increments of a chain.
#[derive(Debug, Default)]
pub(super) struct LatestEntries(Vec<Entry>);

impl Entry {
    /// The entry of a line. `backup` is the number of its backup in the chain; within a backup, deletions precede documents.
    pub(super) fn of(backup: usize, is_document: bool, id: &str, partition_key: &Key) -> Self {
        let digest = Sha256::digest(format!("{partition_key}\0{id}"));
        let name = digest.iter().take(14).fold(0, |name, byte| name << 8 | u128::from(*byte));
        Self(name << RANK_BITS | (backup as u128 * 2 + u128::from(is_document)))
    }

    fn name(self) -> u128 {
        self.0 >> RANK_BITS
    }
}

impl LatestEntries {
    /// Sorts entries. `entries` should have been allocated for their number.
    pub(super) fn of(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable();
        Self(entries)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a later entry is about the same document.
    pub(super) fn supersede(&self, entry: Entry) -> bool {
        let next = self.0.partition_point(|other| *other <= entry);
        self.0.get(next).is_some_and(|later| later.name() == entry.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_entry_of_a_document_supersedes_the_others() {
        let key = Key::text("a");
        let entry = |backup, is_document, id| Entry::of(backup, is_document, id, &key);
        let entries = vec![entry(2, true, "x"), entry(1, true, "x"), entry(1, false, "y"), entry(1, true, "y")];
        let entries = LatestEntries::of(entries);
        let expected = [
            (entry(0, true, "x"), true),
            (entry(1, true, "x"), true),
            (entry(2, true, "x"), false),
            (entry(0, true, "y"), true),
            (entry(1, false, "y"), true),
            (entry(1, true, "y"), false),
            (entry(0, true, "z"), false),
            (Entry::of(0, true, "x", &Key::text("b")), false),
        ];
        for (entry, is_superseded) in expected {
            assert_eq!(entries.supersede(entry), is_superseded, "{entry:?}");
        }
        assert_eq!(size_of::<Entry>(), 16);
    }
}
