//! Equality of JSON values.
//!
//! Numbers are equal if their values are: `1`, `1.0` and `1e0` are one number, as they are for the service, which may spell a number in
//! another way than the writer did. The order of properties does not matter, that of elements does.

use serde_json::{Number, Value};

/// Above this absolute value a float is not compared with an integer: no integer of JSON is as large.
const INTEGERS_END: f64 = 1e20;

/// Whether two JSON values are equal.
pub fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same_value(value, other)))
        }
        _ => one == other,
    }
}

/// Whether both values exist and are equal, or neither exists.
pub fn same_optional_value(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same_value(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.as_f64() == other.as_f64(),
        _ => false,
    }
}

/// The number as an integer, if it is one.
pub(crate) fn integer(number: &Number) -> Option<i128> {
    number.as_i128().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < INTEGERS_END).then_some(float as i128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_equal_by_value_and_other_values_by_type_and_content() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect(text);
        for (one, other) in [
            ("1", "1.0"),
            ("0", "-0.0"),
            ("100", "1e2"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e300", "1e300"),
            (r#"{"a": 1, "b": [1, {"c": 2.0}]}"#, r#"{"b": [1.0, {"c": 2}], "a": 1}"#),
        ] {
            assert!(same_value(&parse(one), &parse(other)), "{one} and {other}");
            assert!(same_value(&parse(other), &parse(one)), "{other} and {one}");
        }
        for (one, other) in [
            ("1", "1.5"),
            ("9007199254740993", "9007199254740992.0"),
            ("18446744073709551615", "18446744073709551616.0"),
            ("1", "true"),
            ("1", "\"1\""),
            ("null", "0"),
            ("[]", "{}"),
            ("[1, 2]", "[2, 1]"),
            (r#"{"a": null}"#, "{}"),
        ] {
            assert!(!same_value(&parse(one), &parse(other)), "{one} and {other}");
        }
        assert!(same_optional_value(None, None) && !same_optional_value(None, Some(&json!(null))));
    }
}
