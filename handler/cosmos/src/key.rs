//! Partition key values as they stand in documents.
//!
//! The service compares the numbers of keys as doubles: `10`, `10.0` and `1e1` are one key, and so are two integers that one
//! double stands for. [`KeyNumber`] has one form for all spellings of a number, so that keys can be compared by their JSON.

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::PartitionKeyValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::key_path::KeyPath;
use crate::limits::MAX_KEY_BYTES;

/// A partition key value: one component for each path of the container's key.
///
/// As JSON, the array of the components, where `{}` stands for a component that the document does not have. This is also
/// the form of the service's `x-ms-documentdb-partitionkey` header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Vec<KeyComponent>);

/// One component of a partition key value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum KeyComponent {
    /// The document has no such property.
    Undefined,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(KeyNumber),
    /// A text.
    Text(String),
}

/// A number in a partition key value: a double, as JSON in the one form that stands for all its spellings.
///
/// Whole numbers between -2^63 and 2^63 have no fraction and no exponent, and there is no negative zero. Other numbers have the
/// shortest digits that are read back as the same double: `0.1`, `1.5e-7`, `1e+20`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyNumber(Number);

impl KeyNumber {
    /// The number of a double; `None` if it is not finite.
    pub fn new(number: f64) -> Option<Self> {
        const WHOLE: f64 = 9_223_372_036_854_775_808.0;
        if number.fract() == 0.0 && number.abs() < WHOLE {
            return Some(Self(Number::from(number as i64)));
        }
        Number::from_f64(number).map(Self)
    }

    /// The double.
    pub fn get(&self) -> f64 {
        self.0.as_f64().unwrap_or_default()
    }
}

impl Key {
    /// A key of these components, at least one.
    pub fn new(components: Vec<KeyComponent>) -> Self {
        Self(components)
    }

    /// A key of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![KeyComponent::Text(text.into())])
    }

    /// The key of a document in a container with these key paths.
    ///
    /// # Errors
    /// When a component is an array or an object, or too long.
    pub fn of(document: &Value, paths: &[KeyPath]) -> Result<Self, Error> {
        let component = |path: &KeyPath| {
            let component = match path.of(document) {
                None => KeyComponent::Undefined,
                Some(value) => KeyComponent::of_property(value)
                    .map_err(|message| Error::invalid(format!("partition key {path}"), message))?,
            };
            component.check().map_err(|message| Error::invalid(format!("partition key {path}"), message))?;
            Ok(component)
        };
        paths.iter().map(component).collect::<Result<_, _>>().map(Self)
    }

    /// The components.
    pub fn components(&self) -> &[KeyComponent] {
        &self.0
    }

    pub(crate) fn to_sdk(&self) -> Result<PartitionKey, Error> {
        let values: Result<Vec<PartitionKeyValue>, _> = self.0.iter().map(KeyComponent::to_sdk).collect();
        values.and_then(|values| {
            PartitionKey::try_from(values).map_err(|error| Error::from_sdk("reading the partition key", error))
        })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values: Vec<Value> = self.0.iter().cloned().map(Value::from).collect();
        write!(formatter, "{}", Value::Array(values))
    }
}

impl KeyComponent {
    fn of_property(value: &Value) -> Result<Self, String> {
        match value {
            Value::Object(_) | Value::Array(_) => Err("an array or object is no partition key value".into()),
            scalar => scalar.clone().try_into(),
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Text(text) if text.len() > MAX_KEY_BYTES => {
                Err(format!("{} bytes long; a partition key value has at most {MAX_KEY_BYTES}", text.len()))
            }
            _ => Ok(()),
        }
    }

    fn to_sdk(&self) -> Result<PartitionKeyValue, Error> {
        Ok(match self {
            Self::Undefined => PartitionKey::UNDEFINED,
            Self::Null => PartitionKey::NULL,
            Self::Bool(flag) => PartitionKeyValue::from(*flag),
            Self::Text(text) => PartitionKeyValue::from(text),
            Self::Number(number) => PartitionKeyValue::try_from(number.get())
                .map_err(|error| Error::from_sdk("reading the partition key", error))?,
        })
    }
}

