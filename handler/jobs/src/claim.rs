//! Claims a job for one worker.
//!
//! A claim is a write under the job's etag. A claim that is not renewed is taken over when it has expired by this clock, or
//! when the job has not changed for as long as a claim lasts: the clocks of workers may differ. The race to mind: an event of
//! the change feed is acknowledged only when its job has ended, is claimed here, or was saved by another worker since, which
//! brings another event.

use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, random_u32, timestamp};
use tokio::time::Instant;

use crate::job::{Claim, Read, Work};
use crate::jobs::Jobs;
use crate::kind::JobKind;
use crate::run::Run;
use crate::state::{JobState, SliceEnd};

/// How often a job that another worker has claimed is read.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The outcome of an attempt to claim a job.
pub(crate) enum Claimed {
    /// It is this worker's.
    Run(Arc<dyn JobKind>, Box<Run>),
    /// This worker has nothing to do.
    Not(SliceEnd),
}

/// Claims a job for this worker, or waits until that is not needed. Of a job that waits for its portions, claims one of them.
pub(crate) async fn claim(jobs: &Jobs, kinds: &[Arc<dyn JobKind>], id: &str, worker: &str) -> Result<Claimed, Error> {
    // Distinguishes a write whose reply was lost from another worker's.
    let by = format!("{worker}/{:08x}", random_u32());
    let claim_duration = jobs.options().claim;
    let mut seen: Option<(String, Instant)> = None;
    loop {
        let Some(Read { mut job, etag }) = jobs.read(id).await? else {
            return Ok(Claimed::Not(SliceEnd::NoJob));
        };
        if job.state.is_end() {
            return Ok(Claimed::Not(SliceEnd::Ended(job.state)));
        }
        if job.job.is_waiting() {
            return Box::pin(claim_portion(jobs, kinds, &job.job, worker)).await;
        }
        let of = match job.portion_of() {
            Some(of) => jobs.read(of).await?,
            None => None,
        };
        let kind_name = of.as_ref().map_or(&job.kind, |of| &of.job.kind);
        let Some(kind) = kinds.iter().find(|kind| kind.kind().name == kind_name) else {
            log::warn!("job {id} has kind {kind_name:?}, which this version cannot run; it is skipped");
            return Ok(Claimed::Not(SliceEnd::NoJob));
        };
        if let Some(Read { job: of, etag: of_etag }) = &of {
            job.job.ru_per_second = of.job.portion_budget();
            job.job.cancel |= of.job.cancel;
            // Its worker was killed after it had recorded the end.
            if let Some(state) = of.recorded_end(id) {
                // A replica may not have the list of portions yet. A write of what was read succeeds only if that is the newest state.
                if !of.lists(id) {
                    match jobs.replace(of, of_etag).await {
                        Ok(_) => {}
                        Err(error) if error.kind() == ErrorKind::PreconditionFailed => continue,
                        Err(error) => return Err(error),
                    }
                }
                job.end(state, jobs.now());
                return match jobs.replace(&job, &etag).await {
                    Ok(_) => Ok(Claimed::Not(SliceEnd::Ended(state))),
                    Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(Claimed::Not(SliceEnd::Busy)),
                    Err(error) => Err(error),
                };
            }
        }
        let run = |job, etag| {
            let of = of.as_ref().map(|of| of.job.clone());
            Claimed::Run(Arc::clone(kind), Box::new(Run::new(jobs, by.clone(), job, etag, of)))
        };
        if let Some(host) = job.job.only_on.as_ref().filter(|host| Some(*host) != jobs.host()) {
            let message = format!("it needs files or settings of machine {host} and can run only there");
            return Err(Error::invalid(format!("running job {id}"), message));
        }
        if job.job.claim.as_ref().is_some_and(|claim| claim.by == by) {
            return Ok(run(job, etag));
        }
        if job.job.is_claimed(jobs.now()) {
            match &seen {
                Some((before, _)) if *before != etag => return Ok(Claimed::Not(SliceEnd::Busy)),
                Some((_, since)) if since.elapsed() >= claim_duration => {}
                Some(_) => {
                    tokio::time::sleep(LOOK_INTERVAL).await;
                    continue;
                }
                None => {
                    seen = Some((etag, Instant::now()));
                    continue;
                }
            }
        }
        let now = jobs.now();
        job.job.claim = Some(Claim { by: by.clone(), until: timestamp(now + claim_duration) });
        job.job.slices += 1;
        job.job.updated_at = timestamp(now);
        job.state = JobState::Running;
        match jobs.replace(&job, &etag).await {
            Ok(etag) => return Ok(run(job, etag)),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error),
        }
    }
}

/// Claims a portion that no worker holds, or else one whose worker does not save it any more.
async fn claim_portion(
    jobs: &Jobs,
    kinds: &[Arc<dyn JobKind>],
    divided: &Work,
    worker: &str,
) -> Result<Claimed, Error> {
    let mut claimed = Vec::new();
    for portion in divided.unfinished_portions() {
        let Some(Read { job, .. }) = jobs.read(&portion.id).await? else { continue };
        if job.state.is_end() {
            continue;
        }
        if job.job.is_claimed(jobs.now()) {
            claimed.push(&portion.id);
            continue;
        }
        if let Claimed::Run(kind, run) = claim(jobs, kinds, &portion.id, worker).await? {
            return Ok(Claimed::Run(kind, run));
        }
    }
    // The clock of a killed worker may have been ahead of this one.
    if !claimed.is_empty() {
        let id = claimed[random_u32() as usize % claimed.len()];
        if let Claimed::Run(kind, run) = claim(jobs, kinds, id, worker).await? {
            return Ok(Claimed::Run(kind, run));
        }
    }
    Ok(Claimed::Not(SliceEnd::Waiting))
}
