//! Whether leases cover the whole container. What no lease covers is read by nobody, and nothing else would tell.

use crate::lease::{FeedRange, Lease};

/// The first part of the container that none of the leases covers. `None` also where a lease does not tell its range.
pub(crate) fn gap(leases: &[Lease]) -> Option<FeedRange> {
    let mut ranges: Vec<FeedRange> = leases.iter().map(Lease::range).collect::<Option<_>>()?;
    ranges.sort_by(|left, right| left.min.cmp(&right.min));
    let mut covered = String::new();
    for range in ranges {
        if covered < range.min {
            return Some(FeedRange { min: covered, max: range.min });
        }
        covered = covered.max(range.max);
    }
    (covered.as_str() < "FF").then(|| FeedRange { min: covered, max: "FF".to_owned() })
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
        assert_eq!(first(&[("", "FF"), ("10", "20")]), None, "a parent that was not deleted yet");
        assert_eq!(first(&[("10", "FF")]), part("", "10"));
        assert_eq!(first(&[("", "10"), ("20", "FF")]), part("10", "20"));
        assert_eq!(first(&[("", "10"), ("10", "20")]), part("20", "FF"));
        assert_eq!(first(&[]), part("", "FF"));
        let unknown = Lease::read(json!({"id": "x..0", "LeaseToken": "0"})).expect("lease");
        assert_eq!(gap(&[unknown]), None);
    }
}
