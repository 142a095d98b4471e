//! Follows a job: shows its progress and runs it here if no other worker holds it. A slice waits for the claim of another
//! worker, and takes the job over when that claim expires because the worker died. Of a divided job, it runs portions that no other
//! worker holds.

use std::time::Duration;

use anyhow::{Result, bail};
use changefeed_cosmos::ErrorKind;
use changefeed_jobs::{Job, JobState, SliceEnd};
use chrono::Utc;
use tokio::sync::watch;

use super::interrupt::interrupted;
use super::progress::{JobBar, job_bar};
use super::standard_error::note;
use crate::jobs::{host, worker};
use crate::service::Service;

/// How often the job is read.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Pause before a retry after a transient failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Consecutive failures that are retried.
const MAX_FAILURES: u32 = 10;

/// How following a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The job ended.
    Ended(JobState),
    /// Ctrl-C: another worker may continue the job. Its end is unknown, so this is not a success.
    Detached,
}

/// A job to follow, and how it is reported.
pub struct Following<'a> {
    pub id: &'a str,
    /// Label of the progress bar.
    pub action: &'static str,
    /// A phase and a line that is printed once when the job reaches it.
    pub phase: Option<(&'static str, String)>,
    /// Whether a person reads the output: then the id is printed first.
    pub for_humans: bool,
}

/// Follows a job to its end, with a progress bar on a terminal. Ctrl-C detaches after the work in progress is saved; a
/// second Ctrl-C detaches at once.
pub async fn follow(service: &Service, job: Following<'_>) -> Result<Followed> {
    let stop = watch::Sender::new(false);
    if job.for_humans {
        note(format!("{}: job {}", job.action, job.id));
    }
    let following = drive(service, job, &stop);
    tokio::pin!(following);
    tokio::select! {
        ended = &mut following => return ended,
        interrupted = interrupted() => interrupted?,
    }
    stop.send_replace(true);
    tokio::select! {
        ended = &mut following => ended,
        again = interrupted() => again.map(|()| Followed::Detached),
    }
}

async fn drive(service: &Service, job: Following<'_>, stop: &watch::Sender<bool>) -> Result<Followed> {
    let (id, worker) = (job.id, worker());
    let mut reporter =
        Reporter { bar: job_bar(job.action), own: format!("{worker}/"), phase: job.phase, is_waiting: false };
    let mut failures = 0;
    loop {
        let job = service.changefeed.jobs.job(id).await?;
        reporter.show(&job);
        if job.state.is_end() {
            reporter.bar.finish();
            return Ok(Followed::Ended(job.state));
        }
        if *stop.borrow() {
            reporter.bar.finish();
            return Ok(Followed::Detached);
        }
        // Another machine holds a job that only it can run: this process can only watch.
        if job.job.only_on.as_ref().is_some_and(|only| *only != host()) && job.job.is_claimed(Utc::now()) {
            tokio::time::sleep(POLL_INTERVAL).await;
            continue;
        }
        let until = async {
            let mut stopping = stop.subscribe();
            tokio::select! {
                () = tokio::time::sleep(service.changefeed.runner.slice_duration()) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        };
        let watching = async {
            loop {
                tokio::time::sleep(POLL_INTERVAL).await;
                if let Ok(job) = service.changefeed.jobs.job(id).await {
                    reporter.show(&job);
                }
            }
        };
        let end = tokio::select! {
            end = service.changefeed.runner.run_slice(id, &worker, until) => end,
            () = watching => continue,
        };
        match end {
            Ok(SliceEnd::Waiting) => tokio::time::sleep(POLL_INTERVAL).await,
            Ok(SliceEnd::More | SliceEnd::Ended(_) | SliceEnd::Busy | SliceEnd::NoJob) => failures = 0,
            // The slice may have been waiting for another worker's claim when the stop was requested.
            Err(error) if is_transient(error.kind()) && *stop.borrow() => {}
            Err(error) if is_transient(error.kind()) && failures < MAX_FAILURES => {
                pause(&mut failures, &error.to_string()).await;
            }
            Ok(SliceEnd::Failing { message, .. }) if failures < MAX_FAILURES => pause(&mut failures, &message).await,
            Ok(SliceEnd::Failing { message, .. }) => {
                reporter.bar.finish();
                bail!("{message}");
            }
            Err(error) => {
                reporter.bar.finish();
                return Err(error.into());
            }
        }
    }
}

async fn pause(failures: &mut u32, message: &str) {
    *failures += 1;
    log::warn!("retrying after a failure: {message}");
    tokio::time::sleep(RETRY_PAUSE).await;
}

/// Reports the progress of a job.
struct Reporter {
    bar: JobBar,
    /// Prefix of this process's claims.
    own: String,
    phase: Option<(&'static str, String)>,
    /// Whether the other worker that holds the job was already named.
    is_waiting: bool,
}

impl Reporter {
    fn show(&mut self, job: &Job) {
        let progress = job.job.progress();
        self.bar.show(&progress);
        let claim = job.job.claim.as_ref().filter(|claim| !claim.by.starts_with(&self.own));
        let is_divided = !job.job.portions.is_empty();
        if let Some(claim) = claim.filter(|_| !is_divided && !self.is_waiting && job.job.is_claimed(Utc::now())) {
            self.is_waiting = true;
            let worker = claim.by.rsplit_once('/').map_or(claim.by.as_str(), |(worker, _)| worker);
            self.bar.print(&format!("waiting for worker {worker}, which holds this job until {}", claim.until));
        }
        if let Some((_, text)) = self.phase.take_if(|(phase, _)| progress.phase.as_deref() == Some(*phase)) {
            self.bar.print(&text);
        }
    }
}

fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Gone)
}
