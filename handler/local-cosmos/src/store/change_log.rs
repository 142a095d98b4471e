//! The order of a container's writes, from which its change feed is served.
//!
//! Entries are numbered across the whole container in the order in which they were committed. A position in the change feed
//! is such a number. It is valid for any part of the key space: a physical partition, a logical partition, and the partitions
//! that a split or merge creates. `_lsn` is the number within the physical partition.
//!
//! In LatestVersion mode an item appears once, at its newest write: an overwrite moves it to the end. Every write also goes
//! to the [version log](super::version_log), from which AllVersionsAndDeletes mode is served.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::entry::Entry;
use super::page::{Candidate, Page, PageLimit};
use super::version_log::{Change, Removal, Version, VersionLog};
use crate::partition_key::KeyRange;

/// The effect of one operation on an item, and the entry that it replaces or removes.
#[derive(Debug)]
pub(crate) enum Write {
    Put(Arc<Entry>, Option<Arc<Entry>>),
    Delete(Arc<Removal>, Arc<Entry>),
}

/// Where a change feed starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Start {
    Beginning,
    Now,
    /// After this second since 1970.
    AfterTime(i64),
    /// After the entry of this number.
    AfterEntry(u64),
}

#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    last: u64,
    latest: BTreeMap<u64, Logged>,
    /// Time of expiry and number.
    expiries: BTreeSet<(i64, u64)>,
    versions: VersionLog,
    keeps_previous_images: bool,
}

#[derive(Debug)]
struct Logged {
    entry: Arc<Entry>,
    expires_at: Option<i64>,
}

impl ChangeLog {
    /// The position of the newest write.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The position of the next write.
    pub(crate) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A log that an earlier process has written: its last position, its items and its versions.
    pub(crate) fn restored(last: u64, items: Vec<Arc<Entry>>, versions: VersionLog, default_ttl: Option<i64>) -> Self {
        let mut log = Self { last, versions, ..Self::default() };
        for entry in items {
            log.put(entry, default_ttl);
        }
        log
    }

    /// The versions that writes are. Every write is one.
    pub(crate) fn versions_of(&self, writes: &[Write]) -> Vec<Version> {
        let version = |write: &Write| {
            let (change, previous) = match write {
                Write::Put(entry, None) => (Change::Created(Arc::clone(entry)), None),
                Write::Put(entry, Some(previous)) => (Change::Replaced(Arc::clone(entry)), Some(previous)),
                Write::Delete(removal, previous) => (Change::Deleted(Arc::clone(removal)), Some(previous)),
            };
            let previous_lsn = previous.map(|previous| previous.lsn);
            let previous = previous.filter(|_| self.keeps_previous_images).map(Arc::clone);
            Version { change, previous_lsn, previous }
        };
        writes.iter().map(version).collect()
    }

    /// Adds the writes of one transaction in their order, and the versions that they are. The last write of an item is its newest.
    /// `now` is in milliseconds since 1970.
    pub(crate) fn append(&mut self, writes: Vec<Write>, versions: Vec<Version>, default_ttl: Option<i64>, now: i64) {
        for write in writes {
            match write {
                Write::Put(entry, previous) => {
                    if let Some(previous) = &previous {
                        self.remove(previous.position);
                    }
                    self.put(entry, default_ttl);
                }
                Write::Delete(_, previous) => self.remove(previous.position),
            }
        }
        self.versions.append(versions, now);
    }

    fn put(&mut self, entry: Arc<Entry>, default_ttl: Option<i64>) {
        let expires_at = expires_at(&entry, default_ttl);
        self.expiries.extend(expires_at.map(|time| (time, entry.position)));
        self.latest.insert(entry.position, Logged { entry, expires_at });
    }

    fn remove(&mut self, position: u64) {
        if let Some(time) = self.latest.remove(&position).and_then(|logged| logged.expires_at) {
            self.expiries.remove(&(time, position));
        }
    }

    /// Reads a page of LatestVersion mode.
    pub(crate) fn page(&self, range: &KeyRange, start: Start, limit: PageLimit) -> Page<Arc<Entry>> {
        let after = match start {
            Start::Beginning | Start::AfterTime(_) => 0,
            Start::Now => self.last,
            Start::AfterEntry(number) => number,
        };
        let not_before = if let Start::AfterTime(time) = start { time + 1 } else { i64::MIN };
        let log = self.latest.range((Bound::Excluded(after), Bound::Unbounded)).map(|(number, logged)| {
            let entry = &logged.entry;
            let candidate = (range.contains(&entry.epk) && entry.ts >= not_before).then(|| Candidate {
                entry: Arc::clone(entry),
                bytes: entry.body.len(),
                transaction: entry.transaction,
            });
            (*number, candidate)
        });
        Page::fill(log, after, self.last, limit)
    }

    /// Every write, for AllVersionsAndDeletes mode.
    pub(crate) fn versions(&self) -> &VersionLog {
        &self.versions
    }

