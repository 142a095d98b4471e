//! A deleted document in an incremental backup: a line of a segment of deletions, which holds no documents.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A document that the earlier backup may contain and that no longer exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletion {
    /// Its id.
    pub id: String,
    /// The components of its partition key: strings, numbers, booleans, `null`, and `{}` for one that it did not have.
    #[serde(deserialize_with = "partition_key")]
    pub partition_key: Vec<Value>,
    /// When it was deleted or expired, in seconds since 1970, if that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_ts: Option<i64>,
}

impl Deletion {
    /// Reads a line.
    pub(crate) fn decode(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| format!("not a deletion: {error}"))
    }

    /// The line, without its end.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        check(&self.partition_key)?;
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }
}

fn partition_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let components = Vec::deserialize(deserializer)?;
    check(&components).map_err(serde::de::Error::custom)?;
    Ok(components)
}

fn check(components: &[Value]) -> Result<(), String> {
    let is_wrong = |component: &&Value| match component {
        Value::Object(object) => !object.is_empty(),
        component => component.is_array(),
    };
    match components.iter().find(is_wrong) {
        Some(wrong) => Err(format!(
            "invalid partition key value {wrong}; use a string, a number, true, false, null or {{}} (none)"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn a_deletion_is_read_back_as_it_was_written(
            id in any::<String>(), key in any::<String>(), deleted_ts in proptest::option::of(any::<i64>()),
        ) {
            let deletion = Deletion { id, partition_key: vec![key.into(), json!({}), json!(1.5)], deleted_ts };
            let line = String::from_utf8(deletion.encode().expect("line")).expect("UTF-8");
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Deletion::decode(&line).expect("deletion"), deletion);
        }
    }

    #[test]
    fn a_document_is_not_a_deletion() {
        for line in [r#"{"id":"1","partitionKey":["a"],"_ts":1,"_etag":"e"}"#, r#"{"id":"1"}"#, "[]", ""] {
            assert!(Deletion::decode(line).is_err(), "{line}");
        }
        assert!(Deletion::decode(r#"{"id":"1","partitionKey":["a",{},null]}"#).is_ok());
    }

    #[test]
    fn a_partition_key_has_no_arrays_and_no_objects() {
        for component in [json!([1]), json!({"a": 1})] {
            let line = json!({"id": "1", "partitionKey": ["a", component]}).to_string();
            assert!(Deletion::decode(&line).expect_err("key").contains("invalid partition key value"), "{line}");
            let deletion = Deletion { id: "1".into(), partition_key: vec![component], deleted_ts: None };
            assert!(deletion.encode().is_err());
        }
    }
}
