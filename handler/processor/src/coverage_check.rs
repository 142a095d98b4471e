//! Whether a range is without a lease, or has more than one, over several balancing passes.

use crate::lease::FeedRange;

/// Confirms a range when it is found for the second time in a row: the query over the leases is not a snapshot, and a
/// lease may be replaced during it. Reports it once.
#[derive(Default)]
pub(crate) struct CoverageCheck {
    last: Option<FeedRange>,
    is_confirmed: bool,
}

impl CoverageCheck {
    /// What to report after this pass.
    pub(crate) fn observe(&mut self, found: Option<FeedRange>) -> Option<FeedRange> {
        let again = found.is_some() && self.last == found;
        let reports = again && !self.is_confirmed;
        self.is_confirmed = again;
        self.last.clone_from(&found);
        found.filter(|_| reports)
    }

    /// Whether the last two passes or more found the same range.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_reported_once_when_it_is_found_twice_in_a_row() {
        let range = |min: &str| Some(FeedRange { min: min.into(), max: "FF".into() });
        let mut check = CoverageCheck::default();
        let found = [range("10"), None, range("10"), range("20"), range("20"), range("20"), None, range("20")];
        let reported = found.map(|found| (check.observe(found).is_some(), check.is_confirmed()));
        let (no, first, again) = ((false, false), (true, true), (false, true));
        assert_eq!(reported, [no, no, no, no, first, again, no, no]);
    }
}
