//! A position in the change feed of a container: where the next incremental backup starts to read.

use serde::{Deserialize, Serialize};

/// The start and the end of the key space, as bounds of a range.
const BOUNDS: (&str, &str) = ("", "FF");

/// A position in the change feed of a container. All changes after it are missing in the backup, or may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedPosition {
    /// The resource id of the container. A container that is deleted and created again has another one, and another feed.
    pub resource_id: String,
    /// The position in each range of the key space, in order: each range starts where the one before ends.
    pub ranges: Vec<FeedRangePosition>,
}

/// The position in a range of effective partition keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedRangePosition {
    /// The first key of the range, in upper-case hexadecimal digits; empty at the start of the key space.
    pub min: String,
    /// The end of the range, which does not belong to it; `FF` at the end of the key space.
    pub max: String,
    /// The etag from which the service continues.
    pub continuation: String,
}

impl FeedPosition {
    /// Checks that the ranges cover the key space without a gap: an increment from this position then misses no change.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut covered = BOUNDS.0;
        for range in &self.ranges {
            if range.min != covered || range.max <= range.min {
                return Err(format!(
                    "the feed position has the range {:?} to {:?} after {covered:?}",
                    range.min, range.max
                ));
            }
            covered = &range.max;
        }
        if covered == BOUNDS.1 { Ok(()) } else { Err(format!("the feed position ends at {covered:?}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_covers_the_key_space() {
        let check = |bounds: &[(&str, &str)]| {
            let range = |(min, max): &(&str, &str)| FeedRangePosition {
                min: (*min).into(),
                max: (*max).into(),
                continuation: "\"1\"".into(),
            };
            FeedPosition { resource_id: "r".into(), ranges: bounds.iter().map(range).collect() }.check().is_ok()
        };
        assert!(check(&[("", "FF")]) && check(&[("", "20"), ("20", "FF")]));
        for bounds in
            [&[][..], &[("", "20")], &[("20", "FF")], &[("", "20"), ("30", "FF")], &[("", "30"), ("20", "FF")]]
        {
            assert!(!check(bounds), "{bounds:?}");
        }
    }
}
