//! Detects delivered values that may differ from the stored ones.
//!
//! The Functions host parses documents with a JSON library that recognizes date-time strings and rewrites them: in another
//! time zone, without trailing zeros of the fraction, or from the form `/Date(…)/`. The result always has the form
//! `YYYY-MM-DDThh:mm:ss[.f…][Z|±hh:mm]`, so any string of this form may have been rewritten. Numbers are parsed as
//! doubles: a number that was stored with more digits than a double holds is delivered with 17 digits.

use changefeed_cosmos::SYSTEM_PROPERTIES;
use serde_json::Value;

/// The number of digits that distinguish any double from its neighbors.
const DOUBLE_DIGITS: usize = 17;

/// Whether any value in the document may have been rewritten. The service's own properties are ignored.
pub(crate) fn may_be_rewritten(document: &Value) -> bool {
    let is_user_property = |name: &&String| !SYSTEM_PROPERTIES.contains(&name.as_str());
    match document {
        Value::Object(properties) => {
            properties.iter().any(|(name, value)| is_user_property(&name) && is_suspicious(value))
        }
        other => is_suspicious(other),
    }
}

fn is_suspicious(value: &Value) -> bool {
    match value {
        Value::String(text) => has_date_time_form(text),
        Value::Number(number) => number.is_f64() && significant_digits(&number.to_string()) >= DOUBLE_DIGITS,
        Value::Array(items) => items.iter().any(is_suspicious),
        Value::Object(properties) => properties.values().any(is_suspicious),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Whether the delivered text of an id or of a key may stand for another one: it has the form that the host writes, or the
/// character that the host writes for half of a surrogate pair.
pub(super) fn text_may_be_rewritten(text: &str) -> bool {
    has_date_time_form(text) || text.contains(char::REPLACEMENT_CHARACTER)
}

/// Whether the host may deliver the text `stored` as `delivered`. It can say yes where the host would write another time.
pub(super) fn may_be_delivered_as(stored: &str, delivered: &str) -> bool {
    stored == delivered
        || has_date_time_form(delivered)
            && (stored.starts_with("/Date(")
                || starts_with_date_time(stored) && second_of(stored) == second_of(delivered))
}

/// The second of a date-time and the digits of its fraction. Zones differ by whole minutes, so the host changes neither.
fn second_of(date_time: &str) -> (&str, &str) {
    let (start, rest) = date_time.split_at(DATE_TIME_FORM.len());
    let fraction = rest.strip_prefix('.').unwrap_or_default();
    let digits = fraction.find(|digit: char| !digit.is_ascii_digit()).map_or(fraction, |end| &fraction[..end]);
    (&start[start.len() - 2..], digits.trim_end_matches('0'))
}

const DATE_TIME_FORM: &[u8] = b"0000-00-00T00:00:00";

fn starts_with_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let matches = |byte: &u8, form: &u8| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    bytes.len() >= DATE_TIME_FORM.len() && bytes.iter().zip(DATE_TIME_FORM).all(|(byte, form)| matches(byte, form))
}

/// Whether a text has the form that the host writes.
fn has_date_time_form(text: &str) -> bool {
    starts_with_date_time(text) && is_fraction_and_zone(&text.as_bytes()[DATE_TIME_FORM.len()..])
}

fn is_fraction_and_zone(bytes: &[u8]) -> bool {
    let zone = match bytes.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
        None => bytes,
    };
    match zone {
        [] | [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn significant_digits(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').trim_end_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::{may_be_delivered_as, may_be_rewritten, text_may_be_rewritten};
    use serde_json::json;

    #[test]
    fn the_text_of_an_id_or_key_may_be_a_rewritten_one() {
        for (stored, delivered) in [
            ("2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00+00:00"),
            ("2024-01-01T10:00:00+02:00", "2024-01-01T03:00:00-05:00"),
            ("2024-01-01T00:00:00.0000000Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00.120Z", "2024-01-01T00:00:00.12Z"),
            ("2024-01-01T00:00:00z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T24:00:00Z", "2024-01-02T00:00:00Z"),
            ("2024-01-01T00:00:00.000", "2024-01-01T00:00:00"),
            ("/Date(1)/", "1970-01-01T00:00:00.001Z"),
        ] {
            assert!(text_may_be_rewritten(delivered), "{delivered}");
            assert!(may_be_delivered_as(stored, delivered), "{stored}");
        }
        assert!(text_may_be_rewritten("a\u{fffd}"));
        for text in ["a", "2024-01-01", "/Date(1)/", "2024-01-01T00:00:00z"] {
            assert!(!text_may_be_rewritten(text) && may_be_delivered_as(text, text), "{text}");
        }
        for (stored, delivered) in [
            ("a", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:01.000Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00.100Z", "2024-01-01T00:00:00Z"),
            ("b", "a"),
        ] {
            assert!(!may_be_delivered_as(stored, delivered), "{stored}");
        }
    }

    #[test]
    fn values_in_a_form_that_the_host_writes_are_suspicious() {
        for value in [
            json!("2024-01-01T08:00:00+00:00"),
            json!("2024-01-01T00:00:00Z"),
            json!("2024-01-01T00:00:00"),
            json!("1970-01-01T00:00:00.001Z"),
            json!({"a": [1, {"b": "2024-01-01T00:00:00.1234567-05:30"}]}),
            json!(0.12345678901234568),
            json!({"nested": {"_ts": "2024-01-01T00:00:00Z"}}),
            json!({"_lsn": "2024-01-01T00:00:00Z"}),
        ] {
            assert!(may_be_rewritten(&value), "{value}");
        }
    }

    #[test]
    fn other_values_are_not_suspicious() {
        for value in [
            json!("2024-01-01"),
            json!("2024-01-01 00:00:00"),
            json!("2024-01-01T00:00"),
            json!("2024-01-01T00:00:00."),
            json!("2024-01-01T00:00:00 and more"),
            json!("/Date(1)/"),
            json!({"latitude": 35.4995, "longitude": -80.8487, "seq": 12345678901234567u64, "half": 0.5, "hundred": 100.0}),
            json!({"2024-01-01T00:00:00Z": 1}),
            json!({"_etag": "2024-01-01T00:00:00Z"}),
            json!(null),
        ] {
            assert!(!may_be_rewritten(&value), "{value}");
        }
    }
}
