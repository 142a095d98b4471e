//! What the feed tells.

use serde::{Deserialize, Serialize};

/// The mode of a change feed. The serialized names are those that leases bear; a lease without one is of
/// [`Self::LatestVersion`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeFeedMode {
    /// The newest version of every document that was created or replaced. Versions in between may be missing, and
    /// deletes are not told.
    #[default]
    #[serde(rename = "Incremental Feed")]
    LatestVersion,
    /// Every version, and every delete, by time to live too. Starts from now or from a bookmark only; the account must
    /// have continuous backup, and the feed reaches as far back as that keeps.
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
            .ok_or_else(|| format!("{text} is not LatestVersion or AllVersionsAndDeletes"))
    }
}
