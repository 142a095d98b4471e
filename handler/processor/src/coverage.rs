//! Whether the leases cover the whole container exactly once. No instance reads a range without a lease, and nothing
//! else would report it. A range with two leases is delivered twice, at different times.

use crate::lease::{FeedRange, Lease};

/// The first part of the container that no lease covers. `None` also if a lease does not record its range.
pub(crate) fn gap(leases: &[Lease]) -> Option<FeedRange> {
    if leases.iter().any(|lease| lease.range().is_none()) {
        return None;
    }
    uncovered(&FeedRange { min: String::new(), max: "FF".to_owned() }, leases).into_iter().next()
}

/// The parts of `range` that no lease covers. Leases that do not record their ranges are ignored.
pub(crate) fn uncovered(range: &FeedRange, leases: &[Lease]) -> Vec<FeedRange> {
    let mut parts = Vec::new();
    let mut covered = range.min.clone();
    for lease in ranges(leases) {
        let next = lease.min.min(range.max.clone());
        if covered < next {
            parts.push(FeedRange { min: covered.clone(), max: next });
        }
        covered = covered.max(lease.max);
    }
    if covered < range.max {
        parts.push(FeedRange { min: covered, max: range.max.clone() });
    }
    parts
}

/// The first part of the container that more than one lease covers. Leases that do not record their ranges are ignored.
pub(crate) fn overlap(leases: &[Lease]) -> Option<FeedRange> {
    let mut covered = String::new();
    for range in ranges(leases) {
        if range.min < covered {
            return Some(FeedRange { min: range.min, max: range.max.min(covered) });
        }
        covered = range.max;
    }
    None
}

fn ranges(leases: &[Lease]) -> Vec<FeedRange> {
    let mut ranges: Vec<FeedRange> = leases.iter().filter_map(Lease::range).collect();
    ranges.sort_by(|left, right| left.min.cmp(&right.min));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn leases(ranges: &[(&str, &str)]) -> Vec<Lease> {
        let lease = |(min, max): &(&str, &str)| {
            Lease::read(json!({"id": "x", "LeaseToken": "0", "FeedRange": {"Range": {"min": min, "max": max}}}))
                .expect("lease")
        };
        ranges.iter().map(lease).collect()
    }

    #[test]
    fn a_gap_is_found_at_the_beginning_in_the_middle_and_at_the_end() {
        let first = |ranges: &[(&str, &str)]| gap(&leases(ranges)).map(|gap| (gap.min, gap.max));
        let part = |min: &str, max: &str| Some((min.to_owned(), max.to_owned()));
        assert_eq!(first(&[("20", "FF"), ("", "20")]), None);
        assert_eq!(first(&[("", "FF"), ("10", "20")]), None, "a parent lease that was not deleted yet");
        assert_eq!(first(&[("10", "FF")]), part("", "10"));
        assert_eq!(first(&[("", "10"), ("20", "FF")]), part("10", "20"));
        assert_eq!(first(&[("", "10"), ("10", "20")]), part("20", "FF"));
        assert_eq!(first(&[]), part("", "FF"));
        let unknown = Lease::read(json!({"id": "x..0", "LeaseToken": "0"})).expect("lease");
        assert_eq!(gap(&[unknown]), None);
    }

    #[test]
    fn the_uncovered_parts_of_a_range_are_found() {
        let range = FeedRange { min: "10".into(), max: "40".into() };
        let parts = |ranges: &[(&str, &str)]| {
            uncovered(&range, &leases(ranges)).iter().map(FeedRange::token).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(parts(&[]), "10-40");
        assert_eq!(parts(&[("", "10"), ("40", "FF")]), "10-40");
        assert_eq!(parts(&[("", "20"), ("30", "FF")]), "20-30");
        assert_eq!(parts(&[("30", "35"), ("15", "20")]), "10-15 20-30 35-40");
        assert_eq!(parts(&[("10", "25"), ("25", "40")]), "");
        assert_eq!(parts(&[("", "FF"), ("20", "30")]), "");
    }

    #[test]
    fn the_first_range_that_two_leases_cover_is_found() {
        let first = |ranges: &[(&str, &str)]| overlap(&leases(ranges)).map(|range| range.token());
        assert_eq!(first(&[("", "10"), ("10", "FF")]), None);
        assert_eq!(first(&[("10", "FF"), ("", "20")]), Some("10-20".to_owned()));
        assert_eq!(first(&[("", "FF"), ("10", "20")]), Some("10-20".to_owned()));
        assert_eq!(first(&[("", "10"), ("10", "20"), ("10", "20")]), Some("10-20".to_owned()));
    }
}
