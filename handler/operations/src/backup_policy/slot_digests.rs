//! The digests of a slot: one job, whose id follows from the slot. What a look leaves undone, the next one does.

use changefeed_cosmos::{Error, ErrorKind};

use super::due::{PolicyEvent, PolicyLook, job_id};
use super::policies::{BackupPolicies, found};
use super::policy_record::{PolicyRecord, Saved, SlotDigests};
use crate::digests::{DigestRequest, DigestView};

impl BackupPolicies {
    /// Notes how the digests of the last slot have ended, and starts those that are due. Why they could not be started, if they could not.
    ///
    /// # Errors
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed) when another instance has written the record.
    pub(super) async fn advance_digests(
        &self,
        saved: &mut Saved,
        look: &mut PolicyLook,
    ) -> Result<Option<String>, Error> {
        match self.try_advance_digests(saved, look).await {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Err(error),
            Err(error) => {
                let event = PolicyEvent::DigestsNotStarted(error.to_string());
                let problem = event.to_string();
                look.events.push(event);
                Ok(Some(problem))
            }
        }
    }

    async fn try_advance_digests(&self, saved: &mut Saved, look: &mut PolicyLook) -> Result<(), Error> {
        let mut record = saved.record.clone();
        if let Some(digests) = record.digests.as_mut().filter(|digests| digests.state.is_none()) {
            match found(self.digests.show(&digests.job).await)? {
                Some(job) if job.state.is_end() => {
                    digests.state = Some(job.state);
                    look.events.push(PolicyEvent::DigestsEnded(job.id, job.state));
                }
                Some(_) => {}
                // It was removed.
                None => record.digests = None,
            }
        }
        let slot = record.last.as_ref().map(|last| last.slot).filter(|_| record.policy.digests == Some(true));
        match (&record.digests, slot) {
            (earlier, Some(slot)) if earlier.as_ref().is_none_or(|earlier| earlier.slot < slot) => {
                let job = self
                    .start_digests(&record, &job_id(slot, &self.source(), &format!("digests of {}", record.policy.to)))
                    .await?;
                let state = job.state.is_end().then_some(job.state);
                look.events.push(match state {
                    None => PolicyEvent::DigestsStarted(job.id.clone()),
                    Some(state) => PolicyEvent::DigestsEnded(job.id.clone(), state),
                });
                record.digests = Some(SlotDigests { slot, job: job.id, state });
            }
            (Some(SlotDigests { job, state: None, .. }), _) => {
                look.events.push(PolicyEvent::DigestsRunning(job.clone()));
            }
            _ => {}
        }
        saved.save(&self.jobs_container, record).await
    }

    /// Creates the job of a slot, unless there is one, or a job that writes digests to the location has not ended: that one is the slot's then.
    async fn start_digests(&self, record: &PolicyRecord, id: &str) -> Result<DigestView, Error> {
        if let Some(existing) = found(self.digests.show(id).await)? {
            return Ok(existing);
        }
        let policy = &record.policy;
        let request = DigestRequest {
            to: policy.to.clone(),
            requested_by: policy.requested_by.clone(),
            ru_per_second: policy.ru_per_second,
            ..DigestRequest::default()
        };
        self.digests.create_job_as(id.to_owned(), &request).await
    }
}
