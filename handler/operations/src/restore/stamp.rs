//! The stamp of a restored document: when it was restored, and by which restore.
//!
//! The id distinguishes the writes of concurrent restores that write the same content. The stamp is not part of the content:
//! documents are compared without it.

use changefeed_cosmos::{Error, ErrorKind, FieldPath, MAX_RECORD_BYTES};
use changefeed_history::Version;
use serde_json::Value;

use super::restores::Restores;
use super::target_document::{TargetDocument, keep_fields};

/// The content of a document to write, and its stamp.
pub(super) struct Body {
    content: Value,
    stamped: Option<Value>,
    /// The fields that are those of the live document.
    kept: Vec<FieldPath>,
}

impl Body {
    /// The document as it is written.
    pub(super) fn document(&self) -> &Value {
        self.stamped.as_ref().unwrap_or(&self.content)
    }

    /// Whether the live document decides some of its fields.
    pub(super) fn keeps_fields(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Takes the fields that the live document decides from the live document.
    pub(super) fn keep_fields_of(&mut self, live: Option<&Version>) {
        let live = live.and_then(|live| live.document.as_ref());
        for document in [Some(&mut self.content), self.stamped.as_mut()].into_iter().flatten() {
            keep_fields(document, &self.kept, live);
        }
    }

    /// Whether this restore may have written the document without its stamp.
    fn may_lack_stamp(&self) -> bool {
        self.stamped.as_ref().is_none_or(|stamped| stamped.to_string().len() > MAX_RECORD_BYTES)
    }

    /// Whether the document is written without a stamp.
    pub(super) fn is_without_stamp(&self) -> bool {
        self.stamped.is_none()
    }

    /// Leaves the stamp out of a document whose size is near the limit. False when it has none.
    pub(super) fn leave_out_stamp_of_large(&mut self) -> bool {
        self.may_lack_stamp() && self.stamped.take().is_some()
    }

    /// Leaves the stamp out of a document that is too large with it. False when it has none.
    pub(super) fn leave_out_stamp(&mut self, error: &Error) -> bool {
        error.kind() == ErrorKind::TooLarge && self.stamped.take().is_some()
    }
}

/// How a live document compares with the one to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// It has the content and the stamp of this restore.
    Own,
    /// It has the content and no stamp of this restore: another writer has written it.
    Same,
    /// Neither exists, or the content is the same and a write of this restore has no stamp: any writer may have done it.
    Unclear,
    /// It has other content, or only one of them exists.
    Different,
}

impl Restores {
    /// A document to write, with the stamp of a restore that began at `second` since 1970.
    pub(super) fn stamped(&self, target: TargetDocument, second: i64, restore_id: &str) -> Body {
        let TargetDocument { content, kept, .. } = target;
        let mut stamped = content.clone();
        let Value::Object(properties) = &mut stamped else { return Body { content, stamped: None, kept } };
        let fields = [
            (&self.options.restored_at_field, Value::from(second)),
            (&self.options.restore_id_field, Value::from(restore_id)),
        ];
        for (field, value) in fields {
            if let Some(field) = field {
                properties.insert(field.clone(), value);
            }
        }
        let is_stamped = self.stamp_fields().next().is_some();
        Body { content, stamped: is_stamped.then_some(stamped), kept }
    }

    /// Compares a live document with the one that a restore is to write.
    pub(super) fn compare(&self, live: Option<&Value>, body: Option<&Body>, restore_id: &str) -> Comparison {
        let (live, body) = match (live, body) {
            (None, None) => return Comparison::Unclear,
            (Some(live), Some(body)) => (live, body),
            _ => return Comparison::Different,
        };
        if !self.is_same_content(live, &body.content) {
            return Comparison::Different;
        }
        match &self.options.restore_id_field {
            Some(_) if self.is_stamped_by(live, restore_id) => Comparison::Own,
            Some(_) if !body.may_lack_stamp() => Comparison::Same,
            _ => Comparison::Unclear,
        }
    }

    /// Whether a document has the stamp of this restore.
    pub(super) fn is_stamped_by(&self, document: &Value, restore_id: &str) -> bool {
        let field = self.options.restore_id_field.as_ref();
        field.and_then(|field| document.get(field)).is_some_and(|id| id == restore_id)
    }

    /// Whether two documents are the same apart from their stamps.
    pub(super) fn is_same_content(&self, one: &Value, other: &Value) -> bool {
        self.without_stamp(one.clone()) == self.without_stamp(other.clone())
    }

    /// A document without its stamp.
    pub(super) fn without_stamp(&self, mut document: Value) -> Value {
        if let Value::Object(properties) = &mut document {
            for field in self.stamp_fields() {
                properties.shift_remove(field);
            }
        }
        document
    }

    /// Says that a document was written without its stamp.
    pub(super) fn left_out_stamp_message(&self) -> String {
        let fields: Vec<&str> = self.stamp_fields().collect();
        let them = if fields.len() == 1 { "it" } else { "them" };
        format!("written without {}: with {them} the document is too large", fields.join(" and "))
    }

    /// The names of the fields of a stamp.
    pub(super) fn stamp_fields(&self) -> impl Iterator<Item = &str> {
        [&self.options.restored_at_field, &self.options.restore_id_field].into_iter().flatten().map(String::as_str)
    }
}