    /// Discards versions that were logged before `time`, in milliseconds since 1970.
    pub(crate) fn discard_versions_before(&mut self, time: i64) {
        self.versions.discard_before(time);
    }

    /// Sets whether the next versions include the item that they replace or delete.
    pub(crate) fn keep_previous_images(&mut self, enabled: bool) {
        self.keeps_previous_images = enabled;
    }

    /// Entries whose time to live has run out at `now` (seconds since 1970).
    pub(crate) fn expired(&self, now: i64) -> Vec<Arc<Entry>> {
        let due = self.expiries.iter().take_while(|(time, _)| *time <= now);
        due.filter_map(|(_, number)| Some(Arc::clone(&self.latest.get(number)?.entry))).collect()
    }

    /// Whether the time to live of an entry has run out at `now` (seconds since 1970).
    pub(crate) fn has_expired(&self, now: i64) -> bool {
        self.expiries.first().is_some_and(|(time, _)| *time <= now)
    }

    /// Recomputes all expiry times after the container's default has changed.
    pub(crate) fn set_default_ttl(&mut self, default_ttl: Option<i64>) {
        self.expiries.clear();
        for (number, logged) in &mut self.latest {
            logged.expires_at = expires_at(&logged.entry, default_ttl);
            self.expiries.extend(logged.expires_at.map(|time| (time, *number)));
        }
    }
}

