//! The status of the retention.

use changefeed_cosmos::{Error, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::Retention;
use super::sweep::cutoff;
use crate::retention_record::NEVER;

/// A sweep is overdue after this time; one is expected every hour.
const OVERDUE: TimeDelta = TimeDelta::hours(6);
/// A sweep that is behind by more than this causes a warning.
const BEHIND: TimeDelta = TimeDelta::days(1);

/// The status of the retention.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// The number of days for which a version is stored after it was superseded; absent means forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The horizon, RFC 3339 in UTC: for times from then on, no captured version was deleted. Absent if none was ever deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_since: Option<String>,
    /// The number of versions deleted so far.
    pub removed_versions: u64,
    /// When the last sweep ended or ran out of time, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swept_at: Option<String>,
    /// A problem that an operator has to know about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Retention {
    /// The status of the retention at this time.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn status(&self, now: DateTime<Utc>) -> Result<RetentionStatus, Error> {
        let progress = self.record.progress().await?;
        let days = self.options.days;
        let warning = days.and_then(|days| {
            let swept_at = progress.swept_at.as_deref().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
            if swept_at.is_none_or(|swept_at| now.signed_duration_since(swept_at) > OVERDUE) {
                return Some(
                    "no sweep has run in the last six hours; check the function Retention, or run changefeed retention"
                        .to_owned(),
                );
            }
            let behind = TimeDelta::seconds(cutoff(now, days).saturating_sub(progress.swept_to));
            (behind > BEHIND).then(|| "the sweep is more than a day behind; it continues every hour".to_owned())
        });
        let horizon = Some(progress.horizon).filter(|horizon| *horizon != NEVER);
        Ok(RetentionStatus {
            days,
            complete_since: horizon.and_then(|second| DateTime::from_timestamp(second, 0)).map(timestamp),
            removed_versions: progress.removed,
            swept_at: progress.swept_at,
            warning,
        })
    }
}
