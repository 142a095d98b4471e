//! A look at the policy: notes how its last backup ended, and starts the one that is due.

use std::fmt;
use std::time::Duration;

use changefeed_backup_format::Inventory;
use changefeed_cosmos::{Error, ErrorKind, SourceName, timestamp};
use changefeed_jobs::{JobState, JobToRun, Kind};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::base::{Choice, Wanted, folder_of};
use super::deletes::DeletesKnown;
use super::lateness::BackupLateness;
use super::policies::{BackupPolicies, found};
use super::policy_record::{PolicyRecord, PolicyRun, Saved};
use super::prune_report::PruneReport;
use crate::backup::{BACKUP, BackupRequest, format_error};
use crate::digests::DIGEST;

/// How long a look deletes backups; the next look continues.
const PRUNE_TIME: Duration = Duration::from_secs(60);

/// What a look found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyEvent {
    /// No policy is set.
    NotSet,
    /// Only another machine can run its backups.
    Elsewhere(String),
    /// Another instance looked at the same time.
    Yielded,
    /// A backup has ended.
    Ended(String, JobState),
    /// A backup is being written.
    Running(String),
    /// A backup was started: its id, and its content with the reason.
    Started(String, String),
    /// Backups that no rule keeps were deleted.
    Pruned(PruneReport),
    /// Backups could not be deleted, for this reason.
    NotPruned(String),
    /// A job that writes digests has ended.
    DigestsEnded(String, JobState),
    /// Digests are being written.
    DigestsRunning(String),
    /// A job that writes digests was started, or an earlier one at the location has not ended.
    DigestsStarted(String),
    /// The job that writes digests could not be started, for this reason; the next look tries again.
    DigestsNotStarted(String),
    /// A backup that was due at this time is overdue.
    Overdue(DateTime<Utc>),
    /// The next backup is due at this time.
    NextAt(DateTime<Utc>),
}

impl fmt::Display for PolicyEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet => formatter.write_str("no backup policy is set"),
            Self::Elsewhere(host) => write!(
                formatter,
                "the backups are written to a folder of machine {host}; changefeed process, or changefeed backup policy run, \
                 writes them there"
            ),
            Self::Yielded => formatter.write_str("another instance looks at the backup policy"),
            Self::Ended(id, state) => write!(formatter, "backup {id}: {}", format!("{state:?}").to_lowercase()),
            Self::Running(id) => write!(formatter, "backup {id} is being written"),
            Self::Started(id, what) => write!(formatter, "started backup {id}: {what}"),
            Self::Pruned(report) => report.fmt(formatter),
            Self::NotPruned(why) => write!(formatter, "backups that no rule keeps could not be deleted: {why}"),
            Self::DigestsEnded(id, state) => {
                write!(formatter, "digest job {id}: {}", format!("{state:?}").to_lowercase())
            }
            Self::DigestsRunning(id) => write!(formatter, "digest job {id} is under way"),
            Self::DigestsStarted(id) => write!(formatter, "started digest job {id}"),
            Self::DigestsNotStarted(why) => write!(formatter, "the digests could not be started: {why}"),
            Self::Overdue(since) => write!(formatter, "a backup of the policy is overdue since {}", timestamp(*since)),
            Self::NextAt(time) => write!(formatter, "the next backup is due at {}", timestamp(*time)),
        }
    }
}

/// The result of a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyLook {
    /// What it found and did, in order.
    pub events: Vec<PolicyEvent>,
    /// The jobs that have not ended and that only this machine can run: no change feed brings them to another one.
    pub to_run_here: Vec<JobToRun>,
}

impl PolicyLook {
    /// The ids of the jobs that have not ended: of the backup first.
    pub fn unfinished(&self) -> impl Iterator<Item = &str> {
        self.backup().into_iter().chain(self.digests())
    }

    /// The jobs that have not ended: the backup first.
    fn jobs(&self, source: &SourceName) -> Vec<JobToRun> {
        let job =
            |id: &str, kind: Kind| JobToRun { id: id.to_owned(), kind: kind.name.to_owned(), source: source.clone() };
        let backup = self.backup().map(|id| job(id, BACKUP));
        backup.into_iter().chain(self.digests().map(|id| job(id, DIGEST))).collect()
    }

    /// The id of the backup, if it has not ended.
    pub fn backup(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            PolicyEvent::Running(id) | PolicyEvent::Started(id, _) => Some(id.as_str()),
            _ => None,
        })
    }

    /// The id of the job that writes digests, if it has not ended.
    pub fn digests(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            PolicyEvent::DigestsRunning(id) | PolicyEvent::DigestsStarted(id) => Some(id.as_str()),
            _ => None,
        })
    }
}

