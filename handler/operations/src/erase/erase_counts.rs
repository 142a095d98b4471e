//! What an erasure has removed.

use serde::{Deserialize, Serialize};

/// What was removed, or would be removed. After an interruption, something that was removed shortly before it may not be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EraseCounts {
    /// Documents of the monitored container.
    pub live: u64,
    /// Versions.
    pub versions: u64,
    /// Parts of versions that are too large for one item.
    pub parts: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Records and pages of jobs that named a document, and no longer do.
    pub records: u64,
    /// Parts of records that were never completed.
    pub leftovers: u64,
    /// Live documents that the service cannot delete.
    pub not_deleted: u64,
    /// Damaged records, which could not be searched.
    pub unreadable: u64,
}

impl EraseCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.live += other.live;
        self.versions += other.versions;
        self.parts += other.parts;
        self.dead_letters += other.dead_letters;
        self.records += other.records;
        self.leftovers += other.leftovers;
        self.not_deleted += other.not_deleted;
        self.unreadable += other.unreadable;
    }

    /// Whether something could not be removed, or not be searched.
    pub fn is_incomplete(&self) -> bool {
        self.not_deleted > 0 || self.unreadable > 0
    }
}
