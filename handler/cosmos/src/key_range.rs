//! Ranges of effective partition keys, by which a container is split into parts that are read concurrently.

use azure_data_cosmos::feed::FeedRange;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::error::Error;

/// The end of every container.
const END: &str = "FF";
/// The hash of a key's first component is below this, by its first four bytes: the service clears the two highest bits.
const HASHES: u64 = 0x4000_0000;

/// A range of effective partition keys, `min` inclusive and `max` exclusive, in upper-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Inclusive.
    pub min: String,
    /// Exclusive.
    pub max: String,
}

impl KeyRange {
    pub(crate) fn of(range: &FeedRange) -> Self {
        Self { min: range.min_inclusive().to_hex(), max: range.max_exclusive().to_hex() }
    }

    /// The SDK's range, for the reader of the change feed.
    ///
    /// # Errors
    /// When a bound is not hexadecimal.
    pub fn to_sdk(&self) -> Result<FeedRange, Error> {
        let bounds =
            json!({"Range": {"min": self.min, "max": self.max, "isMinInclusive": true, "isMaxInclusive": false}});
        STANDARD
            .encode(bounds.to_string())
            .parse()
            .map_err(|error| Error::from_sdk(format!("reading the range {}-{}", self.min, self.max), error))
    }
}

/// Splits the ranges of a container's physical partitions into about `parts` in all. Returns the bounds in order: each is
/// the end of one part and the start of the next.
pub fn split_ranges(mut physical: Vec<KeyRange>, parts: usize) -> Vec<String> {
    physical.sort_by(|left, right| left.min.cmp(&right.min));
    let wanted = parts.max(physical.len()) as u64;
    let mut bounds: Vec<String> = Vec::new();
    for range in &physical {
        bounds.push(range.min.clone());
        let (min, max) = (position(&range.min), if range.max == END { HASHES } else { position(&range.max) });
        let size = max.saturating_sub(min);
        // Its share of the parts, by its share of the hashes.
        let share = ((size * wanted + HASHES / 2) / HASHES).max(1);
        let inner = (1..share).map(|part| format!("{:08X}", min + size * part / share));
        bounds.extend(inner.filter(|bound| *bound > range.min && *bound < range.max));
    }
    bounds.push(physical.last().map_or_else(|| END.to_owned(), |last| last.max.clone()));
    bounds.dedup();
    bounds
}

/// The first four bytes as a number.
fn position(bound: &str) -> u64 {
    let digits: String = bound.chars().chain("00000000".chars()).take(8).collect();
    u64::from_str_radix(&digits, 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: &str, max: &str) -> KeyRange {
        KeyRange { min: min.into(), max: max.into() }
    }

    #[test]
    fn the_parts_of_a_container_leave_nothing_out_and_overlap_nowhere() {
        let physical = vec![range("1FFFFFFF", "FF"), range("", "1FFFFFFF")];
        assert_eq!(split_ranges(physical.clone(), 1), ["", "1FFFFFFF", "FF"]);
        let bounds = split_ranges(physical, 8);
        assert!(bounds.is_sorted() && bounds.len() >= 9 && bounds.contains(&"1FFFFFFF".to_owned()), "{bounds:?}");
        assert_eq!((bounds.first().map(String::as_str), bounds.last().map(String::as_str)), (Some(""), Some("FF")));
        assert_eq!(split_ranges(vec![range("", "FF")], 4), ["", "10000000", "20000000", "30000000", "FF"]);
    }
}
