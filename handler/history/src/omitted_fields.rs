//! Fields that are never stored in the history.
//!
//! A field is named by the properties that lead to it. A path does not lead into an array: without one of its fields, an element would
//! still be there, and without an element, the others would have other places. So an array is omitted as a whole.

use std::sync::Arc;

use changefeed_cosmos::FieldPath;
use serde_json::{Map, Value};

use crate::changed_paths::value_at;
use crate::field_list::parse_field_list;

/// The fields of documents that are never stored in the history. None of them is inside of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OmittedFields(Arc<[FieldPath]>);

impl OmittedFields {
    /// Reads fields with commas between them: `password, meta.token`.
    ///
    /// # Errors
    /// Says which field is wrong, and what is allowed.
    pub fn parse_list(text: &str) -> Result<Self, String> {
        let fields = parse_field_list(text)?;
        for field in &fields {
            let is_number = |name: &&String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            if field.segments().is_empty() {
                return Err("an empty field is the document itself, which cannot be omitted".to_owned());
            }
            if let Some(number) = field.segments().iter().find(is_number) {
                return Err(format!(
                    "field {field} cannot be omitted: {number} may be the element of an array; omit the whole array"
                ));
            }
        }
        Ok(Self(outermost(fields).into()))
    }

    /// The fields.
    pub fn fields(&self) -> &[FieldPath] {
        &self.0
    }

    /// Whether no field is omitted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of these fields that is, or has in it, a field that must be stored.
    pub fn with_part_of(&self, stored: &FieldPath) -> Option<&FieldPath> {
        self.0.iter().find(|field| stored.segments().starts_with(field.segments()))
    }

    /// The fields that a document has.
    pub(crate) fn present_in(&self, document: &Value) -> Vec<FieldPath> {
        self.0.iter().filter(|field| value_at(document, field).is_some()).cloned().collect()
    }

    /// The document without these fields.
    pub fn without(&self, mut document: Value) -> Value {
        remove_fields(&mut document, &self.0);
        document
    }
}

/// The fields that are not inside of another one, each once, in order.
pub fn outermost(mut fields: Vec<FieldPath>) -> Vec<FieldPath> {
    fields.sort();
    fields.dedup_by(|inner, outer| inner.segments().starts_with(outer.segments()));
    fields
}

/// Removes fields from a document. Objects around them stay, even if they are empty then. Returns whether the document had one.
pub fn remove_fields(document: &mut Value, fields: &[FieldPath]) -> bool {
    let mut had_one = false;
    for field in fields {
        let Some((name, outer)) = field.segments().split_last() else { continue };
        let object = outer.iter().try_fold(&mut *document, |value, name| value.as_object_mut()?.get_mut(name));
        let removed = object.and_then(Value::as_object_mut).and_then(|object| object.shift_remove(name));
        had_one |= removed.is_some();
    }
    had_one
}

/// Sets the value of a field. Objects around it are created. False, and nothing is changed, where the document has another value in place
/// of one of them.
pub fn set_field(document: &mut Value, field: &FieldPath, value: &Value) -> bool {
    let Some((name, outer)) = field.segments().split_last() else { return false };
    let mut existing: &Value = document;
    for name in outer {
        match existing.as_object().map(|object| object.get(name)) {
            Some(Some(inner)) => existing = inner,
            Some(None) => break,
            None => return false,
        }
    }
    if !existing.is_object() {
        return false;
    }
    let object = outer.iter().try_fold(document, |value, name| {
        Some(value.as_object_mut()?.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())))
    });
    let Some(object) = object.and_then(Value::as_object_mut) else { return false };
    object.insert(name.clone(), value.clone());
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn omitted(text: &str) -> OmittedFields {
        OmittedFields::parse_list(text).expect(text)
    }

    #[test]
    fn a_document_loses_the_fields_and_nothing_else() {
        let fields = omitted("password, meta.token, /a~1b, meta.token.inner");
        let shown: Vec<String> = fields.fields().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["\"a/b\"", "meta.token", "password"]);
        let document = json!({"id": "1", "password": null, "meta": {"token": [1], "x": 1}, "a/b": 1, "token": 2});
        assert_eq!(fields.present_in(&document), fields.fields());
        assert_eq!(fields.without(document), json!({"id": "1", "meta": {"x": 1}, "token": 2}));
        for other in [json!({"meta": 5}), json!({"meta": [{"token": 1}]}), json!({"Password": 1}), json!(7)] {
            assert_eq!((fields.present_in(&other), fields.without(other.clone())), (Vec::new(), other));
        }
        assert_eq!(fields.without(json!({"meta": {"token": 1}})), json!({"meta": {}}));
    }

    #[test]
    fn a_field_in_an_array_and_the_document_itself_are_refused() {
        for (text, expected) in
            [("lines.0", "omit the whole array"), ("/lines/12/secret", "12"), ("a..b", "a..b"), ("zip code", "quotes")]
        {
            let message = OmittedFields::parse_list(text).expect_err(text);
            assert!(message.contains(expected), "{message}");
        }
        assert!(omitted(" ").is_empty());
        let part = |text: &str, stored: &str| {
            omitted(text).with_part_of(&stored.parse().expect(stored)).map(ToString::to_string)
        };
        assert_eq!(part("tenant", "tenant.id"), Some("tenant".to_owned()));
        assert_eq!(part("tenant.id", "tenant.id"), Some("tenant.id".to_owned()));
        assert_eq!((part("tenant.id.x", "tenant.id"), part("tenants", "tenant.id")), (None, None));
    }

    #[test]
    fn a_field_is_set_where_the_document_has_room_for_it() {
        let field: FieldPath = "a.b.c".parse().expect("a path");
        for (mut document, is_set, expected) in [
            (json!({}), true, json!({"a": {"b": {"c": 1}}})),
            (json!({"a": {"x": 2, "b": {"c": 5}}}), true, json!({"a": {"x": 2, "b": {"c": 1}}})),
            (json!({"a": 5}), false, json!({"a": 5})),
            (json!({"a": {"b": [1]}}), false, json!({"a": {"b": [1]}})),
            (json!({"a": null}), false, json!({"a": null})),
        ] {
            assert_eq!(set_field(&mut document, &field, &json!(1)), is_set, "{document}");
            assert_eq!(document, expected);
        }
    }
}
