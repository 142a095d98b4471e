//! Index terms: the values of an item that an index has, one for each path and value.
//!
//! Source: "Overview of indexing in Azure Cosmos DB": an item is a tree whose leaves are indexed with their paths. Elements of an array
//! have one path.

use std::collections::HashMap;

use serde_json::Value;

/// A step of the path to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathStep<'a> {
    Property(&'a str),
    /// Any element of an array.
    Elements,
}

/// The terms that a write removes from the index and adds to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedTerms {
    pub removed: usize,
    pub added: usize,
}

/// The number of an item's index terms. `is_indexed` decides by the path of a leaf. The item has at most the allowed number of levels.
pub(crate) fn terms(item: &Value, is_indexed: &dyn Fn(&[PathStep<'_>]) -> bool) -> usize {
    count(item, &mut Vec::new(), is_indexed)
}

/// The terms of the old item that the new one does not have, and the reverse.
pub(crate) fn changed_terms(old: &Value, new: &Value, is_indexed: &dyn Fn(&[PathStep<'_>]) -> bool) -> ChangedTerms {
    let mut changed = ChangedTerms::default();
    compare(old, new, &mut Vec::new(), is_indexed, &mut changed);
    changed
}

fn count<'v>(value: &'v Value, path: &mut Vec<PathStep<'v>>, is_indexed: &dyn Fn(&[PathStep<'_>]) -> bool) -> usize {
    let mut count_at = |step: PathStep<'v>, value: &'v Value| {
        path.push(step);
        let terms = count(value, path, is_indexed);
        path.pop();
        terms
    };
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| count_at(PathStep::Property(name), value)).sum(),
        Value::Array(elements) => elements.iter().map(|element| count_at(PathStep::Elements, element)).sum(),
        _ => usize::from(is_indexed(path)),
    }
}

fn compare<'v>(
    old: &'v Value,
    new: &'v Value,
    path: &mut Vec<PathStep<'v>>,
    is_indexed: &dyn Fn(&[PathStep<'_>]) -> bool,
    changed: &mut ChangedTerms,
) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                path.push(PathStep::Property(name));
                match new.get(name) {
                    Some(other) => compare(value, other, path, is_indexed, changed),
                    None => changed.removed += count(value, path, is_indexed),
                }
                path.pop();
            }
            for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                path.push(PathStep::Property(name));
                changed.added += count(value, path, is_indexed);
                path.pop();
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            path.push(PathStep::Elements);
            compare_elements(old, new, path, is_indexed, changed);
            path.pop();
        }
        (old, new) if old == new => {}
        (old, new) => {
            changed.removed += count(old, path, is_indexed);
            changed.added += count(new, path, is_indexed);
        }
    }
}

/// The place of an element does not matter: all have one path.
fn compare_elements<'v>(
    old: &'v [Value],
    new: &'v [Value],
    path: &mut Vec<PathStep<'v>>,
    is_indexed: &dyn Fn(&[PathStep<'_>]) -> bool,
    changed: &mut ChangedTerms,
) {
    if old == new {
        return;
    }
    let mut surplus: HashMap<String, i64> = HashMap::new();
    for (elements, by) in [(old, -1), (new, 1)] {
        for element in elements {
            *surplus.entry(element.to_string()).or_default() += by;
        }
    }
    for (elements, by, counter) in [(old, 1, &mut changed.removed), (new, -1, &mut changed.added)] {
        for element in elements {
            if let Some(surplus) = surplus.get_mut(&element.to_string()).filter(|surplus| **surplus * by < 0) {
                *surplus += by;
                *counter += count(element, path, is_indexed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all(_: &[PathStep<'_>]) -> bool {
        true
    }

    #[test]
    fn each_leaf_with_an_indexed_path_is_a_term() {
        let item =
            json!({"id": "a", "n": 1, "o": {"x": null, "y": true}, "l": [1, 2, {"z": 3}], "empty": {}, "none": []});
        assert_eq!(terms(&item, &all), 7);
        assert_eq!(terms(&item, &|path| path[0] == PathStep::Property("l")), 3);
        assert_eq!(terms(&item, &|path| path == [PathStep::Property("l"), PathStep::Elements]), 2);
        assert_eq!(terms(&item, &|_| false), 0);
    }

    #[test]
    fn only_terms_that_differ_are_changed() {
        let old = json!({"id": "a", "n": 1, "o": {"x": 1, "gone": [1, 2]}, "l": [1, 2, 2, {"z": 3}]});
        let changed = |new: &Value| changed_terms(&old, new, &all);
        assert_eq!(changed(&old), ChangedTerms::default());
        let new = json!({"id": "a", "n": 2, "o": {"x": 1, "new": 1}, "l": [{"z": 3}, 2, 1, 5]});
        // n; the two elements of o.gone; one of the two 2 in l. n; o.new; the 5 in l.
        assert_eq!(changed(&new), ChangedTerms { removed: 4, added: 3 });
        assert_eq!(
            changed(&json!({"id": "a", "n": {"m": [1, 2]}, "o": 1, "l": [1, 2, 2, {"z": 3}]})),
            ChangedTerms { removed: 4, added: 3 }
        );
        let only_n = |path: &[PathStep<'_>]| path[0] == PathStep::Property("n");
        assert_eq!(changed_terms(&old, &new, &only_n), ChangedTerms { removed: 1, added: 1 });
    }
}
