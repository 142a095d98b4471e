//! Comparison of JSON values as queries compare them. Undefined is `None`.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether two values are equal: numbers as doubles, arrays and objects deeply, objects in any sequence of properties.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Compares two nulls, booleans, numbers or texts; `None` for values of different types, arrays and objects.
pub(crate) fn compare_same_type(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The order of ORDER BY: undefined, null, booleans, numbers, texts, arrays, objects.
pub fn sort_order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None => 0,
        Some(Value::Null) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::Number(_)) => 3,
        Some(Value::String(_)) => 4,
        Some(Value::Array(_)) => 5,
        Some(Value::Object(_)) => 6,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Some(a), Some(b)) => compare_same_type(a, b).unwrap_or_else(|| canonical(a).cmp(&canonical(b))),
        _ => Ordering::Equal,
    })
}

/// A text that is the same for equal values, and different for others.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |number| (number + 0.0).to_string())
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(properties) => {
            let mut properties: Vec<_> = properties.iter().collect();
            properties.sort_by_key(|(name, _)| *name);
            let properties = properties.into_iter().map(|(name, value)| format!("{name:?}:{}", canonical(value)));
            format!("{{{}}}", properties.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// A number; `None` for NaN and infinity. Whole numbers that a double holds exactly have no decimal point.
pub(crate) fn number(number: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}
