//! Writes JSON without whitespace, with rewritten values.

use serde_json::{Map, Value};

use super::zone::TimeZone;
use super::{date, number};

/// How strings that look like dates are written: as a host in this time zone does, or, without one, as they are.
type Dates = Option<TimeZone>;

/// Writes `value` as a host in this time zone.
pub(crate) fn to_json(value: &Value, zone: TimeZone) -> String {
    let mut json = String::new();
    write(value, Some(zone), &mut json);
    json
}

/// Writes `value` without rewriting dates.
pub(crate) fn verbatim_to_json(value: &Value) -> String {
    let mut json = String::new();
    write(value, None, &mut json);
    json
}

/// A string that is written as it is, even if it looks like a date.
pub(crate) fn text_to_json(text: &str) -> String {
    let mut json = String::new();
    write_string(text, &mut json);
    json
}

/// Writes an object as .NET reads it: the last of its properties with this name stays where it is, which is the end.
pub(crate) fn with_last_to_json(object: &Map<String, Value>, last: &str, zone: TimeZone) -> String {
    let mut json = String::new();
    let others = object.iter().filter(|(name, _)| *name != last);
    write_members(others.chain(object.get_key_value(last)), Some(zone), &mut json);
    json
}

fn write_members<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, dates: Dates, json: &mut String) {
    json.push('{');
    for (index, (name, member)) in members.enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_string(name, json);
        json.push(':');
        write(member, dates, json);
    }
    json.push('}');
}

fn write(value: &Value, dates: Dates, json: &mut String) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(flag) => json.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => json.push_str(&number::rewritten(number)),
        Value::String(text) => match dates.and_then(|zone| date::rewritten(text, zone)) {
            Some(date) => write_string(&date, json),
            None => write_string(text, json),
        },
        Value::Array(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write(item, dates, json);
            }
            json.push(']');
        }
        Value::Object(members) => write_members(members.iter(), dates, json),
    }
}

fn write_string(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..=' ' | '\u{85}' | '\u{2028}' | '\u{2029}' if character != ' ' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TimeZone, with_last_to_json};

    fn to_json(value: &serde_json::Value) -> String {
        super::to_json(value, TimeZone::default())
    }

    #[test]
    fn values_are_rewritten_at_any_depth_and_property_names_are_not() {
        let document = json!({
            "2024-01-01T00:00:00.000Z": {"list": ["2024-01-01T00:00:00.0000000Z", 100.0, true, null]},
        });
        assert_eq!(
            to_json(&document),
            r#"{"2024-01-01T00:00:00.000Z":{"list":["2024-01-01T00:00:00Z",100.0,true,null]}}"#
        );
    }

    #[test]
    fn a_property_can_be_written_last() {
        let document = json!({"_lsn": 5, "id": "1", "z": "2024-01-01T00:00:00.000Z"});
        let json = with_last_to_json(document.as_object().expect("an object"), "_lsn", TimeZone::default());
        assert_eq!(json, r#"{"id":"1","z":"2024-01-01T00:00:00Z","_lsn":5}"#);
    }

    #[test]
    fn the_order_of_properties_is_preserved() {
        assert_eq!(to_json(&json!({"z": 1, "a": 2, "m": {}, "b": []})), r#"{"z":1,"a":2,"m":{},"b":[]}"#);
    }

    #[test]
    fn only_control_characters_and_unicode_line_ends_are_escaped() {
        let text = "\"\\/\u{1}\u{1f}\n\r\t\u{8}\u{c}\u{7f}\u{85}\u{2028}\u{2029}é€😀";
        assert_eq!(to_json(&json!(text)), "\"\\\"\\\\/\\u0001\\u001f\\n\\r\\t\\b\\f\u{7f}\\u0085\\u2028\\u2029é€😀\"");
    }
}
