//! One component of a partition key.

use serde_json::{Number, Value, json};

/// The most bytes of a text in a partition key. Source: "Azure Cosmos DB service quotas".
pub(crate) const MAX_KEY_BYTES: usize = 2048;

/// A component of a partition key. Numbers are doubles: 10, 10.0 and 1e1 are one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyValue {
    /// The item has no value at the key's path. This differs from null.
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

impl KeyValue {
    /// Reads a value of an item or of a header, where `{}` stands for a value that does not exist. The error is a message for the
    /// client that starts with what was found.
    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Bool(value) => Ok(Self::Bool(*value)),
            // Adding zero makes the negative zero a positive one.
            Value::Number(number) => match number.as_f64().filter(|number| number.is_finite()) {
                Some(number) => Ok(Self::Number(number + 0.0)),
                None => Err(format!("{number} is not a double")),
            },
            Value::String(text) if text.len() > MAX_KEY_BYTES => {
                Err(format!("a text of {} bytes is too long; the maximum is {MAX_KEY_BYTES} bytes", text.len()))
            }
            Value::String(text) => Ok(Self::Text(text.clone())),
            Value::Object(members) if members.is_empty() => Ok(Self::Undefined),
            Value::Object(_) => Err("an object is not allowed; use text, a number, true, false or null".to_owned()),
            Value::Array(_) => Err("an array is not allowed; use text, a number, true, false or null".to_owned()),
        }
    }

    /// The value in the form of an item, whole numbers without a fraction; `None` if it is undefined.
    pub(crate) fn to_json(&self) -> Option<Value> {
        match self {
            Self::Undefined => None,
            Self::Null => Some(Value::Null),
            Self::Bool(value) => Some(json!(value)),
            Self::Number(number) => Some(Value::Number(plain_number(*number))),
            Self::Text(text) => Some(json!(text)),
        }
    }
}

/// Doubles up to 2^53 without a fraction are whole numbers exactly.
fn plain_number(number: f64) -> Number {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    match number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        true => Number::from(number as i64),
        false => Number::from_f64(number).unwrap_or_else(|| Number::from(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_doubles_and_are_written_without_a_fraction_of_zero() {
        let number = |text: &str| KeyValue::from_json(&serde_json::from_str(text).expect("JSON")).expect("a key");
        for text in ["10", "10.0", "1e1", "100e-1"] {
            assert_eq!(number(text), KeyValue::Number(10.0), "{text}");
            assert_eq!(number(text).to_json(), Some(json!(10)), "{text}");
        }
        assert_eq!(number("-0.0").to_json(), Some(json!(0)));
        assert_eq!(number("1.5").to_json(), Some(json!(1.5)));
        assert_eq!(number("1e300").to_json(), Some(json!(1e300)));
        assert_eq!(number("-9007199254740993").to_json(), Some(json!(-9_007_199_254_740_992_i64)));
    }

    #[test]
    fn only_scalars_of_limited_length_are_keys() {
        assert_eq!(KeyValue::from_json(&json!({})), Ok(KeyValue::Undefined));
        assert_eq!(KeyValue::from_json(&json!(null)), Ok(KeyValue::Null));
        for (value, part) in [(json!([]), "array"), (json!([1]), "array"), (json!({"a": 1}), "object")] {
            let message = KeyValue::from_json(&value).expect_err("refused");
            assert!(message.contains(part), "{message}");
        }
        KeyValue::from_json(&json!("a".repeat(2048))).expect("allowed");
        for text in ["a".repeat(2049), "ü".repeat(1025)] {
            let message = KeyValue::from_json(&json!(text)).expect_err("refused");
            assert!(message.contains("2048"), "{message}");
        }
    }
}
