//! The items of one container, behind one lock.
//!
//! The races to mind: a position in the log is taken and its write committed under the same exclusive lock, so that a reader of
//! the change feed never sees a later write before an earlier one. A split or merge replaces partitions under that lock too.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::change_log::{ChangeLog, Write};
use super::draft::Draft;
use super::entry::Entry;
use super::partition::Partition;
use super::persistence::{ContainerFiles, ContainerState, PersistenceError, StoredContainer};
use super::sort_index::SortIndex;
use super::unique_keys::UniqueKeys;
use super::version_log::{Version, VersionLog};
use crate::etag::new_etag;
use crate::partition_key::{EffectiveKey, KeyRange};
use crate::resources::{ContainerRid, Range, Ranges};

/// Properties that the service sets.
pub(crate) const SYSTEM_PROPERTIES: [&str; 5] = ["_rid", "_self", "_etag", "_attachments", "_ts"];

/// The items of a container.
#[derive(Debug)]
pub(crate) struct Store {
    contents: RwLock<Contents>,
    /// The partitions that are being split or merged.
    transitions: Mutex<BTreeSet<String>>,
    /// Wakes the requests that wait for the end of a transition, in the order in which they came: a simulation repeats that order.
    transition_ended: Notify,
}

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(super) rid: ContainerRid,
    ranges: Ranges,
    /// In the order of their keys, one for each current range.
    pub(super) partitions: Vec<Partition>,
    last_document: u64,
    pub(super) log: ChangeLog,
    pub(super) unique_keys: UniqueKeys,
    pub(super) default_ttl: Option<i64>,
    pub(super) sort_indexes: Vec<SortIndex>,
    /// Where the container is stored; `None` if it is in memory only.
    files: Option<ContainerFiles>,
    /// The number of the newest version that is discarded from the files.
    discarded: u64,
}

/// Partitions that are being split or merged, until it is dropped.
#[derive(Debug)]
pub(crate) struct Transition<'s> {
    store: &'s Store,
    partitions: Vec<String>,
}

impl Store {
    /// An empty container.
    pub(crate) fn new(
        rid: ContainerRid,
        ranges: Ranges,
        unique_keys: UniqueKeys,
        default_ttl: Option<i64>,
        files: Option<ContainerFiles>,
    ) -> Self {
        let partitions = ranges.list().iter().map(|range| partition_of(range, 0)).collect();
        Self::of(Contents {
            rid,
            ranges,
            partitions,
            last_document: 0,
            log: ChangeLog::default(),
            unique_keys,
            default_ttl,
            sort_indexes: Vec::new(),
            files,
            discarded: 0,
        })
    }

    /// A container that an earlier process has stored.
    pub(crate) fn restored(
        rid: ContainerRid,
        stored: StoredContainer,
        unique_keys: UniqueKeys,
        default_ttl: Option<i64>,
        files: ContainerFiles,
    ) -> Self {
        let StoredContainer { state, items, versions } = stored;
        let lsn = |range: &Range| {
            let id = range.id.to_string();
            state.numbers.iter().find(|(partition, _)| *partition == id).map_or(0, |(_, lsn)| *lsn)
        };
        let partitions = state.ranges.list().iter().map(|range| partition_of(range, lsn(range))).collect();
        let versions = VersionLog::restored(state.last_version, state.discarded.1, versions);
        let mut contents = Contents {
            rid,
            partitions,
            last_document: state.last_document,
            log: ChangeLog::restored(state.last_position, items.clone(), versions, default_ttl),
            unique_keys,
            default_ttl,
            sort_indexes: Vec::new(),
            files: Some(files),
            discarded: state.discarded.0,
            ranges: state.ranges,
        };
        for entry in items {
            let partition = contents.index_of(&entry.epk);
            contents.link(partition, &entry);
        }
        Self::of(contents)
    }

    fn of(contents: Contents) -> Self {
        Self { contents: RwLock::new(contents), transitions: Mutex::default(), transition_ended: Notify::new() }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks partitions as being split or merged; `None` if others are.
    pub(crate) fn begin_transition(&self, partitions: Vec<String>) -> Option<Transition<'_>> {
        let mut current = self.transitions();
        if !current.is_empty() {
            return None;
        }
        current.extend(partitions.iter().cloned());
        Some(Transition { store: self, partitions })
    }

    /// Whether partitions are being split or merged.
    pub(crate) fn has_transitions(&self) -> bool {
        !self.transitions().is_empty()
    }

    /// Waits until no partition of this part of the key space is being split or merged.
    pub(crate) async fn settled(&self, range: &KeyRange) {
        loop {
            let ended = self.transition_ended.notified();
            if self.is_settled(range) {
                return;
            }
            ended.await;
        }
    }

