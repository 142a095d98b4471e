//! The change feed modes of the service.

use serde::{Deserialize, Serialize};

/// The mode of a change feed. The serialized names are those in lease documents; a lease without a mode is in
/// [`Self::LatestVersion`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeFeedMode {
    /// The latest version of every document that was created or replaced. Intermediate versions may be missing, and
    /// deletes are not reported.
    #[default]
    #[serde(rename = "Incremental Feed")]
    LatestVersion,
    /// Every version and every delete, including expirations by time to live. Starts only from now or from a
    /// continuation token. The account must have continuous backup; its retention period limits how far back the change
    /// feed reaches.
    #[serde(rename = "Full-Fidelity Feed")]
    AllVersionsAndDeletes,
}

impl std::fmt::Display for ChangeFeedMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::LatestVersion => "LatestVersion",
            Self::AllVersionsAndDeletes => "AllVersionsAndDeletes",
        })
    }
}

impl std::str::FromStr for ChangeFeedMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::LatestVersion, Self::AllVersionsAndDeletes]
            .into_iter()
            .find(|mode| mode.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                format!("invalid change feed mode {text:?}; allowed are LatestVersion and AllVersionsAndDeletes")
            })
    }
}
