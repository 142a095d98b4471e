//! The name of a document: its id and its partition key value, as requests carry it and as queries select it.
//!
//! A query leaves out what is not defined, so each component of a key is selected within an object of its own: `{"k": …}`, or
//! `{}` for a component that the item does not have.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::key::Key;
use crate::key_path::KeyPath;

/// A document of a container: its id and its partition key value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentName {
    /// The id.
    pub id: String,
    /// The components of the partition key value.
    pub partition_key: Key,
}

impl DocumentName {
    /// A text that only this document has, to find it by in memory.
    pub fn to_index_key(&self) -> String {
        format!("{}{}", self.partition_key, self.id)
    }
}

/// The components of the partition key, each preceded by a comma: `, {k: c['pk']}, {k: c['sourceId']}`.
pub fn key_components(key_paths: &[KeyPath]) -> String {
    key_paths.iter().map(|path| format!(", {{k: c{}}}", path.query_property())).collect()
}

/// Selects the id and the partition key value of `c`: `[id, {"k": …}, …]`.
pub fn select_id_and_key(key_paths: &[KeyPath]) -> String {
    format!("[c.id{}]", key_components(key_paths))
}

/// Reads what [`select_id_and_key`] selected.
///
/// # Errors
/// [`Corrupt`](crate::ErrorKind::Corrupt) with what was selected instead.
pub fn read_id_and_key(selected: &Value, key_paths: &[KeyPath]) -> Result<DocumentName, Error> {
    let unexpected =
        |message: &str| Error::corrupt("listing items", format!("{message}: the query returned {selected}"));
    let Some([Value::String(id), key @ ..]) = selected.as_array().map(Vec::as_slice) else {
        return Err(unexpected("not an id and a key"));
    };
    if key.len() != key_paths.len() {
        return Err(unexpected("the key has another number of components than the container"));
    }
    let component =
        |wrapped: &Value| wrapped.get("k").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let key = serde_json::from_value(Value::Array(key.iter().map(component).collect()));
    Ok(DocumentName { id: id.clone(), partition_key: key.map_err(|error| unexpected(&error.to_string()))? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_key_properties_are_quoted_in_the_query() {
        let path = |text: &str| text.parse::<KeyPath>().expect("a path");
        assert_eq!(select_id_and_key(&[path("/a/b")]), "[c.id, {k: c['a']['b']}]");
        assert_eq!(key_components(&[path("/it's\\")]), ", {k: c['it\\u0027s\\u005c']}");
    }

    #[test]
    fn a_missing_component_of_a_key_is_distinguished_from_null() {
        let paths = ["a", "b"].map(KeyPath::property);
        let name = read_id_and_key(&json!(["1", {"k": null}, {}]), &paths).expect("item");
        assert_eq!((name.id.as_str(), name.partition_key.to_string().as_str()), ("1", "[null,{}]"));
        assert!(read_id_and_key(&json!(["1"]), &paths).is_err());
    }
}