    fn is_settled(&self, range: &KeyRange) -> bool {
        let (current, contents) = (self.transitions(), self.read());
        let mut overlapping = contents.overlapping(range).map(|(_, partition)| &partition.id);
        overlapping.all(|id| !current.contains(id))
    }

    fn transitions(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.transitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Transition<'_> {
    fn drop(&mut self) {
        self.store.transitions().retain(|partition| !self.partitions.contains(partition));
        self.store.transition_ended.notify_waiters();
    }
}

impl Contents {
    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    pub(crate) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    pub(crate) fn log(&self) -> &ChangeLog {
        &self.log
    }

    pub(crate) fn log_mut(&mut self) -> &mut ChangeLog {
        &mut self.log
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.partitions.iter().map(Partition::len).sum()
    }

    /// The index of the partition that has a key.
    pub(crate) fn index_of(&self, epk: &EffectiveKey) -> usize {
        self.partitions.partition_point(|partition| partition.range.min <= *epk).saturating_sub(1)
    }

    /// The bytes of all items.
    pub(crate) fn bytes(&self) -> u64 {
        self.partitions.iter().flat_map(Partition::items).map(|entry| entry.body.len() as u64).sum()
    }

    /// Removes what is stored of the container.
    pub(crate) fn remove_files(&mut self) {
        if let Some(Err(error)) = self.files.take().map(|files| files.remove()) {
            log::error!("a deleted container could not be removed: {error}");
        }
    }

    /// The partition that has a key.
    pub(crate) fn partition_of(&self, epk: &EffectiveKey) -> &Partition {
        &self.partitions[self.index_of(epk)]
    }

    /// The partitions that have keys of a range, with their indexes.
    pub(crate) fn overlapping<'c>(
        &'c self,
        range: &KeyRange,
    ) -> impl Iterator<Item = (usize, &'c Partition)> + use<'c> {
        let range = range.clone();
        self.partitions.iter().enumerate().filter(move |(_, partition)| partition.range.intersection(&range).is_some())
    }

    /// The items of a part of the key space in the order of their creation, those after the number `after`.
    pub(crate) fn scan<'c>(&'c self, range: &KeyRange, after: u64) -> Box<dyn Iterator<Item = &'c Arc<Entry>> + 'c> {
        let mut scans: Vec<_> =
            self.overlapping(range).map(|(_, partition)| partition.scan(range, after).peekable()).collect();
        if scans.len() == 1 {
            return Box::new(scans.remove(0));
        }
        Box::new(std::iter::from_fn(move || {
            let first =
                scans.iter_mut().enumerate().filter_map(|(index, scan)| Some((scan.peek()?.document, index))).min();
            first.and_then(|(_, index)| scans[index].next())
        }))
    }

    /// Adds an item to a partition and to the indexes.
    pub(super) fn link(&mut self, partition: usize, entry: &Arc<Entry>) {
        self.unique_keys.add(entry);
        self.update_sort_indexes(entry, SortIndex::add);
        self.partitions[partition].insert(Arc::clone(entry));
    }

    /// Removes an item from its partition and from the indexes.
    pub(super) fn unlink(&mut self, partition: usize, entry: &Entry) {
        self.unique_keys.remove(entry);
        self.update_sort_indexes(entry, SortIndex::remove);
        self.partitions[partition].remove(entry);
    }

    /// Updates every index for sorted scans. The item is parsed once for all of them.
    fn update_sort_indexes(&mut self, entry: &Entry, update: fn(&mut SortIndex, &Entry, &Value)) {
        if !self.sort_indexes.is_empty() {
            let item = entry.item();
            self.sort_indexes.iter_mut().for_each(|index| update(index, entry, &item));
        }
    }

    /// The item with this number.
    pub(crate) fn by_number(&self, number: u64) -> Option<&Arc<Entry>> {
        self.partitions.iter().find_map(|partition| partition.by_number(number))
    }

    /// The ids of all partitions that a partition descends from.
    pub(crate) fn ancestors(&self, partition: &str) -> Vec<String> {
        let range = number(partition).ok().and_then(|id| self.ranges.get(id));
        range.map(|range| range.parents.iter().map(u32::to_string).collect()).unwrap_or_default()
    }

