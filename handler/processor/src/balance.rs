//! Load balancing: which leases an instance acquires so that every instance has an equal share.
//!
//! The rule is that of .NET's `EqualPartitionsBalancingStrategy`: acquire unowned or expired leases first, up to an
//! equal share. If there are none, .NET takes one lease from the instance that has the most: with 1,000 leases, that takes half
//! an hour until eight instances have equal shares. So this one takes all that it lacks, of what other instances have above their share.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
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

/// What `instance` lacks of its equal share of `all`. `as_dotnet`: it takes one lease at a time from another instance.
pub(crate) fn missing_share(
    all: &[Lease],
    instance: &str,
    now: DateTime<Utc>,
    expiration: Duration,
    as_dotnet: bool,
) -> Share {
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
    let above = if as_dotnet { Vec::new() } else { above_share(&held_by, instance, target) };
    if !above.is_empty() {
        return share(missing.min(above.len()), &above);
    }
    let spare = target - usize::from(missing > 1);
    let richest = held_by.iter().filter(|(owner, _)| **owner != instance).max_by_key(|(_, leases)| leases.len());
    match richest {
        Some((_, leases)) if leases.len() > spare => share(1, leases),
        _ => Share::default(),
    }
}

/// The leases that other instances have above `target`, those of the richest first. Each instance begins elsewhere, because several look
/// for leases at once.
fn above_share<'l>(held_by: &BTreeMap<&str, Vec<&'l Lease>>, instance: &str, target: usize) -> Vec<&'l Lease> {
    let mut others: Vec<&Vec<&Lease>> =
        held_by.iter().filter(|(owner, _)| **owner != instance).map(|(_, leases)| leases).collect();
    others.sort_by_key(|leases| Reverse(leases.len()));
    let mut above: Vec<&Lease> = others.iter().flat_map(|leases| leases.iter().skip(target).copied()).collect();
    let mut hasher = DefaultHasher::new();
    hasher.write(instance.as_bytes());
    let begin = hasher.finish() as usize % above.len().max(1);
    above.rotate_left(begin);
    above
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
        let share = missing_share(&leases(owners), instance, now, Duration::from_secs(60), true);
        share.missing.min(share.candidates.len())
    }

    /// The owners after every instance has looked at the leases as they were, and has taken what it wants unless another one was faster.
    fn after_a_pass(owners: &[String], instances: usize) -> Vec<String> {
        let seen = leases(&owners.iter().map(String::as_str).collect::<Vec<_>>());
        let now = DateTime::parse_from_rfc3339("2026-08-01T12:00:00Z").expect("time").to_utc();
        let mut owners = owners.to_vec();
        for instance in (0..instances).map(|number| format!("instance {number}")) {
            let mut share = missing_share(&seen, &instance, now, Duration::from_secs(60), false);
            for lease in share.candidates {
                let owner = &mut owners[lease.lease_token.parse::<usize>().expect("a number")];
                if share.missing > 0 && Some(&*owner) == lease.owner.as_ref() {
                    share.missing -= 1;
                    owner.clone_from(&instance);
                }
            }
        }
        owners
    }

    fn counts(owners: &[String], instances: usize) -> Vec<usize> {
        let count = |instance| owners.iter().filter(|owner| **owner == format!("instance {instance}")).count();
        (0..instances).map(count).collect()
    }

    #[test]
    fn instances_that_join_have_their_shares_after_two_passes_and_then_nothing_moves() {
        for (leases, instances) in [(150, 8), (1000, 8), (1000, 3), (7, 3), (8, 8), (5, 8), (150, 2), (16, 5)] {
            let mut owners = vec!["instance 0".to_owned(); leases];
            let shared = |owners: &[String]| {
                let counts = counts(owners, instances);
                counts.iter().max().expect("one") - counts.iter().min().expect("one") <= 1
            };
            for _ in 0..2 {
                owners = after_a_pass(&owners, instances);
            }
            // What is left is taken one lease at a time, as in .NET.
            let mut further = 0;
            while !shared(&owners) {
                owners = after_a_pass(&owners, instances);
                further += 1;
                assert!(further <= instances, "{leases} leases: {:?}", counts(&owners, instances));
            }
            assert_eq!(after_a_pass(&owners, instances), owners, "{leases} leases, {instances} instances: stable");
        }
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
        let share = missing_share(&leases(&["a", "b", "", ""]), "a", now, Duration::from_secs(60), false);
        assert_eq!((share.missing, share.candidates.len()), (1, 2));
    }
}
