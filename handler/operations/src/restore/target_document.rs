//! A document as a restore is to write it, where the history has not all of its fields.
//!
//! Fields that are never stored stay as they are in the live document: a restore overwrites nothing that is not in the history. This
//! concerns the fields that the version lists, and those that are never stored now: a version without one of them may be older than the
//! live value.

use changefeed_cosmos::{Error, FieldPath};
use changefeed_history::{OmittedFields, Version, outermost, remove_fields, set_field, value_at};
use serde_json::Value;

use super::planned_item::{Action, PlannedItem};
use super::restores::Restores;

/// What a message says of a document that the capture filter excludes.
const EXCLUDED: &str = "the capture filter excludes it";

/// The content of a document to write, and the fields that the live document decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TargetDocument {
    pub content: Value,
    /// The fields that are taken from the live document. The content had none of them.
    pub kept: Vec<FieldPath>,
    /// Those that the document certainly had.
    had: Vec<FieldPath>,
}

impl TargetDocument {
    /// A document that is complete.
    pub(super) fn complete(content: Value) -> Self {
        Self { content, ..Self::default() }
    }

    /// The content with the kept fields as the live document has them.
    pub(super) fn over(&self, live: Option<&Version>) -> Value {
        self.clone().into_content_over(live)
    }

    /// [`Self::over`] without a copy.
    pub(super) fn into_content_over(mut self, live: Option<&Version>) -> Value {
        keep_fields(&mut self.content, &self.kept, live.and_then(|live| live.document.as_ref()));
        self.content
    }

    /// The same content, of which only these fields are kept.
    pub(super) fn keeping(mut self, is_kept: impl Fn(&FieldPath) -> bool) -> Self {
        self.kept.retain(is_kept);
        self
    }

    /// The same fields of another content.
    pub(super) fn with_content(&self, content: Value) -> Self {
        Self { content, ..self.clone() }
    }
}

/// Sets fields as the live document has them, and removes those that it does not have.
pub(super) fn keep_fields(content: &mut Value, kept: &[FieldPath], live: Option<&Value>) {
    for field in kept {
        match live.and_then(|live| value_at(live, field)) {
            Some(value) => _ = set_field(content, field, value),
            None => _ = remove_fields(content, std::slice::from_ref(field)),
        }
    }
}

/// What a restore does with the fields of a document that are not in the history.
#[derive(Debug, Default)]
struct Report {
    kept: Vec<FieldPath>,
    without: Vec<FieldPath>,
    lost: Vec<FieldPath>,
}

impl Report {
    /// What a message says; `None` if there is nothing to say.
    fn message(&self) -> Option<String> {
        let kept = sentence(&self.kept, "the live value is kept", "the live values are kept");
        let without = sentence(&self.without, "it is restored without it", "it is restored without them");
        let lost = sentence(&self.lost, "an undo cannot bring it back", "an undo cannot bring them back");
        let all: Vec<String> = [kept, without, lost].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

fn sentence(fields: &[FieldPath], one: &str, several: &str) -> Option<String> {
    match fields {
        [] => None,
        [field] => Some(format!("field {field} is not in the history: {one}")),
        fields => {
            let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
            Some(format!("fields {} are not in the history: {several}", names.join(", ")))
        }
    }
}

impl Restores {
    /// The target of a version.
    pub(super) fn target_of(&self, version: Version) -> TargetDocument {
        self.target(version.document.unwrap_or_default(), version.omitted)
    }

    /// The target of a document of a backup. A backup as of a time does not say which fields it lacks.
    pub(super) fn target_of_line(&self, content: Value) -> TargetDocument {
        let omitted = self.history.omitted_fields().fields().to_vec();
        self.target(content, omitted)
    }

    /// The target of a document that lacks some of these fields.
    pub(super) fn target(&self, content: Value, omitted: Vec<FieldPath>) -> TargetDocument {
        let never_stored = self.history.omitted_fields();
        if omitted.is_empty() && never_stored.is_empty() {
            return TargetDocument::complete(content);
        }
        let lacks = |field: &FieldPath| value_at(&content, field).is_none();
        let had: Vec<FieldPath> = omitted.into_iter().filter(lacks).collect();
        let others = never_stored.fields().iter().filter(|field| lacks(field)).cloned();
        let kept = outermost(had.iter().cloned().chain(others).collect());
        TargetDocument { content, kept, had }
    }

    /// What a person must know of the fields that are not in the history, when `live` becomes the target, or is deleted without one.
    pub(super) fn message_of_fields(&self, target: Option<&TargetDocument>, live: Option<&Version>) -> Option<String> {
        let never_stored = self.history.omitted_fields();
        let live = live.and_then(|live| live.document.as_ref());
        let live_value = |field: &FieldPath| live.and_then(|live| value_at(live, field));
        let Some(target) = target else {
            let lost = never_stored.fields().iter().filter(|field| live_value(field).is_some());
            return Report { lost: lost.cloned().collect(), ..Report::default() }.message();
        };
        let mut report = Report::default();
        for field in &target.kept {
            match live_value(field) {
                Some(value) if set_field(&mut target.content.clone(), field, value) => report.kept.push(field.clone()),
                Some(_) => report.lost.push(field.clone()),
                None if target.had.contains(field) => report.without.push(field.clone()),
                None => {}
            }
        }
        // A version from before the setting has the field.
        let overwritten = never_stored.fields().iter().filter(|field| {
            let restored = value_at(&target.content, field);
            restored.is_some() && live_value(field).is_some_and(|live| Some(live) != restored)
        });
        report.lost.extend(overwritten.cloned());
        report.message()
    }

    /// A document as it may be shown and recorded: without the fields that are never stored.
    pub(super) fn showable(&self, document: Value) -> Value {
        self.history.omitted_fields().without(document)
    }

    /// The fields that are never stored.
    pub(super) fn never_stored(&self) -> &OmittedFields {
        self.history.omitted_fields()
    }

    /// The item, if its document is captured or is in another container than the monitored one. What is overwritten of an excluded document
    /// cannot be saved, so it is only written with `force`.
    ///
    /// # Errors
    /// When the definition of the monitored container cannot be read.
    pub(super) async fn unless_excluded(
        &self,
        item: PlannedItem,
        is_monitored: bool,
        force: bool,
    ) -> Result<PlannedItem, Error> {
        if !is_monitored || !item.action.is_write() || !self.history.rules().await?.excludes(&item.name()) {
            return Ok(item);
        }
        if item.replaced_version.is_none() {
            return Ok(item.and_message(EXCLUDED));
        }
        let action = if force { item.action } else { Action::Conflict };
        let message = format!("{EXCLUDED}, so its live version cannot be saved, and an undo cannot bring it back");
        let message = if force { message } else { format!("{message}; it is overwritten only with force") };
        Ok(PlannedItem { action, ..item }.and_message(message))
    }

    /// The message for a document that has no versions because the capture filter excludes it; `None` for another one.
    ///
    /// # Errors
    /// When the definition of the monitored container cannot be read.
    pub(super) async fn excluded_message(
        &self,
        name: &changefeed_cosmos::DocumentName,
    ) -> Result<Option<String>, Error> {
        let is_excluded = self.history.rules().await?.excludes(name);
        Ok(is_excluded.then(|| format!("{EXCLUDED}: the history has no versions of it")))
    }
}
