//! The backup policy without the timer of the Functions host: every instance looks at it once a minute. Together they create one backup for
//! each time at which one is due.

use std::sync::Arc;
use std::time::Duration;

use changefeed_jobs::{JobToRun, SliceEnd};
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::backup_policy::look;
use crate::jobs::run_slice;
use crate::service::Service;
use crate::telemetry;

const INTERVAL: Duration = Duration::from_secs(60);
/// Pause after a slice that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Looks at the policy until it is dropped.
pub struct BackingUp(JoinHandle<()>);

impl BackingUp {
    pub fn start(service: Arc<Service>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let jobs = match telemetry::attempt("BackupPolicy", Box::pin(look(&service))).await {
                    Ok(look) => {
                        look.events.iter().for_each(|event| log::debug!("backup policy: {event}"));
                        look.to_run_here
                    }
                    Err(error) => {
                        log::warn!("could not look at the backup policy, trying again later: {error:#}");
                        Vec::new()
                    }
                };
                if jobs.is_empty() {
                    tokio::time::sleep(INTERVAL).await;
                }
                // The feed of the jobs leaves a job that writes into a folder to its machine: this one. After a slice of each, the policy is
                // looked at again: a long digest job does not delay the next backup.
                join_all(jobs.iter().map(|job| run_here(&service, job))).await;
            }
        }))
    }
}

/// Runs a slice of a job, and pauses after a failure.
async fn run_here(service: &Service, job: &JobToRun) {
    let (runner, id) = (&service.changefeed.runner, &job.id);
    match run_slice(runner, job, tokio::time::sleep(runner.slice_duration())).await {
        Ok(SliceEnd::Ended(_) | SliceEnd::NoJob | SliceEnd::More) => return,
        Ok(SliceEnd::Busy | SliceEnd::Waiting) => {}
        Ok(SliceEnd::Failing { failures, message }) => {
            log::warn!("job {id} failed, {failures} times in a row, and is retried: {message}");
        }
        Err(error) => log::warn!("could not run job {id}, trying again later: {error}"),
    }
    tokio::time::sleep(RETRY_PAUSE).await;
}

impl Drop for BackingUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}
