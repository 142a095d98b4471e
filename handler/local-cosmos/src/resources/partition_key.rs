//! The partition key in the definition of a container.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hash_space::HashSpace;
use super::policy_path::check_key_path;
use super::refusal::Refusal;

/// The most paths of a hierarchical key.
const MAX_LEVELS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PartitionKeyKind {
    Hash,
    /// A hierarchical key.
    MultiHash,
}

/// Paths, kind and version of a container's partition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionKey {
    /// As they were given: `/pk`, `/a/b`, `/"a b"`. At least one, at most three.
    pub paths: Vec<String>,
    pub kind: PartitionKeyKind,
    /// 1 or 2.
    pub version: u8,
    /// The service omits the version of a container that was created without one.
    is_version_given: bool,
}

impl PartitionKey {
    /// Reads the member `partitionKey` of a definition.
    pub(crate) fn parse(value: Option<&Value>) -> Result<Self, Refusal> {
        let refuse = |message: String| Err(Refusal::bad_request(message));
        let definition = match value {
            Some(Value::Object(definition)) => definition,
            None | Some(Value::Null) => {
                return refuse("The definition has no partitionKey; a container must have a partition key.".into());
            }
            Some(other) => {
                return refuse(format!("partitionKey is {other}; it must be an object with paths and kind."));
            }
        };
        let kind = match definition.get("kind") {
            None | Some(Value::Null) => PartitionKeyKind::Hash,
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("Hash") => PartitionKeyKind::Hash,
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("MultiHash") => PartitionKeyKind::MultiHash,
            Some(other) => {
                return refuse(format!("The kind of the partition key is {other}; it must be Hash or MultiHash."));
            }
        };
        let (version, is_version_given) = match (definition.get("version"), kind) {
            (None | Some(Value::Null), PartitionKeyKind::Hash) => (1, false),
            (None | Some(Value::Null), PartitionKeyKind::MultiHash) => (2, true),
            (Some(version), _) => match (version.as_u64(), kind) {
                (Some(1), PartitionKeyKind::Hash) => (1, true),
                (Some(2), _) => (2, true),
                _ => {
                    let allowed = "1 or 2, and 2 for the kind MultiHash";
                    return refuse(format!("The version of the partition key is {version}; it must be {allowed}."));
                }
            },
        };
        let paths = paths(definition.get("paths"), kind)?;
        Ok(Self { paths, kind, version, is_version_given })
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut json = json!({"paths": self.paths, "kind": self.kind});
        if self.is_version_given {
            json["version"] = json!(self.version);
        }
        json
    }

    /// Whether the key of a replaced definition is this one. A definition without a version has that of the container.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same_version = self.version == other.version || !other.is_version_given;
        self.paths == other.paths && self.kind == other.kind && same_version
    }

    /// The form of the hashes of keys.
    pub(crate) fn hash_space(&self) -> HashSpace {
        if self.version == 1 { HashSpace::Version1 } else { HashSpace::Version2 }
    }
}

