//! Arrays as sets: the first of equal elements stays.

use std::collections::HashSet;

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use crate::value::canonical;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("SETDIFFERENCE", 2, 2, |arguments| {
        let removed = keys(arguments::array(arguments, 1)?);
        Some(distinct(arguments::array(arguments, 0)?.iter(), |key| !removed.contains(key)))
    }),
    Builtin::new("SETEQUAL", 2, 2, |arguments| {
        Some(Value::Bool(keys(arguments::array(arguments, 0)?) == keys(arguments::array(arguments, 1)?)))
    }),
    // The documented examples have the sequence of the second array.
    Builtin::new("SETINTERSECT", 2, 2, |arguments| {
        let common = keys(arguments::array(arguments, 0)?);
        Some(distinct(arguments::array(arguments, 1)?.iter(), |key| common.contains(key)))
    }),
    Builtin::new("SETUNION", 2, 2, union),
];

fn union(arguments: &Arguments<'_>) -> Option<Value> {
    let first = arguments::array(arguments, 0)?;
    let second = arguments::array(arguments, 1)?;
    Some(distinct(first.iter().chain(second), |_| true))
}

fn keys(elements: &[Value]) -> HashSet<String> {
    elements.iter().map(canonical).collect()
}

fn distinct<'a>(elements: impl Iterator<Item = &'a Value>, is_wanted: impl Fn(&str) -> bool) -> Value {
    let mut seen = HashSet::new();
    let mut is_new = |element: &Value| {
        let key = canonical(element);
        is_wanted(&key) && seen.insert(key)
    };
    elements.filter(|element| is_new(element)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn documented_examples() {
        examples! {
            SETINTERSECT([1, 2, 3, 4], [3, 4, 5, 6]) => [3, 4];
            SETINTERSECT([1, 2, 3, 4], []) => [];
            SETINTERSECT([1, 2, 3, 4], [1, 1, 1, 1]) => [1];
            SETINTERSECT([1, 2, 3, 4], ["A", "B"]) => [];
            SETINTERSECT([1, 2, "A", "B"], ["A", 1]) => ["A", 1];
            SETUNION([1, 2, 3, 4], [3, 4, 5, 6]) => [1, 2, 3, 4, 5, 6];
            SETUNION([1, 2, 3, 4], []) => [1, 2, 3, 4];
            SETUNION([1, 2, 3, 4], [1, 1, 1, 1]) => [1, 2, 3, 4];
            SETUNION([1, 2, "A", "B"], ["A", 1]) => [1, 2, "A", "B"];
            SETDIFFERENCE([1, 2, 3], [1, 2, 6, 7]) => [3];
            SETDIFFERENCE([1, 2, 6, 7], [1, 2, 3]) => [6, 7];
            SETDIFFERENCE([1, 2, 3, 4], [1, 2, 3, 4, 5, 6]) => [];
            SETDIFFERENCE([], [1, 2, 3]) => [];
            SETDIFFERENCE([1, 2, 3], []) => [1, 2, 3];
            SETDIFFERENCE([1, 1, 1, 1], [2, 3, 4]) => [1];
            SETEQUAL([1, 2, 3], [1, 2, 3]) => true;
            SETEQUAL([1, 2, 3], [3, 2, 1]) => true;
            SETEQUAL([1, 2, 3, 3], [1, 2, 2, 3, 1, 2]) => true;
            SETEQUAL([], [1, 2, 3]) => false;
            SETEQUAL([1, true, "abc"], [true, 1, "abc"]) => true;
            SETEQUAL([1, 1, 1, 1], [2, 3, 4]) => false;
        }
    }

    #[test]
    fn elements_are_compared_as_values() {
        examples! {
            SETUNION([1, {"a": 1, "b": 2}], [1.0, {"b": 2, "a": 1}, "1"]) => [1, {"a": 1, "b": 2}, "1"];
            SETINTERSECT([[1]], [[1.0]]) => [[1]];
            SETUNION([1], 1) => undefined;
            SETINTERSECT(undefined, [1]) => undefined;
            SETDIFFERENCE([1], null) => undefined;
            SETEQUAL("a", "a") => undefined;
        }
    }
}
