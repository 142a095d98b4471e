//! Shows how a job goes on, and works on it where nobody else does. A claim of another runner is waited for within a slice,
//! which takes the job over from one that was killed.

use std::time::Duration;

use anyhow::{Result, bail};
use changefeed_cosmos::ErrorKind;
use changefeed_jobs::{Job, JobState, SliceEnd};
use chrono::Utc;
use tokio::sync::watch;

use super::interrupt::interrupted;
use super::progress::{JobBar, job_bar};
use crate::jobs::{host, runner};
use crate::service::Service;

/// How often it is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// How long after a failure that may pass it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Failures in a row that are borne.
const MAX_FAILURES: u32 = 10;

/// How following a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The job did.
    Ended(JobState),
    /// Ctrl-C: the job goes on where somebody runs jobs. Whoever leaves has not seen its end: that is no success.
    Detached,
}

/// A job to follow, and how people are told of it.
pub struct Following<'a> {
    pub id: &'a str,
    /// What the bar says.
    pub action: &'static str,
    /// What is told once when the job comes to the phase of this name.
    pub phase: Option<(&'static str, String)>,
    /// Whether people read along: then the id is told first.
    pub people: bool,
}

/// Follows a job to its end, with a progress bar on a terminal. Ctrl-C detaches, a second time at once.
pub async fn follow(service: &Service, job: Following<'_>) -> Result<Followed> {
    let stop = watch::Sender::new(false);
    if job.people {
        eprintln!("{}: job {}", job.action, job.id);
    }
    let following = drive(service, job, &stop);
    tokio::pin!(following);
    tokio::select! {
        ended = &mut following => return ended,
        interrupted = interrupted() => interrupted?,
    }
    // What is under way is finished and saved.
    stop.send_replace(true);
    tokio::select! {
        ended = &mut following => ended,
        again = interrupted() => again.map(|()| Followed::Detached),
    }
}

async fn drive(service: &Service, job: Following<'_>, stop: &watch::Sender<bool>) -> Result<Followed> {
    let (id, runner) = (job.id, runner());
    let mut told = Told { bar: job_bar(job.action), own: format!("{runner}/"), phase: job.phase, is_waiting: false };
    let mut failures = 0;
    loop {
        let job = service.changefeed.jobs.job(id).await?;
        told.show(&job);
        if job.state.is_end() {
            told.bar.finish();
            return Ok(Followed::Ended(job.state));
        }
        if *stop.borrow() {
            told.bar.finish();
            return Ok(Followed::Detached);
        }
        // Where only another machine can work on it, and does, there is only to look.
        if job.job.only_on.as_ref().is_some_and(|only| *only != host()) && job.job.is_claimed(Utc::now()) {
            tokio::time::sleep(LOOK_INTERVAL).await;
            continue;
        }
        let until = async {
            let mut stopping = stop.subscribe();
            tokio::select! {
                () = tokio::time::sleep(service.changefeed.runner.slice_duration()) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        };
        let looking = async {
            loop {
                tokio::time::sleep(LOOK_INTERVAL).await;
                if let Ok(job) = service.changefeed.jobs.job(id).await {
                    told.show(&job);
                }
            }
        };
        let end = tokio::select! {
            end = service.changefeed.runner.run_slice(id, &runner, until) => end,
            () = looking => continue,
        };
        match end {
            Ok(SliceEnd::More | SliceEnd::Ended(_) | SliceEnd::Busy | SliceEnd::NoJob) => failures = 0,
            // It was waiting for another runner's claim, perhaps.
            Err(error) if may_pass(error.kind()) && *stop.borrow() => {}
            Err(error) if may_pass(error.kind()) && failures < MAX_FAILURES => {
                pause(&mut failures, &error.to_string()).await;
            }
            Ok(SliceEnd::Failing { message, .. }) if failures < MAX_FAILURES => pause(&mut failures, &message).await,
            Ok(SliceEnd::Failing { message, .. }) => {
                told.bar.finish();
                bail!("{message}");
            }
            Err(error) => {
                told.bar.finish();
                return Err(error.into());
            }
        }
    }
}

async fn pause(failures: &mut u32, message: &str) {
    *failures += 1;
    log::warn!("tried again: {message}");
    tokio::time::sleep(PAUSE).await;
}

/// What people are told of a job while it goes on.
struct Told {
    bar: JobBar,
    /// How claims of this process begin.
    own: String,
    phase: Option<(&'static str, String)>,
    /// Whether it was told who else has the job.
    is_waiting: bool,
}

impl Told {
    fn show(&mut self, job: &Job) {
        let progress = job.job.progress();
        self.bar.show(&progress);
        let claim = job.job.claim.as_ref().filter(|claim| !claim.by.starts_with(&self.own));
        if let Some(claim) = claim.filter(|_| !self.is_waiting && job.job.is_claimed(Utc::now())) {
            self.is_waiting = true;
            let runner = claim.by.rsplit_once('/').map_or(claim.by.as_str(), |(runner, _)| runner);
            self.bar.say(&format!("waiting for {runner}, which has the job until {}", claim.until));
        }
        if let Some((_, text)) = self.phase.take_if(|(phase, _)| progress.phase.as_deref() == Some(*phase)) {
            self.bar.say(&text);
        }
    }
}

fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Gone)
}
