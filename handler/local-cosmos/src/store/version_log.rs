//! Every write of a container in the order of the commits, for the change feed's AllVersionsAndDeletes mode.
//!
//! The log holds the versions of the retention window, up to a limit of memory. Older versions are discarded, and positions
//! before them are refused because the versions that follow are no longer known. Positions are numbers across the container,
//! as in the [change log](super::change_log), and remain valid after splits and merges.

use std::collections::VecDeque;
use std::sync::Arc;

use super::entry::Entry;
use super::page::{Candidate, Page, PageLimit};
use crate::limits::MAX_VERSION_LOG_BYTES;
use crate::partition_key::{EffectiveKey, KeyRange};

/// One write of one item. Clones share the items.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub change: Change,
    /// The `_lsn` of the version that this one replaces or removes.
    pub previous_lsn: Option<u64>,
    /// That version, if the container has previous images.
    pub previous: Option<Arc<Entry>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Created(Arc<Entry>),
    Replaced(Arc<Entry>),
    Deleted(Arc<Removal>),
}

/// The delete or expiry of an item.
#[derive(Clone, Debug)]
pub(crate) struct Removal {
    pub epk: EffectiveKey,
    pub id: Box<str>,
    /// The partition key as the request header has it: a JSON array.
    pub key: Box<str>,
    /// Seconds since 1970.
    pub ts: i64,
    pub lsn: u64,
    /// Whether its time to live has expired.
    pub is_expired: bool,
}

impl Version {
    fn epk(&self) -> &EffectiveKey {
        match &self.change {
            Change::Created(entry) | Change::Replaced(entry) => &entry.epk,
            Change::Deleted(removal) => &removal.epk,
        }
    }

    fn lsn(&self) -> u64 {
        match &self.change {
            Change::Created(entry) | Change::Replaced(entry) => entry.lsn,
            Change::Deleted(removal) => removal.lsn,
        }
    }

    fn bytes(&self) -> usize {
        const METADATA: usize = 200;
        let current = match &self.change {
            Change::Created(entry) | Change::Replaced(entry) => entry.body.len(),
            Change::Deleted(removal) => removal.id.len() + removal.key.len(),
        };
        METADATA + current + self.previous.as_ref().map_or(0, |previous| previous.body.len())
    }
}

/// A position from before the log.
#[derive(Debug, PartialEq)]
pub(crate) struct TooOld;

#[derive(Debug, Default)]
pub(crate) struct VersionLog {
    /// The number of the newest discarded version; the first one in the log has the next number.
    discarded: u64,
    versions: VecDeque<Logged>,
    /// The size of all versions in the log.
    bytes: usize,
    last_transaction: u64,
    discarded_lsns: DiscardedNumbers,
    /// The newest sequence number that an earlier process has discarded, of any key.
    discarded_lsn: u64,
}

/// A version, and what is needed to discard it without a look at its item, which was written long ago.
#[derive(Debug)]
struct Logged {
    version: Version,
    transaction: u64,
    bytes: usize,
    lsn: u64,
    /// The first byte of the effective key.
    prefix: u8,
    /// Milliseconds since 1970.
    logged_at: i64,
}

impl Logged {
    fn new(version: Version, transaction: u64, logged_at: i64) -> Self {
        let (bytes, lsn, prefix) = (version.bytes(), version.lsn(), prefix(version.epk()));
        Self { version, transaction, bytes, lsn, prefix, logged_at }
    }
}

/// The newest sequence number that was discarded, by the first byte of the effective key. Physical partitions begin and end at whole
/// bytes until there are more than 64. From then on, and with keys of hash version 1, a position may be refused that is still known.
#[derive(Debug)]
struct DiscardedNumbers([u64; 256]);

impl Default for DiscardedNumbers {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl DiscardedNumbers {
    fn add(&mut self, prefix: u8, lsn: u64) {
        let newest = &mut self.0[usize::from(prefix)];
        *newest = lsn.max(*newest);
    }

