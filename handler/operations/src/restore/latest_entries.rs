//! Which line of a chain of backups is the last about its document.
//!
//! There may be millions of lines, so each is held in sixteen bytes, in one piece of memory: a digest of the document's name,
//! and its rank in the order of the chain.

use changefeed_cosmos::Key;
use sha2::{Digest as _, Sha256};

/// Bits of a rank: a chain is far shorter. The others are the name's; 112 bits do not meet by chance.
const RANK_BITS: u32 = 16;

/// What a line says: about which document, and how late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word(u128);

/// The words of the increments of a chain.
#[derive(Debug, Default)]
pub(super) struct LastWords(Vec<Word>);

impl Word {
    /// Of a line of the backup of this number in the chain. Of each backup, deletions go before documents.
    pub(super) fn of(backup: usize, is_document: bool, id: &str, partition_key: &Key) -> Self {
        let digest = Sha256::digest(format!("{partition_key}\0{id}"));
        let name = digest.iter().take(14).fold(0, |name, byte| name << 8 | u128::from(*byte));
        Self(name << RANK_BITS | (backup as u128 * 2 + u128::from(is_document)))
    }

    fn name(self) -> u128 {
        self.0 >> RANK_BITS
    }
}

impl LastWords {
    /// Room for so many.
    pub(super) fn of_at_most(lines: u64) -> Self {
        Self(Vec::with_capacity(lines as usize))
    }

    pub(super) fn add(&mut self, word: Word) {
        self.0.push(word);
    }

    /// In the order that [`LastWords::supersede`] needs.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a later word than this one is about the same document.
    pub(super) fn supersede(&self, word: Word) -> bool {
        let after = self.0.partition_point(|other| *other <= word);
        self.0.get(after).is_some_and(|later| later.name() == word.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_document_is_superseded_by_none() {
        let key = Key::text("a");
        let word = |backup, is_document, id| Word::of(backup, is_document, id, &key);
        let mut words = LastWords::of_at_most(4);
        for said in [word(2, true, "x"), word(1, true, "x"), word(1, false, "y"), word(1, true, "y")] {
            words.add(said);
        }
        let words = words.sorted();
        let expected = [
            (word(0, true, "x"), true),
            (word(1, true, "x"), true),
            (word(2, true, "x"), false),
            (word(0, true, "y"), true),
            (word(1, false, "y"), true),
            (word(1, true, "y"), false),
            (word(0, true, "z"), false),
            (Word::of(0, true, "x", &Key::text("b")), false),
        ];
        for (word, is_superseded) in expected {
            assert_eq!(words.supersede(word), is_superseded, "{word:?}");
        }
        assert_eq!(size_of::<Word>(), 16);
    }
}
