//! Times in the properties of a lease: milliseconds since 1970 as text, `1785585600123 ms`.
//!
//! A .NET processor beside this one reads the lease with a JSON library that takes each ISO 8601 text for a date, and writes it
//! back as `08/01/2026 12:00:00`. No library takes the text above for a date. Both other forms are read, as UTC.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

const UNIT: &str = " ms";
/// A date as .NET writes it into a text.
const DOTNET: &str = "%m/%d/%Y %H:%M:%S";

pub(crate) fn write(time: DateTime<Utc>) -> Value {
    Value::from(format!("{}{UNIT}", time.timestamp_millis()))
}

/// The time; `None` when the value is in no known form.
pub(crate) fn read(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?;
    if let Some(milliseconds) = text.strip_suffix(UNIT) {
        return DateTime::from_timestamp_millis(milliseconds.parse().ok()?);
    }
    let rfc3339 = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    rfc3339.or_else(|| Some(NaiveDateTime::parse_from_str(text, DOTNET).ok()?.and_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_read_in_its_own_form_in_the_older_one_and_as_dotnet_rewrites_that() {
        let time = DateTime::from_timestamp_millis(1_785_585_600_123).expect("time");
        assert_eq!(write(time), json!("1785585600123 ms"));
        assert_eq!(read(&write(time)), Some(time));
        let seconds = DateTime::from_timestamp(1_785_585_600, 0);
        for text in ["2026-08-01T12:00:00.000000Z", "2026-08-01T14:00:00+02:00", "08/01/2026 12:00:00"] {
            assert_eq!(read(&json!(text)), seconds, "{text}");
        }
        for unreadable in [json!("yesterday"), json!(""), json!("x ms"), json!(7), json!(null)] {
            assert_eq!(read(&unreadable), None, "{unreadable}");
        }
    }
}
