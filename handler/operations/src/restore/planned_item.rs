//! A planned item: what a restore does, or did, with a document.

use changefeed_cosmos::{DocumentName, FieldPath, Key};
use changefeed_history::FieldChange;
use serde::{Deserialize, Serialize};

use super::unique_keys::Refusal;

/// What a restore does with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is created.
    Create,
    /// It is replaced.
    Replace,
    /// It loses the changes of a time window and keeps later ones.
    Merge,
    /// It is deleted.
    Delete,
    /// It is as it was at the target, or it did not exist then and is not changed.
    Unchanged,
    /// It was changed in the time window and stays, as the request says.
    Kept,
    /// The history does not reach back to the target. The document is not changed.
    Unknown,
    /// It has changed since the plan, or cannot be written without force. It is not changed.
    Conflict,
    /// It could not be written.
    Failed,
}

impl Action {
    /// Whether the document is written.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Merge | Self::Delete)
    }
}

/// What a restore does, or did, with one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedItem {
    /// The document's id.
    pub id: String,
    /// Its partition key value.
    pub partition_key: Key,
    /// The action.
    pub action: Action,
    /// The version that is restored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// The line of a backup that is restored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backup_line: Option<BackupLine>,
    /// The live version that is replaced or deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced_version: Option<String>,
    /// The differences from the live document to the restored one, at most 50. Of a conflict, those that an overwrite would make.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<FieldChange>,
    /// The fields that the time window changed and that stay as later changes made them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub kept_paths: Vec<FieldPath>,
    /// The reason, if the action alone does not explain it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// The document's etag after the restore.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restored_etag: Option<String>,
    /// The etag of the live document in the plan; `None` when there was no document.
    #[serde(skip)]
    pub(crate) live_etag: Option<String>,
    /// A digest of the document in the plan: of one on the line of a backup, or of the content of one that is composed. It is in records,
    /// and not in answers.
    #[serde(skip_serializing, default)]
    pub(super) body_digest: Option<String>,
    /// Why a unique key has refused the document.
    #[serde(skip)]
    pub(super) refusal: Option<Refusal>,
    /// For a document of a job that a unique key has refused: whether it was tried again.
    #[serde(skip)]
    pub(super) retry: Option<UniqueKeyRetry>,
}

/// Whether a document that a unique key has refused was tried again after the pages of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum UniqueKeyRetry {
    /// It is to be tried again.
    Waiting,
    /// It has its final outcome.
    Done,
}

impl PlannedItem {
    /// A document for which nothing is written.
    pub(super) fn without_write(name: DocumentName, action: Action) -> Self {
        Self {
            id: name.id,
            partition_key: name.partition_key,
            action,
            version: None,
            backup_line: None,
            replaced_version: None,
            changes: Vec::new(),
            kept_paths: Vec::new(),
            message: None,
            restored_etag: None,
            live_etag: None,
            body_digest: None,
            refusal: None,
            retry: None,
        }
    }

    /// The same item with a message.
    pub(super) fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// The same item with a further message.
    pub(super) fn and_message(self, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = self.message.as_ref().map_or(message.clone(), |first| format!("{first}; {message}"));
        self.with_message(message)
    }

    /// The same item with a message before the one that it has.
    pub(super) fn before_message(self, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = self.message.as_ref().map_or(message.clone(), |last| format!("{message}; {last}"));
        self.with_message(message)
    }

    /// Whether the document has a body to write, and is not deleted.
    pub(super) fn has_body(&self) -> bool {
        self.version.is_some() || self.backup_line.is_some() || self.body_digest.is_some()
    }

    /// Whether a unique key has refused the document, and it is to be tried again.
    pub(super) fn is_waiting(&self) -> bool {
        self.retry == Some(UniqueKeyRetry::Waiting)
    }

    /// The name of the document.
    pub fn name(&self) -> DocumentName {
        DocumentName { id: self.id.clone(), partition_key: self.partition_key.clone() }
    }
}

/// A line of a backup, or a document of a file that another tool wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupLine {
    /// The number of the backup in the chain, from 0; absent if there is one backup.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backup: Option<usize>,
    /// The name of the file.
    pub file: String,
    /// The number of the line, from 1.
    pub number: u64,
}

/// The number of documents by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// [`Action::Create`].
    pub create: u64,
    /// [`Action::Replace`].
    pub replace: u64,
    /// [`Action::Merge`].
    #[serde(skip_serializing_if = "is_zero")]
    pub merge: u64,
    /// [`Action::Delete`].
    pub delete: u64,
    /// [`Action::Unchanged`].
    pub unchanged: u64,
    /// [`Action::Kept`].
    #[serde(skip_serializing_if = "is_zero")]
    pub kept: u64,
    /// [`Action::Unknown`].
    pub unknown: u64,
    /// [`Action::Conflict`].
    pub conflict: u64,
    /// [`Action::Failed`].
    pub failed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Counts {
    /// Counts the actions of items.
    pub fn of(items: &[PlannedItem]) -> Self {
        items.iter().fold(Self::default(), |mut counts, item| {
            *match item.action {
                Action::Create => &mut counts.create,
                Action::Replace => &mut counts.replace,
                Action::Merge => &mut counts.merge,
                Action::Delete => &mut counts.delete,
                Action::Unchanged => &mut counts.unchanged,
                Action::Kept => &mut counts.kept,
                Action::Unknown => &mut counts.unknown,
                Action::Conflict => &mut counts.conflict,
                Action::Failed => &mut counts.failed,
            } += 1;
            counts
        })
    }

    /// Adds other counts.
    pub(super) fn add(&mut self, other: Self) {
        self.create += other.create;
        self.replace += other.replace;
        self.merge += other.merge;
        self.delete += other.delete;
        self.unchanged += other.unchanged;
        self.kept += other.kept;
        self.unknown += other.unknown;
        self.conflict += other.conflict;
        self.failed += other.failed;
    }

    /// Counts documents again that were conflicts.
    pub(super) fn replace_conflicts(&mut self, conflicts: u64, by: Self) {
        self.conflict = self.conflict.saturating_sub(conflicts);
        self.add(by);
    }

    /// The number of all documents.
    pub fn total(&self) -> u64 {
        self.writes() + self.unchanged + self.kept + self.unknown + self.conflict + self.failed
    }

    /// The number of documents that are written.
    pub fn writes(&self) -> u64 {
        self.create + self.replace + self.merge + self.delete
    }
}

/// Items in the order of their partition keys and ids.
pub(super) fn sorted(mut items: Vec<PlannedItem>) -> Vec<PlannedItem> {
    items.sort_by_cached_key(|item| (item.partition_key.to_string(), item.id.clone()));
    items
}
