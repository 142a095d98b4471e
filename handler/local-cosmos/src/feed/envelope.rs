//! The body of a change feed page, in either mode.
//!
//! Sources for the form of a version in AllVersionsAndDeletes mode: Azure/azure-cosmos-dotnet-v3 pull request 3197 (creates and
//! replaces, without `_lsn` in the document) and Azure/azure-sdk-for-java pull request 43881 (deletes: `current` is `{}`, and
//! the metadata has `id` and `partitionKey`). A member that does not apply is absent.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::key_path::KeyPath;
use crate::store::{Change, Entry, Removal, Version};

/// A page of LatestVersion mode. `enveloped` if the client supports the envelope.
pub(crate) fn latest_versions(rid: &str, entries: &[Arc<Entry>], enveloped: bool) -> Vec<u8> {
    page(rid, entries, |body, entry| {
        if enveloped {
            body.extend_from_slice(b"{\"current\":");
        }
        if entry.has_own_lsn {
            body.extend_from_slice(&with_lsn(&entry.body, entry.lsn));
        } else {
            // The stored object, with the feed's property inserted before the closing brace.
            body.extend_from_slice(entry.body.strip_suffix(b"}").unwrap_or(&entry.body));
            body.extend_from_slice(format!(",\"_lsn\":{}}}", entry.lsn).as_bytes());
        }
        if enveloped {
            body.extend_from_slice(
                format!(",\"metadata\":{{\"lsn\":{},\"crts\":{}}}}}", entry.lsn, entry.ts).as_bytes(),
            );
        }
    })
}

/// A page of AllVersionsAndDeletes mode. `key_paths` are the paths of the container's partition key.
pub(crate) fn all_versions(rid: &str, versions: &[Version], key_paths: &[KeyPath]) -> Vec<u8> {
    page(rid, versions, |body, version| {
        body.extend_from_slice(b"{\"current\":");
        let (current, lsn, ts, operation): (&[u8], _, _, _) = match &version.change {
            Change::Created(entry) => (&entry.body, entry.lsn, entry.ts, "create"),
            Change::Replaced(entry) => (&entry.body, entry.lsn, entry.ts, "replace"),
            Change::Deleted(removal) => (b"{}", removal.lsn, removal.ts, "delete"),
        };
        let mut metadata = json!({"lsn": lsn, "crts": ts, "operationType": operation});
        if let Some(lsn) = version.previous_lsn {
            metadata["previousImageLSN"] = json!(lsn);
        }
        if let Change::Deleted(removal) = &version.change {
            if removal.is_expired {
                metadata["timeToLiveExpired"] = json!(true);
            }
            metadata["id"] = json!(removal.id);
            metadata["partitionKey"] = partition_key(removal, key_paths);
        }
        body.extend_from_slice(current);
        body.extend_from_slice(format!(",\"metadata\":{metadata}").as_bytes());
        if let Some(previous) = &version.previous {
            body.extend_from_slice(b",\"previous\":");
            body.extend_from_slice(&previous.body);
        }
        body.push(b'}');
    })
}

fn page<T>(rid: &str, entries: &[T], write: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut body = format!("{{\"_rid\":\"{rid}\",\"Documents\":[").into_bytes();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write(&mut body, entry);
    }
    body.extend_from_slice(format!("],\"_count\":{}}}", entries.len()).as_bytes());
    body
}

/// The stored item with the feed's property in the place of its own property `_lsn`.
fn with_lsn(body: &[u8], lsn: u64) -> Vec<u8> {
    let Ok(Value::Object(mut item)) = serde_json::from_slice(body) else { return body.to_vec() };
    item.insert("_lsn".into(), json!(lsn));
    Value::Object(item).to_string().into_bytes()
}

/// The key of a deleted item in the form of its document. A property that the document did not have is absent.
fn partition_key(removal: &Removal, key_paths: &[KeyPath]) -> Value {
    let components: Vec<Value> = serde_json::from_str(&removal.key).unwrap_or_default();
    let mut key = json!({});
    for (path, component) in key_paths.iter().zip(components).filter(|(_, component)| !component.is_object()) {
        *path.segments().iter().fold(&mut key, |value, step| &mut value[step.as_str()]) = component;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition_key::EffectiveKey;

    #[test]
    fn the_key_of_a_delete_has_the_shape_of_the_document() {
        let key = |key: &str, paths: &[&str]| {
            let epk = EffectiveKey::smallest();
            let removal = Removal { epk, id: "".into(), key: key.into(), ts: 0, lsn: 0, is_expired: false };
            partition_key(&removal, &paths.iter().map(|path| KeyPath::new(*path)).collect::<Vec<_>>())
        };
        assert_eq!(key(r#"["a"]"#, &["/pk"]), json!({"pk": "a"}));
        assert_eq!(key("[null]", &["/pk"]), json!({"pk": null}));
        assert_eq!(key("[{}]", &["/pk"]), json!({}));
        assert_eq!(key("[1]", &[r#"/"a/b"/'c d'"#]), json!({"a/b": {"c d": 1}}));
        assert_eq!(key(r#"["a",1,true]"#, &["/a", "/b/c", "/b/d"]), json!({"a": "a", "b": {"c": 1, "d": true}}));
    }
}
