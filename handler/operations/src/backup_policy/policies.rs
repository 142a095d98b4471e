//! Sets, shows and removes the policy.

use std::sync::Arc;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Error, ErrorKind, LazyContainer, SourceName, timestamp};
use changefeed_history::{ServiceClock, TimeZone};
use chrono::{DateTime, Utc};

use super::policy::BackupPolicy;
use super::policy_record::{self, PolicyRecord, PolicyRun, Saved};
use super::policy_view::{PolicyView, RunView};
use crate::backup::{Backups, format_error};
use crate::digests::Digests;

/// The policy of the backups of a container.
#[derive(Clone, Debug)]
pub struct BackupPolicies {
    pub(super) backups: Arc<Backups>,
    pub(super) digests: Digests,
    pub(super) jobs_container: LazyContainer,
    pub(super) locations: LocationAccess,
}

impl BackupPolicies {
    /// The policy of these backups and digests. Its record is in the jobs container.
    pub fn new(
        backups: Arc<Backups>,
        digests: Digests,
        jobs_container: LazyContainer,
        locations: LocationAccess,
    ) -> Self {
        Self { backups, digests, jobs_container, locations }
    }

    /// The source whose policy it is.
    pub(super) fn source(&self) -> SourceName {
        self.jobs_container.source().cloned().unwrap_or_default()
    }

    pub(super) fn clock(&self) -> &ServiceClock {
        self.backups.clock()
    }

    /// Sets the policy. Its times are in `zone` unless it names one. The first backup is due at once; with another location, too. Setting
    /// the same policy again changes nothing.
    ///
    /// # Errors
    /// When the policy is invalid, when the location cannot be read, and when the jobs container cannot be written.
    pub async fn set(&self, policy: BackupPolicy, zone: &TimeZone) -> Result<PolicyView, Error> {
        let policy = policy.checked(&self.locations, zone)?;
        let location = self.locations.open(&policy.to).map_err(format_error)?;
        if location.as_file().await.map_err(format_error)?.is_some() {
            let message = format!("{location} is a file; backups need a folder or a prefix of blobs");
            return Err(Error::invalid("setting the backup policy", message));
        }
        // Missing rights are reported now, not when the first backup fails.
        location.list().await.map_err(format_error)?;
        let only_on = self.locations.required_host([policy.to.as_str()].into_iter());
        loop {
            let set_at = timestamp(Utc::now());
            let Some(mut saved) = Saved::load(&self.jobs_container).await? else {
                let record = PolicyRecord::new(policy.clone(), set_at, only_on.clone());
                match policy_record::create(&self.jobs_container, &record).await {
                    Err(error) if error.kind() == ErrorKind::Conflict => continue,
                    created => created?,
                }
                return self.view(record).await;
            };
            if saved.record.policy == policy && saved.record.only_on == only_on {
                return self.view(saved.record).await;
            }
            let mut record =
                PolicyRecord { policy: policy.clone(), set_at, only_on: only_on.clone(), ..saved.record.clone() };
            if saved.record.policy.to != policy.to {
                (record.last, record.last_done, record.digests, record.problem) = (None, None, None, None);
            }
            match saved.save(&self.jobs_container, record).await {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                written => {
                    written?;
                    return self.view(saved.record).await;
                }
            }
        }
    }

    /// The policy, its next run and its last ones; none if no policy is set.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn show(&self) -> Result<Option<PolicyView>, Error> {
        let Some(saved) = Saved::load(&self.jobs_container).await? else { return Ok(None) };
        self.view(saved.record).await.map(Some)
    }

    async fn view(&self, record: PolicyRecord) -> Result<PolicyView, Error> {
        let last = self.run_view(record.last.as_ref()).await?;
        let last_done = self.run_view(record.last_done.as_ref()).await?;
        let last_digests = match &record.digests {
            Some(digests) => found(self.digests.show(&digests.job).await)?,
            None => None,
        };
        Ok(PolicyView {
            next_run: next_run(&record, Utc::now())?.map(timestamp),
            policy: record.policy,
            set_at: record.set_at,
            only_on: record.only_on,
            last,
            last_done,
            last_digests,
            problem: record.problem,
        })
    }

    async fn run_view(&self, run: Option<&PolicyRun>) -> Result<Option<RunView>, Error> {
        let Some(run) = run else { return Ok(None) };
        let backup = found(self.backups.show(&run.backup).await)?;
        Ok(Some(RunView { slot: timestamp(run.slot), id: run.backup.clone(), backup, pruned: run.pruned.clone() }))
    }

    /// Removes the policy, if one is set; whether it was. Its backups are not changed, and one that is being written is finished.
    ///
    /// # Errors
    /// When the jobs container cannot be written.
    pub async fn remove(&self) -> Result<bool, Error> {
        policy_record::remove(&self.jobs_container).await
    }
}

/// What was read; none where it does not exist.
pub(super) fn found<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// When the next backup is due; a time before now if it is due already.
fn next_run(record: &PolicyRecord, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
    let schedule = record.policy.schedule()?;
    let latest = schedule.latest(now).filter(|slot| record.last.as_ref().is_none_or(|last| last.slot < *slot));
    Ok(latest.or_else(|| schedule.next(now)))
}
