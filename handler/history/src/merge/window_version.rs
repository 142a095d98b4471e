//! What a window has of one document: the state before it, and versions that are selected or not.

use serde_json::Value;

use crate::version::{Operation, Version};

/// The state of a document before the versions of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base<'a> {
    /// Not known: the history does not reach back that far.
    Unknown,
    /// The document did not exist.
    Absent,
    /// The document.
    Document {
        /// The document.
        document: &'a Value,
        /// Whether it is exactly the stored body.
        exact: bool,
    },
}

impl<'a> Base<'a> {
    /// The state before a version. `earlier` is the version before it, if there is one inside the horizon.
    pub fn before(first: &'a Version, earlier: Option<&'a Version>) -> Self {
        match (earlier, &first.previous) {
            (Some(earlier), _) => earlier
                .document_before(first)
                .map_or(Self::Absent, |document| Self::Document { document, exact: earlier.exact }),
            (None, _) if first.operation == Operation::Create => Self::Absent,
            (None, Some(document)) => Self::Document { document, exact: first.exact },
            (None, None) => Self::Unknown,
        }
    }

    /// The document, if it existed and is known.
    pub fn document(self) -> Option<&'a Value> {
        match self {
            Self::Document { document, .. } => Some(document),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// A version, and whether it is one of those to undo.
#[derive(Clone, Copy, Debug)]
pub struct WindowVersion<'a> {
    /// The version.
    pub version: &'a Version,
    /// Whether it is to be undone.
    pub is_selected: bool,
}
