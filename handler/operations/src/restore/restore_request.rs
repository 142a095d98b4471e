//! A request for a restore.

use changefeed_cosmos::{DocumentName, Error, FieldPath, Key};
use changefeed_history::{Filter, TimeExpression, Window, matches_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::capture_lag::CaptureLag;
use super::window_selection::WindowSelection;

/// A request for a restore.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreRequest {
    /// The documents to restore.
    pub selection: Selection,
    /// The state to restore them to.
    pub target: Target,
    /// The only fields to restore; the rest of the live document stays. Empty: all.
    pub fields: Vec<FieldPath>,
    /// The fields not to restore.
    pub except_fields: Vec<FieldPath>,
    /// Only plan; write nothing.
    pub dry_run: bool,
    /// Overwrite documents that have changed since the plan, and write inexact versions.
    pub force: bool,
    /// Delete documents that are known not to have existed at the target.
    pub delete_created_after: bool,
    /// Another container to write to, instead of the monitored one.
    pub into: Option<String>,
    /// The reason, for the record.
    pub reason: Option<String>,
    /// Who requests it, for the record.
    pub requested_by: Option<String>,
    /// Run it as a job, even if it is small.
    pub job: bool,
    /// Store the plan of a dry run, so that it can be executed exactly as it was shown.
    pub store: bool,
    /// How far capture is behind, where that is known: a window is undone when it is captured to its end.
    pub capture_lag: Option<CaptureLag>,
    /// The budget: request units a second. With a budget it is a job.
    pub ru_per_second: Option<f64>,
}

/// The documents to restore.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// The documents with these names.
    Documents(Vec<DocumentName>),
    /// The documents with one partition key value.
    Partition(Key),
    /// The documents that meet all conditions.
    Filter {
        /// The conditions.
        filters: Vec<Filter>,
        /// The state of a document that must meet them.
        on: FilterOn,
    },
    /// The documents that changed in a time window.
    Window(Box<WindowSelection>),
    /// Every document.
    All,
}

impl Selection {
    /// Whether the selection includes a document of a backup. A deletion has no document and meets no filter.
    pub(super) fn includes(&self, name: &DocumentName, document: Option<&Value>) -> bool {
        match self {
            Self::All => true,
            Self::Documents(documents) => documents.contains(name),
            Self::Partition(key) => *key == name.partition_key,
            Self::Filter { filters, .. } => document.is_some_and(|document| matches_all(filters, document)),
            // Its target is the history.
            Self::Window(_) => false,
        }
    }
}

/// The state of a document that must meet a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FilterOn {
    /// Its state at the target.
    #[default]
    Target,
    /// Its state now.
    Live,
}

/// The state to restore documents to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The newest version that is not after this time.
    AsOf(TimeExpression),
    /// The newest version before this time.
    Before(TimeExpression),
    /// The state before the versions of the window that is selected.
    BeforeWindow(Window),
    /// The version with this id, of one document.
    Version(String),
    /// The content of these locations: a full backup and its increments in order, or one location with JSON files.
    Backup(Vec<String>),
}

impl Target {
    /// The second since 1970 of the last change that counts, and the second whose state is restored; `None` where the target is no
    /// time.
    pub(crate) fn seconds(&self) -> Option<(i64, i64)> {
        match self {
            Self::AsOf(moment) => Some((moment.second(), moment.second())),
            Self::Before(moment) => Some((moment.second_before(), moment.second_before())),
            Self::BeforeWindow(window) => Some((window.from() - 1, window.from() - 1)),
            Self::Version(_) | Self::Backup(_) => None,
        }
    }
}

impl RestoreRequest {
    /// Whether the restore is a job however small it is.
    pub fn is_job(&self) -> bool {
        matches!(self.target, Target::Backup(_)) || self.job || self.store || self.ru_per_second.is_some()
    }

    /// The window whose versions are undone, if the request has one.
    pub fn window(&self) -> Option<&WindowSelection> {
        match &self.selection {
            Selection::Window(selection) => Some(selection),
            _ => None,
        }
    }

    /// The times of the request by their names.
    pub fn times(&self) -> Vec<(&'static str, TimeExpression)> {
        match &self.target {
            Target::AsOf(time) => vec![("asOf", *time)],
            Target::Before(time) => vec![("before", *time)],
            Target::BeforeWindow(window) => vec![("from", window.times().0), ("to", window.times().1)],
            Target::Version(_) | Target::Backup(_) => Vec::new(),
        }
    }

    /// The request as it is stored in the record.
    pub(super) fn recorded(&self) -> Result<Value, Error> {
        serde_json::to_value(self.clone()).map_err(|error| Error::internal("storing the request of a restore", error))
    }
}
