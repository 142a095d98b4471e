//! The order of a container's writes, from which its change feed is served.
//!
//! Entries are numbered across the whole container in the order in which they were committed. A position in the change feed
//! is such a number. It is valid for any part of the key space: a physical partition, a logical partition, and the partitions
//! that a split or merge creates. `_lsn` is the emulator's number within the physical partition.
//!
//! In LatestVersion mode an item appears once, at its newest write: an overwrite moves it to the end. Every write also goes
//! to the [version log](crate::version_log), from which AllVersionsAndDeletes mode is served.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::entry::{Entry, KeyRange};
use crate::page::{Candidate, Page, PageLimit};
use crate::version_log::{Change, Removal, Version, VersionLog};

/// The effect of one operation on an item.
#[derive(Debug)]
pub(crate) enum Write {
    Put(Entry),
    Delete(Removal),
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
    numbers: HashMap<(String, String), u64>,
    /// Time of expiry and number.
    expiries: BTreeSet<(i64, u64)>,
    versions: VersionLog,
    keeps_previous_images: bool,
}

#[derive(Debug)]
struct Logged {
    entry: Arc<Entry>,
    /// The same for all entries of a transaction; they are never on different pages.
    transaction: u64,
    expires_at: Option<i64>,
}

impl ChangeLog {
    /// Adds the writes of one transaction in their order. Every write is a version; the last one of an item is its newest.
    /// `now` is in milliseconds since 1970.
    pub(crate) fn append(&mut self, writes: Vec<Write>, default_ttl: Option<i64>, now: i64) {
        let transaction = self.last + 1;
        let mut versions = Vec::with_capacity(writes.len());
        for write in writes {
            let (change, previous) = match write {
                Write::Put(entry) => {
                    let previous = self.remove(&entry.epk, &entry.id);
                    let entry = self.put(entry, transaction, default_ttl);
                    (if previous.is_some() { Change::Replaced(entry) } else { Change::Created(entry) }, previous)
                }
                Write::Delete(removal) => {
                    let previous = self.remove(&removal.epk, &removal.id);
                    (Change::Deleted(removal), previous)
                }
            };
            let previous_lsn = previous.as_ref().map(|previous| previous.lsn);
            let previous = previous.filter(|_| self.keeps_previous_images);
            versions.push(Version { change, previous_lsn, previous });
        }
        self.versions.append(versions, now);
    }

    fn put(&mut self, entry: Entry, transaction: u64, default_ttl: Option<i64>) -> Arc<Entry> {
        self.last += 1;
        let expires_at = expires_at(&entry, default_ttl);
        self.numbers.insert((entry.epk.clone(), entry.id.clone()), self.last);
        self.expiries.extend(expires_at.map(|time| (time, self.last)));
        let entry = Arc::new(entry);
        self.latest.insert(self.last, Logged { entry: Arc::clone(&entry), transaction, expires_at });
        entry
    }

