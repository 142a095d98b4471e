//! Functions of arrays: membership, parts, and the smallest, largest, sum, average and median of their elements.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::logic;
use crate::value::{equal, number, sort_order};

/// The largest array that a function makes of others. A document has at most about as many elements.
const MAX_ELEMENTS: usize = 2 * 1024 * 1024;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("ARRAY_AVG", 1, 1, |arguments| {
        let numbers = numbers(arguments)?;
        #[expect(clippy::cast_precision_loss, reason = "an array is far shorter than 2^53")]
        number(numbers.iter().sum::<f64>() / numbers.len() as f64)
    }),
    Builtin::new("ARRAY_CONCAT", 2, usize::MAX, concatenate),
    Builtin::new("ARRAY_CONTAINS", 2, 3, contains),
    Builtin::new("ARRAY_CONTAINS_ALL", 2, usize::MAX, |arguments| logic::all(contained(arguments)?).map(Value::from)),
    Builtin::new("ARRAY_CONTAINS_ANY", 2, usize::MAX, |arguments| logic::any(contained(arguments)?).map(Value::from)),
    Builtin::new("ARRAY_LENGTH", 1, 1, |arguments| Some(Value::from(arguments::array(arguments, 0)?.len()))),
    Builtin::new("ARRAY_MAX", 1, 1, |arguments| extreme(arguments, Ordering::Greater)),
    Builtin::new("ARRAY_MEDIAN", 1, 1, median),
    Builtin::new("ARRAY_MIN", 1, 1, |arguments| extreme(arguments, Ordering::Less)),
    Builtin::new("ARRAY_SLICE", 2, 3, slice),
    Builtin::new("ARRAY_SUM", 1, 1, |arguments| number(numbers(arguments)?.iter().sum())),
    Builtin::new("CHOOSE", 2, usize::MAX, choose),
    Builtin::new("OBJECTTOARRAY", 1, 3, object_to_array),
];

fn concatenate(arguments: &Arguments<'_>) -> Option<Value> {
    let arrays: Vec<_> = (0..arguments.len()).map(|index| arguments::array(arguments, index)).collect::<Option<_>>()?;
    let elements: usize = arrays.iter().map(|array| array.len()).sum();
    (elements <= MAX_ELEMENTS).then(|| arrays.into_iter().flatten().cloned().collect())
}

/// ARRAY_CONTAINS(array, value [, partial]): a partial match of objects compares the properties that the value has.
fn contains(arguments: &Arguments<'_>) -> Option<Value> {
    let array = arguments::array(arguments, 0)?;
    let searched = arguments::any(arguments, 1)?;
    let is_partial = match arguments.get(2) {
        // Unlike other optional arguments, an undefined one is as good as none.
        None | Some(None) => false,
        Some(Some(is_partial)) => is_partial.as_bool()?,
    };
    Some(Value::Bool(match searched {
        Value::Object(searched) if is_partial => array.iter().any(|element| has_properties(element, searched)),
        searched => array.iter().any(|element| equal(element, searched)),
    }))
}

fn has_properties(element: &Value, searched: &Map<String, Value>) -> bool {
    element.as_object().is_some_and(|element| {
        searched.iter().all(|(name, searched)| element.get(name).is_some_and(|value| equal(value, searched)))
    })
}

/// Whether the array contains each of the other arguments.
fn contained<'a>(arguments: &'a Arguments<'a>) -> Option<impl Iterator<Item = Option<bool>> + use<'a>> {
    let array = arguments::array(arguments, 0)?;
    Some((1..arguments.len()).map(move |index| {
        let searched = arguments::any(arguments, index)?;
        Some(array.iter().any(|element| equal(element, searched)))
    }))
}

/// ARRAY_SLICE(array, start [, length]): a negative start counts from the end.
fn slice(arguments: &Arguments<'_>) -> Option<Value> {
    let array = arguments::array(arguments, 0)?;
    let start = arguments::integer(arguments, 1)?;
    let length = arguments::optional(arguments, 2, i64::MAX, arguments::integer)?;
    let distance = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
    let start = if start < 0 { array.len().saturating_sub(distance) } else { distance };
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    Some(array.iter().skip(start).take(length).cloned().collect())
}

/// The elements as numbers; undefined if one is something else.
fn numbers(arguments: &Arguments<'_>) -> Option<Vec<f64>> {
    arguments::array(arguments, 0)?.iter().map(Value::as_f64).collect()
}