/// The time at which an entry expires. If the container has no default (`None`), time to live is off; if it is -1, only items
/// with a time to live of their own expire.
fn expires_at(entry: &Entry, default_ttl: Option<i64>) -> Option<i64> {
    let ttl = entry.ttl.unwrap_or(default_ttl?);
    default_ttl.is_some().then_some(ttl).filter(|ttl| *ttl > 0).map(|ttl| entry.ts.saturating_add(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition_key::EffectiveKey;

    fn epk(hex: &str) -> EffectiveKey {
        EffectiveKey::from_hex(hex).expect("hexadecimal digits")
    }

    /// A log, and the newest entry of each item.
    #[derive(Default)]
    struct Scene {
        log: ChangeLog,
        newest: BTreeMap<String, Arc<Entry>>,
        /// That of the next writes; each is one of its own if there is none.
        transaction: Option<u64>,
    }

    impl Scene {
        fn of(ids: &[&str]) -> Self {
            let mut scene = Self::default();
            for (index, id) in ids.iter().enumerate() {
                let put = scene.put(id, 100 + index as i64, None, 0);
                scene.append(vec![put], None);
            }
            scene
        }

        fn put(&mut self, id: &str, ts: i64, ttl: Option<i64>, lsn: u64) -> Write {
            let position = self.log.next();
            let entry = Arc::new(Entry {
                document: 0,
                position,
                transaction: self.transaction.unwrap_or(position),
                epk: epk(if id < "m" { "10" } else { "50" }),
                id: id.into(),
                key: "[]".into(),
                etag: "".into(),
                ts,
                ttl,
                lsn,
                has_own_lsn: false,
                body: b"{}".to_vec().into(),
            });
            Write::Put(Arc::clone(&entry), self.newest.insert(id.to_owned(), entry))
        }

        fn delete(&mut self, id: &str, lsn: u64) -> Write {
            let removal = Removal { epk: epk("10"), id: id.into(), key: "[]".into(), ts: 1, lsn, is_expired: false };
            Write::Delete(Arc::new(removal), self.newest.remove(id).expect("an item"))
        }

        fn append(&mut self, writes: Vec<Write>, default_ttl: Option<i64>) {
            let versions = self.log.versions_of(&writes);
            self.log.append(writes, versions, default_ttl, 0);
        }

        fn page(&self, start: Start, items: usize) -> Page<Arc<Entry>> {
            self.log.page(&KeyRange::all(), start, PageLimit { items, bytes: 1000 })
        }
    }

    fn ids(page: &Page<Arc<Entry>>) -> Vec<&str> {
        page.entries.iter().map(|entry| &*entry.id).collect()
    }

    #[test]
    fn an_overwritten_item_appears_once_at_its_newest_write() {
        let scene = Scene::of(&["a", "b", "a", "c"]);
        let page = scene.page(Start::Beginning, 10);
        assert_eq!((ids(&page), page.next), (vec!["b", "a", "c"], 4));
    }

    #[test]
    fn pages_cover_every_entry_once_and_stay_valid_for_a_part_of_the_range() {
        let scene = Scene::of(&["a", "x", "b", "y", "c", "z"]);
        let first = scene.page(Start::Beginning, 2);
        assert_eq!(ids(&first), ["a", "x"]);
        let upper = KeyRange { min: epk("40"), max: EffectiveKey::largest() };
        let limit = PageLimit { items: 10, bytes: 1000 };
        let rest = scene.log.page(&upper, Start::AfterEntry(first.next), limit);
        assert_eq!((ids(&rest), rest.next), (vec!["y", "z"], 6));
        for last in [6, u64::MAX] {
            assert_eq!(scene.log.page(&upper, Start::AfterEntry(last), limit).entries.len(), 0);
        }
    }

    #[test]
    fn a_transaction_is_never_divided_between_pages() {
        let mut scene = Scene::of(&["a"]);
        scene.transaction = Some(2);
        let writes = ["b", "c", "d"].map(|id| scene.put(id, 1, None, 0)).into();
        scene.append(writes, None);
        assert_eq!(ids(&scene.page(Start::AfterEntry(1), 1)), ["b", "c", "d"]);
        assert_eq!(ids(&scene.page(Start::Beginning, 2)), ["a", "b", "c", "d"]);
        assert_eq!(ids(&scene.page(Start::Beginning, 1)), ["a"]);
    }

    #[test]
    fn a_start_from_a_time_returns_later_seconds_and_a_start_from_now_returns_nothing() {
        let scene = Scene::of(&["a", "b", "c"]);
        assert_eq!(ids(&scene.page(Start::AfterTime(101), 10)), ["c"]);
        let now = scene.page(Start::Now, 10);
        assert_eq!((ids(&now), now.next), (vec![], 3));
    }

    #[test]
    fn items_expire_by_their_own_time_to_live_or_the_containers_or_never() {
        let mut scene = Scene::default();
        let writes = [("own", Some(3)), ("never", Some(-1)), ("default", None)];
        let writes = writes.map(|(id, ttl)| scene.put(id, 100, ttl, 0)).into();
        scene.append(writes, Some(10));
        let log = &mut scene.log;
        let expired =
            |log: &ChangeLog, now| log.expired(now).iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>();
        assert_eq!(expired(log, 102), Vec::<String>::new());
        assert_eq!(expired(log, 103), ["own"]);
        assert_eq!(expired(log, 110), ["own", "default"]);
        log.set_default_ttl(Some(-1));
        assert_eq!(expired(log, 1000), ["own"]);
        log.set_default_ttl(None);
        assert_eq!(expired(log, 1000), Vec::<String>::new());
    }

    #[test]
    fn deleted_items_are_not_in_the_feed_and_do_not_expire() {
        let mut scene = Scene::of(&["b"]);
        let put = scene.put("a", 100, Some(1), 0);
        scene.append(vec![put], Some(-1));
        assert_eq!(scene.log.expired(1000).len(), 1);
        let delete = scene.delete("a", 0);
        scene.append(vec![delete], Some(-1));
        assert_eq!(ids(&scene.page(Start::Beginning, 10)), ["b"]);
        assert_eq!(scene.log.expired(1000).len(), 0);
    }

    #[test]
    fn the_last_write_of_an_item_in_a_transaction_is_its_newest() {
        let mut scene = Scene::of(&["b"]);
        let writes = vec![
            scene.put("a", 1, None, 0),
            scene.delete("a", 0),
            scene.delete("b", 0),
            scene.put("b", 1, None, 0),
            scene.put("c", 1, None, 0),
            scene.put("c", 1, None, 0),
        ];
        scene.append(writes, None);
        assert_eq!(ids(&scene.page(Start::Beginning, 10)), ["b", "c"]);
    }

    #[test]
    fn a_time_to_live_that_overflows_never_expires() {
        let mut scene = Scene::default();
        let put = scene.put("a", 100, Some(i64::MAX), 0);
        scene.append(vec![put], Some(-1));
        assert_eq!(scene.log.expired(i64::MAX - 1).len(), 0);
    }

    #[test]
    fn every_write_is_a_version_with_the_one_that_it_replaces() {
        let mut scene = Scene::default();
        let put = scene.put("a", 1, None, 1);
        scene.append(vec![put], None);
        scene.log.keep_previous_images(true);
        let writes = vec![scene.put("a", 1, None, 2), scene.delete("a", 2), scene.put("a", 1, None, 2)];
        scene.append(writes, None);
        scene.log.keep_previous_images(false);
        let delete = scene.delete("a", 3);
        scene.append(vec![delete], None);
        let limit = PageLimit { items: 10, bytes: 10_000 };
        let page = scene.log.versions().page(&KeyRange::all(), 0, limit).expect("page");
        let seen: Vec<_> = page
            .entries
            .iter()
            .map(|version| {
                let operation = match version.change {
                    Change::Created(_) => "create",
                    Change::Replaced(_) => "replace",
                    Change::Deleted(_) => "delete",
                };
                (operation, version.previous_lsn, version.previous.as_ref().map(|previous| previous.lsn))
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("create", None, None),
                ("replace", Some(1), Some(1)),
                ("delete", Some(2), Some(2)),
                ("create", None, None),
                ("delete", Some(2), None),
            ]
        );
    }
}
