//! Lists items by what they are found by: the id, and the partition key value.

use serde_json::{Map, Value};

use crate::cosmos::{Error, Key};

/// Selects the id and each component of the partition key: `[id, {"k": …}, …]`, without `k` where there is none.
pub(crate) fn ids_and_keys(key_paths: &[String]) -> String {
    let components: String = key_paths.iter().map(|path| format!(", {{k: c{}}}", property(path))).collect();
    format!("SELECT VALUE [c.id{components}]")
}

/// `['a']['b']` for `/a/b`.
fn property(path: &str) -> String {
    let quoted = |name: &str| name.trim_matches('"').replace('\\', "\\\\").replace('\'', "\\'");
    path.split('/').skip(1).map(|name| format!("['{}']", quoted(name))).collect()
}

/// Reads what [`ids_and_keys`] selects.
pub(crate) fn id_and_key(item: Value, components: usize) -> Result<(String, Key), Error> {
    let unexpected = |item: &Value| Error::invalid("listing items", format!("the query answered {item}"));
    let Some([id, key @ ..]) = item.as_array().map(Vec::as_slice) else { return Err(unexpected(&item)) };
    let id = id.as_str().ok_or_else(|| unexpected(&item))?.to_owned();
    if key.len() != components {
        return Err(unexpected(&item));
    }
    let component = |wrapped: &Value| wrapped.get("k").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let key = Value::Array(key.iter().map(component).collect());
    Ok((id, serde_json::from_value(key).map_err(|error| Error::invalid("listing items", error.to_string()))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_key_properties_are_quoted_in_the_query() {
        assert_eq!(ids_and_keys(&["/a/b".to_owned()]), "SELECT VALUE [c.id, {k: c['a']['b']}]");
        assert_eq!(property("/it's\\"), "['it\\'s\\\\']");
    }

    #[test]
    fn a_missing_component_of_a_key_is_told_from_null() {
        let (id, key) = id_and_key(json!(["1", {"k": null}, {}]), 2).expect("item");
        assert_eq!((id.as_str(), key.to_string().as_str()), ("1", "[null,{}]"));
        assert!(id_and_key(json!(["1"]), 1).is_err());
    }
}
