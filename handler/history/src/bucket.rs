//! Buckets of time: half-open, of equal length, and aligned to UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::MAX_BUCKETS;
use crate::window::Window;

/// Units of a length, the longest one first.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
/// The lengths that [`BucketLength::for_window`] chooses from.
const USUAL_LENGTHS: [i64; 13] = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400, 604_800, 2_592_000];
/// The most buckets of a window whose length was not requested. A terminal shows them at once.
const USUAL_BUCKETS: i64 = 60;

/// The length of buckets: a number and one of the units s, m, h and d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketLength {
    seconds: i64,
}

impl BucketLength {
    /// A length with which a window has at most 60 buckets.
    pub(crate) fn for_window(window: Window) -> Self {
        let usual = USUAL_LENGTHS.iter().map(|seconds| Self { seconds: *seconds });
        let fits = |length: &Self| length.count(window) <= USUAL_BUCKETS;
        let longest = Self { seconds: (window.to() - window.from()) / USUAL_BUCKETS + 86_400 };
        usual.into_iter().find(fits).unwrap_or(longest)
    }

    /// Checks the number of buckets of a window.
    ///
    /// # Errors
    /// Names the limit, and a length that fits.
    pub(crate) fn check(self, window: Window) -> Result<(), String> {
        let count = self.count(window);
        if count <= MAX_BUCKETS {
            return Ok(());
        }
        let longer = Self::for_window(window);
        Err(format!(
            "bucket is {self}: the window has {count} of them; at most {MAX_BUCKETS} are allowed, so use {longer}"
        ))
    }

    /// The first second of the bucket that a second is in.
    pub fn start(self, second: i64) -> i64 {
        second.div_euclid(self.seconds) * self.seconds
    }

    /// The first seconds of the buckets of a window. The first and the last one may be partly outside.
    pub fn starts(self, window: Window) -> impl Iterator<Item = i64> {
        let first = self.start(window.from());
        (0..self.count(window)).map(move |number| first + number * self.seconds)
    }

    /// The number of the bucket of a second in a window.
    pub fn number(self, window: Window, second: i64) -> usize {
        usize::try_from((self.start(second) - self.start(window.from())) / self.seconds).unwrap_or_default()
    }

    fn count(self, window: Window) -> i64 {
        (self.start(window.to()) - self.start(window.from())) / self.seconds + 1
    }
}

impl FromStr for BucketLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |text: &str| {
            let unit = text.chars().next_back()?;
            let (_, seconds) = UNITS.iter().find(|(other, _)| *other == unit)?;
            let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
            (number > 0).then_some(())?;
            Some(Self { seconds: i64::from(number) * seconds })
        };
        of(text).ok_or_else(|| format!("invalid bucket {text:?}; use a whole number and a unit: 30s, 5m, 1h or 1d"))
    }
}

impl fmt::Display for BucketLength {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, seconds)| self.seconds % seconds == 0).unwrap_or(&('s', 1));
        write!(formatter, "{}{}", self.seconds / unit.1, unit.0)
    }
}

impl TryFrom<String> for BucketLength {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BucketLength> for String {
    fn from(length: BucketLength) -> Self {
        length.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn window(from: i64, to: i64) -> Window {
        let time = |second: i64| chrono::DateTime::from_timestamp(second, 0).expect("time").to_rfc3339();
        serde_json::from_value(json!({"from": time(from), "to": time(to)})).expect("a window")
    }

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, seconds, shown) in
            [("30s", 30, "30s"), ("5m", 300, "5m"), ("120m", 7200, "2h"), ("7d", 604_800, "7d")]
        {
            let length: BucketLength = text.parse().expect(text);
            assert_eq!((length.seconds, length.to_string().as_str()), (seconds, shown));
        }
        for text in ["", "5", "m", "0s", "-1m", "1.5h", "1w", "5 m"] {
            let message = text.parse::<BucketLength>().expect_err(text);
            assert!(message.contains("5m"), "{message}");
        }
    }

    #[test]
    fn buckets_are_aligned_to_utc_and_empty_ones_are_among_them() {
        let length: BucketLength = "5m".parse().expect("a length");
        let starts: Vec<i64> = length.starts(window(601, 1500)).collect();
        assert_eq!(starts, [600, 900, 1200, 1500]);
        assert_eq!(length.number(window(601, 1500), 1499), 2);
        let message = "1s".parse::<BucketLength>().expect("a length").check(window(0, 3600)).expect_err("too many");
        assert_eq!(message, "bucket is 1s: the window has 3601 of them; at most 1500 are allowed, so use 5m");
    }

    proptest! {
        #[test]
        fn every_second_of_a_window_is_in_one_of_its_buckets(from in 0..10_000_000i64, size in 0..10_000_000i64, at in 0..10_000_000i64, length in 1..100_000i64) {
            let (window, second) = (window(from, from + size), from + at % (size + 1));
            for length in [BucketLength { seconds: length }, BucketLength::for_window(window)] {
                let starts: Vec<i64> = length.starts(window).collect();
                let number = length.number(window, second);
                prop_assert!(starts[number] <= second && starts.get(number + 1).is_none_or(|next| *next > second));
                prop_assert!(starts.len() as i64 == length.count(window));
            }
            prop_assert!(BucketLength::for_window(window).count(window) <= USUAL_BUCKETS + 1);
        }
    }
}
