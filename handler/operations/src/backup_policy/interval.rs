//! The intervals and times of day of a policy, as people write them: `6h`, `7d`, `02:30`.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A number of hours or days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Interval {
    hours: u32,
}

impl Interval {
    /// The longest interval.
    pub const MAX: Self = Self::days(366);

    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self { hours: days * 24 }
    }

    /// Its length.
    pub fn duration(self) -> TimeDelta {
        TimeDelta::seconds(self.seconds())
    }

    pub(super) fn seconds(self) -> i64 {
        i64::from(self.hours) * HOUR
    }

    /// The number of days, if it is whole days.
    pub(super) fn whole_days(self) -> Option<i64> {
        (self.seconds() % DAY == 0).then_some(self.seconds() / DAY)
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hours = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(number, unit)| {
            let hours = match unit {
                "h" => 1,
                "d" => 24,
                _ => return None,
            };
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse::<u32>().ok().filter(|_| is_number)?.checked_mul(hours)
        });
        let interval =
            hours.map(|hours| Self { hours }).filter(|interval| (1..=Self::MAX.hours).contains(&interval.hours));
        interval.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("invalid interval {shown:?}; use whole hours or days from 1h to 366d, such as 6h or 1d")
        })
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_days() {
            Some(days) => write!(formatter, "{days}d"),
            None => write!(formatter, "{}h", self.hours),
        }
    }
}

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    pub(super) hour: i8,
    pub(super) minute: i8,
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, most: i8| {
            let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i8>().ok().filter(|number| is_number && *number <= most)
        };
        let time = text.split_once(':').and_then(|(hour, minute)| {
            let minute = number(minute, 59).filter(|_| minute.len() == 2)?;
            Some(Self { hour: number(hour, 23)?, minute })
        });
        time.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("invalid time of day {shown:?}; use hours and minutes, such as 02:30")
        })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02}:{:02}", self.hour, self.minute)
    }
}

macro_rules! as_text {
    ($name:ty) => {
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

as_text!(Interval);
as_text!(TimeOfDay);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_hours_or_days() {
        for (text, seconds, printed) in [
            ("1h", HOUR, "1h"),
            ("36h", 36 * HOUR, "36h"),
            ("24h", DAY, "1d"),
            ("1d", DAY, "1d"),
            ("7d", 7 * DAY, "7d"),
            ("366d", 366 * DAY, "366d"),
        ] {
            let interval: Interval = text.parse().expect(text);
            assert_eq!((interval.seconds(), interval.to_string().as_str()), (seconds, printed), "{text}");
        }
        for wrong in ["", "h", "0h", "0d", "367d", "30m", "1", "-1h", "+1h", "1.5h", "1 h", "1w", "99999999999d", "ü"]
        {
            let message = wrong.parse::<Interval>().expect_err(wrong);
            assert!(message.contains("from 1h to 366d"), "{message}");
        }
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        for (text, printed) in [("02:30", "02:30"), ("2:30", "02:30"), ("00:00", "00:00"), ("23:59", "23:59")] {
            assert_eq!(text.parse::<TimeOfDay>().expect(text).to_string(), printed);
        }
        for wrong in ["", "2", "24:00", "02:60", "2:3", "02:30:00", "-1:00", "+1:00", "noon"] {
            let message = wrong.parse::<TimeOfDay>().expect_err(wrong);
            assert!(message.contains("such as 02:30"), "{message}");
        }
    }
}
