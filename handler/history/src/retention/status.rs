//! How the retention is doing.

use changefeed_cosmos::{Error, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::retention::Retention;
use super::sweep::cutoff;
use crate::retention_record::NEVER;

/// How long after a sweep the next one is missed.
const OVERDUE: TimeDelta = TimeDelta::hours(6);
/// How far a sweep may be behind before that is told.
const BEHIND: TimeDelta = TimeDelta::days(1);

/// How the retention is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// For how many days a version is kept after it has been superseded; absent for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The history is complete from this time on, as far as it was captured; absent if nothing was ever removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_since: Option<String>,
    /// Versions that were removed so far.
    pub removed_versions: u64,
    /// When the last sweep was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swept_at: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Retention {
    /// How the retention is doing at this time.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn status(&self, now: DateTime<Utc>) -> Result<RetentionStatus, Error> {
        let progress = self.record.progress().await?;
        let days = self.options.days;
        let warning = days.and_then(|days| {
            let swept_at = progress.swept_at.as_deref().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
            if swept_at.is_none_or(|swept_at| now.signed_duration_since(swept_at) > OVERDUE) {
                return Some("no sweep has run in the last hours: is the function Retention deployed?".to_owned());
            }
            let behind = TimeDelta::seconds(cutoff(now, days).saturating_sub(progress.swept_to));
            (behind > BEHIND).then(|| "the sweep is more than a day behind; it goes on every hour".to_owned())
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
