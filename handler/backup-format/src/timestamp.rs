//! Times in a manifest: RFC 3339 in UTC, to the millisecond.

use std::fmt;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time to the millisecond. As text and as JSON, RFC 3339 in UTC: `2026-11-27T10:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The time.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(3))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = DateTime::parse_from_rfc3339(&text);
        parsed.map(|time| Self::from(time.to_utc())).map_err(|_| {
            serde::de::Error::custom(format!("invalid time {text:?}; use RFC 3339, such as 2026-11-27T10:00:00Z"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_written_in_utc_with_as_many_digits_as_it_needs() {
        let written = |millis| Timestamp::from(DateTime::from_timestamp_millis(millis).expect("time")).to_string();
        assert_eq!(written(1_592_926_406_000), "2020-06-23T15:33:26Z");
        assert_eq!(written(1_592_926_406_500), "2020-06-23T15:33:26.500Z");
        let finer = DateTime::from_timestamp(1_592_926_406, 500_999_999).expect("time");
        assert_eq!(Timestamp::from(finer).to_string(), "2020-06-23T15:33:26.500Z");
    }

    #[test]
    fn only_rfc_3339_is_read() {
        let read = |text: &str| serde_json::from_str::<Timestamp>(text).map(|time| time.to_string());
        assert_eq!(read(r#""2020-06-23T17:33:26+02:00""#).expect("time"), "2020-06-23T15:33:26Z");
        for wrong in [r#""-10m""#, r#""yesterday""#, r#""2020-06-23""#, "1592926406", "null"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_read_back_as_it_was_written(millis in 0i64..253_402_300_799_999) {
            let time = Timestamp::from(DateTime::from_timestamp_millis(millis).expect("time"));
            let text = serde_json::to_string(&time).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).expect("time"), time);
        }
    }
}