    /// The newest number of the keys of a range.
    fn newest(&self, range: &KeyRange) -> u64 {
        let has_keys = |prefix: &u8| {
            let (mut first, mut last) = ([0; 16], [u8::MAX; 16]);
            (first[0], last[0]) = (*prefix, *prefix);
            let keys = KeyRange { min: EffectiveKey::from_bytes(&first[..1]), max: EffectiveKey::from_bytes(&last) };
            range.intersection(&keys).is_some()
        };
        (0..=u8::MAX).filter(has_keys).map(|prefix| self.0[usize::from(prefix)]).max().unwrap_or_default()
    }
}

fn prefix(epk: &EffectiveKey) -> u8 {
    epk.as_bytes().first().copied().unwrap_or_default()
}

impl VersionLog {
    /// Adds the writes of one transaction. `now` is in milliseconds since 1970.
    pub(crate) fn append(&mut self, versions: Vec<Version>, now: i64) {
        self.last_transaction += 1;
        let transaction = self.last_transaction;
        for version in versions {
            self.push(version, transaction, now);
        }
        while self.bytes > MAX_VERSION_LOG_BYTES && self.discard_oldest() {}
    }

    fn push(&mut self, version: Version, transaction: u64, logged_at: i64) {
        let logged = Logged::new(version, transaction, logged_at);
        self.bytes += logged.bytes;
        self.versions.push_back(logged);
    }

    fn discard_oldest(&mut self) -> bool {
        let oldest = self.versions.pop_front();
        if let Some(oldest) = &oldest {
            self.bytes -= oldest.bytes;
            self.discarded += 1;
            self.discarded_lsns.add(oldest.prefix, oldest.lsn);
        }
        oldest.is_some()
    }

    /// Discards versions that were logged before `time`, in milliseconds since 1970.
    pub(crate) fn discard_before(&mut self, time: i64) {
        while self.versions.front().is_some_and(|oldest| oldest.logged_at < time) {
            self.discard_oldest();
        }
        if self.versions.len() < self.versions.capacity() / 4 {
            self.versions.shrink_to_fit();
        }
    }

    /// Whether the oldest version was logged before `time`, in milliseconds since 1970.
    pub(crate) fn is_older(&self, time: i64) -> bool {
        self.versions.front().is_some_and(|oldest| oldest.logged_at < time)
    }

    /// The versions that an earlier process has stored, each with the time at which it was logged, in milliseconds since 1970. `last` is
    /// the number of the newest, and `discarded_lsn` the newest log sequence number of those that were discarded.
    pub(crate) fn restored(last: u64, discarded_lsn: u64, versions: Vec<(Version, i64)>) -> Self {
        let mut log = Self { discarded: last.saturating_sub(versions.len() as u64), discarded_lsn, ..Self::default() };
        let mut transaction = None;
        for (version, logged_at) in versions {
            // Writes of one transaction have one sequence number and one time.
            let key = (version.lsn(), logged_at);
            log.last_transaction += u64::from(transaction != Some(key));
            transaction = Some(key);
            log.push(version, log.last_transaction, logged_at);
        }
        log
    }

    /// The number of the newest version that was discarded, and the newest log sequence number of all that were.
    pub(crate) fn discarded(&self) -> (u64, u64) {
        let newest = self.discarded_lsns.newest(&KeyRange::all());
        (self.discarded, newest.max(self.discarded_lsn))
    }

    /// The number of the newest version.
    pub(crate) fn last(&self) -> u64 {
        self.discarded + self.versions.len() as u64
    }

    /// The number of the last version with a sequence number up to `lsn`, in a range within one physical partition.
    pub(crate) fn number_of_lsn(&self, range: &KeyRange, lsn: u64) -> Result<u64, TooOld> {
        if lsn < self.discarded_lsn.max(self.discarded_lsns.newest(range)) {
            return Err(TooOld);
        }
        let later = |logged: &Logged| logged.version.lsn() > lsn && range.contains(logged.version.epk());
        let before = self.versions.iter().position(later).unwrap_or(self.versions.len());
        Ok(self.discarded + before as u64)
    }

