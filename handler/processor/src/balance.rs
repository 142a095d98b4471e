//! Which leases an instance takes: as many as every other instance has.
//!
//! The rule is the .NET processor's `EqualPartitionsBalancingStrategy`: leases that nobody holds first, as many as are
//! missing to an equal share; if there is none, one lease from the instance that has the most.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::lease::Lease;

/// What an instance should try to take now.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// How many leases it lacks.
    pub missing: usize,
    /// Those that it may take, more than it lacks where there are more: one of them may fail it.
    pub candidates: Vec<Lease>,
}

/// The share of `all` that `instance` lacks.
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

    fn taken(owners: &[&str], instance: &str, seconds_later: i64) -> usize {
        let now = DateTime::parse_from_rfc3339("2026-08-01T12:00:00Z").expect("time").to_utc();
        let now = now + chrono::Duration::seconds(seconds_later);
        let share = missing_share(&leases(owners), instance, now, Duration::from_secs(60));
        share.missing.min(share.candidates.len())
    }

    #[test]
    fn an_only_instance_takes_every_free_lease_and_none_twice() {
        assert_eq!(taken(&["", "", "", ""], "a", 0), 4);
        assert_eq!(taken(&["a", "a", "", ""], "a", 0), 2);
        assert_eq!(taken(&["a", "a", "a", "a"], "a", 0), 0);
    }

    #[test]
    fn a_second_instance_takes_its_half_one_lease_at_a_time() {
        assert_eq!(taken(&["a", "a", "a", "a"], "b", 0), 1);
        assert_eq!(taken(&["a", "a", "a", "b"], "b", 0), 1);
        assert_eq!(taken(&["a", "a", "b", "b"], "b", 0), 0);
    }

    #[test]
    fn the_leases_of_an_instance_that_died_are_taken_once_they_have_expired() {
        assert_eq!(taken(&["a", "a", "b", "b"], "b", 60), 0);
        assert_eq!(taken(&["a", "a", "a", "a"], "b", 61), 4);
    }

    #[test]
    fn more_instances_than_leases_leave_one_lease_each() {
        assert_eq!(taken(&["a", "b"], "c", 0), 0);
        assert_eq!(taken(&["a", ""], "c", 0), 1);
    }

    #[test]
    fn there_are_more_candidates_than_are_missing_for_one_may_be_stuck() {
        let now = DateTime::parse_from_rfc3339("2026-08-01T12:00:00Z").expect("time").to_utc();
        let share = missing_share(&leases(&["a", "b", "", ""]), "a", now, Duration::from_secs(60));
        assert_eq!((share.missing, share.candidates.len()), (1, 2));
    }
}
