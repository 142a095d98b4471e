//! The policy as it is stored, an item of the jobs container, with its last runs. `docs/reference/format.md` specifies it.
//!
//! It is replaced only under its etag: of two instances that look at the same time, one detects the other.

use changefeed_cosmos::{Error, ErrorKind, Key, LazyContainer, to_item, without_system_properties};
use changefeed_history::SCHEMA;
use changefeed_jobs::JobState;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::policy::BackupPolicy;
use super::prune_report::PruneReport;

const ID: &str = "backup-policy";

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyRecord {
    pub id: String,
    /// Distinguishes it from the jobs in the same container.
    pub kind: String,
    #[serde(deserialize_with = "BackupPolicy::stored")]
    pub policy: BackupPolicy,
    /// When it was set, RFC 3339 in UTC.
    pub set_at: String,
    /// The only machine that can run its backups, because their files are there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub only_on: Option<String>,
    /// The last run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<PolicyRun>,
    /// The last run that has succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_done: Option<PolicyRun>,
    /// The digests of the last slot for which their job was started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digests: Option<SlotDigests>,
    /// Why the last look at the policy failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
    pub schema: u32,
}

/// The backup of a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyRun {
    /// The time for which it was due.
    pub slot: DateTime<Utc>,
    /// The id of its job.
    pub backup: String,
    /// Its state at its end; none before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<JobState>,
    /// Whether every delete since its start was captured, as far as the looks since then have seen.
    #[serde(default)]
    pub deletes_known: bool,
    /// What the prune after it deleted; none before, and where every backup is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pruned: Option<PruneReport>,
}

/// The digests of a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SlotDigests {
    /// The slot.
    pub slot: DateTime<Utc>,
    /// The id of the job that writes them.
    pub job: String,
    /// Its state at its end; none before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<JobState>,
}

impl PolicyRecord {
    pub(super) fn new(policy: BackupPolicy, set_at: String, only_on: Option<String>) -> Self {
        Self {
            id: ID.to_owned(),
            kind: ID.to_owned(),
            policy,
            set_at,
            only_on,
            last: None,
            last_done: None,
            digests: None,
            problem: None,
            schema: SCHEMA,
        }
    }
}

/// The partition key of the record.
fn key(jobs: &LazyContainer) -> Key {
    Key::text(jobs.own_id(ID))
}

/// The record as it was read or written last.
#[derive(Debug)]
pub(super) struct Saved {
    pub record: PolicyRecord,
    etag: String,
}

impl Saved {
    /// The stored record; none before a policy is set.
    pub(super) async fn load(jobs: &LazyContainer) -> Result<Option<Self>, Error> {
        let Some(item) = jobs.open().await?.read(&key(jobs), &jobs.own_id(ID)).await? else { return Ok(None) };
        let etag = item["_etag"].as_str().unwrap_or_default().to_owned();
        let record = serde_json::from_value(without_system_properties(item))
            .map_err(|error| Error::corrupt("reading the backup policy", error))?;
        Ok(Some(Self { record, etag }))
    }

    /// Replaces the record, unless it is the same.
    ///
    /// # Errors
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed) when another instance has written it since it was read.
    pub(super) async fn save(&mut self, jobs: &LazyContainer, record: PolicyRecord) -> Result<(), Error> {
        if record == self.record {
            return Ok(());
        }
        let item = to_item(&record)?;
        let written = match jobs.open().await?.replace(&key(jobs), &jobs.own_id(ID), &item, &self.etag).await {
            Ok(written) => written.etag.unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                // A write of this look whose reply was lost has the same content.
                let found = Self::load(jobs).await?.filter(|found| found.record == record);
                found.ok_or(error)?.etag
            }
            // It was removed since.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::new(ErrorKind::PreconditionFailed, "saving the backup policy", "it was removed"));
            }
            Err(error) => return Err(error),
        };
        (self.record, self.etag) = (record, written);
        Ok(())
    }
}

/// Stores the first policy.
///
/// # Errors
/// [`Conflict`](ErrorKind::Conflict) when there is one.
pub(super) async fn create(jobs: &LazyContainer, record: &PolicyRecord) -> Result<(), Error> {
    jobs.open().await?.create(&key(jobs), &jobs.own_id(ID), &to_item(record)?).await.map(drop)
}

/// Removes the policy, if there is one.
pub(super) async fn remove(jobs: &LazyContainer) -> Result<bool, Error> {
    Ok(jobs.open().await?.delete(&key(jobs), &jobs.own_id(ID), None).await?.is_own())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn the_record_is_read_back_as_it_was_written(
            hours in 1u32..1000, text in any::<String>(), keep in proptest::option::of(0u32..100), second in proptest::option::of(0i64..4_000_000_000), ended in any::<bool>(),
        ) {
            let policy = json!({"to": text, "every": format!("{hours}h"), "keepDaily": keep, "reason": text, "at": "02:30"});
            let mut record = PolicyRecord::new(serde_json::from_value(policy).expect("policy"), text.clone(), Some(text.clone()));
            record.problem = keep.map(|_| text.clone());
            record.last = second.map(|second| PolicyRun {
                slot: DateTime::from_timestamp(second, 0).expect("a time"), backup: text, state: ended.then_some(JobState::Done), deletes_known: ended, pruned: ended.then(PruneReport::default),
            });
            record.last_done = record.last.clone();
            record.digests = record.last.as_ref().map(|run| SlotDigests { slot: run.slot, job: run.backup.clone(), state: run.state });
            let stored = serde_json::to_string(&record).expect("json");
            prop_assert_eq!(serde_json::from_str::<PolicyRecord>(&stored).expect("record"), record);
        }
    }
}
