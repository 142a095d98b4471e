//! How a restore composes the documents that it writes, where it does not write stored ones as they are.

use changefeed_cosmos::Error;
use changefeed_history::{FieldSelection, OmittedFields, UntrackedFields, Version};
use serde_json::Value;

use super::planned_item::PlannedItem;
use super::restore_request::RestoreRequest;
use super::restores::Restores;
use super::target_document::TargetDocument;
use super::window_undo::WindowUndo;

/// How documents are composed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Composition {
    /// The window whose changes are taken back.
    pub window: Option<WindowUndo>,
    /// The fields that are restored, while the rest of the live document stays.
    pub fields: Option<RestoredFields>,
}

/// The fields that a restore takes from an earlier document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RestoredFields {
    selection: FieldSelection,
    untracked: UntrackedFields,
}

impl Restores {
    /// How the documents of a request are composed.
    ///
    /// # Errors
    /// When the request has a field that no restore can change, and when the definition of the monitored container cannot be read.
    pub(super) async fn composition(&self, request: &RestoreRequest) -> Result<Composition, Error> {
        let fields = match (request.fields.as_slice(), request.except_fields.as_slice()) {
            ([], []) => None,
            (fields, except) => {
                let untracked = self.history.untracked_fields().await?;
                let selection = FieldSelection::new(fields.to_vec(), except.to_vec(), &untracked)?;
                selection.map(|selection| RestoredFields { selection, untracked })
            }
        };
        Ok(Composition { window: self.window_undo(request).await?, fields })
    }
}

impl RestoredFields {
    /// Which fields they are.
    pub(super) fn selection(&self) -> &FieldSelection {
        &self.selection
    }

    /// The target with those of its kept fields that are restored, and with no field that is never stored.
    pub(super) fn part_of(&self, target: &TargetDocument, never_stored: &OmittedFields) -> TargetDocument {
        target
            .with_content(never_stored.without(target.content.clone()))
            .keeping(|field| self.selection.concerns(field))
    }

    /// Whether the request names the fields that are restored, not the others.
    pub(super) fn names_fields(&self) -> bool {
        matches!(self.selection, FieldSelection::Only(_))
    }

    /// The live document with the fields of the target.
    ///
    /// # Errors
    /// The reason: there is no live document, or a field is inside an array.
    pub(super) fn of(&self, live: Option<&Version>, target: &Value) -> Result<Value, String> {
        let live = live.and_then(|live| live.document.as_ref());
        let live = live.ok_or(
            "it does not exist now, so there is nothing that the fields could be restored in; restore all of it",
        )?;
        self.selection.apply(Some(live), target, &self.untracked)
    }
}

impl Composition {
    /// Whether the document of an item is composed: it is neither a stored version nor a line of a backup as they are.
    pub(super) fn composes(&self, item: &PlannedItem) -> bool {
        let is_stored = item.version.is_some() || item.backup_line.is_some();
        self.fields.is_some() || self.window.is_some() && !is_stored
    }
}