fn paths(value: Option<&Value>, kind: PartitionKeyKind) -> Result<Vec<String>, Refusal> {
    let refuse = |message: String| Err(Refusal::bad_request(message));
    let paths: Option<Vec<String>> = value
        .and_then(Value::as_array)
        .and_then(|paths| paths.iter().map(|path| path.as_str().map(str::to_owned)).collect());
    let Some(paths) = paths else {
        let found = value.unwrap_or(&Value::Null);
        return refuse(format!("The paths of the partition key are {found}; they must be an array of strings."));
    };
    let most = if kind == PartitionKeyKind::Hash { 1 } else { MAX_LEVELS };
    if paths.is_empty() {
        return refuse("The partition key has no paths; at least one is needed.".into());
    }
    if paths.len() > most {
        // The tests of SDKs look for this text.
        let count = paths.len();
        return refuse(format!("Too many partition key paths ({count}) specified. A maximum of {most} is allowed."));
    }
    for (index, path) in paths.iter().enumerate() {
        if let Err(at) = check_key_path(path) {
            return refuse(format!(
                "The partition key path '{path}' is invalid near position '{at}'. A path is a slash and a name for each step; \
                 it has no slash at the end and no wildcard, and other characters than these are in quotes."
            ));
        }
        if paths[..index].contains(path) {
            return refuse(format!("The partition key path '{path}' is given twice."));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_written() {
        for (given, written) in [
            (json!({"paths": ["/pk"]}), json!({"paths": ["/pk"], "kind": "Hash"})),
            (json!({"paths": ["/pk"], "kind": "Hash"}), json!({"paths": ["/pk"], "kind": "Hash"})),
            (
                json!({"paths": ["/pk"], "kind": "hash", "version": 2, "systemKey": false}),
                json!({"paths": ["/pk"], "kind": "Hash", "version": 2}),
            ),
            (
                json!({"paths": ["/pk"], "kind": "Hash", "version": 1}),
                json!({"paths": ["/pk"], "kind": "Hash", "version": 1}),
            ),
            (
                json!({"paths": ["/t", "/u", "/s"], "kind": "MultiHash"}),
                json!({"paths": ["/t", "/u", "/s"], "kind": "MultiHash", "version": 2}),
            ),
        ] {
            let key = PartitionKey::parse(Some(&given)).expect("a key");
            assert_eq!(key.to_json(), written);
            assert_eq!(PartitionKey::parse(Some(&written)).expect("a key"), key);
        }
    }

    #[test]
    fn without_a_version_the_first_one_is_used() {
        let space = |key: Value| PartitionKey::parse(Some(&key)).expect("a key").hash_space();
        assert_eq!(space(json!({"paths": ["/pk"]})), HashSpace::Version1);
        assert_eq!(space(json!({"paths": ["/pk"], "version": 2})), HashSpace::Version2);
        assert_eq!(space(json!({"paths": ["/a", "/b"], "kind": "MultiHash"})), HashSpace::Version2);
    }

    #[test]
    fn keys_that_the_service_refuses_are_refused() {
        for (key, message) in [
            (json!(null), "must have a partition key"),
            (json!("/pk"), "it must be an object"),
            (json!({}), "they must be an array of strings"),
            (json!({"paths": "/pk"}), "they must be an array of strings"),
            (json!({"paths": [1]}), "they must be an array of strings"),
            (json!({"paths": []}), "at least one is needed"),
            (json!({"paths": ["pk"]}), "'pk' is invalid near position '0'"),
            (json!({"paths": ["/pk/"]}), "no slash at the end"),
            (json!({"paths": ["/a", "/b"]}), "Too many partition key paths (2) specified. A maximum of 1 is allowed."),
            (
                json!({"paths": ["/a", "/b", "/c", "/d"], "kind": "MultiHash", "version": 2}),
                "Too many partition key paths (4) specified. A maximum of 3 is allowed.",
            ),
            (json!({"paths": ["/a", "/a"], "kind": "MultiHash"}), "'/a' is given twice"),
            (json!({"paths": ["/a"], "kind": "Range"}), "it must be Hash or MultiHash"),
            (json!({"paths": ["/a"], "version": 3}), "version of the partition key is 3"),
            (json!({"paths": ["/a", "/b"], "kind": "MultiHash", "version": 1}), "2 for the kind MultiHash"),
        ] {
            let refusal = PartitionKey::parse(Some(&key)).expect_err("refused");
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.contains(message), "{key}: {}", refusal.message);
        }
        assert!(PartitionKey::parse(None).is_err());
    }

    #[test]
    fn a_key_is_the_same_without_its_version() {
        let key = |key: Value| PartitionKey::parse(Some(&key)).expect("a key");
        let second = key(json!({"paths": ["/pk"], "version": 2}));
        assert!(second.is_same(&key(json!({"paths": ["/pk"]}))));
        assert!(second.is_same(&second));
        assert!(!second.is_same(&key(json!({"paths": ["/pk"], "version": 1}))));
        assert!(!second.is_same(&key(json!({"paths": ["/id"], "version": 2}))));
        assert!(!second.is_same(&key(json!({"paths": ["/pk"], "kind": "MultiHash", "version": 2}))));
        assert!(key(json!({"paths": ["/pk"]})).is_same(&key(json!({"paths": ["/pk"], "version": 1}))));
    }
}