    /// Reads the versions after the one with the number `after`.
    pub(crate) fn page(&self, range: &KeyRange, after: u64, limit: PageLimit) -> Result<Page<Version>, TooOld> {
        let skip = after.checked_sub(self.discarded).ok_or(TooOld)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.versions.len());
        let log = (after.saturating_add(1)..).zip(self.versions.range(skip..)).map(|(number, logged)| {
            let candidate = range.contains(logged.version.epk()).then(|| Candidate {
                entry: logged.version.clone(),
                bytes: logged.bytes,
                transaction: logged.transaction,
            });
            (number, candidate)
        });
        Ok(Page::fill(log, after, self.last(), limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: PageLimit = PageLimit { items: 10, bytes: 100_000 };

    fn epk(hex: &str) -> EffectiveKey {
        EffectiveKey::from_hex(hex).expect("hexadecimal digits")
    }

    fn deleted(hex: &str, id: &str) -> Version {
        let removal = Removal { epk: epk(hex), id: id.into(), key: "[]".into(), ts: 0, lsn: 1, is_expired: false };
        Version { change: Change::Deleted(Arc::new(removal)), previous_lsn: None, previous: None }
    }

    fn ids(page: &Page<Version>) -> Vec<&str> {
        page.entries
            .iter()
            .map(|version| match &version.change {
                Change::Created(entry) | Change::Replaced(entry) => &*entry.id,
                Change::Deleted(removal) => &*removal.id,
            })
            .collect()
    }

    #[test]
    fn versions_before_the_window_are_discarded_and_their_positions_refused() {
        let mut log = VersionLog::default();
        for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
            log.append(vec![deleted("10", id)], 100 + index as i64);
        }
        log.discard_before(102);
        for (after, expected) in [(2, vec!["c"]), (3, vec![]), (99, vec![])] {
            let page = log.page(&KeyRange::all(), after, LIMIT).expect("known");
            assert_eq!((ids(&page), page.next), (expected, after.max(3)));
        }
        for after in [0, 1] {
            assert_eq!(log.page(&KeyRange::all(), after, LIMIT).expect_err("too old"), TooOld);
        }
    }

    #[test]
    fn a_sequence_number_is_a_position_in_its_partition_until_later_versions_are_discarded() {
        let mut log = VersionLog::default();
        for (time, (hex, lsn)) in [("10", 1), ("50", 1), ("10", 2), ("50", 7), ("10", 5)].into_iter().enumerate() {
            let mut version = deleted(hex, "a");
            if let Change::Deleted(removal) = &mut version.change {
                Arc::make_mut(removal).lsn = lsn;
            }
            log.append(vec![version], time as i64);
        }
        let low = KeyRange { min: EffectiveKey::smallest(), max: epk("40") };
        let numbers = |log: &VersionLog| [0, 1, 2, 4, 5, 9].map(|lsn| log.number_of_lsn(&low, lsn).ok());
        assert_eq!(numbers(&log), [Some(0), Some(2), Some(4), Some(4), Some(5), Some(5)]);
        log.discard_before(3);
        assert_eq!(numbers(&log), [None, None, Some(4), Some(4), Some(5), Some(5)]);
        log.discard_before(9);
        assert_eq!(numbers(&log), [None, None, None, None, Some(5), Some(5)]);
    }

    #[test]
    fn versions_beyond_the_memory_limit_are_discarded() {
        let mut log = VersionLog::default();
        let large = "x".repeat(1_000_000);
        for _ in 0..200 {
            log.append(vec![deleted("10", &large)], 0);
        }
        assert!(log.bytes <= MAX_VERSION_LOG_BYTES && log.versions.len() > 100, "{}", log.versions.len());
        assert_eq!((log.last(), log.page(&KeyRange::all(), 0, LIMIT).expect_err("too old")), (200, TooOld));
        assert_eq!(log.page(&KeyRange::all(), 199, LIMIT).expect("known").entries.len(), 1);
        log.discard_before(1);
        assert_eq!(log.bytes, 0);
    }

    #[test]
    fn pages_have_every_version_once_in_order_and_no_transaction_in_part() {
        let mut log = VersionLog::default();
        log.append(vec![deleted("10", "a")], 0);
        log.append(vec![deleted("10", "b"), deleted("50", "x"), deleted("10", "b"), deleted("10", "c")], 0);
        log.append(vec![deleted("10", "d")], 0);
        let low = KeyRange { min: EffectiveKey::smallest(), max: epk("40") };
        let (mut after, mut pages) = (0, Vec::new());
        loop {
            let page = log.page(&low, after, PageLimit { items: 2, ..LIMIT }).expect("known");
            if page.entries.is_empty() {
                break;
            }
            after = page.next;
            pages.push(ids(&page).join(""));
        }
        assert_eq!((pages, after), (vec!["abbc".to_owned(), "d".to_owned()], 6));
    }
}
