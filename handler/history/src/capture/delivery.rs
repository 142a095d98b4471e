//! The body of an invocation: `{"Data":{"<binding>":…},"Metadata":{…}}`.
//!
//! The Functions host encodes the documents more than once: in the body, the binding's data is a JSON string that contains a
//! JSON string that contains the array. Its documentation shows one string less. Zero, one or two are accepted. Each document stays
//! raw text, so a document that cannot be parsed does not fail the others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::unescape::unescape_in_place;

/// Why a body is not an invocation with documents.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeliveryError {
    /// Not JSON, or JSON of another shape.
    #[error("the body is not an invocation, {{\"Data\":{{\"documents\":[…]}},\"Metadata\":{{…}}}}: {0}")]
    Body(String),
    /// `Data` has no property with the documents.
    #[error(
        "Data contains no documents; it needs a property \"documents\", or only one, named like the trigger binding; found {0}"
    )]
    Binding(String),
    /// The property is not an array.
    #[error("Data.{name} must be an array of documents, as JSON or as a string that contains JSON; found {found}")]
    NotAnArray {
        /// The name of the property.
        name: String,
        /// The start of the value that was found.
        found: String,
    },
}

/// Reads the documents in the body of an invocation, each as the JSON text that was delivered. Takes the body, because it may be
/// large: strings are decoded in its memory.
///
/// # Errors
/// See [`DeliveryError`].
pub fn decode_delivery(mut body: Vec<u8>) -> Result<Vec<Box<RawValue>>, DeliveryError> {
    let (name, value) = binding(&body)?;
    let not_an_array = DeliveryError::NotAnArray { name: name.into_owned(), found: shorten(value.get()) };
    if !value.get().starts_with('"') {
        return serde_json::from_str(value.get()).map_err(|_| not_an_array);
    }
    // The value is a part of the body.
    let mut start = value.get().as_ptr().addr() - body.as_ptr().addr();
    let end = start + value.get().len();
    body.truncate(end);
    for _ in 0..MAX_ENCODINGS {
        if unescape_in_place(&mut body, start).is_none() {
            return Err(not_an_array);
        }
        start = body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
        if body.get(start) != Some(&b'"') {
            break;
        }
    }
    serde_json::from_slice(&body).map_err(|_| not_an_array)
}

/// The strings that may be around the array.
const MAX_ENCODINGS: usize = 2;

/// The property of `Data` with the documents, and its name.
fn binding(body: &[u8]) -> Result<(Cow<'_, str>, &RawValue), DeliveryError> {
    #[derive(Deserialize)]
    struct Invocation<'a> {
        #[serde(rename = "Data", borrow)]
        data: BTreeMap<Cow<'a, str>, &'a RawValue>,
    }
    let invocation: Invocation<'_> =
        serde_json::from_slice(body).map_err(|error| DeliveryError::Body(error.to_string()))?;
    let mut data = invocation.data;
    let documents = data.remove_entry("documents");
    let only = if data.len() == 1 { data.pop_first() } else { None };
    documents.or(only).ok_or_else(|| DeliveryError::Binding(format!("{:?}", data.keys().collect::<Vec<_>>())))
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
        decode_delivery(body.into()).expect("documents").iter().map(|raw| raw.get().to_owned()).collect()
    }

    fn error(body: &str) -> String {
        decode_delivery(body.into()).expect_err("refused").to_string()
    }

    #[test]
    fn documents_are_read_from_any_number_of_strings() {
        let expected = [r#"{"id":"1"}"#, r#"{"id":"2"}"#];
        assert_eq!(documents(r#"{"Data":{"documents":[{"id":"1"},{"id":"2"}]}}"#), expected);
        assert_eq!(documents(r#"{"Data":{"documents":"[{\"id\":\"1\"},{\"id\":\"2\"}]"},"Metadata":{}}"#), expected);
        // This is what the host sends.
        let body =
            r#"{"Data":{"documents":"\"[{\\\"id\\\":\\\"1\\\"},{\\\"id\\\":\\\"2\\\"}]\""},"Metadata":{"sys":{}}}"#;
        assert_eq!(documents(body), expected);
        assert_eq!(documents(r#"{"Data":{"documents":"[]"}}"#), Vec::<String>::new());
    }

    #[test]
    fn the_only_binding_is_read_whatever_its_name_is() {
        assert_eq!(documents(r#"{"Data":{"changes":"[1]"}}"#), ["1"]);
        assert!(error(r#"{"Data":{"a":"[]","b":"[]"}}"#).contains("\"a\", \"b\""));
        assert!(error(r#"{"Data":{}}"#).contains("[]"));
    }

    #[test]
    fn other_bodies_are_rejected_with_the_reason() {
        assert!(error("not json").contains("not an invocation"));
        assert!(error(r#"{"Metadata":{}}"#).contains("Data"));
        assert!(error(r#"[1]"#).contains("not an invocation"));
        assert!(error(r#"{"Data":{"documents":{"id":"1"}}}"#).contains(r#"found {"id":"1"}"#));
        assert!(error(r#"{"Data":{"documents":"\"\\\"[]\\\"\""}}"#).contains("Data.documents must be an array"));
        assert!(error(&format!(r#"{{"Data":{{"documents":"{}"}}}}"#, "ü".repeat(500))).ends_with('…'));
    }

    #[test]
    fn a_document_that_is_nested_too_deeply_does_not_fail_the_others() {
        let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
        let read = documents(&format!(r#"{{"Data":{{"documents":[{{"a":{deep}}},{{"id":"2"}}]}}}}"#));
        assert_eq!((read.len(), read[1].as_str()), (2, r#"{"id":"2"}"#));
    }
}