impl BackupPolicies {
    /// Looks at the policy by the clock of the service.
    ///
    /// # Errors
    /// When the jobs container or the location cannot be read. The next look repeats everything; until then the record has the failure.
    pub async fn look(&self, deletes: &DeletesKnown) -> Result<PolicyLook, Error> {
        match Saved::load(&self.jobs_container).await? {
            None => Ok(PolicyLook { events: vec![PolicyEvent::NotSet], to_run_here: Vec::new() }),
            Some(_) => self.look_at(self.clock().now().await?.time(), deletes).await,
        }
    }

    /// Looks at the policy as of a time.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub async fn look_at(&self, now: DateTime<Utc>, deletes: &DeletesKnown) -> Result<PolicyLook, Error> {
        let mut look = PolicyLook::default();
        let Some(mut saved) = Saved::load(&self.jobs_container).await? else {
            look.events.push(PolicyEvent::NotSet);
            return Ok(look);
        };
        if let Some(host) = saved.record.only_on.clone().filter(|host| self.locations.host.as_ref() != Some(host)) {
            look.events.push(PolicyEvent::Elsewhere(host));
            return Ok(look);
        }
        match self.advance(&mut saved, now, deletes, &mut look).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => look.events.push(PolicyEvent::Yielded),
            Err(error) => {
                let record = PolicyRecord { problem: Some(error.to_string()), ..saved.record.clone() };
                if let Err(unsaved) = saved.save(&self.jobs_container, record).await {
                    log::warn!("could not record why the backup policy failed: {unsaved}");
                }
                return Err(error);
            }
        }
        let overdue = BackupLateness::of(&saved.record, now)?.overdue_since(now);
        look.events.extend(overdue.map(PolicyEvent::Overdue));
        if saved.record.only_on.is_some() {
            look.to_run_here = look.jobs(&self.source());
        }
        Ok(look)
    }

    async fn advance(
        &self,
        saved: &mut Saved,
        now: DateTime<Utc>,
        deletes: &DeletesKnown,
        look: &mut PolicyLook,
    ) -> Result<(), Error> {
        let mut record = saved.record.clone();
        if *deletes != DeletesKnown::Yes {
            for run in [&mut record.last, &mut record.last_done].into_iter().flatten() {
                run.deletes_known = false;
            }
        }
        let is_missing = self.note_end(&mut record, look).await?;
        let is_running = look.events.iter().any(|event| matches!(event, PolicyEvent::Running(_)));
        saved.save(&self.jobs_container, record).await?;
        let backup = async {
            if !is_running {
                self.prune_after(saved, look).await?;
                self.start_if_due(saved, now, deletes, is_missing, look).await?;
            }
            Ok(())
        };
        let backup: Result<(), Error> = backup.await;
        // Digests do not wait for a backup that cannot be started, nor a backup for digests.
        let problem = self.advance_digests(saved, look).await?;
        backup?;
        let record = PolicyRecord { problem, ..saved.record.clone() };
        saved.save(&self.jobs_container, record).await
    }

    /// Notes in the record how the last backup has ended. Whether its job is missing.
    async fn note_end(&self, record: &mut PolicyRecord, look: &mut PolicyLook) -> Result<bool, Error> {
        // A backup that has failed may have been resumed since.
        let Some(last) = record.last.as_mut().filter(|last| last.state != Some(JobState::Done)) else {
            return Ok(false);
        };
        let Some(job) = found(self.backups.show(&last.backup).await)? else { return Ok(last.state.is_none()) };
        if !job.state.is_end() {
            look.events.push(PolicyEvent::Running(last.backup.clone()));
        } else if last.state != Some(job.state) {
            last.state = Some(job.state);
            look.events.push(PolicyEvent::Ended(last.backup.clone(), job.state));
            if job.state == JobState::Done {
                record.last_done = record.last.clone();
            }
        }
        Ok(false)
    }

    /// Prunes once after a backup that has succeeded. What cannot be deleted does not keep the next backup from being taken.
    async fn prune_after(&self, saved: &mut Saved, look: &mut PolicyLook) -> Result<(), Error> {
        let record = &saved.record;
        let is_due =
            record.last.as_ref().is_some_and(|last| last.state == Some(JobState::Done) && last.pruned.is_none());
        if !is_due {
            return Ok(());
        }
        let pruned = async {
            let Some(request) = record.policy.prune_request()? else { return Ok(None) };
            let plan = self.plan_prune(&request).await?;
            self.prune(&request, &plan, Instant::now() + PRUNE_TIME).await.map(Some)
        };
        match pruned.await {
            Ok(None) => {}
            Ok(Some(report)) if report.out_of_time => look.events.push(PolicyEvent::Pruned(report)),
            Ok(Some(report)) => {
                look.events.push(PolicyEvent::Pruned(report.clone()));
                let mut record = saved.record.clone();
                for run in [&mut record.last, &mut record.last_done].into_iter().flatten() {
                    if run.state == Some(JobState::Done) && run.pruned.is_none() {
                        run.pruned = Some(report.clone());
                    }
                }
                saved.save(&self.jobs_container, record).await?;
            }
            Err(error) => {
                log::warn!("backups that no rule keeps could not be deleted: {error}");
                look.events.push(PolicyEvent::NotPruned(error.to_string()));
            }
        }
        Ok(())
    }

    async fn start_if_due(
        &self,
        saved: &mut Saved,
        now: DateTime<Utc>,
        deletes: &DeletesKnown,
        is_missing: bool,
        look: &mut PolicyLook,
    ) -> Result<(), Error> {
        let schedule = saved.record.policy.schedule()?;
        let out_of_range = || Error::invalid("looking at the backup policy", format!("{now} has no slot"));
        let slot = schedule.latest(now).ok_or_else(out_of_range)?;
        let is_due = saved.record.last.as_ref().is_none_or(|last| last.slot < slot || is_missing && last.slot == slot);
        if is_due {
            let backup = job_id(slot, &self.source(), &saved.record.policy.to);
            let last = PolicyRun {
                slot,
                backup: backup.clone(),
                state: None,
                deletes_known: *deletes == DeletesKnown::Yes,
                pruned: None,
            };
            // Before the job is created: another instance must not start the backup of a later slot meanwhile.
            let record = PolicyRecord { last: Some(last), ..saved.record.clone() };
            saved.save(&self.jobs_container, record).await?;
            let what = self.start(&saved.record, slot, &backup, deletes).await?;
            look.events.push(PolicyEvent::Started(backup, what));
        }
        look.events.extend(schedule.next(now).map(PolicyEvent::NextAt));
        Ok(())
    }

    /// Creates the job of a slot, unless there is one. Returns what it does.
    async fn start(
        &self,
        record: &PolicyRecord,
        slot: DateTime<Utc>,
        id: &str,
        deletes: &DeletesKnown,
    ) -> Result<String, Error> {
        if let Some(existing) = self.existing(id).await? {
            return Ok(existing);
        }
        let policy = &record.policy;
        let location = self.locations.open(&policy.to).map_err(format_error)?;
        let folder = |name: &str| location.child(name).map(|child| child.to_string()).map_err(format_error);
        let inventory = Inventory::take(&location).await.map_err(format_error)?;
        let (source, resource_id) = self.backups.source().await?;
        let wanted = Wanted {
            slot,
            source: &source,
            resource_id: &resource_id,
            full_every: policy.full_every(),
            deletes,
            last_done: record.last_done.as_ref(),
        };
        let (incremental_from, what) = match wanted.choose(&location, &inventory).await? {
            Choice::Increment(base) => (Some(folder(&base.name)?), format!("an increment of {}", base.header.id)),
            Choice::Full(why) => (None, format!("a full backup, because {why}")),
        };
        let own = policy.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let request = BackupRequest {
            to: folder(&folder_of(slot, &self.source()))?,
            incremental_from,
            reason: Some(format!("backup policy: {what}{own}")),
            requested_by: policy.requested_by.clone(),
            ru_per_second: policy.ru_per_second,
            ..BackupRequest::default()
        };
        match self.backups.create_job_as(id.to_owned(), &request).await {
            Ok(_) => Ok(what),
            // Another instance may have created it, and its worker may have begun to write.
            Err(error) if !error.is_transient() => self.existing(id).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// What the job of a slot does, if there is one.
    async fn existing(&self, id: &str) -> Result<Option<String>, Error> {
        let backup = found(self.backups.show(id).await)?;
        Ok(backup.map(|backup| backup.request["reason"].as_str().unwrap_or_default().to_owned()))
    }
}

/// The id of a job of a source for a slot that writes to a location. Ids sort by time.
pub(super) fn job_id(slot: DateTime<Utc>, source: &SourceName, to: &str) -> String {
    let digest = match source.is_default() {
        true => Sha256::digest(to),
        false => Sha256::digest(format!("{source}\n{to}")),
    };
    let [a, b, c, d] = [digest[0], digest[1], digest[2], digest[3]];
    format!("{:010}-{:08x}", slot.timestamp(), u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_job_follows_from_the_slot_and_the_location() {
        let slot = DateTime::from_timestamp(1_795_790_400, 0).expect("a time");
        let (default, orders) = (SourceName::default(), "orders".parse().expect("a name"));
        let id = job_id(slot, &default, "/backups");
        assert!(id.starts_with("1795790400-") && id.len() == 19, "{id}");
        assert_eq!(job_id(slot, &default, "/backups"), id);
        assert_ne!(job_id(slot, &default, "/other"), id);
        assert_ne!(job_id(slot, &orders, "/backups"), id);
        assert_ne!(job_id(slot + chrono::TimeDelta::hours(1), &default, "/backups"), id);
    }
}
