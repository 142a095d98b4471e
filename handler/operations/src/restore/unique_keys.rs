//! The unique keys of a container, and which one refuses a document.

use changefeed_cosmos::{Container, Error, Key, KeyPath, display_key_paths};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

/// The values of a document at the paths of each unique key. A missing value is null.
pub(super) type UniqueValues = Vec<Vec<Value>>;

/// The values of a document at the paths of each unique key.
pub(super) fn unique_values(unique_keys: &[Vec<KeyPath>], document: &Value) -> UniqueValues {
    let value = |path: &KeyPath| path.of(document).cloned().unwrap_or_default();
    unique_keys.iter().map(|paths| paths.iter().map(value).collect()).collect()
}

/// Names the unique key that a document shares with another one of its partition key value, and that other document; `None` when
/// the container has no unique keys.
///
/// # Errors
/// When the container cannot be read.
pub(super) async fn unique_key_conflict(
    container: &Container,
    key: &Key,
    id: &str,
    document: &Value,
) -> Result<Option<String>, Error> {
    let unique_keys = &container.definition().unique_keys;
    for paths in unique_keys {
        let mut parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
        let mut conditions = vec!["c.id != @id".to_owned()];
        let mut values = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let value = path.of(document).cloned().unwrap_or_default();
            values.push(value.to_string());
            let property = format!("c{}", path.query_property());
            // A missing value is the same as null.
            conditions.push(if value.is_null() {
                format!("(NOT IS_DEFINED({property}) OR IS_NULL({property}))")
            } else {
                parameters.insert(format!("@value{number}"), value);
                format!("{property} = @value{number}")
            });
        }
        let query = format!("SELECT VALUE c.id FROM c WHERE {}", conditions.join(" AND "));
        let mut others = container.select_few::<String>(&query, &parameters, Some(key), 1).await?;
        if let Some(other) = others.try_next().await? {
            let (paths, values) = (display_key_paths(paths), values.join(", "));
            return Ok(Some(format!(
                "unique key {paths}: document {other:?} of the same partition key has the same value, {values}; change that \
                 document first"
            )));
        }
    }
    let all: Vec<String> = unique_keys.iter().map(|paths| display_key_paths(paths)).collect();
    Ok((!all.is_empty()).then(|| format!("a unique key of the container refuses it: {}", all.join("; "))))
}
