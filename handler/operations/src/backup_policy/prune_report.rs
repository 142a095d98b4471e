//! What a prune has deleted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PruneReport {
    /// The names of the folders that were deleted.
    pub deleted: Vec<String>,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Folders that the storage does not allow to delete, and what these continue.
    #[serde(default)]
    pub protected: Vec<ProtectedFolder>,
    /// Whether time was over before all were deleted. The next prune deletes the others.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub out_of_time: bool,
}

/// A backup that was to be deleted and is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedFolder {
    /// Its name.
    pub name: String,
    /// Why it is kept.
    pub message: String,
}

impl fmt::Display for PruneReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "deleted {} backups", self.deleted.len())?;
        if !self.protected.is_empty() {
            write!(formatter, ", {} are protected", self.protected.len())?;
        }
        if self.out_of_time {
            formatter.write_str("; more are deleted later")?;
        }
        Ok(())
    }
}
