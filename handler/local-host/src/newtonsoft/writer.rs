//! Writes JSON without whitespace, with rewritten values.

use serde_json::Value;

use super::{date, number};

/// Writes `value` as a host whose local time zone is UTC.
pub(crate) fn to_json(value: &Value) -> String {
    let mut json = String::new();
    write(value, &mut json);
    json
}

/// Writes a change of the feed. In the envelope of a delete, `metadata.id` is a text of the host's own types: it is not rewritten.
pub(crate) fn change_to_json(change: &Value) -> String {
    let is_envelope = change.get("id").is_none() && change["metadata"].get("operationType").is_some();
    let Some(id) = change["metadata"]["id"].as_str().filter(|_| is_envelope) else { return to_json(change) };
    let mut json = String::new();
    write_members(change, &mut json, |name, member, json| match name {
        "metadata" => write_members(member, json, |name, member, json| match name {
            "id" => write_string(id, json),
            _ => write(member, json),
        }),
        _ => write(member, json),
    });
    json
}

/// Writes an object, each of its members with `write_member`.
fn write_members(object: &Value, json: &mut String, write_member: impl Fn(&str, &Value, &mut String)) {
    json.push('{');
    for (index, (name, member)) in object.as_object().into_iter().flatten().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_string(name, json);
        json.push(':');
        write_member(name, member, json);
    }
    json.push('}');
}

fn write(value: &Value, json: &mut String) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(flag) => json.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => json.push_str(&number::rewritten(number)),
        Value::String(text) => match date::rewritten(text) {
            Some(date) => write_string(&date, json),
            None => write_string(text, json),
        },
        Value::Array(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write(item, json);
            }
            json.push(']');
        }
        Value::Object(_) => write_members(value, json, |_, member, json| write(member, json)),
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

    use super::{change_to_json, to_json};

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
    fn the_id_in_the_metadata_of_a_delete_is_not_rewritten_and_its_key_is() {
        let time = "2024-01-01T00:00:00.000Z";
        let delete = json!({"current": {"id": time}, "metadata": {"operationType": "delete", "id": time, "partitionKey": {"pk": time}}});
        assert_eq!(
            change_to_json(&delete),
            r#"{"current":{"id":"2024-01-01T00:00:00Z"},"metadata":{"operationType":"delete","id":"2024-01-01T00:00:00.000Z","partitionKey":{"pk":"2024-01-01T00:00:00Z"}}}"#
        );
        let document = json!({"id": time, "metadata": {"operationType": "x", "id": time}});
        assert_eq!(change_to_json(&document), to_json(&document));
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
