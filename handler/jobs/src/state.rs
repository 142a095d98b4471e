//! The states of a job, and how a slice of it ends.

use serde::{Deserialize, Serialize};

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// A dry run: nothing was written.
    Planned,
    /// No worker has started it.
    Queued,
    /// A worker runs it, or was interrupted while it ran it.
    Running,
    /// Everything was done as planned.
    Done,
    /// Some documents had changed since the plan and were not written.
    Conflicts,
    /// The history does not reach back to the target for some documents, which were not written.
    Unknowns,
    /// A verification found differences.
    Findings,
    /// Some or all of it could not be done.
    Failed,
    /// It was cancelled; what was done stays done.
    Cancelled,
}

impl JobState {
    /// Whether the job has ended.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// The outcome of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceEnd {
    /// There is more to do. The job was saved, which brings an event of the change feed.
    More,
    /// A transient failure. The job was saved with the failure, which brings an event: another slice follows after a pause.
    Failing {
        /// Consecutive slices that failed.
        failures: u32,
        /// What failed.
        message: String,
    },
    /// The job has ended, now or before.
    Ended(JobState),
    /// It waits for its portions, which other workers hold. The end of each one changes it, which brings an event.
    Waiting,
    /// Another worker holds the job.
    Busy,
    /// There is no such job, or it is of a kind that this version cannot run.
    NoJob,
}
