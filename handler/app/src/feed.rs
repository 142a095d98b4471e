//! The change feeds that are read, each with leases of its own in the one leases container.

use serde::Serialize;

/// A change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Feed {
    /// The monitored container's, which is captured.
    Capture,
    /// The jobs container's, which drives the jobs.
    Jobs,
}

impl Feed {
    /// Its name for programs and people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Jobs => "jobs",
        }
    }
}
