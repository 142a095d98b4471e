//! The second look: reads both sides afresh, and says whether what was suspected is so.

use std::time::Instant;

use changefeed_cosmos::{DocumentName, Error};
use changefeed_history::{Outline, Version, VersionId};
use chrono::Utc;
use tokio::sync::Semaphore;

use super::check::Standing;
use super::finding::{Finding, FindingKind};
use super::repair::is_permanent;
use super::verifications::Verifications;

/// How often a document that changes under the eyes is looked at.
const ATTEMPTS: usize = 5;

/// What a confirmation is told of.
pub(super) struct Confirm<'a> {
    pub verifications: &'a Verifications,
    pub job_id: &'a str,
    pub repair: bool,
    /// How long capture may lag, in seconds.
    pub grace: i64,
    /// When the suspicions were stored, in seconds since 1970 by the service's clock.
    pub suspected_at: i64,
    pub deadline: Instant,
    /// Large versions that are read side by side.
    pub large: &'a Semaphore,
}

/// What became of a suspicion.
#[derive(Debug)]
pub(super) enum Confirmed {
    /// It is so; and perhaps it was repaired.
    Finding(Box<Finding>),
    /// It is too early to tell.
    Pending,
    /// It is not so.
    Nothing,
}

impl From<Finding> for Confirmed {
    fn from(finding: Finding) -> Self {
        Self::Finding(Box::new(finding))
    }
}

impl Confirm<'_> {
    /// Looks again. What cannot be looked at for good is told as it was suspected.
    ///
    /// # Errors
    /// When something failed that may pass, or that has nothing to do with the document.
    pub(super) async fn confirm(&self, suspected: Finding) -> Result<Confirmed, Error> {
        let name = suspected.name();
        let confirmed = match suspected.kind {
            FindingKind::Missing | FindingKind::NeverCaptured | FindingKind::Inexact => {
                self.live(&name, &suspected).await
            }
            FindingKind::Gone => self.gone(&name, &suspected).await,
            FindingKind::Incomplete => self.incomplete(&name, &suspected).await,
        };
        match confirmed {
            Err(error) if is_permanent(&error) => Ok(suspected.with_message(error.to_string()).into()),
            confirmed => confirmed,
        }
    }

    async fn live(&self, name: &DocumentName, suspected: &Finding) -> Result<Confirmed, Error> {
        if let Some(recorded) = self.recorded_before(name, suspected).await? {
            return Ok(suspected.clone().repaired_by(recorded).into());
        }
        for _ in 0..ATTEMPTS {
            let Some(live) = self.read_live(name).await? else { return Ok(Confirmed::Nothing) };
            let kind = match Standing::of(&live.id, self.verifications.history.outlines_at(name, live.source_ts).await?)
            {
                Standing::Exact(outline) if self.is_own(&outline) => {
                    return Ok(Finding { version: live.id, ..suspected.clone() }.repaired_by(outline.id).into());
                }
                Standing::Exact(_) => return Ok(Confirmed::Nothing),
                Standing::Inexact => FindingKind::Inexact,
                Standing::Absent if Utc::now().timestamp() - live.source_ts < self.grace => {
                    return Ok(Confirmed::Pending);
                }
                Standing::Absent if self.verifications.history.last_outline(name).await?.is_some() => {
                    FindingKind::Missing
                }
                Standing::Absent => FindingKind::NeverCaptured,
            };
            if self.read_live(name).await?.is_some_and(|again| again.etag == live.etag) {
                let finding = Finding::new(kind, name, &live.id);
                return self.repaired(finding, self.keep_live(name, &live)).await;
            }
        }
        Ok(Confirmed::Pending)
    }

    async fn gone(&self, name: &DocumentName, suspected: &Finding) -> Result<Confirmed, Error> {
        if self.read_live(name).await?.is_some() {
            return Ok(Confirmed::Nothing);
        }
        let was_absent = Instant::now();
        let Some(last) = self.verifications.history.last_outline(name).await? else { return Ok(Confirmed::Nothing) };
        if last.id == suspected.version.gone() && self.is_own(&last) {
            return Ok(suspected.clone().repaired_by(last.id).into());
        }
        if last.operation.is_removal() {
            return Ok(Confirmed::Nothing);
        }
        if last.id != suspected.version {
            return Ok(Confirmed::Pending);
        }
        match self.expires_at(name, &last, was_absent).await? {
            Some(expires) if expires <= Utc::now().timestamp() => Ok(Confirmed::Nothing),
            Some(expires) if expires <= Utc::now().timestamp() + self.grace => Ok(Confirmed::Pending),
            _ => self.repaired(suspected.clone(), self.keep_gone(&last)).await,
        }
    }

    /// When a document expires at the earliest: by what was so at its capture, or by the container's time to live at `since`
    /// or after.
    async fn expires_at(&self, name: &DocumentName, last: &Outline, since: Instant) -> Result<Option<i64>, Error> {
        let definition = self.verifications.history.monitored().definition_since(since).await?;
        let Some(default) = definition.default_ttl else {
            return Ok(last.expires_at);
        };
        let version = self.verifications.history.read_back(name, &last.id).await?.and_then(Result::ok);
        let own = version.and_then(|version| version.document?.get("ttl")?.as_i64());
        let by_now = Some(own.unwrap_or(default)).filter(|ttl| *ttl > 0).map(|ttl| last.source_ts.saturating_add(ttl));
        Ok(last.expires_at.into_iter().chain(by_now).min())
    }

    async fn incomplete(&self, name: &DocumentName, suspected: &Finding) -> Result<Confirmed, Error> {
        let _one_of_few = self.large.acquire().await;
        let read_back = async || self.verifications.history.read_back(name, &suspected.version).await;
        match read_back().await? {
            None => Ok(Confirmed::Nothing),
            // It could not be read before: it was this repair, perhaps another runner's, that made it whole.
            Some(Ok(_)) if self.repair => Ok(suspected.clone().repaired_by(suspected.version.clone()).into()),
            Some(Ok(_)) => Ok(Confirmed::Nothing),
            Some(Err(_)) => match read_back().await? {
                // Its parts went after its record.
                None | Some(Ok(_)) => Ok(Confirmed::Nothing),
                Some(Err(message)) => {
                    self.repaired(suspected.clone().with_message(message), self.keep_parts(name, &suspected.version))
                        .await
                }
            },
        }
    }

    /// The version that this job recorded for a suspicion before it was interrupted.
    async fn recorded_before(&self, name: &DocumentName, suspected: &Finding) -> Result<Option<VersionId>, Error> {
        let second = suspected.version.second();
        let Some(second) = second.filter(|_| self.repair) else { return Ok(None) };
        let standing = Standing::of(&suspected.version, self.verifications.history.outlines_at(name, second).await?);
        Ok(match standing {
            Standing::Exact(outline) if self.is_own(&outline) => Some(outline.id),
            _ => None,
        })
    }

    fn is_own(&self, outline: &Outline) -> bool {
        outline.captured_by == self.job_id
    }

    pub(super) async fn read_live(&self, name: &DocumentName) -> Result<Option<Version>, Error> {
        let history = &self.verifications.history;
        history.live_in(&history.monitored().open().await?, name, self.job_id).await
    }
}
