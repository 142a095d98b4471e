//! A request to prune.

use changefeed_history::TimeZone;

use super::keep::Keep;

/// Which backups to prune.
#[derive(Clone, Debug)]
pub struct PruneRequest {
    /// The location below which the backups are.
    pub location: String,
    /// Which ones are kept.
    pub keep: Keep,
    /// The zone of days, weeks and months.
    pub zone: TimeZone,
}
