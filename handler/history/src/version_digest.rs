//! The digest of a version, and a name of the version that says nothing about its document. `docs/reference/format.md` specifies both.
//!
//! The digest is over the whole record, with large fields as they were before they were split, and without the system properties. Two
//! records have the same digest if their values are equal: the order of properties and the spelling of numbers do not matter.

use std::fmt::Write;

use changefeed_cosmos::{Container, Error, ErrorKind, reassemble, without_system_properties};
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

use crate::record::LARGE_FIELDS;
use crate::same_value::integer;
use crate::version_id::VersionId;

/// The bytes of the content's digest that are in a name.
const NAME_BYTES: usize = 8;

/// A version's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDigest {
    /// The id of the version.
    pub id: VersionId,
    /// The id; for a removal without a digest of the document's id, which would say something of the document, and with a part of `sha256`,
    /// because several removals may share the rest.
    pub name: String,
    /// The digest of the content.
    pub sha256: [u8; 32],
    /// Why the content cannot be read. The digest is then over the record without its parts.
    pub damage: Option<String>,
}

impl RecordDigest {
    /// The digest of an item of the changes container. Its parts are read from there.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn of(changes: &Container, record: Value) -> Result<Self, Error> {
        let id = VersionId::from(record["id"].as_str().unwrap_or_default());
        let whole = match reassemble(changes, record.clone(), &LARGE_FIELDS).await {
            Ok(whole) => Ok(without_encoded_fields(whole)),
            // The record is removed before its parts. A record that is still there lacks them.
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        let (content, damage) = match whole {
            Ok(content) => (content, None),
            Err(damage) => (without_system_properties(record), Some(damage)),
        };
        Ok(Self::of_content(id, &content, damage))
    }

    fn of_content(id: VersionId, content: &Value, damage: Option<String>) -> Self {
        let sha256 = document_digest(content);
        let name = match id.shared_removal_id() {
            None => id.to_string(),
            Some(short) => format!("{short}~{}", hex::encode(&sha256[..NAME_BYTES])),
        };
        Self { id, name, sha256, damage }
    }
}

/// Removes what a record has in place of a large field.
fn without_encoded_fields(mut record: Value) -> Value {
    if let Value::Object(properties) = &mut record {
        for field in LARGE_FIELDS {
            // A field of this name is the encoded one only beside the decoded one.
            if properties.contains_key(field) {
                for stored in ["Zstd", "Parts", "Digest"] {
                    properties.shift_remove(&format!("{field}{stored}"));
                }
            }
        }
    }
    record
}

/// The digest of a document: the order of properties and the spelling of numbers do not matter.
pub fn document_digest(document: &Value) -> [u8; 32] {
    Sha256::digest(canonical(document).as_bytes()).into()
}

/// A value as JSON with sorted properties and one spelling of numbers.
fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(&mut text, value);
    text
}

fn write_canonical(text: &mut String, value: &Value) {
    match value {
        Value::Object(properties) => {
            let mut names: Vec<&String> = properties.keys().collect();
            names.sort_unstable();
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(text, &properties[name]);
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write_canonical(text, element);
            }
            text.push(']');
        }
        Value::Number(number) => write_number(text, number),
        other => text.push_str(&other.to_string()),
    }
}

/// A whole number has its digits, any other the shortest digits that are read back as the same double, with an exponent.
fn write_number(text: &mut String, number: &Number) {
    // Writing to a text cannot fail.
    let _ = match integer(number) {
        Some(integer) => write!(text, "{integer}"),
        None => write!(text, "{:e}", number.as_f64().unwrap_or_default()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::same_value::same_value;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn equal_values_have_one_text() {
        let value: Value =
            serde_json::from_str(r#"{"b": [1.0, 1.5e-7, -0.0, "ä\n"], "a": {"d": 1e2, "c": null}}"#).expect("JSON");
        assert_eq!(canonical(&value), r#"{"a":{"c":null,"d":100},"b":[1,1.5e-7,0,"ä\n"]}"#);
        let more: Value = serde_json::from_str("[9007199254740993, 18446744073709551615, 1e300]").expect("JSON");
        assert_eq!(canonical(&more), "[9007199254740993,18446744073709551615,1e300]");
    }

    #[test]
    fn a_name_has_no_digest_of_the_documents_id() {
        let name = |id: &str| RecordDigest::of_content(VersionId::from(id), &json!({"id": id}), None);
        for id in ["1592926406-0000-5ef2", "1592926406-0000-5ef2-gone", "1592926406-0000-5ef2-exact"] {
            assert_eq!(name(id).name, id);
        }
        for (id, short) in [
            ("1592926406-delete-20591", "1592926406-delete-20591"),
            ("1592926406-delete-20591-0123456789abcdef", "1592926406-delete-20591"),
            ("1592926406-delete-1592926400-5f3a9c01-0123456789abcdef", "1592926406-delete-1592926400-5f3a9c01"),
        ] {
            let digest = name(id);
            assert_eq!(digest.name, format!("{short}~{}", hex::encode(&digest.sha256[..8])));
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3i64..3).prop_map(Value::from),
            (-3i64..3).prop_map(|number| json!(number as f64 / 2.0)),
            "[ab\"]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[ab]{0,2}", inner), 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_values_have_the_same_text_if_they_are_equal(one in json_value(), other in json_value()) {
            prop_assert_eq!(canonical(&one) == canonical(&other), same_value(&one, &other));
            let back: Value = serde_json::from_str(&canonical(&one)).expect("JSON");
            prop_assert!(same_value(&back, &one));
        }
    }
}