    /// Removes a deleted item and returns its newest write.
    pub(crate) fn remove(&mut self, epk: &str, id: &str) -> Option<Arc<Entry>> {
        let number = self.numbers.remove(&(epk.to_owned(), id.to_owned()))?;
        let logged = self.latest.remove(&number)?;
        if let Some(time) = logged.expires_at {
            self.expiries.remove(&(time, number));
        }
        Some(logged.entry)
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
                transaction: logged.transaction,
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

    /// The number of items.
    pub(crate) fn items(&self) -> usize {
        self.latest.len()
    }

    /// The number of items in a part of the key space.
    pub(crate) fn items_in(&self, range: &KeyRange) -> usize {
        self.latest.values().filter(|logged| range.contains(&logged.entry.epk)).count()
    }

    /// Entries whose time to live has run out at `now` (seconds since 1970).
    pub(crate) fn expired(&self, now: i64) -> Vec<Arc<Entry>> {
        let due = self.expiries.iter().take_while(|(time, _)| *time <= now);
        due.filter_map(|(_, number)| Some(Arc::clone(&self.latest.get(number)?.entry))).collect()
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

    fn entry(id: &str, ts: i64, ttl: Option<i64>) -> Entry {
        let epk = if id < "m" { "10" } else { "50" };
        Entry {
            epk: epk.into(),
            id: id.into(),
            key: "[]".into(),
            etag: String::new(),
            ts,
            ttl,
            lsn: 0,
            body: b"{}".to_vec(),
        }
    }

    fn removal(id: &str) -> Removal {
        Removal { epk: "10".into(), id: id.into(), key: "[]".into(), ts: 1, lsn: 0, is_expired: false }
    }

    fn limit(items: usize) -> PageLimit {
        PageLimit { items, bytes: 1000 }
    }

    fn ids(page: &Page<Arc<Entry>>) -> Vec<&str> {
        page.entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    fn log(ids: &[&str]) -> ChangeLog {
        let mut log = ChangeLog::default();
        for (index, id) in ids.iter().enumerate() {
            log.append(vec![Write::Put(entry(id, 100 + index as i64, None))], None, 0);
        }
        log
    }

    #[test]
    fn an_overwritten_item_appears_once_at_its_newest_write() {
        let log = log(&["a", "b", "a", "c"]);
        let page = log.page(&KeyRange::all(), Start::Beginning, limit(10));
        assert_eq!((ids(&page), page.next), (vec!["b", "a", "c"], 4));
    }

    #[test]
    fn pages_cover_every_entry_once_and_stay_valid_for_a_part_of_the_range() {
        let log = log(&["a", "x", "b", "y", "c", "z"]);
        let first = log.page(&KeyRange::all(), Start::Beginning, limit(2));
        assert_eq!(ids(&first), ["a", "x"]);
        let upper = KeyRange { min: "40".into(), max: "FF".into() };
        let rest = log.page(&upper, Start::AfterEntry(first.next), limit(10));
        assert_eq!((ids(&rest), rest.next), (vec!["y", "z"], 6));
        for last in [6, u64::MAX] {
            assert_eq!(log.page(&upper, Start::AfterEntry(last), limit(10)).entries.len(), 0);
        }
    }

    #[test]
    fn a_transaction_is_never_divided_between_pages() {
        let mut log = log(&["a"]);
        log.append(["b", "c", "d"].map(|id| Write::Put(entry(id, 1, None))).into(), None, 0);
        assert_eq!(ids(&log.page(&KeyRange::all(), Start::AfterEntry(1), limit(1))), ["b", "c", "d"]);
        assert_eq!(ids(&log.page(&KeyRange::all(), Start::Beginning, limit(2))), ["a", "b", "c", "d"]);
        assert_eq!(ids(&log.page(&KeyRange::all(), Start::Beginning, limit(1))), ["a"]);
    }

    #[test]
    fn a_start_from_a_time_returns_later_seconds_and_a_start_from_now_returns_nothing() {
        let log = log(&["a", "b", "c"]);
        assert_eq!(ids(&log.page(&KeyRange::all(), Start::AfterTime(101), limit(10))), ["c"]);
        let now = log.page(&KeyRange::all(), Start::Now, limit(10));
        assert_eq!((ids(&now), now.next), (vec![], 3));
    }

    #[test]
    fn items_expire_by_their_own_time_to_live_or_the_containers_or_never() {
        let mut log = ChangeLog::default();
        let entries = [entry("own", 100, Some(3)), entry("never", 100, Some(-1)), entry("default", 100, None)];
        log.append(entries.map(Write::Put).into(), Some(10), 0);
        let expired = |log: &ChangeLog, now| log.expired(now).iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(expired(&log, 102), Vec::<String>::new());
        assert_eq!(expired(&log, 103), ["own"]);
        assert_eq!(expired(&log, 110), ["own", "default"]);
        log.set_default_ttl(Some(-1));
        assert_eq!(expired(&log, 1000), ["own"]);
        log.set_default_ttl(None);
        assert_eq!(expired(&log, 1000), Vec::<String>::new());
    }

    #[test]
    fn deleted_items_are_not_in_the_feed() {
        let mut log = log(&["a", "b"]);
        log.remove("10", "a");
        assert_eq!(ids(&log.page(&KeyRange::all(), Start::Beginning, limit(10))), ["b"]);
    }

    #[test]
    fn the_last_write_of_an_item_in_a_transaction_is_its_newest() {
        let put = |id| Write::Put(entry(id, 1, None));
        let delete = |id| Write::Delete(removal(id));
        let mut log = log(&["b"]);
        log.append(vec![put("a"), delete("a"), delete("b"), put("b"), put("c"), put("c")], None, 0);
        assert_eq!(ids(&log.page(&KeyRange::all(), Start::Beginning, limit(10))), ["b", "c"]);
    }

    #[test]
    fn a_time_to_live_that_overflows_never_expires() {
        let mut log = ChangeLog::default();
        log.append(vec![Write::Put(entry("a", 100, Some(i64::MAX)))], Some(-1), 0);
        assert_eq!(log.expired(i64::MAX - 1).len(), 0);
    }

    #[test]
    fn every_write_is_a_version_with_the_one_that_it_replaces() {
        let put = |lsn| Write::Put(Entry { lsn, ..entry("a", 1, None) });
        let delete = |lsn| Write::Delete(Removal { lsn, ..removal("a") });
        let mut log = ChangeLog::default();
        log.append(vec![put(1)], None, 0);
        log.keep_previous_images(true);
        log.append(vec![put(2), delete(2), put(2)], None, 0);
        log.keep_previous_images(false);
        log.append(vec![delete(3)], None, 0);
        let page = log.versions().page(&KeyRange::all(), 0, PageLimit { items: 10, bytes: 10_000 }).expect("page");
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