impl TryFrom<Value> for KeyComponent {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => {
                let double = number.as_f64().and_then(KeyNumber::new);
                Self::Number(double.ok_or_else(|| format!("{number} is no partition key value: it is no double"))?)
            }
            Value::String(text) => Self::Text(text),
            Value::Object(object) if object.is_empty() => Self::Undefined,
            other => {
                return Err(format!(
                    "{other} is no partition key value; text, a number, true, false, null or {{}} (none) is"
                ));
            }
        })
    }
}

impl From<KeyComponent> for Value {
    fn from(component: KeyComponent) -> Self {
        match component {
            KeyComponent::Undefined => Self::Object(Map::new()),
            KeyComponent::Null => Self::Null,
            KeyComponent::Bool(flag) => Self::Bool(flag),
            KeyComponent::Number(KeyNumber(number)) => Self::Number(number),
            KeyComponent::Text(text) => Self::String(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn canonical(text: &str) -> String {
        let key: Key = serde_json::from_str(text).expect(text);
        key.to_string()
    }

    #[test]
    fn a_key_is_read_out_of_a_document_along_its_paths() {
        let document = json!({"a": {"b": "x"}, "n": 1.5, "f": false, "z": null, "o": {}, "long": "x".repeat(2049)});
        let key = |paths: &[&str]| {
            Key::of(&document, &paths.iter().map(|path| path.parse().expect("a path")).collect::<Vec<_>>())
        };
        assert_eq!(
            key(&["/a/b", "/n", "/f", "/z", "/missing"]).expect("key").to_string(),
            r#"["x",1.5,false,null,{}]"#
        );
        assert!(key(&["/o"]).expect_err("object").to_string().contains("/o"));
        assert!(key(&["/long"]).expect_err("long").to_string().contains("2049"));
    }

    #[test]
    fn a_key_keeps_its_form_in_json() {
        for text in [r#"["a"]"#, r#"[1,null,{}]"#, r#"[true]"#] {
            let key: Key = serde_json::from_str(text).expect("key");
            assert_eq!(serde_json::to_string(&key).expect("json"), text);
        }
        assert!(serde_json::from_str::<Key>(r#"[[1]]"#).is_err());
    }

    #[test]
    fn all_spellings_of_a_number_are_one_key() {
        for (form, spellings) in [
            ("[10]", ["[10]", "[10.0]", "[1e1]"]),
            ("[0]", ["[-0.0]", "[-0]", "[0.0e5]"]),
            ("[-7]", ["[-7]", "[-7.000]", "[-70e-1]"]),
            ("[0.1]", ["[0.1]", "[0.10]", "[1e-1]"]),
            ("[9007199254740992]", ["[9007199254740992]", "[9007199254740993]", "[9007199254740992.0]"]),
            ("[1000000000000000000]", ["[1e18]", "[1000000000000000000]", "[1000000000000000001]"]),
            ("[1e+20]", ["[1e20]", "[100000000000000000000]", "[1.0e20]"]),
            (
                "[1.8446744073709552e+19]",
                ["[18446744073709551615]", "[18446744073709551616]", "[1.8446744073709552e19]"],
            ),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling), form, "{spelling}");
                assert_eq!(
                    serde_json::from_str::<Key>(spelling).expect("key"),
                    serde_json::from_str(form).expect("key")
                );
            }
        }
        assert_eq!(canonical(r#"["a",10.0,{}]"#), r#"["a",10,{}]"#);
        assert!(serde_json::from_str::<Key>("[1e400]").is_err());
        assert!([f64::NAN, f64::INFINITY].iter().all(|number| KeyNumber::new(*number).is_none()));
    }

    proptest! {
        #[test]
        fn the_form_of_a_number_is_read_back_as_the_same_double(
            number in prop_oneof![any::<f64>(), any::<i64>().prop_map(|whole| whole as f64), Just(-0.0)],
        ) {
            prop_assume!(number.is_finite());
            let form = Value::from(KeyComponent::Number(KeyNumber::new(number).expect("finite"))).to_string();
            let read: Value = serde_json::from_str(&form).expect("JSON");
            prop_assert_eq!(read.as_f64(), Some(number));
            prop_assert_eq!(canonical(&format!("[{form}]")), format!("[{form}]"));
            prop_assert!(number.fract() != 0.0 || number.abs() >= 1e15 || !form.contains(['.', 'e']), "{}", form);
        }
    }
}
