//! The fields that differ between two documents, for display.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::version::present;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The path of the field: names and array indexes with dots, `address.lines.0`; empty for the whole document.
    pub path: String,
    /// The value before; absent if the field was added.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub before: Option<Value>,
    /// The value after; absent if the field was removed.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub after: Option<Value>,
}

/// The fields that differ, in the order of `before`, then those that are new in `after`.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                match new.get(name) {
                    Some(other) => compare(inner(name), value, other, found),
                    None => found.push(FieldChange { path: inner(name), before: Some(value.clone()), after: None }),
                }
            }
            for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                found.push(FieldChange { path: inner(name), before: None, after: Some(value.clone()) });
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (value, other)) in old.iter().zip(new).enumerate() {
                compare(inner(&index.to_string()), value, other, found);
            }
        }
        _ if before == after => {}
        _ => found.push(FieldChange { path, before: Some(before.clone()), after: Some(after.clone()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn changed_added_and_removed_fields_are_reported() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "gone": null, "list": [1]});
        let after = json!({"a": 1, "b": {"c": [1, 3], "d": "x"}, "new": true, "list": [1, 2]});
        assert_eq!(
            serde_json::to_value(changes(&before, &after)).expect("json"),
            json!([{"path": "b.c.1", "before": 2, "after": 3}, {"path": "gone", "before": null},
                {"path": "list", "before": [1], "after": [1, 2]}, {"path": "new", "after": true}])
        );
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c/~]{0,3}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_turns_the_first_document_into_the_second(before in document(), after in document()) {
            let mut patched = before.clone();
            json_patch::patch(&mut patched, &json_patch::diff(&before, &after)).expect("patched");
            prop_assert_eq!(&patched, &after);
            prop_assert_eq!(changes(&before, &after).is_empty(), before == after);
        }
    }
}
