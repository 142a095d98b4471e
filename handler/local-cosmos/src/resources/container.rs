//! A container in the directory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::definition::ContainerDefinition;
use super::resource_id::ContainerRid;

/// A container: its definition and its data.
#[derive(Debug)]
pub(crate) struct Container<D> {
    pub rid: ContainerRid,
    pub data: D,
    current: Mutex<StoredDefinition>,
    is_deleted: AtomicBool,
}

/// A definition with its system properties.
#[derive(Clone, Debug)]
pub(crate) struct StoredDefinition {
    pub definition: Arc<ContainerDefinition>,
    pub etag: String,
    /// When it was created or replaced, in seconds since 1970.
    pub timestamp: i64,
}

impl<D> Container<D> {
    pub(super) fn new(rid: ContainerRid, stored: StoredDefinition, data: D) -> Self {
        Self { rid, data, current: Mutex::new(stored), is_deleted: AtomicBool::new(false) }
    }

    pub(crate) fn definition(&self) -> Arc<ContainerDefinition> {
        Arc::clone(&self.lock().definition)
    }

    pub(super) fn stored(&self) -> StoredDefinition {
        self.lock().clone()
    }

    /// Exclusive access to the definition.
    pub(super) fn lock(&self) -> MutexGuard<'_, StoredDefinition> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the container was deleted after it had been found.
    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    pub(super) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
    }

    /// The resource as clients read it.
    pub(crate) fn to_json(&self) -> Value {
        self.stored().to_json(self.rid)
    }
}

impl StoredDefinition {
    pub(super) fn to_json(&self, rid: ContainerRid) -> Value {
        let mut json = self.definition.to_json();
        for (name, value) in [
            ("_rid", json!(rid.to_string())),
            ("_ts", json!(self.timestamp)),
            ("_self", json!(rid.link())),
            ("_etag", json!(self.etag)),
            ("_docs", json!("docs/")),
            ("_sprocs", json!("sprocs/")),
            ("_triggers", json!("triggers/")),
            ("_udfs", json!("udfs/")),
            ("_conflicts", json!("conflicts/")),
        ] {
            json.insert(name.into(), value);
        }
        Value::Object(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_system_properties() {
        let body = json!({"id": "c", "partitionKey": {"paths": ["/pk"]}}).to_string();
        let definition = Arc::new(ContainerDefinition::parse(body.as_bytes()).expect("a definition"));
        let rid: ContainerRid = "lypXAMSZ-Cs=".parse().expect("a container");
        let container = Container::new(rid, StoredDefinition { definition, etag: "\"1\"".into(), timestamp: 7 }, ());
        let json = container.to_json();
        let expected = json!({"_rid": "lypXAMSZ-Cs=", "_ts": 7, "_self": "dbs/lypXAA==/colls/lypXAMSZ-Cs=/",
            "_etag": "\"1\"", "_docs": "docs/", "_sprocs": "sprocs/", "_triggers": "triggers/", "_udfs": "udfs/",
            "_conflicts": "conflicts/"});
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(json[name], *value, "{name}");
        }
        assert_eq!((&json["id"], container.definition().id.as_str()), (&json!("c"), "c"));
        assert!(!container.is_deleted());
        container.mark_deleted();
        assert!(container.is_deleted());
    }
}
