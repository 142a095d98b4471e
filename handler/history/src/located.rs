//! Where an item lies: its id and its partition key value, as a query selects them.
//!
//! A query leaves out what is not defined, so each component is selected within an object of its own: `{"k": …}`, or `{}`
//! for a component that the item does not have.

use serde_json::Value;

use crate::cosmos::Key;

/// The components of the partition key, each preceded by a comma: `, {k: c['pk']}, {k: c['sourceId']}`.
pub(crate) fn components(key_paths: &[String]) -> String {
    key_paths.iter().map(|path| format!(", {{k: c{}}}", property(path))).collect()
}

/// Selects the id and the partition key value of `c`: `[id, {"k": …}, …]`.
pub(crate) fn id_and_key(key_paths: &[String]) -> String {
    format!("[c.id{}]", components(key_paths))
}

/// Reads what [`id_and_key`] selected.
///
/// # Errors
/// Says what was selected instead.
pub(crate) fn read_id_and_key(selected: &Value, key_paths: &[String]) -> Result<(String, Key), String> {
    let unexpected = || format!("the query answered {selected}");
    let Some([Value::String(id), key @ ..]) = selected.as_array().map(Vec::as_slice) else { return Err(unexpected()) };
    if key.len() != key_paths.len() {
        return Err(unexpected());
    }
    let component =
        |wrapped: &Value| wrapped.get("k").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let key = serde_json::from_value(Value::Array(key.iter().map(component).collect()));
    Ok((id.clone(), key.map_err(|error| error.to_string())?))
}

/// `['a']['b']` for `/a/b`.
fn property(path: &str) -> String {
    let quoted = |name: &str| name.trim_matches('"').replace('\\', "\\\\").replace('\'', "\\'");
    path.split('/').skip(1).map(|name| format!("['{}']", quoted(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_key_properties_are_quoted_in_the_query() {
        assert_eq!(id_and_key(&["/a/b".to_owned()]), "[c.id, {k: c['a']['b']}]");
        assert_eq!(property("/it's\\"), "['it\\'s\\\\']");
    }

    #[test]
    fn a_missing_component_of_a_key_is_told_from_null() {
        let paths = ["/a".to_owned(), "/b".to_owned()];
        let (id, key) = read_id_and_key(&json!(["1", {"k": null}, {}]), &paths).expect("item");
        assert_eq!((id.as_str(), key.to_string().as_str()), ("1", "[null,{}]"));
        assert!(read_id_and_key(&json!(["1"]), &paths).is_err());
    }
}
