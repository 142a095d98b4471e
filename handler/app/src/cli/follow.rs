//! Shows how a job goes on, and works on it where nobody else does.

use std::time::Duration;

use anyhow::Result;
use changefeed_history::{ErrorKind, JobState, SliceEnd};
use chrono::Utc;
use tokio::sync::watch;

use super::interrupt::interrupted;
use super::progress::job_bar;
use crate::jobs::runner;
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
    /// Ctrl-C: the job goes on where somebody runs jobs.
    Detached,
}

/// Follows a job to its end, with a progress bar on a terminal. Ctrl-C detaches, a second time at once.
pub async fn follow(service: &Service, id: &str, action: &'static str) -> Result<Followed> {
    let stop = watch::Sender::new(false);
    let following = drive(service, id, action, &stop);
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

async fn drive(service: &Service, id: &str, action: &'static str, stop: &watch::Sender<bool>) -> Result<Followed> {
    let bar = job_bar(action);
    let mut failures = 0;
    let runner = runner();
    loop {
        let job = service.store.job(id).await?;
        bar.show(&job.job.progress());
        if job.state.is_end() {
            bar.finish();
            return Ok(Followed::Ended(job.state));
        }
        if *stop.borrow() {
            bar.finish();
            return Ok(Followed::Detached);
        }
        if job.job.is_claimed(Utc::now()) {
            tokio::time::sleep(LOOK_INTERVAL).await;
            continue;
        }
        let until = async {
            let mut stopping = stop.subscribe();
            tokio::select! {
                () = tokio::time::sleep(service.store.slice_duration()) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        };
        let looking = async {
            loop {
                tokio::time::sleep(LOOK_INTERVAL).await;
                if let Ok(job) = service.store.job(id).await {
                    bar.show(&job.job.progress());
                }
            }
        };
        let end = tokio::select! {
            end = service.store.run_slice(id, &runner, until) => end,
            () = looking => continue,
        };
        match end {
            Ok(SliceEnd::More | SliceEnd::Ended(_) | SliceEnd::Busy | SliceEnd::NoJob) => failures = 0,
            Err(error) if may_pass(error.kind()) && failures < MAX_FAILURES => {
                failures += 1;
                log::warn!("tried again: {error}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                bar.finish();
                return Err(error.into());
            }
        }
    }
}

fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Gone)
}
