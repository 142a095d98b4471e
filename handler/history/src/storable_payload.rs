//! What of a delivered payload may be stored as a dead letter.

use std::borrow::Cow;

use changefeed_cosmos::FieldPath;
use serde_json::Value;

use crate::omitted_fields::{OmittedFields, outermost};

/// The images of a document in an envelope.
const IMAGES: [&str; 2] = ["current", "previous"];

/// A payload without the omitted fields. Only [`Self::of`] makes one.
#[derive(Debug)]
pub(crate) struct StorablePayload<'p> {
    delivered: &'p str,
    stored: Option<Cow<'p, str>>,
    omitted: Vec<FieldPath>,
}

impl<'p> StorablePayload<'p> {
    /// What of a payload may be stored: all of it if it has no omitted field, and nothing where that cannot be seen, because it is nested
    /// deeper than a parser reads or is no object.
    pub(crate) fn of(delivered: &'p str, omitted: &OmittedFields) -> Self {
        let whole = || Self { delivered, stored: Some(Cow::Borrowed(delivered)), omitted: Vec::new() };
        if omitted.is_empty() {
            return whole();
        }
        let Ok(mut document @ Value::Object(_)) = serde_json::from_str::<Value>(delivered) else {
            return Self { delivered, stored: None, omitted: Vec::new() };
        };
        let mut present = omitted.present_in(&document);
        document = omitted.without(document);
        // A document has an id. Without one, it may be an envelope, whatever is wrong with it.
        if document.get("id").is_none() {
            for name in IMAGES {
                if let Some(image) = document.get_mut(name) {
                    present.extend(omitted.present_in(image));
                    *image = omitted.without(image.take());
                }
            }
        }
        if present.is_empty() {
            return whole();
        }
        Self { delivered, stored: Some(Cow::Owned(document.to_string())), omitted: outermost(present) }
    }

    /// The text that the id of the dead letter follows from.
    pub(crate) fn identity(&self) -> &str {
        self.stored.as_deref().unwrap_or(self.delivered)
    }

    /// The text that is stored; `None` if nothing is.
    pub(crate) fn text(&self) -> Option<&str> {
        self.stored.as_deref()
    }

    /// The fields that were removed.
    pub(crate) fn omitted(&self) -> &[FieldPath] {
        &self.omitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(payload: &str) -> (Option<String>, usize) {
        let omitted = OmittedFields::parse_list("password,meta.token").expect("fields");
        let storable = StorablePayload::of(payload, &omitted);
        assert!(!storable.text().is_some_and(|text| text.contains("s3cret")), "{payload}");
        (storable.text().map(str::to_owned), storable.omitted().len())
    }

    #[test]
    fn a_payload_is_stored_without_the_omitted_fields_or_not_at_all() {
        let unchanged = r#"{ "id": "1",  "current": {"password": "own"} }"#;
        assert_eq!(stored(unchanged), (Some(unchanged.to_owned()), 0));
        assert_eq!(stored(r#"{"password": "s3cret", "n": 1}"#), (Some(r#"{"n":1}"#.to_owned()), 1));
        let envelope =
            r#"{"current":{"id":"1","password":"s3cret"},"previous":{"meta":{"token":"s3cret"}},"metadata":{}}"#;
        let expected = r#"{"current":{"id":"1"},"previous":{"meta":{}},"metadata":{}}"#;
        assert_eq!(stored(envelope), (Some(expected.to_owned()), 2));
        let deep = format!(r#"{{"password":"s3cret","deep":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        for payload in [deep.as_str(), r#"[{"password": "s3cret"}]"#, r#""s3cret""#] {
            assert_eq!(stored(payload), (None, 0));
        }
        let everything = StorablePayload::of(&deep, &OmittedFields::default());
        assert_eq!(everything.text(), Some(deep.as_str()));
    }
}
