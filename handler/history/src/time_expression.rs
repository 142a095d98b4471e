//! Points in time as users write them: by the clocks of a zone, relative to now, RFC 3339, or seconds since 1970.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::time_zone::TimeZone;
use crate::written_time::{invalid, of_seconds, read};

/// A point in time, to the millisecond, read from one of several forms. A relative one is resolved when it is read. In JSON it is
/// RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeExpression {
    millis: i64,
}

/// A time as it was understood: `{"utc": "2026-11-20T09:31:00Z", "local": "2026-11-20T10:31:00+01:00", "zone": "Europe/Berlin"}`.
/// Both times are forms of it that are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterpretedTime {
    utc: String,
    local: String,
    zone: String,
    #[serde(skip)]
    shown: String,
}

impl TimeExpression {
    /// Reads a time; one before now counts back from `now`. A local time is in the zone of [`TimeZone::within`], or else in UTC.
    ///
    /// # Errors
    /// Names the allowed forms; for a local time that does not exist or exists twice, both readings.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, String> {
        Self::parse_in(text, now, &TimeZone::current())
    }

    /// As [`Self::parse`], with local times in `zone`.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_in(text: &str, now: DateTime<Utc>, zone: &TimeZone) -> Result<Self, String> {
        read(text, now, zone).map(Self::from)
    }

    /// Whether the text means another time when it is read later: `10m` and `yesterday` do, `2026-11-20` does not.
    pub fn depends_on_now(text: &str, now: DateTime<Utc>, zone: &TimeZone) -> bool {
        now.checked_add_signed(TimeDelta::days(400)).map(|later| read(text, later, zone)) != Some(read(text, now, zone))
    }

    /// The time as it was understood, in UTC and in a zone.
    pub fn interpreted(self, zone: &TimeZone) -> InterpretedTime {
        let local = zone.local(self.time());
        let shown = match (self.time().format("%F %T UTC"), local.offset().local_minus_utc()) {
            (utc, 0) => utc.to_string(),
            (utc, _) => format!("{utc} ({} {zone})", local.format("%F %T %:z")),
        };
        let local = local.to_rfc3339_opts(SecondsFormat::AutoSi, false);
        InterpretedTime { utc: self.to_string(), local, zone: zone.to_string(), shown }
    }

    /// A whole second since 1970. Its text is RFC 3339 in UTC.
    pub fn from_second(second: i64) -> Self {
        Self { millis: second.saturating_mul(1000) }
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

impl From<DateTime<Utc>> for TimeExpression {
    fn from(time: DateTime<Utc>) -> Self {
        Self { millis: time.timestamp_millis() }
    }
}

impl fmt::Display for TimeExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.time().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// For people: `2026-11-20 09:31:00 UTC (2026-11-20 10:31:00 +01:00 Europe/Berlin)`.
impl fmt::Display for InterpretedTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
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
            Value::Number(number) => {
                number.as_f64().and_then(of_seconds).map(Self::from).ok_or_else(|| invalid(number))
            }
            other => Err(invalid(other)),
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_time_within_a_second_is_after_the_second_began() {
        let at = |millis| TimeExpression { millis };
        assert_eq!((at(5000).second(), at(5000).second_before()), (5, 4));
        assert_eq!((at(5001).second(), at(5001).second_before()), (5, 5));
    }

    #[test]
    fn a_time_is_a_text_or_a_number_in_json_and_local_in_the_zone_of_the_request() {
        let read = |value: Value| serde_json::from_value::<TimeExpression>(value).map(|time| time.to_string());
        assert_eq!(read(json!("2026-11-20 10:31")).expect("a time"), "2026-11-20T10:31:00Z");
        let berlin: TimeZone = "Europe/Berlin".parse().expect("a zone");
        assert_eq!(berlin.within(|| read(json!("2026-11-20 10:31"))).expect("a time"), "2026-11-20T09:31:00Z");
        assert_eq!(read(json!(1_592_926_406.5)).expect("a time"), "2020-06-23T15:33:26.500Z");
        for wrong in [json!(null), json!(-1), json!([]), json!("noon")] {
            assert!(read(wrong.clone()).is_err_and(|error| error.to_string().contains("invalid time")), "{wrong}");
        }
    }

    #[test]
    fn an_interpretation_names_utc_and_the_zone() {
        let now = DateTime::from_timestamp(1_795_790_400, 0).expect("now");
        let zone: TimeZone = "America/New_York".parse().expect("a zone");
        let time = TimeExpression::parse_in("yesterday 20:00", now, &zone).expect("a time");
        let interpreted = time.interpreted(&zone);
        assert_eq!(interpreted.to_string(), "2026-11-27 01:00:00 UTC (2026-11-26 20:00:00 -05:00 America/New_York)");
        assert_eq!(
            serde_json::to_value(&interpreted).expect("json"),
            json!({"utc": "2026-11-27T01:00:00Z", "local": "2026-11-26T20:00:00-05:00", "zone": "America/New_York"})
        );
        assert_eq!(time.interpreted(&TimeZone::UTC).to_string(), "2026-11-27 01:00:00 UTC");
    }

    #[test]
    fn a_text_without_its_day_means_another_time_later() {
        let now = DateTime::from_timestamp(1_795_790_400, 0).expect("now");
        let depends = |text: &str| TimeExpression::depends_on_now(text, now, &TimeZone::UTC);
        for relative in ["10m", "-1d", "today", "yesterday 10:00", "last monday", "10:31"] {
            assert!(depends(relative), "{relative}");
        }
        for absolute in
            ["2026-11-20", "2026-11-20 10:00", "2026-11-20T10:31:00Z", "1592926406", "2026-11-20 10:31:00 UTC"]
        {
            assert!(!depends(absolute), "{absolute}");
        }
    }

    proptest! {
        /// What is echoed is read as the same time, whatever zone it is read in.
        #[test]
        fn an_echoed_time_is_read_as_itself(millis in -2_000_000_000_000..250_000_000_000_000i64, whole in any::<bool>()) {
            let millis = if whole { millis / 1000 * 1000 } else { millis };
            let time = TimeExpression { millis };
            let now = DateTime::from_timestamp(1_795_790_400, 0).expect("now");
            for name in ["UTC", "Europe/Berlin", "America/New_York", "Africa/Monrovia", "Asia/Kathmandu", "Australia/Lord_Howe"] {
                let zone: TimeZone = name.parse().expect(name);
                let echoed = time.interpreted(&zone);
                for text in [&echoed.utc, &echoed.local] {
                    prop_assert_eq!(TimeExpression::parse_in(text, now, &zone), Ok(time), "{}", text);
                }
                if whole {
                    let table = echoed.shown.split(" (").next().unwrap_or_default();
                    prop_assert_eq!(TimeExpression::parse_in(table, now, &zone), Ok(time), "{}", table);
                }
            }
        }
    }
}
