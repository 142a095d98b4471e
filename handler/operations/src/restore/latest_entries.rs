//! Finds the latest entry of each document in a chain of backups.
//!
//! A chain may have millions of entries, so each takes sixteen bytes of one allocation: a digest of the document's name, and the
//! rank of the entry in the chain.

use changefeed_cosmos::Key;
use sha2::{Digest as _, Sha256};

/// Bits of a rank: a chain has fewer lines. The others are the digest's; two of 96 bits are not equal by chance.
const RANK_BITS: u32 = 32;
const NAME_BYTES: usize = 12;

/// A line of a backup, reduced to its document and its rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

/// The entries of the increments of a chain.
#[derive(Debug, Default)]
pub(super) struct LatestEntries(Vec<Entry>);

impl Entry {
    /// The entry of a line. The rank of a line of an increment is its number among the lines of all increments, from 1 on, in the order
    /// in which they are applied; that of a line of the full backup is 0.
    pub(super) fn of(rank: u32, id: &str, partition_key: &Key) -> Self {
        let digest = Sha256::digest(format!("{partition_key}\0{id}"));
        let name = digest.iter().take(NAME_BYTES).fold(0, |name, byte| name << 8 | u128::from(*byte));
        Self(name << RANK_BITS | u128::from(rank))
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
        let entry = |rank, id| Entry::of(rank, id, &key);
        let entries = LatestEntries::of(vec![entry(4, "x"), entry(1, "x"), entry(2, "y"), entry(3, "y")]);
        let expected = [
            (entry(0, "x"), true),
            (entry(1, "x"), true),
            (entry(4, "x"), false),
            (entry(0, "y"), true),
            (entry(2, "y"), true),
            (entry(3, "y"), false),
            (entry(0, "z"), false),
            (Entry::of(0, "x", &Key::text("b")), false),
        ];
        for (entry, is_superseded) in expected {
            assert_eq!(entries.supersede(entry), is_superseded, "{entry:?}");
        }
        assert_eq!(size_of::<Entry>(), 16);
    }
}