    /// Stores writes, the versions that they are, and the state after them.
    pub(super) fn save(&mut self, writes: &[Write], versions: &[Version], now: i64) -> Result<(), PersistenceError> {
        let Some(files) = &self.files else { return Ok(()) };
        let mut changes = files.changes();
        for write in writes {
            match write {
                Write::Put(entry, _) => changes.put_item(entry)?,
                Write::Delete(_, entry) => changes.remove_item(entry),
            }
        }
        let log = self.log.versions();
        let mut last_version = log.last();
        for version in versions {
            last_version += 1;
            changes.put_version(last_version, version, now)?;
        }
        let discarded = log.discarded();
        (self.discarded + 1..=discarded.0).for_each(|number| changes.remove_version(number));
        let state = ContainerState {
            ranges: self.ranges.clone(),
            numbers: self.partitions.iter().map(|partition| (partition.id.clone(), partition.lsn)).collect(),
            last_position: self.log.last(),
            last_document: self.last_document,
            last_version,
            discarded,
        };
        changes.commit(&state)?;
        self.discarded = discarded.0;
        Ok(())
    }

    /// Sets the time to live of items without one of their own.
    pub(crate) fn set_default_ttl(&mut self, default_ttl: Option<i64>) {
        self.default_ttl = default_ttl;
        self.log.set_default_ttl(default_ttl);
    }

    /// Splits a partition in the middle of its range. Returns the new partitions' ids. `now` is in seconds since 1970.
    pub(crate) fn split(&mut self, id: &str, now: i64) -> Result<Vec<String>, String> {
        let children = self.ranges.split(number(id)?, None, now).map_err(|error| error.to_string())?;
        Ok(self.replace(&[id], &children))
    }

    /// Merges two adjacent partitions. Returns the new partition's id. `now` is in seconds since 1970.
    pub(crate) fn merge(&mut self, one: &str, other: &str, now: i64) -> Result<Vec<String>, String> {
        let child = self.ranges.merge(number(one)?, number(other)?, now).map_err(|error| error.to_string())?;
        Ok(self.replace(&[one, other], &[child]))
    }

    /// The numbers of the new partitions continue above those of the old ones.
    fn replace(&mut self, parents: &[&str], children: &[u32]) -> Vec<String> {
        let is_parent = |partition: &Partition| parents.contains(&partition.id.as_str());
        let (old, remaining): (Vec<_>, Vec<_>) = self.partitions.drain(..).partition(is_parent);
        let lsn = old.iter().map(|partition| partition.lsn).max().unwrap_or_default() + 1;
        let new = children.iter().filter_map(|id| Some(partition_of(self.ranges.get(*id)?, lsn)));
        self.partitions = remaining.into_iter().chain(new).collect();
        self.partitions.sort_by(|one, other| one.range.min.cmp(&other.range.min));
        for entry in old.into_iter().flat_map(Partition::into_items) {
            let index = self.index_of(&entry.epk);
            self.partitions[index].insert(entry);
        }
        if let Err(error) = self.save(&[], &[], 0) {
            log::error!("the new partitions could not be stored: {error}");
        }
        children.iter().map(u32::to_string).collect()
    }

    /// The entry of an item, with its system properties.
    pub(super) fn entry(
        &mut self,
        draft: Draft,
        previous: Option<&Entry>,
        lsn: u64,
        transaction: u64,
        now: i64,
    ) -> Entry {
        let document = previous.map_or_else(
            || {
                self.last_document += 1;
                self.last_document
            },
            |previous| previous.document,
        );
        let ts = now.div_euclid(1000);
        let etag = new_etag(ts);
        let rid = self.rid.document(document);
        let mut item = if let Value::Object(item) = draft.item { item } else { Map::new() };
        for name in SYSTEM_PROPERTIES {
            item.shift_remove(name);
        }
        item.insert("_rid".into(), json!(rid.to_string()));
        item.insert("_self".into(), json!(rid.link()));
        item.insert("_etag".into(), json!(etag));
        item.insert("_attachments".into(), json!("attachments/"));
        item.insert("_ts".into(), json!(ts));
        Entry {
            document,
            position: self.log.next(),
            transaction,
            epk: draft.epk,
            id: draft.id,
            key: draft.key,
            etag: etag.into(),
            ts,
            ttl: draft.ttl,
            lsn,
            has_own_lsn: item.contains_key("_lsn"),
            body: Value::Object(item).to_string().into_bytes().into(),
        }
    }
}

/// A partition without items.
fn partition_of(range: &Range, lsn: u64) -> Partition {
    // The bounds of ranges are hexadecimal.
    let key = |hex: &str| EffectiveKey::from_hex(hex).unwrap_or_else(EffectiveKey::smallest);
    let keys = KeyRange { min: key(&range.min), max: key(&range.max) };
    Partition::new(range.id.to_string(), keys, lsn)
}

fn number(partition: &str) -> Result<u32, String> {
    partition.parse().map_err(|_| format!("invalid partition id \"{partition}\""))
}
