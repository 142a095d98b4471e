//! The fields that differ between two documents.

use changefeed_cosmos::FieldPath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::version::present;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field; in JSON a JSON Pointer, `/address/lines/0`. The empty path is the document itself.
    pub path: FieldPath,
    /// The value before; absent if the field was added.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub before: Option<Value>,
    /// The value after; absent if the field was removed.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub after: Option<Value>,
}

/// The fields that differ, in the order of `before`, then those that are new in `after`. Arrays of the same length are compared element
/// by element; any others are one value.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(FieldPath::default(), before, after, &mut found);
    found
}

fn compare(path: FieldPath, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                match new.get(name) {
                    Some(other) => compare(path.child(name), value, other, found),
                    None => {
                        found.push(FieldChange { path: path.child(name), before: Some(value.clone()), after: None })
                    }
                }
            }
            for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                found.push(FieldChange { path: path.child(name), before: None, after: Some(value.clone()) });
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (value, other)) in old.iter().zip(new).enumerate() {
                compare(path.child(index.to_string()), value, other, found);
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
            json!([{"path": "/b/c/1", "before": 2, "after": 3}, {"path": "/gone", "before": null},
                {"path": "/list", "before": [1], "after": [1, 2]}, {"path": "/new", "after": true}])
        );
    }

    /// Names of every kind: with dots, slashes, tildes, quotes and brackets, of digits, empty, of any characters.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => r#"[ab./~"'0-2]{0,2}"#,
            1 => Just("[]".to_owned()),
            1 => Just("-".to_owned()),
            1 => any::<String>(),
        ]
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
                prop::collection::btree_map(name(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Two documents; the second often has much of the first.
    fn documents() -> impl Strategy<Value = (Value, Value)> {
        let object = || prop::collection::btree_map(name(), document(), 0..5);
        (object(), object(), any::<u8>()).prop_map(|(before, other, seed)| {
            let is_kept = |number: usize| (seed >> (number % 8)) & 1 == 1;
            let kept = before
                .iter()
                .enumerate()
                .filter(|(number, _)| is_kept(*number))
                .map(|(_, (name, value))| (name.clone(), value.clone()));
            let after: serde_json::Map<String, Value> = other.into_iter().chain(kept).collect();
            (Value::Object(before.into_iter().collect()), Value::Object(after))
        })
    }

    /// Makes the changes to a document, found by the pointers as a program would find them.
    fn apply(document: &mut Value, changes: &Value) {
        for change in changes.as_array().expect("changes") {
            let pointer = change["path"].as_str().expect("a pointer");
            assert_eq!(document.pointer(pointer), change.get("before"), "{change}");
            match (change.get("after"), document.pointer_mut(pointer)) {
                (Some(after), Some(value)) => *value = after.clone(),
                (after, _) => {
                    let (parent, name) = pointer.rsplit_once('/').expect("a parent");
                    let name = name.replace("~1", "/").replace("~0", "~");
                    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
                    match after {
                        Some(after) => parent.insert(name, after.clone()),
                        None => parent.shift_remove(&name),
                    };
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_patch_turns_the_first_document_into_the_second(before in document(), after in document()) {
            let mut patched = before.clone();
            json_patch::patch(&mut patched, &json_patch::diff(&before, &after)).expect("patched");
            prop_assert_eq!(&patched, &after);
            prop_assert_eq!(changes(&before, &after).is_empty(), before == after);
        }

        #[test]
        fn the_changes_turn_the_first_document_into_the_second((before, after) in documents()) {
            let found = changes(&before, &after);
            let mut changed = before.clone();
            apply(&mut changed, &serde_json::to_value(&found).expect("json"));
            prop_assert_eq!(&changed, &after);
            for change in &found {
                prop_assert_eq!(change.path.of(&before), change.before.as_ref());
                prop_assert_eq!(change.path.of(&after), change.after.as_ref());
                prop_assert_eq!(&change.path.to_string().parse(), &Ok(change.path.clone()));
                let stored = serde_json::to_value(change).expect("json");
                prop_assert_eq!(&serde_json::from_value::<FieldChange>(stored).expect("a change"), change);
            }
        }
    }
}
