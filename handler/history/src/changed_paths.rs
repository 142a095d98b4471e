//! The paths at which a version of a document differs from the version before it.
//!
//! Objects are compared property by property. Any other value, an array too, is compared as a whole and has one path. The path of a
//! removed object is one path; an object that is added has a path for each value in it, so that those can be undone one by one.
//! A value that becomes an object, or an object that becomes another value, has one path. A document that is created or deleted has
//! the empty path, which is the document itself.

use changefeed_cosmos::FieldPath;
use serde_json::Value;

use crate::difference::FieldChange;
use crate::same_value::same_value;
use crate::untracked_fields::UntrackedFields;

/// A path that changed, with the values of both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct PathChange<'v> {
    /// The path; the empty path is the document itself.
    pub path: FieldPath,
    /// The value before; `None` if there was none.
    pub before: Option<&'v Value>,
    /// The value after; `None` if there is none.
    pub after: Option<&'v Value>,
}

impl PathChange<'_> {
    /// The change with values of its own.
    pub fn to_field_change(&self) -> FieldChange {
        FieldChange { path: self.path.clone(), before: self.before.cloned(), after: self.after.cloned() }
    }
}

/// The paths that a version changed against the version before it, in the order of `before`, then those that are new. `None` stands for
/// a document that does not exist. Untracked fields are left out.
pub fn changed_paths(before: Option<&Value>, after: Option<&Value>, untracked: &UntrackedFields) -> Vec<FieldPath> {
    path_changes(before, after, untracked).into_iter().map(|change| change.path).collect()
}

/// [`changed_paths`] with the values before and after.
pub fn path_changes<'v>(
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    untracked: &UntrackedFields,
) -> Vec<PathChange<'v>> {
    path_changes_at(&[], before, after, untracked)
}

/// [`path_changes`] of the values at the path of these names.
pub(crate) fn path_changes_at<'v>(
    names: &[&'v str],
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    untracked: &UntrackedFields,
) -> Vec<PathChange<'v>> {
    let mut comparison = Comparison { untracked, names: names.to_vec(), found: Vec::new() };
    match (before, after) {
        (Some(_), None) | (None, Some(_)) if names.is_empty() => comparison.report(before, after),
        _ => comparison.compare(before, after),
    }
    comparison.found
}

/// The value at a path that leads through objects only; `None` if the document has none.
pub fn value_at<'v>(document: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    path.segments().iter().try_fold(document, |value, name| value.as_object()?.get(name))
}

/// A comparison of two documents at the path of the names.
struct Comparison<'u, 'v> {
    untracked: &'u UntrackedFields,
    names: Vec<&'v str>,
    found: Vec<PathChange<'v>>,
}

