//! Load balancing: which leases an instance acquires so that every instance has an equal share.
//!
//! The rule is that of .NET's `EqualPartitionsBalancingStrategy`: acquire unowned or expired leases first, up to an
//! equal share. If there are none, take one lease from the instance that has the most.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::lease::Lease;

/// What an instance should try to acquire now.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// How many leases the instance lacks.
    pub missing: usize,
    /// The leases that it may acquire. There can be more than it lacks, because acquiring some may fail.
    pub candidates: Vec<Lease>,
}

/// What `instance` lacks of its equal share of `all`.
pub(crate) fn missing_share(all: &[Lease], instance: &str, now: DateTime<Utc>, expiration: Duration) -> Share {
    let (expired, held): (Vec<&Lease>, Vec<&Lease>) = all.iter().partition(|lease| lease.is_expired(now, expiration));
    let mut held_by: BTreeMap<&str, Vec<&Lease>> = BTreeMap::from([(instance, Vec::new())]);
    for lease in held {
        held_by.entry(lease.owner.as_deref().unwrap_or_default()).or_default().push(lease);
    }
    let target = if all.len() > held_by.len() { all.len().div_ceil(held_by.len()) } else { 1 };
    let Some(missing) = target.checked_sub(held_by[instance].len()).filter(|missing| *missing > 0) else {
        return Share::default();
    };
    let share = |missing, leases: &[&Lease]| Share { missing, candidates: leases.iter().copied().cloned().collect() };
    if !expired.is_empty() {
        return share(missing, &expired);
    }
    let spare = target - usize::from(missing > 1);
    let richest = held_by.iter().filter(|(owner, _)| **owner != instance).max_by_key(|(_, leases)| leases.len());
    match richest {
        Some((_, leases)) if leases.len() > spare => share(1, leases),
        _ => Share::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn leases(owners: &[&str]) -> Vec<Lease> {
        let lease = |(index, owner): (usize, &&str)| {
            Lease::read(json!({"id": format!("x..{index}"), "LeaseToken": index.to_string(), "Owner": owner,
                "timestamp": "2026-08-01T12:00:00Z"}))
            .expect("lease")
        };
        owners.iter().enumerate().map(lease).collect()
    }

    fn acquired(owners: &[&str], instance: &str, seconds_later: i64) -> usize {
        let now = DateTime::parse_from_rfc3339("2026-08-01T12:00:00Z").expect("time").to_utc();
        let now = now + chrono::Duration::seconds(seconds_later);
        let share = missing_share(&leases(owners), instance, now, Duration::from_secs(60));
        share.missing.min(share.candidates.len())
    }

    #[test]
    fn a_single_instance_acquires_every_available_lease_and_none_twice() {
        assert_eq!(acquired(&["", "", "", ""], "a", 0), 4);
        assert_eq!(acquired(&["a", "a", "", ""], "a", 0), 2);
        assert_eq!(acquired(&["a", "a", "a", "a"], "a", 0), 0);
    }

    #[test]
    fn a_second_instance_acquires_its_half_one_lease_at_a_time() {
        assert_eq!(acquired(&["a", "a", "a", "a"], "b", 0), 1);
        assert_eq!(acquired(&["a", "a", "a", "b"], "b", 0), 1);
        assert_eq!(acquired(&["a", "a", "b", "b"], "b", 0), 0);
    }

    #[test]
    fn the_leases_of_a_dead_instance_are_acquired_once_they_have_expired() {
        assert_eq!(acquired(&["a", "a", "b", "b"], "b", 60), 0);
        assert_eq!(acquired(&["a", "a", "a", "a"], "b", 61), 4);
    }

    #[test]
    fn with_more_instances_than_leases_no_instance_has_more_than_one() {
        assert_eq!(acquired(&["a", "b"], "c", 0), 0);
        assert_eq!(acquired(&["a", ""], "c", 0), 1);
    }

    #[test]
    fn there_can_be_more_candidates_than_missing_leases_because_acquiring_one_may_fail() {
        let now = DateTime::parse_from_rfc3339("2026-08-01T12:00:00Z").expect("time").to_utc();
        let share = missing_share(&leases(&["a", "b", "", ""]), "a", now, Duration::from_secs(60));
        assert_eq!((share.missing, share.candidates.len()), (1, 2));
    }
}
