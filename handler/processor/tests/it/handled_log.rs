//! What the instances of the chaos test handled, and whether a redelivery was followed by everything newer.
//!
//! An instance that has lost its lease, perhaps without knowing it, may still handle the page that it has read. Nothing has to
//! follow such a late redelivery. A redelivery is certainly not late if its instance is the owner in the lease after it was
//! recorded. The callback for an acquired lease does not prove it, because it comes after the lease's write.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use azure_data_cosmos::FeedScope;
use azure_data_cosmos::clients::ContainerClient;
use futures::TryStreamExt;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a lease is read for. A lease that cannot be read proves nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A handled change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handled {
    pub cart: String,
    pub lsn: i64,
    pub item: String,
    /// The number of the write; none for a delete.
    pub number: Option<u64>,
}

/// The handled changes of all instances, in the order in which they were handled.
#[derive(Clone, Default)]
pub struct HandledLog {
    pub handled: Vec<Handled>,
    known: BTreeSet<Handled>,
    /// The positions of redeliveries that are certainly not late.
    in_time: Vec<Range<usize>>,
    /// The number of calls with a redelivery.
    pub redeliveries: usize,
}

impl HandledLog {
    /// Records the changes of a call. Returns their positions, and whether one of them was recorded before.
    pub fn record(&mut self, changes: Vec<Handled>) -> (Range<usize>, bool) {
        let start = self.handled.len();
        let new = changes.iter().filter(|change| self.known.insert((*change).clone())).count();
        let is_redelivery = new < changes.len();
        self.redeliveries += usize::from(is_redelivery);
        self.handled.extend(changes);
        (start..self.handled.len(), is_redelivery)
    }

    /// Records that the instance of a call owned the lease after the call was recorded.
    pub fn record_in_time(&mut self, call: Range<usize>) {
        self.in_time.push(call);
    }

    /// The number of calls with a redelivery that is certainly not late.
    pub fn redeliveries_in_time(&self) -> usize {
        self.in_time.len()
    }

    /// The first delivery of each change.
    pub fn first(&self) -> Vec<Handled> {
        let mut known = BTreeSet::new();
        self.handled.iter().filter(|handled| known.insert((*handled).clone())).cloned().collect()
    }

    /// A change that was not delivered again after a redelivery of an older one of its partition key, if there is one. Those that
    /// are not in the feed any more do not count.
    pub fn not_followed(&self, is_still_in_feed: impl Fn(&Handled) -> bool) -> Option<(&Handled, &Handled)> {
        let last: BTreeMap<&Handled, usize> =
            self.handled.iter().enumerate().map(|(at, change)| (change, at)).collect();
        let redelivered = self.in_time.iter().cloned().flatten().map(|at| (at, &self.handled[at]));
        redelivered.into_iter().find_map(|(at, again)| {
            let is_missing = |(newer, last): &(&&Handled, &usize)| {
                newer.cart == again.cart && newer.lsn > again.lsn && **last < at && is_still_in_feed(newer)
            };
            last.iter().find(is_missing).map(|(newer, _)| (again, *newer))
        })
    }
}

/// Reads who owns a lease. It reads with the connections of the test, which outlive an instance that is killed.
#[derive(Clone)]
pub struct LeaseOwners {
    leases: ContainerClient,
    runtime: Handle,
}

impl LeaseOwners {
    /// Reads from the runtime that this is called on.
    pub fn new(leases: ContainerClient) -> Self {
        Self { leases, runtime: Handle::current() }
    }

    /// Whether this instance owns a lease now. False when that cannot be read in time.
    pub async fn is_owner(&self, instance: &str, lease_token: &str) -> bool {
        let (leases, token) = (self.leases.clone(), lease_token.to_owned());
        let reading = self.runtime.spawn(async move { timeout(PATIENCE, owner(&leases, &token)).await.ok().flatten() });
        reading.await.ok().flatten().as_deref() == Some(instance)
    }
}

async fn owner(leases: &ContainerClient, lease_token: &str) -> Option<String> {
    let query = "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)";
    let found = leases.query_items::<Value>(query, FeedScope::full_container(), None).await.ok()?;
    let found: Vec<Value> = found.try_collect().await.ok()?;
    let lease = found.into_iter().find(|lease| lease["LeaseToken"] == lease_token)?;
    lease["Owner"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(lsn: i64) -> Handled {
        Handled { cart: "cart".to_owned(), lsn, item: format!("item-{lsn}"), number: Some(lsn.unsigned_abs()) }
    }

    /// The log of calls with one change each; the last one is a redelivery that is certainly not late.
    fn log(calls: &[i64]) -> HandledLog {
        let mut log = HandledLog::default();
        for (index, lsn) in calls.iter().enumerate() {
            let (call, is_redelivery) = log.record(vec![change(*lsn)]);
            assert_eq!(is_redelivery, calls[..index].contains(lsn));
            if index == 2 {
                log.record_in_time(call);
            }
        }
        log
    }

    #[test]
    fn a_redelivery_without_everything_newer_is_found_unless_it_may_be_late() {
        assert_eq!(log(&[1, 2, 1]).not_followed(|_| true), Some((&change(1), &change(2))));
        assert_eq!(log(&[1, 2, 1]).not_followed(|newer| newer.lsn != 2), None, "it is not in the feed any more");
        assert_eq!(log(&[1, 2, 1, 2]).not_followed(|_| true), None);
        assert_eq!(log(&[1, 2, 2]).not_followed(|_| true), None);
        assert_eq!(log(&[1, 2, 3, 1]).not_followed(|_| true), None, "the redelivery may be late");
    }
}
