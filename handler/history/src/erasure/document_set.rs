//! Documents that are being erased, to find out whether something names one of them.

use std::collections::HashMap;

use changefeed_cosmos::{DocumentName, Key, KeyPath};
use serde_json::Value;

use super::delivered::{canonical, images};

/// A set of documents.
#[derive(Clone, Debug, Default)]
pub struct DocumentSet {
    documents: Vec<DocumentName>,
    keys: HashMap<String, Vec<Key>>,
    /// The canonical names of those that have a time in their names.
    canonical: Vec<DocumentName>,
}

impl DocumentSet {
    /// These documents.
    pub fn new(documents: Vec<DocumentName>) -> Self {
        let mut keys: HashMap<String, Vec<Key>> = HashMap::new();
        for document in &documents {
            keys.entry(document.id.clone()).or_default().push(document.partition_key.clone());
        }
        let canonical = documents.iter().filter_map(canonical).collect();
        Self { documents, keys, canonical }
    }

    /// The documents.
    pub fn documents(&self) -> &[DocumentName] {
        &self.documents
    }

    /// Whether this is the name of one of them.
    pub fn has(&self, id: &str, key: &Key) -> bool {
        self.keys.get(id).is_some_and(|keys| keys.contains(key))
    }

    /// Whether a JSON object names one of them by its properties `id` and `partitionKey`, or `pk`.
    pub fn is_named_by(&self, object: &Value) -> bool {
        let Some(id) = object["id"].as_str().filter(|id| self.keys.contains_key(*id)) else { return false };
        let pk = object.get("pk").and_then(Value::as_str).map(Key::text);
        let key = || serde_json::from_value::<Key>(object.get("partitionKey")?.clone()).ok();
        pk.or_else(key).is_some_and(|key| self.has(id, &key))
    }

    /// Whether a change as it was delivered may hold one of them. A key that cannot be read may be that of the document.
    pub(crate) fn is_in(&self, payload: &str, key_paths: &[KeyPath]) -> bool {
        images(payload, key_paths).into_iter().any(|image| match image.partition_key {
            None => self.keys.contains_key(&image.id) || self.canonical.iter().any(|name| name.id == image.id),
            Some(partition_key) => {
                let name = DocumentName { id: image.id, partition_key };
                self.has(&name.id, &name.partition_key)
                    || canonical(&name).is_some_and(|name| self.canonical.contains(&name))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_recognized_by_id_and_key_together() {
        let name = |id: &str, key: &str| DocumentName { id: id.into(), partition_key: Key::text(key) };
        let set = DocumentSet::new(vec![name("1", "a"), name("1", "b"), name("2024-01-01T00:00:00Z", "a")]);
        assert!(set.is_named_by(&json!({"id": "1", "partitionKey": ["a"]})));
        assert!(set.is_named_by(&json!({"id": "1", "pk": "b", "other": 1})));
        for other in [json!({"id": "1", "pk": "c"}), json!({"id": "2", "pk": "a"}), json!({"id": "1"}), json!("1")] {
            assert!(!set.is_named_by(&other), "{other}");
        }
        let paths = [KeyPath::property("pk")];
        assert!(set.is_in(r#"{"id":"1","pk":"a"}"#, &paths));
        assert!(set.is_in(r#"{"id":"1","pk":{}}"#, &paths), "its key may be that of the document");
        assert!(set.is_in(r#"{"id":"2023-12-31T19:00:00-05:00","pk":"a"}"#, &paths));
        assert!(!set.is_in(r#"{"id":"2","pk":"a"}"#, &paths) && !set.is_in("1", &paths));
    }
}