/// The smallest or largest primitive value. Types have the order of ORDER BY.
fn extreme(arguments: &Arguments<'_>, wanted: Ordering) -> Option<Value> {
    let array = arguments::array(arguments, 0)?;
    if array.iter().any(|element| element.is_array() || element.is_object()) {
        return None;
    }
    let better = |best, element| if sort_order(Some(element), Some(best)) == wanted { element } else { best };
    array.iter().reduce(better).cloned()
}

fn median(arguments: &Arguments<'_>) -> Option<Value> {
    let mut numbers = numbers(arguments)?;
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle)?;
    if numbers.len() % 2 == 1 {
        return number(upper);
    }
    number((numbers.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// CHOOSE(index, value, …): the first value has index 1. The values that are not chosen may be undefined.
fn choose(arguments: &Arguments<'_>) -> Option<Value> {
    let index = usize::try_from(arguments::integer(arguments, 0)?).ok()?;
    if index == 0 { None } else { arguments::any(arguments, index).cloned() }
}

/// OBJECTTOARRAY(object [, name of the key [, name of the value]]).
fn object_to_array(arguments: &Arguments<'_>) -> Option<Value> {
    let object = arguments::object(arguments, 0)?;
    let key = arguments::optional(arguments, 1, "k", arguments::text)?;
    let value_name = arguments::optional(arguments, 2, "v", arguments::text)?;
    let pair = |(name, value): (&String, &Value)| {
        Map::from_iter([(key.to_owned(), Value::from(name.as_str())), (value_name.to_owned(), value.clone())])
    };
    Some(object.iter().map(pair).map(Value::Object).collect())
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn documented_examples_of_membership() {
        examples! {
            ARRAY_CONTAINS(["coats", "jackets", "sweatshirts"], "coats") => true;
            ARRAY_CONTAINS(["coats", "jackets", "sweatshirts"], "hoodies") => false;
            ARRAY_CONTAINS([{"category": "shirts", "color": "blue"}], {"category": "shirts", "color": "blue"}) => true;
            ARRAY_CONTAINS([{"category": "shirts", "color": "blue"}], {"category": "shirts"}) => false;
            ARRAY_CONTAINS([{"category": "shirts", "color": "blue"}], {"category": "shirts"}, true) => true;
            ARRAY_CONTAINS([{"category": "shirts", "color": "blue"}], {"category": "shorts", "color": "blue"}, true)
                => false;
            ARRAY_CONTAINS_ALL([1, true, "3", [1, 2, 3]], 1, true, "3", [1, 2, 3]) => true;
            ARRAY_CONTAINS_ALL([1, 2, 3, 4], 2, 3, 4, 5) => false;
            ARRAY_CONTAINS_ALL([1, 2, 3, 4], 1, undefined) => undefined;
            ARRAY_CONTAINS_ALL([1, 2, 3, 4], 5, 6, 7, 8) => false;
            ARRAY_CONTAINS_ALL([], 1, 2, 3) => false;
            ARRAY_CONTAINS_ALL([1, 2, 3, 4], 5, undefined) => false;
            ARRAY_CONTAINS_ANY([1, true, "3", [1, 2, 3]], 1, true, "3", [1, 2, 3]) => true;
            ARRAY_CONTAINS_ANY([1, 2, 3, 4], 2, 3, 4, 5) => true;
            ARRAY_CONTAINS_ANY([1, 2, 3, 4], 1, undefined) => true;
            ARRAY_CONTAINS_ANY([1, 2, 3, 4], 5, 6, 7, 8) => false;
            ARRAY_CONTAINS_ANY([], 1, 2, 3) => false;
            ARRAY_CONTAINS_ANY([1, 2, 3, 4], 5, undefined) => undefined;
        }
    }

    #[test]
    fn documented_examples_of_parts() {
        examples! {
            ARRAY_CONCAT(["apples", "strawberries"], ["bananas"]) => ["apples", "strawberries", "bananas"];
            ARRAY_LENGTH([70, 86, 92, 99, 85, 90, 82]) => 7;
            ARRAY_LENGTH([]) => 0;
            ARRAY_LENGTH(null) => undefined;
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], 0) => [70, 86, 92, 99, 85, 90, 82];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], 1) => [86, 92, 99, 85, 90, 82];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], (-1)) => [82];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], (-2)) => [90, 82];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], 0, 3) => [70, 86, 92];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], 0, 12) => [70, 86, 92, 99, 85, 90, 82];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], 3, 5) => [99, 85, 90, 82];
            ARRAY_SLICE([70, 86, 92, 99, 85, 90, 82], (-2), 1) => [90];
            CHOOSE(0, "abc", 1, true, [1]) => undefined;
            CHOOSE(1, "abc", 1, true, [1]) => "abc";
            CHOOSE(2, "abc", 1, true, [1]) => 1;
            CHOOSE(4, "abc", 1, true, [1]) => [1];
            CHOOSE(5, "abc", 1, true, [1]) => undefined;
            OBJECTTOARRAY({"a": "12345", "b": "67890"}) => [{"k": "a", "v": "12345"}, {"k": "b", "v": "67890"}];
            OBJECTTOARRAY({"a": "12345"}, "name") => [{"name": "a", "v": "12345"}];
            OBJECTTOARRAY({"a": "12345"}, "key", "value") => [{"key": "a", "value": "12345"}];
        }
    }

    #[test]
    fn documented_examples_of_aggregates() {
        examples! {
            ARRAY_MAX([1, 2, 3, 4]) => 4;
            ARRAY_MAX(["abc", "ABC", "aBc", "AbC"]) => "abc";
            ARRAY_MAX([true, false]) => true;
            ARRAY_MAX([null, null]) => null;
            ARRAY_MAX([12, "abc", true, false, null]) => "abc";
            ARRAY_AVG([1, 2, 3, 4]) => 2.5;
            ARRAY_AVG([1.0, 2.0, 3.3, 4.7]) => 2.75;
            ARRAY_AVG([1, -2.7, 3, -4]) => (-0.675);
            ARRAY_AVG(["abc", "ABC", "aBc", "AbC"]) => undefined;
            ARRAY_AVG([12, "abc", true, false, null]) => undefined;
            ARRAY_MEDIAN([1, 2, 3, 4]) => 2.5;
            ARRAY_MEDIAN([1.0, 2.0, 3.3, 4.7, 7.8]) => 3.3;
            ARRAY_MEDIAN([1, -2.7, 3, -4]) => (-0.8500000000000001);
            ARRAY_MEDIAN(["abc", "ABC"]) => undefined;
        }
    }

    #[test]
    fn partial_matches_compare_the_named_properties_in_full() {
        examples! {
            ARRAY_CONTAINS([{"a": {"b": 1, "c": 2}}], {"a": {"b": 1}}, true) => false;
            ARRAY_CONTAINS([{"a": {"c": 2, "b": 1.0}, "d": 3}], {"a": {"b": 1, "c": 2}}, true) => true;
            ARRAY_CONTAINS([{"a": 1}], {}, true) => true;
            ARRAY_CONTAINS([1], {}, true) => false;
            ARRAY_CONTAINS([[1, 2]], [1], true) => false;
            ARRAY_CONTAINS([1.0], 1, true) => true;
            ARRAY_CONTAINS([null], null) => true;
            ARRAY_CONTAINS([1], undefined) => undefined;
            ARRAY_CONTAINS([1], 1, undefined) => true;
            ARRAY_CONTAINS([1], 1, "true") => undefined;
            ARRAY_CONTAINS("abc", "a") => undefined;
            ARRAY_CONTAINS(undefined, 1) => undefined;
        }
    }

    #[test]
    fn arguments_out_of_range_and_of_other_types() {
        examples! {
            ARRAY_CONCAT([1], 2) => undefined;
            ARRAY_CONCAT([1], [2], undefined) => undefined;
            ARRAY_SLICE([1, 2], (-5)) => [1, 2];
            ARRAY_SLICE([1, 2], (-5), 1) => [1];
            ARRAY_SLICE([1, 2], 5) => [];
            ARRAY_SLICE([1, 2], 0, (-1)) => [];
            ARRAY_SLICE([1, 2], (i64::MIN)) => [1, 2];
            ARRAY_SLICE([1, 2], 0.5) => undefined;
            ARRAY_SLICE([1, 2], 0, undefined) => undefined;
            ARRAY_SLICE("ab", 0) => undefined;
            ARRAY_LENGTH("abc") => undefined;
            ARRAY_MIN([12, "abc", true, false, null]) => null;
            ARRAY_MIN([3, 1.5, 2]) => 1.5;
            ARRAY_MIN([1, [2]]) => undefined;
            ARRAY_MAX([]) => undefined;
            ARRAY_AVG([]) => undefined;
            ARRAY_MEDIAN([]) => undefined;
            ARRAY_SUM([1, 2.5]) => 3.5;
            ARRAY_SUM([1, null]) => undefined;
            ARRAY_SUM([]) => 0;
            ARRAY_SUM(1) => undefined;
            CHOOSE(1, undefined, 2) => undefined;
            CHOOSE(2, undefined, 2) => 2;
            CHOOSE((-1), 1) => undefined;
            CHOOSE(1.5, 1) => undefined;
            CHOOSE("1", 1) => undefined;
            OBJECTTOARRAY([1]) => undefined;
            OBJECTTOARRAY({"a": 1}, 1) => undefined;
        }
    }
}
