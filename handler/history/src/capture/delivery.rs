//! The body of an invocation: `{"Data":{"<binding>":…},"Metadata":{…}}`.
//!
//! The Functions host encodes the documents three times: the body holds a JSON string, that holds a JSON string, that
//! holds the array. Documentation shows one encoding less; any number up to two is accepted. Documents stay raw text, so
//! that one that cannot be read does not spoil the others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a body is not a delivery.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeliveryError {
    /// Not JSON, or JSON of another shape.
    #[error("the body is not an invocation, {{\"Data\":{{\"documents\":[…]}},\"Metadata\":{{…}}}}: {0}")]
    Body(String),
    /// There is no binding's data.
    #[error(
        "Data holds no documents: its only property must be the trigger binding's name, or one must be \"documents\"; found {0}"
    )]
    Binding(String),
    /// The binding's data is no array.
    #[error("Data.{name} must be an array of documents (as JSON, or as text that holds it), found {found}")]
    NotAnArray {
        /// The binding.
        name: String,
        /// What was found instead, shortened.
        found: String,
    },
}

/// Takes the documents out of an invocation's body, each as the JSON text that was delivered.
///
/// # Errors
/// See [`DeliveryError`].
pub fn decode_delivery(body: &[u8]) -> Result<Vec<Box<RawValue>>, DeliveryError> {
    #[derive(Deserialize)]
    struct Invocation<'a> {
        #[serde(rename = "Data", borrow)]
        data: BTreeMap<Cow<'a, str>, &'a RawValue>,
    }
    let invocation: Invocation<'_> =
        serde_json::from_slice(body).map_err(|error| DeliveryError::Body(error.to_string()))?;
    let data = invocation.data;
    let only = || data.first_key_value().filter(|_| data.len() == 1);
    let Some((name, value)) = data.get_key_value("documents").or_else(only) else {
        return Err(DeliveryError::Binding(format!("{:?}", data.keys().collect::<Vec<_>>())));
    };
    decode(value.get()).ok_or_else(|| DeliveryError::NotAnArray { name: name.to_string(), found: shorten(value.get()) })
}

const ENCODINGS: usize = 2;

fn decode(text: &str) -> Option<Vec<Box<RawValue>>> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..ENCODINGS {
        if !text.trim_start().starts_with('"') {
            break;
        }
        text = Cow::Owned(serde_json::from_str(&text).ok()?);
    }
    serde_json::from_str(&text).ok()
}

fn shorten(text: &str) -> String {
    const LENGTH: usize = 80;
    let mut shortened: String = text.chars().take(LENGTH).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(body: &str) -> Vec<String> {
        decode_delivery(body.as_bytes()).expect("documents").iter().map(|raw| raw.get().to_owned()).collect()
    }

    fn error(body: &str) -> String {
        decode_delivery(body.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn documents_are_read_at_every_depth_of_encoding() {
        let expected = [r#"{"id":"1"}"#, r#"{"id":"2"}"#];
        assert_eq!(documents(r#"{"Data":{"documents":[{"id":"1"},{"id":"2"}]}}"#), expected);
        assert_eq!(documents(r#"{"Data":{"documents":"[{\"id\":\"1\"},{\"id\":\"2\"}]"},"Metadata":{}}"#), expected);
        // As the host sends it.
        let body =
            r#"{"Data":{"documents":"\"[{\\\"id\\\":\\\"1\\\"},{\\\"id\\\":\\\"2\\\"}]\""},"Metadata":{"sys":{}}}"#;
        assert_eq!(documents(body), expected);
        assert_eq!(documents(r#"{"Data":{"documents":"[]"}}"#), Vec::<String>::new());
    }

    #[test]
    fn the_only_binding_is_taken_whatever_its_name() {
        assert_eq!(documents(r#"{"Data":{"changes":"[1]"}}"#), ["1"]);
        assert!(error(r#"{"Data":{"a":"[]","b":"[]"}}"#).contains("\"a\", \"b\""));
        assert!(error(r#"{"Data":{}}"#).contains("[]"));
    }

    #[test]
    fn what_is_no_delivery_is_named() {
        assert!(error("not json").contains("not an invocation"));
        assert!(error(r#"{"Metadata":{}}"#).contains("Data"));
        assert!(error(r#"[1]"#).contains("not an invocation"));
        assert!(error(r#"{"Data":{"documents":{"id":"1"}}}"#).contains(r#"found {"id":"1"}"#));
        assert!(error(r#"{"Data":{"documents":"\"\\\"[]\\\"\""}}"#).contains("Data.documents must be an array"));
        assert!(error(&format!(r#"{{"Data":{{"documents":"{}"}}}}"#, "ü".repeat(500))).ends_with('…'));
    }

    #[test]
    fn a_document_that_is_nested_too_deep_does_not_spoil_the_others() {
        let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
        let read = documents(&format!(r#"{{"Data":{{"documents":[{{"a":{deep}}},{{"id":"2"}}]}}}}"#));
        assert_eq!((read.len(), read[1].as_str()), (2, r#"{"id":"2"}"#));
    }
}
