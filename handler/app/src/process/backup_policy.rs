//! The backup policy without the timer of the Functions host: every instance looks at it once a minute. Together they create one backup for
//! each time at which one is due.

use std::sync::Arc;
use std::time::Duration;

use changefeed_jobs::{JobToRun, SliceEnd};
use changefeed_operations::BACKUP;
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
                let job = match telemetry::in_span("BackupPolicy", look(&service)).await {
                    Ok(look) => {
                        look.events.iter().for_each(|event| log::debug!("backup policy: {event}"));
                        look.to_run_here
                    }
                    Err(error) => {
                        log::warn!("could not look at the backup policy, trying again later: {error:#}");
                        None
                    }
                };
                match job {
                    // The feed of the jobs leaves a backup into a folder to its machine: this one.
                    Some(id) => run_here(&service, &id).await,
                    None => tokio::time::sleep(INTERVAL).await,
                }
            }
        }))
    }
}

/// Runs slices of a job until it ends or cannot be run.
async fn run_here(service: &Service, id: &str) {
    let runner = &service.changefeed.runner;
    let job = JobToRun { id: id.to_owned(), kind: BACKUP.name.to_owned() };
    loop {
        match run_slice(runner, &job, tokio::time::sleep(runner.slice_duration())).await {
            Ok(SliceEnd::Ended(_) | SliceEnd::NoJob) => return,
            Ok(SliceEnd::More) => {}
            Ok(SliceEnd::Busy) => tokio::time::sleep(RETRY_PAUSE).await,
            Ok(SliceEnd::Failing { failures, message }) => {
                log::warn!("backup {id} failed, {failures} times in a row, and is retried: {message}");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => {
                log::warn!("could not run backup {id}, trying again later: {error}");
                return tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

impl Drop for BackingUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}
