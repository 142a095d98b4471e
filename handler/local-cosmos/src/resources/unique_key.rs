//! The unique keys in the definition of a container.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::policy_path::check_key_path;
use super::refusal::Refusal;

/// The most unique keys, and the most paths of one. Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.
const MAX_KEYS: usize = 10;
const MAX_PATHS: usize = 16;

/// Paths whose values together are in one item only of each logical partition. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UniqueKey {
    pub paths: Vec<String>,
}

impl UniqueKey {
    fn path_set(&self) -> BTreeSet<&str> {
        self.paths.iter().map(String::as_str).collect()
    }
}

/// Reads the member `uniqueKeyPolicy` of a definition.
pub(crate) fn read(value: Option<&Value>) -> Result<Vec<UniqueKey>, Refusal> {
    let refuse = |message: String| Err(Refusal::bad_request(message));
    let given = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(policy) => match (policy.as_object(), &policy["uniqueKeys"]) {
            (Some(_), Value::Null) => return Ok(Vec::new()),
            (Some(_), Value::Array(keys)) => keys,
            _ => {
                return refuse(format!("uniqueKeyPolicy is {policy}; it must be an object with the array uniqueKeys."));
            }
        },
    };
    if given.len() > MAX_KEYS {
        return refuse(format!("There are {} unique keys; at most {MAX_KEYS} are allowed.", given.len()));
    }
    let mut keys = Vec::<UniqueKey>::new();
    for key in given {
        let key = read_key(key)?;
        if keys.iter().any(|other| other.path_set() == key.path_set()) {
            return refuse(format!("The unique key {} is given twice.", key.paths.join(", ")));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn read_key(value: &Value) -> Result<UniqueKey, Refusal> {
    let refuse = |message: String| Err(Refusal::bad_request(message));
    let paths = value["paths"]
        .as_array()
        .and_then(|paths| paths.iter().map(|path| path.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>());
    let Some(paths) = paths.filter(|paths| !paths.is_empty()) else {
        return refuse(format!(
            "The unique key {value} is invalid; it must have paths, an array of one or more strings."
        ));
    };
    if paths.len() > MAX_PATHS {
        return refuse(format!("A unique key has {} paths; at most {MAX_PATHS} are allowed.", paths.len()));
    }
    for (index, path) in paths.iter().enumerate() {
        if let Err(at) = check_key_path(path) {
            return refuse(format!("The path '{path}' of a unique key is invalid near position '{at}'."));
        }
        if paths[..index].contains(path) {
            return refuse(format!("The path '{path}' is twice in one unique key."));
        }
    }
    Ok(UniqueKey { paths })
}

/// The member `uniqueKeyPolicy` of a definition.
pub(crate) fn to_json(keys: &[UniqueKey]) -> Value {
    json!({"uniqueKeys": keys.iter().map(|key| json!({"paths": key.paths})).collect::<Vec<_>>()})
}

/// Whether two lists have the same keys, in any order.
pub(crate) fn are_same(keys: &[UniqueKey], others: &[UniqueKey]) -> bool {
    let sets = |keys: &[UniqueKey]| {
        keys.iter().map(|key| key.paths.iter().cloned().collect()).collect::<BTreeSet<BTreeSet<String>>>()
    };
    sets(keys) == sets(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: Value) -> Result<Vec<UniqueKey>, Refusal> {
        read(Some(&json!({"uniqueKeys": keys})))
    }

    #[test]
    fn unique_keys_are_read_and_written() {
        let given = json!([{"paths": ["/a", "/b/c"]}, {"paths": ["/a"]}]);
        let read_keys = keys(given.clone()).expect("keys");
        assert_eq!(to_json(&read_keys), json!({"uniqueKeys": given}));
        for none in [json!(null), json!({}), json!({"uniqueKeys": null}), json!({"uniqueKeys": []})] {
            assert_eq!(read(Some(&none)), Ok(Vec::new()), "{none}");
        }
        assert_eq!(read(None), Ok(Vec::new()));
    }

    #[test]
    fn unique_keys_that_the_service_refuses_are_refused() {
        let many = |count: usize| (0..count).map(|index| format!("/p{index}")).collect::<Vec<_>>();
        let each = many(11).into_iter().map(|path| json!({"paths": [path]})).collect::<Vec<_>>();
        for (given, message) in [
            (json!([{"paths": ["/a", "/b"]}, {"paths": ["/b", "/a"]}]), "/b, /a is given twice"),
            (json!([{"paths": ["/a", "/a"]}]), "twice in one unique key"),
            (json!([{"paths": []}]), "one or more strings"),
            (json!([{}]), "one or more strings"),
            (json!(["/a"]), "one or more strings"),
            (json!([{"paths": ["a"]}]), "'a' of a unique key is invalid near position '0'"),
            (json!([{"paths": ["/a/*"]}]), "invalid near position '3'"),
            (json!([{"paths": many(17)}]), "has 17 paths; at most 16"),
            (json!(each), "There are 11 unique keys; at most 10"),
            (json!("/a"), "must be an object with the array uniqueKeys"),
        ] {
            let refusal = keys(given.clone()).expect_err("refused");
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.contains(message), "{given}: {}", refusal.message);
        }
    }

    #[test]
    fn the_order_of_keys_makes_no_difference() {
        let one = keys(json!([{"paths": ["/a", "/b"]}, {"paths": ["/c"]}])).expect("keys");
        let other = keys(json!([{"paths": ["/c"]}, {"paths": ["/b", "/a"]}])).expect("keys");
        assert!(are_same(&one, &other));
        assert!(!are_same(&one, &one[..1]));
    }
}