impl<'v> Comparison<'_, 'v> {
    fn compare(&mut self, before: Option<&'v Value>, after: Option<&'v Value>) {
        match (before, after) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                for (name, value) in old {
                    self.compare_property(name, Some(value), new.get(name));
                }
                for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                    self.compare_property(name, None, Some(value));
                }
            }
            (None, Some(Value::Object(new))) if !new.is_empty() => {
                for (name, value) in new {
                    self.compare_property(name, None, Some(value));
                }
            }
            (Some(old), Some(new)) if same_value(old, new) => {}
            (None, None) => {}
            _ => self.report(before, after),
        }
    }

    fn compare_property(&mut self, name: &'v str, before: Option<&'v Value>, after: Option<&'v Value>) {
        self.names.push(name);
        if !self.untracked.contains(&self.names) {
            self.compare(before, after);
        }
        self.names.pop();
    }

    fn report(&mut self, before: Option<&'v Value>, after: Option<&'v Value>) {
        let path = self.names.iter().fold(FieldPath::default(), |path, name| path.child(*name));
        self.found.push(PathChange { path, before, after });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn untracked() -> UntrackedFields {
        UntrackedFields::new(["restored_at"], &["/a/key".parse().expect("a path")])
    }

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        changed_paths(Some(before), Some(after), &untracked()).iter().map(FieldPath::pointer).collect()
    }

    #[test]
    fn objects_are_compared_by_property_and_other_values_as_a_whole() {
        for (before, after, expected) in [
            (json!({"a": 1, "b": {"c": 1, "d": 2}}), json!({"b": {"d": 3, "c": 1.0}, "a": 1}), vec!["/b/d"]),
            (json!({"list": [1, {"a": 2}]}), json!({"list": [1, {"a": 3}]}), vec!["/list"]),
            (json!({"x": null}), json!({}), vec!["/x"]),
            (json!({}), json!({"x": null}), vec!["/x"]),
            // Added: the path of each value. Removed: the object's.
            (json!({}), json!({"o": {"a": 1, "p": {"b": [], "c": {}}}}), vec!["/o/a", "/o/p/b", "/o/p/c"]),
            (json!({"o": {"a": 1, "p": {"b": 2}}}), json!({}), vec!["/o"]),
            (json!({"o": {"a": 1}}), json!({"o": {}}), vec!["/o/a"]),
            (json!({"o": {}}), json!({"o": {"a": 1}}), vec!["/o/a"]),
            (json!({"o": {}}), json!({}), vec!["/o"]),
            // Another type is another value.
            (json!({"o": {"a": 1}}), json!({"o": 5}), vec!["/o"]),
            (json!({"o": 5}), json!({"o": {"a": 1}}), vec!["/o"]),
            (json!({"o": []}), json!({"o": {}}), vec!["/o"]),
            (json!({"n": 1}), json!({"n": "1"}), vec!["/n"]),
            (json!({"a/b": {"~": 1}}), json!({"a/b": {"~": 2}}), vec!["/a~1b/~0"]),
        ] {
            assert_eq!(paths(&before, &after), expected, "{before} and {after}");
        }
    }

    #[test]
    fn untracked_fields_are_no_paths() {
        let before = json!({"id": "1", "restored_at": 1, "_ts": 1, "a": {"key": "k", "id": 1}, "x": 1});
        let after = json!({"id": "1", "restored_at": 2, "_ts": 2, "_etag": "e", "a": {"key": "l", "id": 2}, "x": 1});
        assert_eq!(paths(&before, &after), ["/a/id"]);
    }

    #[test]
    fn a_document_that_is_created_or_deleted_has_the_empty_path() {
        let document = json!({"id": "1", "x": 1});
        for (before, after) in [(None, Some(&document)), (Some(&document), None)] {
            let found = path_changes(before, after, &untracked());
            assert_eq!(found, [PathChange { path: FieldPath::default(), before, after }]);
        }
        assert_eq!(changed_paths(None, None, &untracked()), []);
        assert_eq!(changed_paths(Some(&document), Some(&document), &untracked()), []);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), (0..3).prop_map(Value::from), Just(json!(1.0)), Just(json!([1]))];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    /// Sets or removes the value at a path, as `changed_paths` documents it.
    fn set(document: &mut Value, names: &[String], value: Option<&Value>) {
        let (name, parents) = names.split_last().expect("a name");
        let mut object = document;
        for parent in parents {
            object = &mut object.as_object_mut().expect("an object")[parent];
        }
        let object = object.as_object_mut().expect("an object");
        match value {
            Some(value) => _ = object.insert(name.clone(), value.clone()),
            None => _ = object.shift_remove(name),
        }
    }

    proptest! {
        #[test]
        fn the_paths_are_what_differs_and_nothing_else(before in document(), after in document()) {
            let untracked = UntrackedFields::default();
            let found = path_changes(Some(&before), Some(&after), &untracked);
            let mut changed = before.clone();
            for change in &found {
                prop_assert_eq!(change.path.of(&before), change.before);
                prop_assert_eq!(change.path.of(&after), change.after);
                let names = change.path.segments();
                for depth in 1..names.len() {
                    let parent = names[..depth].iter().fold(FieldPath::default(), |path, name| path.child(name));
                    if parent.of(&changed).is_none() {
                        set(&mut changed, &names[..depth], Some(&json!({})));
                    }
                }
                set(&mut changed, names, change.after);
            }
            prop_assert!(same_value(&changed, &after), "{changed} is not {after}");
            prop_assert_eq!(found.is_empty(), same_value(&before, &after));
            for (number, one) in found.iter().enumerate() {
                for other in &found[number + 1..] {
                    prop_assert!(!other.path.segments().starts_with(one.path.segments()));
                    prop_assert!(!one.path.segments().starts_with(other.path.segments()));
                }
            }
        }
    }
}
