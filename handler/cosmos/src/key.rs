//! Partition key values as they stand in documents.

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::PartitionKeyValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::error::Error;
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
    Number(Number),
    /// A text.
    Text(String),
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

    /// The key of a document in a container with these key paths (`/a/b`).
    ///
    /// # Errors
    /// When a component is an array or an object, or too long.
    pub fn of(document: &Value, paths: &[String]) -> Result<Self, Error> {
        let component = |path: &String| {
            let component = match document.pointer(path) {
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
            Self::Number(number) => PartitionKeyValue::try_from(number.as_f64().unwrap_or_default())
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
            Value::Number(number) => Self::Number(number),
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
            KeyComponent::Number(number) => Self::Number(number),
            KeyComponent::Text(text) => Self::String(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_read_out_of_a_document_along_its_paths() {
        let document = json!({"a": {"b": "x"}, "n": 1.5, "f": false, "z": null, "o": {}, "long": "x".repeat(2049)});
        let key = |paths: &[&str]| Key::of(&document, &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
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
}
