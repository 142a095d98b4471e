//! The change feeds that are read. Each has leases of its own in the one leases container.

use serde::Serialize;

/// A change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Feed {
    /// The feed of the monitored container, which is captured.
    Capture,
    /// The feed of the jobs container, which drives the jobs.
    Jobs,
}

impl Feed {
    /// Its name in output and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Jobs => "jobs",
        }
    }
}
