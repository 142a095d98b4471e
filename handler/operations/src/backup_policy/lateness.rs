//! Whether the backups of the policy are late, for monitoring: it is read from the record of the policy alone, which is one small item.

use changefeed_cosmos::Error;
use chrono::{DateTime, TimeDelta, Utc};

use super::policies::BackupPolicies;
use super::policy_record::{PolicyRecord, Saved};

/// A backup that has not finished so long after it was due is overdue.
const OVERDUE: TimeDelta = TimeDelta::hours(6);

/// How far the policy is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupLateness {
    /// The slot of the newest backup that has succeeded.
    pub newest: Option<DateTime<Utc>>,
    /// Since when a backup is due that has not succeeded.
    pub due_since: Option<DateTime<Utc>>,
    /// Why the last look at the policy failed.
    pub problem: Option<String>,
}

impl BackupLateness {
    pub(super) fn of(record: &PolicyRecord, now: DateTime<Utc>) -> Result<Self, Error> {
        let newest = record.last_done.as_ref().map(|done| done.slot);
        let due = match newest {
            Some(newest) => record.policy.schedule()?.next(newest),
            // The first backup is due at once.
            None => DateTime::parse_from_rfc3339(&record.set_at).ok().map(|set_at| set_at.to_utc()),
        };
        Ok(Self { newest, due_since: due.filter(|due| *due <= now), problem: record.problem.clone() })
    }

    /// Since when a backup is overdue: it was due more than six hours ago, and has not succeeded.
    pub fn overdue_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.due_since.filter(|due| now - due > OVERDUE)
    }
}

impl BackupPolicies {
    /// How far the policy is behind at a time; none if no policy is set. Reads one item.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn lateness(&self, now: DateTime<Utc>) -> Result<Option<BackupLateness>, Error> {
        let saved = Saved::load(&self.jobs_container).await?;
        saved.map(|saved| BackupLateness::of(&saved.record, now)).transpose()
    }
}
