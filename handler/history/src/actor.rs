//! Who wrote a version, as its document claims.

use std::sync::Arc;

use changefeed_cosmos::FieldPath;
use serde_json::Value;

use crate::field_list::parse_field_list;

/// The most characters of a name that a version keeps.
const MAX_CHARACTERS: usize = 256;

/// The fields of documents that name the actor, the first one first.
///
/// A name is what the document claims. A writer that leaves the field alone inherits the name of an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActorFields(Arc<[FieldPath]>);

impl ActorFields {
    /// Reads fields with commas between them: `updatedBy, meta.user.name`.
    ///
    /// # Errors
    /// Says which field is wrong, and what is allowed.
    pub fn parse_list(text: &str) -> Result<Self, String> {
        parse_field_list(text).map(|fields| Self(fields.into()))
    }

    /// The fields.
    pub fn fields(&self) -> &[FieldPath] {
        &self.0
    }

    /// The actor of a document: the first of the fields that is a text and not empty, cut at 256 characters.
    pub fn actor_of(&self, document: &Value) -> Option<String> {
        let names = self.0.iter().filter_map(|field| field.of(document)?.as_str());
        names.into_iter().find(|name| !name.is_empty()).map(|name| name.chars().take(MAX_CHARACTERS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_actor_is_the_first_field_that_is_a_text_and_not_empty() {
        let fields = ActorFields::parse_list("updatedBy, meta.user.name,/a~1b").expect("fields");
        let actor = |document: Value| fields.actor_of(&document);
        assert_eq!(actor(json!({"updatedBy": "release-42", "a/b": "c"})), Some("release-42".to_owned()));
        let nested = json!({"meta": {"user": {"name": "n"}}, "a/b": "c"});
        for not_a_name in [json!(""), json!(7), json!(null), json!(["x"]), json!({"name": "x"})] {
            let mut document = nested.clone();
            document["updatedBy"] = not_a_name;
            assert_eq!(actor(document), Some("n".to_owned()));
        }
        assert_eq!(actor(json!({"a/b": "c"})), Some("c".to_owned()));
        assert_eq!(actor(json!({"meta": "x"})), None);
        assert_eq!(ActorFields::default().actor_of(&json!({"updatedBy": "x"})), None);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let fields = ActorFields::parse_list("by").expect("fields");
        let actor = fields.actor_of(&json!({"by": "ü".repeat(300)})).expect("an actor");
        assert_eq!(actor, "ü".repeat(256));
    }

    #[test]
    fn a_wrong_list_of_fields_is_refused() {
        for (text, expected) in [("a,b..c", "b..c"), ("zip code", "double quotes")] {
            let message = ActorFields::parse_list(text).expect_err(text);
            assert!(message.contains(expected), "{message}");
        }
        assert_eq!(ActorFields::parse_list(" "), Ok(ActorFields::default()));
    }
}
