//! Points in time as users write them: RFC 3339, seconds since 1970, or relative to now.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A point in time, to the millisecond, read from one of several forms. A relative one is resolved when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeExpression {
    millis: i64,
}

const ALLOWED: &str =
    "use RFC 3339 (2026-11-20T10:31:00Z), seconds since 1970, or a time before now (-10m; units s, m, h, d)";

impl TimeExpression {
    /// Reads a time; a relative one counts back from `now`.
    ///
    /// # Errors
    /// Names the allowed forms.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, String> {
        let text = text.trim();
        let refused = || invalid(format!("{text:?}"));
        if let Some((number, unit)) =
            text.strip_prefix('-').and_then(|rest| rest.split_at_checked(rest.len().saturating_sub(1)))
        {
            let seconds = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return Err(refused()),
            };
            let delta =
                number.parse::<u32>().ok().and_then(|number| TimeDelta::try_seconds(i64::from(number) * seconds));
            return delta.and_then(|delta| now.checked_sub_signed(delta)).map(Self::from).ok_or_else(refused);
        }
        if let Ok(seconds) = text.parse::<f64>() {
            return Self::of_seconds(seconds).ok_or_else(refused);
        }
        DateTime::parse_from_rfc3339(text).map(|time| Self::from(time.to_utc())).map_err(|_| refused())
    }

    fn of_seconds(seconds: f64) -> Option<Self> {
        // Years of at most four digits.
        (0.0..=253_402_300_799.0).contains(&seconds).then(|| Self { millis: (seconds * 1000.0).round() as i64 })
    }

    /// The time.
    pub fn time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.millis).unwrap_or_default()
    }

    /// The whole second since 1970 that the time is in.
    pub fn second(self) -> i64 {
        self.millis.div_euclid(1000)
    }

    /// The last whole second since 1970 before the time.
    pub fn second_before(self) -> i64 {
        (self.millis - 1).div_euclid(1000)
    }
}

fn invalid(text: impl fmt::Display) -> String {
    format!("invalid time {text}; {ALLOWED}")
}

impl From<DateTime<Utc>> for TimeExpression {
    fn from(time: DateTime<Utc>) -> Self {
        Self { millis: time.timestamp_millis() }
    }
}

impl fmt::Display for TimeExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_millis(self.millis).unwrap_or_default();
        formatter.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for TimeExpression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeExpression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parsed = match Value::deserialize(deserializer)? {
            Value::String(text) => Self::parse(&text, Utc::now()),
            Value::Number(number) => number.as_f64().and_then(Self::of_seconds).ok_or_else(|| invalid(number)),
            other => Err(invalid(other)),
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_read_and_other_texts_are_rejected() {
        let now = DateTime::from_timestamp(1_000_000, 0).expect("time");
        let read = |text: &str| TimeExpression::parse(text, now).map(|time| time.millis);
        assert_eq!(read("2020-06-23T15:33:26Z"), Ok(1_592_926_406_000));
        assert_eq!(read("2020-06-23T17:33:26.500+02:00"), Ok(1_592_926_406_500));
        assert_eq!(read("1592926406"), Ok(1_592_926_406_000));
        assert_eq!(read("-10m"), Ok(999_400_000));
        assert_eq!(read("-1d"), Ok(913_600_000));
        for wrong in ["", "-", "-10", "-10y", "yesterday", "1e300", "-1e5s", "2020-06-23"] {
            assert!(
                read(wrong).is_err_and(|error| error.starts_with("invalid time") && error.contains("RFC 3339")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_time_within_a_second_is_after_the_second_began() {
        let at = |millis| TimeExpression { millis };
        assert_eq!((at(5000).second(), at(5000).second_before()), (5, 4));
        assert_eq!((at(5001).second(), at(5001).second_before()), (5, 5));
    }
}
