//! The third phase: reads both containers again, and confirms or dismisses a suspicion.

use changefeed_cosmos::{DocumentName, Error, ErrorKind, expires_at, own_ttl};
use changefeed_history::{CheckedRules, DeadLetters, ErasedSet, History, Outline, ReplayOutcome, VersionId};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::check::Presence;
use super::finding::{Finding, FindingKind};
use super::repair::Repair;

/// How often a document is compared that changes in the meantime.
const ATTEMPTS: usize = 5;

/// Confirms suspicions, and repairs what is confirmed.
pub(super) struct Confirm<'a> {
    /// The documents that are erased.
    pub erased: &'a ErasedSet,
    /// What is never stored.
    pub rules: &'a CheckedRules,
    pub history: &'a History,
    pub dead_letters: &'a DeadLetters,
    pub repair: Repair<'a>,
    /// Whether to repair.
    pub is_repairing: bool,
    /// Whether the suspicions are findings of another verification: each is repaired as it was found, or reported.
    pub is_as_found: bool,
    /// The grace time: how long capture may lag, in seconds.
    pub grace: i64,
    /// Limits the large versions that are read concurrently.
    pub large: &'a Semaphore,
}

/// The outcome for a suspicion.
#[derive(Debug)]
pub(super) enum Confirmed {
    /// It is confirmed, and perhaps repaired.
    Finding(Box<Finding>),
    /// It is too early to judge: capture may lag.
    Pending,
    /// It is dismissed.
    Nothing,
}

impl From<Finding> for Confirmed {
    fn from(finding: Finding) -> Self {
        Self::Finding(Box::new(finding))
    }
}

