//! The last backup and the last verification, and what of them needs action. The head of every page asks for it, so it takes two small
//! queries.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::JobState;
use changefeed_operations::ListedJob;

use super::elements::counted;
use super::job_kind::JobKind;
use super::problem::Problem;
use crate::service::Service;

/// The jobs of a kind that are read, to find the last one that has ended.
const RECENT: u32 = 10;

/// The recent backups and verifications, newest first.
pub struct LastJobs {
    backups: Result<Vec<ListedJob>, Error>,
    verifications: Result<Vec<ListedJob>, Error>,
}

impl LastJobs {
    /// Reads them.
    pub async fn read(service: &Service) -> Self {
        let (backups, verifications) =
            tokio::join!(recent(service, JobKind::Backups, RECENT), recent(service, JobKind::Verifications, RECENT));
        Self { backups, verifications }
    }

    /// The last backup that has ended, or else the newest one.
    ///
    /// # Errors
    /// Why the backups cannot be read.
    pub fn backup(&self) -> Result<Option<&ListedJob>, &Error> {
        self.backups.as_ref().map(|jobs| last(jobs))
    }

    /// The last verification that has ended, or else the newest one.
    ///
    /// # Errors
    /// Why the verifications cannot be read.
    pub fn verification(&self) -> Result<Option<&ListedJob>, &Error> {
        self.verifications.as_ref().map(|jobs| last(jobs))
    }

    /// What needs action. Jobs that cannot be read are a problem of their container.
    pub fn problems(&self) -> Vec<Problem> {
        let verification = self.verifications.as_ref().ok().and_then(|jobs| of_verifications(jobs));
        let backup = self.backups.as_ref().ok().and_then(|jobs| of_backups(jobs));
        verification.into_iter().chain(backup).collect()
    }
}

/// The most recent jobs of a kind, so many, the newest first.
///
/// # Errors
/// When the jobs cannot be read.
pub async fn recent(service: &Service, kind: JobKind, count: u32) -> Result<Vec<ListedJob>, Error> {
    let page = PageRequest { max_items: Some(count), continuation: None };
    Ok(service.changefeed.list_jobs(&[kind.kind()], &page).await?.0)
}

fn last(jobs: &[ListedJob]) -> Option<&ListedJob> {
    jobs.iter().find(|job| job.state.is_end()).or_else(|| jobs.first())
}

fn message(job: &ListedJob) -> String {
    job.progress().and_then(|progress| progress.message).unwrap_or_else(|| "no reason was recorded".to_owned())
}

/// The problem of the last verification. A verification of one partition says nothing about the others, so that an earlier one counts too.
fn of_verifications(jobs: &[ListedJob]) -> Option<Problem> {
    let ended = jobs.iter().filter(|job| job.state.is_end() && job.state != JobState::Cancelled);
    for job in ended {
        let page = JobKind::Verifications.address(&job.id);
        match job.state {
            JobState::Findings => {
                let found = counted(open_findings(job), "difference", "differences");
                let what = format!("The last verification found {found} between the live documents and the history.");
                let action = "Repair the findings, on the page of the verification or with: changefeed verify --repair";
                return Some(Problem::new(what, action).on(page));
            }
            JobState::Failed => {
                let what = format!("The last verification failed: {}", message(job));
                return Some(Problem::new(what, "Verify again with: changefeed verify").on(page));
            }
            _ if job.request["partitionKey"].is_null() => return None,
            _ => {}
        }
    }
    None
}

fn of_backups(jobs: &[ListedJob]) -> Option<Problem> {
    let last = jobs.iter().find(|job| job.state.is_end() && job.state != JobState::Cancelled)?;
    (last.state == JobState::Failed).then(|| {
        let what = format!("The last backup failed: {}", message(last));
        Problem::new(what, "Back up again with: changefeed backup create").on(JobKind::Backups.address(&last.id))
    })
}

/// The findings of a verification that are not repaired.
fn open_findings(job: &ListedJob) -> usize {
    let of = |name: &str| job.counts[name].as_u64().unwrap_or_default();
    let found: u64 =
        ["missing", "neverCaptured", "gone", "inexact", "incomplete", "unknownIdentity"].into_iter().map(of).sum();
    usize::try_from(found.saturating_sub(of("repaired"))).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn jobs(records: Value) -> Vec<ListedJob> {
        let mut records = records;
        for (number, record) in records.as_array_mut().into_iter().flatten().enumerate() {
            (record["id"], record["kind"], record["startedAt"]) =
                (json!(number.to_string()), json!("verify"), json!("2026-11-28T10:00:00.000Z"));
        }
        serde_json::from_value(records).expect("jobs")
    }

    #[test]
    fn the_last_verification_that_has_ended_decides_and_one_of_a_partition_only_about_its_partition() {
        let what = |records: Value| of_verifications(&jobs(records)).map(|problem| problem.what);
        let found = json!({"state": "findings", "counts": {"gone": 2, "missing": 1, "repaired": 1}});
        let found_text =
            Some("The last verification found 2 differences between the live documents and the history.".to_owned());
        assert_eq!(what(json!([{"state": "running"}, {"state": "cancelled"}, found])), found_text);
        assert_eq!(what(json!([{"state": "done", "request": {"partitionKey": ["a"]}}, found])), found_text);
        assert_eq!(what(json!([{"state": "done", "request": {"repair": true}}, found])), None);
        let failed = json!([{"state": "failed", "job": {"message": "the disk is full"}}, {"state": "done"}]);
        assert_eq!(what(failed.clone()).as_deref(), Some("The last verification failed: the disk is full"));
        assert_eq!(what(json!([])), None);
        assert_eq!(
            of_backups(&jobs(failed)).map(|problem| problem.what).as_deref(),
            Some("The last backup failed: the disk is full")
        );
        assert!(of_backups(&jobs(json!([{"state": "queued"}, {"state": "done"}, {"state": "failed"}]))).is_none());
    }
}
