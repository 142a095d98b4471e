//! Who works on a job.
//!
//! A claim is a write under the job's etag. One that is renewed no more is taken over when it has run out by this clock,
//! or when the job has not changed for as long as a claim lasts: the clocks of runners may differ. The race to mind: an
//! event of the change feed is acknowledged only when its job has ended, is worked on here, or was saved by somebody else
//! since, which brings another event.

use std::time::{Duration, Instant};

use chrono::Utc;

use super::job::{Claim, Read};
use super::kind::JobKind;
use super::run::Run;
use super::slice::SliceEnd;
use super::state::JobState;
use crate::cosmos::{Error, ErrorKind};
use crate::store::Store;
use crate::version::timestamp;

/// How often a job that another runner has is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What came of an attempt to claim a job.
pub(super) enum Claimed {
    /// It is this runner's.
    Run(Box<Run>),
    /// There is nothing to do.
    Not(SliceEnd),
}

impl Store {
    /// Claims a job for this runner, or waits until that is not needed.
    pub(super) async fn claim_job(&self, id: &str, runner: &str) -> Result<Claimed, Error> {
        // Tells a write whose reply was lost from another runner's.
        let by = format!("{runner}/{:08x}", rand::random::<u32>());
        let mut seen: Option<(String, Instant)> = None;
        loop {
            let Some(Read { mut job, etag }) = self.read_job(id).await? else {
                return Ok(Claimed::Not(SliceEnd::NoJob));
            };
            let Some(kind) = JobKind::named(&job.kind) else {
                log::warn!("job {id} is of kind {:?}, which this version does not know; it is left alone", job.kind);
                return Ok(Claimed::Not(SliceEnd::NoJob));
            };
            if job.state.is_end() {
                return Ok(Claimed::Not(SliceEnd::Ended(job.state)));
            }
            if let Some(host) = job.job.only_on.as_ref().filter(|host| Some(*host) != self.options.places.host.as_ref())
            {
                let message = format!("only {host} can do it: it has files there");
                return Err(Error::new(ErrorKind::Invalid, format!("working on job {id}"), message));
            }
            if job.job.claim.as_ref().is_some_and(|claim| claim.by == by) {
                return Ok(Claimed::Run(Box::new(Run::new(self.metered(), kind, by, job, etag))));
            }
            if job.job.is_claimed(Utc::now()) {
                match &seen {
                    Some((before, _)) if *before != etag => return Ok(Claimed::Not(SliceEnd::Busy)),
                    Some((_, since)) if since.elapsed() >= self.options.jobs.claim => {}
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
            let now = Utc::now();
            job.job.claim = Some(Claim { by: by.clone(), until: timestamp(now + self.options.jobs.claim) });
            job.job.slices += 1;
            job.job.updated_at = timestamp(now);
            job.state = JobState::Running;
            match self.replace_job(&job, &etag).await {
                Ok(etag) => return Ok(Claimed::Run(Box::new(Run::new(self.metered(), kind, by, job, etag)))),
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
    }
}
