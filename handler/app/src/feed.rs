//! The change feeds that are read. Each has leases of its own in the one leases container.

use changefeed_cosmos::SourceName;
use changefeed_processor::ChangeFeedMode;
use serde::{Serialize, Serializer};

/// A change feed, in one mode: a lease cannot be used in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feed {
    /// The feed of the monitored container in LatestVersion mode, which is captured.
    Capture,
    /// The feed of the monitored container in AllVersionsAndDeletes mode, which is captured.
    CaptureAllVersions,
    /// The feed of the jobs container, which drives the jobs.
    Jobs,
}

impl Feed {
    /// The feeds that are captured. Two of them have leases only while the mode is switched.
    pub const CAPTURED: [Self; 2] = [Self::Capture, Self::CaptureAllVersions];
    /// All feeds.
    pub const ALL: [Self; 3] = [Self::Capture, Self::CaptureAllVersions, Self::Jobs];

    /// The feed that is captured in a mode.
    pub fn captured_in(mode: ChangeFeedMode) -> Self {
        match mode {
            ChangeFeedMode::LatestVersion => Self::Capture,
            ChangeFeedMode::AllVersionsAndDeletes => Self::CaptureAllVersions,
        }
    }

    /// Its mode.
    pub fn mode(self) -> ChangeFeedMode {
        match self {
            Self::Capture | Self::Jobs => ChangeFeedMode::LatestVersion,
            Self::CaptureAllVersions => ChangeFeedMode::AllVersionsAndDeletes,
        }
    }

    /// Whether it is captured.
    pub fn is_captured(self) -> bool {
        Self::CAPTURED.contains(&self)
    }

    /// Its name in output and metrics, without the mode.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture | Self::CaptureAllVersions => "capture",
            Self::Jobs => "jobs",
        }
    }

    /// The function that the Functions host calls with its changes, of a source without a name.
    pub fn function(self) -> &'static str {
        match self {
            Self::Capture => "CosmosChangeFeed",
            Self::CaptureAllVersions => "CosmosChangeFeedAllVersions",
            Self::Jobs => "RunJobs",
        }
    }

    /// The function that the Functions host calls with the changes of this feed of a source. All sources share that of the jobs.
    pub fn function_of(self, source: &SourceName) -> String {
        let function = self.function();
        if source.is_default() || !self.is_captured() { function.to_owned() } else { format!("{function}_{source}") }
    }
}

impl Serialize for Feed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
