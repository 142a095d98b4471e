//! The partition key of a container: where its values are in an item, and how they are hashed.

use serde_json::Value;

use super::value::KeyValue;
use crate::key_path::KeyPath;

/// How the components of a key become an effective key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// All components are hashed together. The key has one path.
    Hash,
    /// Each component is hashed by itself, so that the first ones are a prefix. The key is hierarchical and has one to three paths.
    MultiHash,
}

/// The version of the hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyVersion {
    /// 32 bits of the first 100 characters. A definition without a version has this one.
    V1,
    /// 128 bits of the whole value.
    V2,
}

/// The partition key of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyDefinition {
    pub paths: Vec<KeyPath>,
    pub kind: KeyKind,
    pub version: KeyVersion,
}

impl KeyDefinition {
    /// Reads the `partitionKey` of a container's definition, which has been checked before: what is unknown counts as absent.
    pub(crate) fn from_json(definition: &Value) -> Self {
        let paths = definition["paths"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            paths: paths.iter().filter_map(Value::as_str).map(KeyPath::new).collect(),
            kind: if definition["kind"] == "MultiHash" { KeyKind::MultiHash } else { KeyKind::Hash },
            version: if definition["version"].as_f64() == Some(2.0) { KeyVersion::V2 } else { KeyVersion::V1 },
        }
    }

    /// Whether the first components alone select items.
    pub(crate) fn is_hierarchical(&self) -> bool {
        self.kind == KeyKind::MultiHash
    }

    /// The key of an item: a value for each path. A path that leads through a scalar or an array has no value. The error is a message
    /// for the client.
    pub(crate) fn values_of(&self, item: &Value) -> Result<Vec<KeyValue>, String> {
        let value_of = |path: &KeyPath| match path.value_in(item) {
            None => Ok(KeyValue::Undefined),
            Some(value) => KeyValue::from_json(value).map_err(|problem| {
                format!("The item's value at the partition key path {} is invalid: {problem}.", path.as_str())
            }),
        };
        self.paths.iter().map(value_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(paths: &[&str], item: &Value) -> Result<Vec<KeyValue>, String> {
        KeyDefinition::from_json(&json!({"paths": paths, "kind": "MultiHash", "version": 2})).values_of(item)
    }

    #[test]
    fn a_definition_without_a_version_has_the_first() {
        let definition = KeyDefinition::from_json(&json!({"paths": ["/pk"]}));
        assert_eq!((definition.kind, definition.version), (KeyKind::Hash, KeyVersion::V1));
        let definition = KeyDefinition::from_json(&json!({"paths": ["/a", "/b"], "kind": "MultiHash", "version": 2}));
        assert_eq!((definition.kind, definition.version), (KeyKind::MultiHash, KeyVersion::V2));
        assert_eq!(definition.paths.iter().map(KeyPath::as_str).collect::<Vec<_>>(), ["/a", "/b"]);
    }

    #[test]
    fn a_path_through_a_scalar_is_undefined_and_null_is_a_value() {
        let item = json!({"text": "a", "list": [{"b": 1}], "nothing": null, "object": {"b": true}});
        for (path, value) in [
            ("/text", KeyValue::Text("a".into())),
            ("/text/b", KeyValue::Undefined),
            ("/list/0/b", KeyValue::Undefined),
            ("/list/b", KeyValue::Undefined),
            ("/nothing", KeyValue::Null),
            ("/nothing/b", KeyValue::Undefined),
            ("/absent", KeyValue::Undefined),
            ("/absent/b", KeyValue::Undefined),
            ("/object/b", KeyValue::Bool(true)),
        ] {
            assert_eq!(values(&[path], &item), Ok(vec![value]), "{path}");
        }
        assert_eq!(values(&["/text", "/absent"], &item).expect("a key").len(), 2);
        for path in ["/list", "/object"] {
            let message = values(&[path], &item).expect_err("refused");
            assert!(message.contains(path), "{message}");
        }
    }
}
