//! How far a job is.

use serde::{Deserialize, Serialize};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// A dry run: nothing was written.
    Planned,
    /// Nobody has begun with it.
    Queued,
    /// It is being done, or was interrupted while it was.
    Running,
    /// All is as planned.
    Done,
    /// Some documents had changed and were left alone.
    Conflicts,
    /// It was looked for what is wrong, and something is.
    Findings,
    /// Some of it, or all, could not be done.
    Failed,
    /// It was ended before it was done; what was done stays done.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will happen.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}
