//! Which documents are captured.
//!
//! A document is captured always or never. So the filter tests only what cannot change: the id and the partition key. By another field, a
//! document could leave the filter, and the history would then show a value that the document no longer has.

use std::sync::Arc;

use changefeed_cosmos::{DocumentName, FieldPath, KeyComponent, KeyPath, display_key_paths};
use serde_json::{Map, Value};

use crate::filter::Filter;
use crate::omitted_fields::set_field;
use crate::untracked_fields::UntrackedFields;

/// What a document must meet to be captured.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureFilter(Arc<Filter>);

impl CaptureFilter {
    /// Reads a filter. Several tests are joined by `and` and `or`.
    ///
    /// # Errors
    /// Says what is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        Filter::parse(text).map(|filter| Self(Arc::new(filter)))
    }

    /// The text of the filter.
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Checks that the filter tests only the id and the partition key.
    ///
    /// # Errors
    /// Names another field, and says what is allowed.
    pub(crate) fn check(&self, key_paths: &[KeyPath]) -> Result<(), String> {
        let identity = UntrackedFields::new([""; 0], key_paths);
        let other = self.0.patterns().into_iter().find(|pattern| {
            let is_identity = |path: &FieldPath| identity.is_identity(path.segments());
            !pattern.path().is_some_and(is_identity)
        });
        match other {
            None => Ok(()),
            Some(field) => Err(format!(
                "the capture filter tests {field}; it may test only id and the partition key, {}: a document whose other fields change \
                 could leave the filter, and a read as of a time would show a value that it no longer had",
                display_key_paths(key_paths)
            )),
        }
    }

    /// Whether a document is captured.
    pub(crate) fn includes(&self, document: &DocumentName, key_paths: &[KeyPath]) -> bool {
        let mut identity = Value::Object(Map::new());
        for (path, component) in key_paths.iter().zip(document.partition_key.components()) {
            if *component != KeyComponent::Undefined {
                let field = path.segments().iter().fold(FieldPath::default(), |path, name| path.child(name));
                set_field(&mut identity, &field, &Value::from(component.clone()));
            }
        }
        identity["id"] = Value::from(document.id.as_str());
        self.0.matches(&identity)
    }
}