impl Confirm<'_> {
    /// Confirms or dismisses a suspicion. A suspicion about a document that cannot be read is a finding with the error.
    ///
    /// # Errors
    /// A transient failure, and one that does not concern the document.
    pub(super) async fn confirm(&self, suspected: Finding) -> Result<Confirmed, Error> {
        let name = suspected.name();
        if self.erased.contains(&name) || self.rules.excludes(&name) {
            return Ok(Confirmed::Nothing);
        }
        let confirmed = match suspected.kind {
            FindingKind::Missing | FindingKind::NeverCaptured | FindingKind::Inexact => {
                self.live(&name, &suspected).await
            }
            FindingKind::Gone => self.gone(&name, &suspected).await,
            FindingKind::Incomplete => self.incomplete(&name, &suspected).await,
            // A replay is a capture, whose future is large.
            FindingKind::UnknownIdentity => Box::pin(self.unknown_identity(&suspected)).await,
            // These are findings as they are, and cannot be repaired.
            FindingKind::Altered | FindingKind::Removed | FindingKind::Added | FindingKind::ChainBroken => {
                Ok(suspected.clone().into())
            }
        };
        match confirmed {
            Err(error) if is_permanent(&error) => Ok(suspected.with_message(error.to_string()).into()),
            Ok(Confirmed::Nothing | Confirmed::Pending) if self.is_as_found => Ok(suspected.changed_since().into()),
            confirmed => confirmed,
        }
    }

    async fn live(&self, name: &DocumentName, suspected: &Finding) -> Result<Confirmed, Error> {
        if let Some(recorded) = self.recorded_before(name, suspected).await? {
            return Ok(suspected.clone().repaired_by(recorded).into());
        }
        for _ in 0..ATTEMPTS {
            let Some(live) = self.repair.read_live(name).await? else { return Ok(Confirmed::Nothing) };
            if self.is_as_found && live.id != suspected.version {
                return Ok(Confirmed::Nothing);
            }
            let kind = match Presence::of(&live.id, self.history.outlines_at(name, live.source_ts).await?) {
                Presence::Exact(outline) if self.is_own(&outline) => {
                    return Ok(Finding { version: live.id, ..suspected.clone() }.repaired_by(outline.id).into());
                }
                Presence::Exact(_) => return Ok(Confirmed::Nothing),
                Presence::Inexact => FindingKind::Inexact,
                Presence::Absent if self.history.clock().second().await? - live.source_ts < self.grace => {
                    return Ok(Confirmed::Pending);
                }
                Presence::Absent if self.history.last_outline(name).await?.is_some() => FindingKind::Missing,
                Presence::Absent => FindingKind::NeverCaptured,
            };
            if self.repair.read_live(name).await?.is_some_and(|again| again.etag == live.etag) {
                let finding = Finding::new(kind, name, &live.id);
                return self.repaired(finding, self.repair.store_live(name, &live)).await;
            }
        }
        Ok(Confirmed::Pending)
    }

    async fn gone(&self, name: &DocumentName, suspected: &Finding) -> Result<Confirmed, Error> {
        if self.repair.read_live(name).await?.is_some() {
            return Ok(Confirmed::Nothing);
        }
        let was_absent = Instant::now();
        let Some(last) = self.history.last_outline(name).await? else { return Ok(Confirmed::Nothing) };
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
            Some(expires) if expires <= self.history.clock().second().await? => Ok(Confirmed::Nothing),
            Some(expires) if expires <= self.history.clock().second().await? + self.grace => Ok(Confirmed::Pending),
            _ => self.repaired(suspected.clone(), self.repair.store_removal(&last)).await,
        }
    }

    /// The earliest second at which a document expires: by the time to live at its capture, or by the container's time to live at
    /// `since` or later.
    async fn expires_at(&self, name: &DocumentName, last: &Outline, since: Instant) -> Result<Option<i64>, Error> {
        let definition = self.history.monitored().definition_since(since).await?;
        if definition.default_ttl.is_none() {
            return Ok(last.expires_at);
        }
        let version = self.history.read_back(name, &last.id).await?.and_then(Result::ok);
        let own = version.and_then(|version| own_ttl(&version.document?));
        let by_now = expires_at(last.source_ts, own, definition.default_ttl);
        Ok(last.expires_at.into_iter().chain(by_now).min())
    }

    async fn incomplete(&self, name: &DocumentName, suspected: &Finding) -> Result<Confirmed, Error> {
        let _one_of_few = self.large.acquire().await;
        let read_back = async || self.history.read_back(name, &suspected.version).await;
        match read_back().await? {
            None => Ok(Confirmed::Nothing),
            // It could not be read before: this job has repaired it, perhaps in another worker.
            Some(Ok(_)) if self.is_repairing => Ok(suspected.clone().repaired_by(suspected.version.clone()).into()),
            Some(Ok(_)) => Ok(Confirmed::Nothing),
            Some(Err(_)) => match read_back().await? {
                // The retention has removed the version meanwhile.
                None | Some(Ok(_)) => Ok(Confirmed::Nothing),
                Some(Err(message)) => {
                    self.repaired(
                        suspected.clone().with_message(message),
                        self.repair.store_parts(name, &suspected.version),
                    )
                    .await
                }
            },
        }
    }

    /// Captures a change again whose id or key was not known.
    async fn unknown_identity(&self, suspected: &Finding) -> Result<Confirmed, Error> {
        let letter = &suspected.version;
        let found = match self.is_repairing {
            true => self.dead_letters.replay(letter, None).await.map(|replay| match replay.outcome {
                ReplayOutcome::Stored | ReplayOutcome::AlreadyStored => {
                    let version = VersionId::from(replay.version.unwrap_or_default().as_str());
                    suspected.clone().repaired_by(version).into()
                }
                ReplayOutcome::StillDead => suspected.clone().with_message(replay.message.unwrap_or_default()).into(),
                ReplayOutcome::Erased | ReplayOutcome::Excluded => Confirmed::Nothing,
            }),
            false => {
                let letter = self.dead_letters.show(letter).await;
                letter.map(|letter| suspected.clone().with_message(letter.message).into())
            }
        };
        match found {
            Ok(confirmed) => Ok(confirmed),
            // It was replayed or discarded meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Confirmed::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The version that this job stored for a suspicion before it was interrupted.
    async fn recorded_before(&self, name: &DocumentName, suspected: &Finding) -> Result<Option<VersionId>, Error> {
        let second = suspected.version.second();
        let Some(second) = second.filter(|_| self.is_repairing) else { return Ok(None) };
        let presence = Presence::of(&suspected.version, self.history.outlines_at(name, second).await?);
        Ok(match presence {
            Presence::Exact(outline) if self.is_own(&outline) => Some(outline.id),
            _ => None,
        })
    }

    fn is_own(&self, outline: &Outline) -> bool {
        outline.captured_by == self.repair.job_id
    }

    /// A finding, after its repair if the request asks for it. The repair returns `None` when it cannot be repaired.
    async fn repaired(
        &self,
        finding: Finding,
        repair: impl Future<Output = Result<Option<VersionId>, Error>>,
    ) -> Result<Confirmed, Error> {
        if !self.is_repairing {
            return Ok(finding.into());
        }
        match repair.await {
            Ok(Some(recorded)) => Ok(finding.repaired_by(recorded).into()),
            Ok(None) => Ok(finding.into()),
            Err(error) if is_permanent(&error) => Ok(finding.with_message(error.to_string()).into()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the failure concerns the document itself, so that every attempt would fail.
fn is_permanent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Invalid | ErrorKind::Corrupt)
}
