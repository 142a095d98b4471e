//! Comparison of JSON values as queries compare them. Undefined is `None`.
//!
//! Every number is compared as a double, so `1` and `1.0` are the same value everywhere: in `=`, DISTINCT, GROUP BY and
//! ORDER BY. The depth of the recursion is that of the values, which JSON parsing and the depth of queries limit.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

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
///
/// Texts are ordered by their UTF-8 bytes, which is the order of their code points.
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
///
/// The service documents no order within arrays and within objects. Here it is that of `canonical`, so that an order by
/// such values is the same in every run.
pub fn sort_order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    type_rank(a).cmp(&type_rank(b)).then_with(|| match (a, b) {
        (Some(a), Some(b)) => compare_same_type(a, b).unwrap_or_else(|| canonical(a).cmp(&canonical(b))),
        _ => Ordering::Equal,
    })
}

fn type_rank(value: Option<&Value>) -> u8 {
    match value {
        None => 0,
        Some(Value::Null) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::Number(_)) => 3,
        Some(Value::String(_)) => 4,
        Some(Value::Array(_)) => 5,
        Some(Value::Object(_)) => 6,
    }
}

/// A text that is the same for equal values, and different for others.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => write_canonical_number(number, text),
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(element, text);
            }
            text.push(']');
        }
        Value::Object(properties) => write_canonical_object(properties, text),
        Value::String(string) => write_quoted(string, text),
        Value::Bool(_) | Value::Null => text.push_str(&value.to_string()),
    }
}

fn write_canonical_number(number: &Number, text: &mut String) {
    // Zero added makes the negative zero, which equals zero, the same text.
    let number = number.as_f64().unwrap_or(f64::NAN) + 0.0;
    // Writing to a text never fails.
    let _ = write!(text, "{number}");
}

fn write_canonical_object(properties: &Map<String, Value>, text: &mut String) {
    let mut properties: Vec<_> = properties.iter().collect();
    properties.sort_unstable_by_key(|(name, _)| *name);
    text.push('{');
    for (index, (name, value)) in properties.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_quoted(name, text);
        text.push(':');
        write_canonical(value, text);
    }
    text.push('}');
}

fn write_quoted(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

/// A number; `None` for NaN and infinity, which JSON cannot hold. Whole numbers have no decimal point and no exponent if
/// 64 bits hold them; negative zero is zero.
pub(crate) fn number(number: f64) -> Option<Value> {
    if let Some(whole) = whole_number(number) {
        return Some(Value::from(whole));
    }
    Number::from_f64(number).map(Value::Number)
}

/// The 64-bit integer that a double is exactly.
pub(crate) fn whole_number(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let is_whole = number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    is_whole.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_is_of_values_not_of_their_notation() {
        for (a, b, expected) in [
            (json!(1), json!(1.0), true),
            (json!(0), json!(-0.0), true),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), true),
            (json!({"a": 1, "b": [2]}), json!({"b": [2.0], "a": 1.0}), true),
            (json!([1, 2]), json!([2, 1]), false),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": null}), json!({"b": null}), false),
            (json!("1"), json!(1), false),
            (json!(null), json!(false), false),
            (json!("a"), json!("A"), false),
        ] {
            assert_eq!(equal(&a, &b), expected, "{a} = {b}");
        }
    }

    #[test]
    fn values_of_all_types_have_an_order() {
        let ordered = [
            None,
            Some(json!(null)),
            Some(json!(false)),
            Some(json!(true)),
            Some(json!(-1.5)),
            Some(json!(0)),
            Some(json!(2)),
            Some(json!(10)),
            Some(json!("")),
            Some(json!("B")),
            Some(json!("a")),
            Some(json!("\u{ffff}")),
            Some(json!("\u{10000}")),
            Some(json!([1])),
            Some(json!({"a": 1})),
        ];
        for (index, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                assert_eq!(sort_order(a.as_ref(), b.as_ref()), index.cmp(&other), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn only_primitives_of_one_type_compare() {
        assert_eq!(compare_same_type(&json!(2), &json!(10.5)), Some(Ordering::Less));
        assert_eq!(compare_same_type(&json!("2"), &json!("10")), Some(Ordering::Greater));
        assert_eq!(compare_same_type(&json!(1), &json!("1")), None);
        assert_eq!(compare_same_type(&json!(null), &json!(false)), None);
        assert_eq!(compare_same_type(&json!([1]), &json!([1])), None);
        assert_eq!(compare_same_type(&json!({}), &json!({})), None);
    }

    #[test]
    fn whole_numbers_have_no_decimal_point() {
        for (double, text) in [
            (3.0, "3"),
            (-0.0, "0"),
            (-2.5, "-2.5"),
            (1e15, "1000000000000000"),
            (16_331_239_353_195_370.0, "16331239353195370"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(number(double).map(|number| number.to_string()).as_deref(), Some(text));
        }
        assert_eq!(number(f64::NAN), None);
        assert_eq!(number(f64::INFINITY), None);
    }

    #[test]
    fn canonical_texts_of_different_values_differ() {
        for (a, b) in [
            (json!("\",\""), json!(["\"", "\""])),
            (json!(["a,b"]), json!(["a", "b"])),
            (json!({"a\":1,\"b": 1}), json!({"a": 1, "b": 1})),
            (json!("\\"), json!("\\\\")),
            (json!("1"), json!(1)),
            (json!([]), json!({})),
        ] {
            assert_ne!(canonical(&a), canonical(&b));
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let primitive = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-2_i64..3).prop_map(Value::from),
            (-2_i64..3).prop_map(|number| json!(number as f64)),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a\"\\\\,é]{0,2}".prop_map(Value::from),
        ];
        primitive.prop_recursive(3, 12, 3, |element| {
            prop_oneof![
                prop::collection::vec(element.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[ab]", element), 0..3)
                    .prop_map(|properties| Value::Object(properties.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equality_canonical_texts_and_order_agree(a in any_value(), b in any_value()) {
            let equals = equal(&a, &b);
            prop_assert_eq!(canonical(&a) == canonical(&b), equals);
            prop_assert_eq!(sort_order(Some(&a), Some(&b)) == Ordering::Equal, equals);
            prop_assert_eq!(sort_order(Some(&a), Some(&b)), sort_order(Some(&b), Some(&a)).reverse());
            prop_assert!(equal(&a, &a.clone()));
            if let Some(order) = compare_same_type(&a, &b) {
                prop_assert_eq!(order, sort_order(Some(&a), Some(&b)));
            }
        }

        #[test]
        fn order_is_transitive(a in any_value(), b in any_value(), c in any_value()) {
            let mut values = [a, b, c];
            values.sort_by(|a, b| sort_order(Some(a), Some(b)));
            prop_assert_ne!(sort_order(Some(&values[0]), Some(&values[2])), Ordering::Greater);
        }
    }
}
