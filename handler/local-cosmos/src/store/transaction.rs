//! A transaction: writes of one physical partition that are committed together, with one log sequence number, or not at all.

use std::sync::Arc;

use super::change_log::Write;
use super::contents::Contents;
use super::draft::Draft;
use super::entry::Entry;
use super::persistence::PersistenceError;
use super::version_log::Removal;
use crate::partition_key::EffectiveKey;

/// Another item of the logical partition has the same values of a unique key.
#[derive(Debug)]
pub(crate) struct UniqueKeyConflict;

/// Writes that are undone unless they are committed.
pub(crate) struct Transaction<'c> {
    contents: &'c mut Contents,
    partition: usize,
    lsn: u64,
    number: u64,
    /// Milliseconds since 1970.
    now: i64,
    writes: Vec<Write>,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(contents: &'c mut Contents, partition: usize, now: i64) -> Self {
        let lsn = contents.partitions[partition].lsn + 1;
        let number = contents.log.last() + 1;
        Self { contents, partition, lsn, number, now, writes: Vec::new() }
    }

    pub(crate) fn get(&self, epk: &EffectiveKey, id: &str) -> Option<Arc<Entry>> {
        self.contents.partitions[self.partition].get(epk, id).cloned()
    }

    /// Stores an item, as a new one or instead of `previous`, which may have had another id.
    pub(crate) fn put(&mut self, draft: Draft, previous: Option<Arc<Entry>>) -> Result<Arc<Entry>, UniqueKeyConflict> {
        let owner = previous.as_ref().map_or(&draft.id, |previous| &previous.id);
        if self.contents.unique_keys.conflicts(&draft.epk, owner, &draft.item) {
            return Err(UniqueKeyConflict);
        }
        let entry = Arc::new(self.contents.entry(draft, previous.as_deref(), self.lsn, self.number, self.now));
        self.exchange(previous.as_ref(), Some(&entry));
        self.writes.push(Write::Put(Arc::clone(&entry), previous));
        Ok(entry)
    }

    /// Removes an item.
    pub(crate) fn remove(&mut self, entry: &Arc<Entry>, is_expired: bool) {
        self.exchange(Some(entry), None);
        let removal = Removal {
            epk: entry.epk.clone(),
            id: entry.id.clone(),
            key: entry.key.clone(),
            ts: self.now.div_euclid(1000),
            lsn: self.lsn,
            is_expired,
        };
        self.writes.push(Write::Delete(Arc::new(removal), Arc::clone(entry)));
    }

    /// Commits the writes of a success, and undoes those of a failure.
    pub(crate) fn end<T, E: From<PersistenceError>>(mut self, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() && !self.writes.is_empty() {
            let versions = self.contents.log.versions_of(&self.writes);
            let before = std::mem::replace(&mut self.contents.partitions[self.partition].lsn, self.lsn);
            if let Err(error) = self.contents.save(&self.writes, &versions, self.now) {
                self.contents.partitions[self.partition].lsn = before;
                return Err(error.into());
            }
            let writes = std::mem::take(&mut self.writes);
            self.contents.log.append(writes, versions, self.contents.default_ttl, self.now);
        }
        result
    }

    fn exchange(&mut self, old: Option<&Arc<Entry>>, new: Option<&Arc<Entry>>) {
        if let Some(old) = old {
            self.contents.unlink(self.partition, old);
        }
        if let Some(new) = new {
            self.contents.link(self.partition, new);
        }
    }
}

impl Contents {
    /// Begins a transaction in the partition that has a key. `now` is in milliseconds since 1970.
    pub(crate) fn begin(&mut self, epk: &EffectiveKey, now: i64) -> Transaction<'_> {
        let partition = self.index_of(epk);
        Transaction::new(self, partition, now)
    }

    /// Removes the selected items whose time to live has expired at `until` (seconds since 1970), and returns their number. `now` is
    /// in milliseconds.
    pub(crate) fn expire(&mut self, until: i64, now: i64, is_selected: impl Fn(&Entry) -> bool) -> usize {
        let expired: Vec<Arc<Entry>> = self.log.expired(until).into_iter().filter(|entry| is_selected(entry)).collect();
        for entry in &expired {
            let mut transaction = self.begin(&entry.epk, now);
            transaction.remove(entry, true);
            if let Err(error) = transaction.end::<_, PersistenceError>(Ok(())) {
                log::error!("an expired item could not be removed: {error}");
            }
        }
        expired.len()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        for write in std::mem::take(&mut self.writes).into_iter().rev() {
            match write {
                Write::Put(new, old) => self.exchange(Some(&new), old.as_ref()),
                Write::Delete(_, old) => self.exchange(None, Some(&old)),
            }
        }
    }
}
