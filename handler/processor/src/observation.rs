//! What is known about a lease after it was looked at several times.
//!
//! A single look cannot distinguish a lease that is stalled from one that was just released: the Functions trigger releases a
//! lease after every failed attempt and acquires it again 13 seconds later. Only the writes in between show that an instance
//! still tries, and only time shows that it makes no progress.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::lease::Lease;
use changefeed_cosmos::later;

/// Fewer writes than this may be of a lease that was released and acquired by another instance.
const MIN_WRITES: u32 = 2;

/// A lease that has not made progress since it was first seen so. It can be stored between two looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseObservation {
    /// The id of the lease.
    pub lease_id: String,
    /// Its continuation token.
    pub continuation_token: Option<String>,
    /// Whether it had an owner, each time.
    pub is_owned: bool,
    /// Its etag at the last look.
    pub etag: Option<String>,
    /// How often its etag had changed since the look before.
    pub writes: u32,
    /// The first look.
    pub since: DateTime<Utc>,
    /// The last look.
    pub seen: DateTime<Utc>,
}

impl LeaseObservation {
    /// The first look at a lease.
    pub fn first(lease: &Lease, now: DateTime<Utc>) -> Self {
        Self {
            lease_id: lease.id.clone(),
            continuation_token: lease.continuation_token.clone(),
            is_owned: lease.is_owned(),
            etag: lease.etag.clone(),
            writes: 0,
            since: now,
            seen: now,
        }
    }

    /// The next look. It is a first look if the lease has made progress, if it has an owner now and had none before or the
    /// other way round, or if the last look was more than `max_gap` ago.
    pub fn next(&self, lease: &Lease, now: DateTime<Utc>, max_gap: Duration) -> Self {
        if !self.is_of(lease) || self.is_owned != lease.is_owned() || later(self.seen, max_gap) < now {
            return Self::first(lease, now);
        }
        let writes = self.writes.saturating_add(u32::from(self.etag != lease.etag));
        Self { etag: lease.etag.clone(), writes, seen: now, ..self.clone() }
    }

    /// Whether this is the lease, and it still has the continuation token.
    pub(crate) fn is_of(&self, lease: &Lease) -> bool {
        self.lease_id == lease.id && self.continuation_token == lease.continuation_token
    }

    /// Whether an instance has written the lease again and again for at least `duration` without progress.
    pub fn lasted(&self, duration: Duration) -> bool {
        self.writes >= MIN_WRITES && later(self.since, duration) <= self.seen
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn lease(owner: Option<&str>, continuation: &str, etag: &str) -> Lease {
        let document =
            json!({"id": "x..0", "LeaseToken": "0", "Owner": owner, "ContinuationToken": continuation, "_etag": etag});
        Lease::read(document).expect("a lease")
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).expect("a time")
    }

    fn looks(leases: &[Lease]) -> LeaseObservation {
        let mut looks = leases.iter().zip(0..);
        let (first, minute) = looks.next().expect("a lease");
        let first = LeaseObservation::first(first, at(minute));
        looks.fold(first, |before, (lease, minute)| before.next(lease, at(minute), MINUTE * 3))
    }

    #[test]
    fn a_lease_without_progress_is_seen_longer_and_longer() {
        let seen = looks(&[lease(None, "7", "a"), lease(None, "7", "b"), lease(None, "7", "b"), lease(None, "7", "c")]);
        assert_eq!((seen.writes, seen.since, seen.seen), (2, at(0), at(3)));
        assert!(seen.lasted(MINUTE * 3) && !seen.lasted(MINUTE * 4));
        let json = serde_json::to_value(&seen).expect("json");
        assert_eq!(serde_json::from_value::<LeaseObservation>(json).expect("an observation"), seen);
    }

    #[test]
    fn progress_another_owner_or_a_long_pause_starts_again() {
        let stalled = looks(&[lease(None, "7", "a"), lease(None, "7", "b"), lease(None, "7", "c")]);
        for other in [lease(None, "8", "d"), lease(Some("x"), "7", "d")] {
            assert_eq!(stalled.next(&other, at(3), MINUTE * 3), LeaseObservation::first(&other, at(3)));
        }
        let late = lease(None, "7", "d");
        assert_eq!(stalled.next(&late, at(6), MINUTE * 3), LeaseObservation::first(&late, at(6)));
        assert_eq!(stalled.next(&late, at(5), MINUTE * 3).writes, 3);
    }

    #[test]
    fn a_lease_that_no_instance_writes_does_not_count() {
        let seen = looks(&[lease(None, "7", "a"), lease(None, "7", "a"), lease(None, "7", "b"), lease(None, "7", "b")]);
        assert!(!seen.lasted(MINUTE));
    }
}
