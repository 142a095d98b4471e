//! Whether a lease makes progress, and if not, why: for the leases of this crate and of .NET processors alike.
//!
//! A .NET processor records no reason in its leases. What it does with a lease shows the reason:
//!
//! | | owner | continuation token | written |
//! |---|---|---|---|
//! | a document that the Functions trigger cannot deliver | none, whenever looked at | unchanged | every 13 s |
//! | the reads of the owner fail | none, whenever looked at | unchanged | every 9 to 13 s |
//! | the handler fails or hangs | one | unchanged | every 17 s |
//! | the owner has stopped or was killed | none or one | unchanged | never |

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::lease::FailureOf;
use crate::observation::LeaseObservation;
use changefeed_cosmos::later;

/// The state of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeaseState {
    /// It has an owner, and makes progress or has nothing to do.
    Ok,
    /// It has no owner at the moment. An instance may acquire it soon.
    Free,
    /// Its next page has a change that the Functions trigger cannot deliver, and it has no owner at the moment.
    PossiblyStalled,
    /// A change that the Functions trigger cannot deliver stops it.
    Stalled,
    /// An instance acquires it again and again, and cannot read the change feed.
    ReadsFail,
    /// Its owner renews it and makes no progress: its handler fails or hangs.
    HandlerFails,
    /// It has changes to process, and no instance has written it for longer than the lease expiration interval.
    OwnerGone,
}

impl LeaseState {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Free => "free",
            Self::PossiblyStalled => "possiblyStalled",
            Self::Stalled => "stalled",
            Self::ReadsFail => "readsFail",
            Self::HandlerFails => "handlerFails",
            Self::OwnerGone => "ownerGone",
        }
    }

    /// Whether changes wait and are not processed.
    pub fn is_problem(self) -> bool {
        !matches!(self, Self::Ok | Self::Free)
    }
}

/// What is known about a lease.
pub(crate) struct Evidence<'a> {
    pub is_owned: bool,
    /// Whether the lease was not written for longer than the lease expiration interval.
    pub is_abandoned: bool,
    /// Whether there are changes to process, as far as is known.
    pub has_changes: bool,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<DateTime<Utc>>,
    /// What fails, if the owner is an instance of this crate and has recorded that.
    pub recorded_failure: Option<FailureOf>,
    /// Whether the owner records its progress, and has made none for too long.
    pub waits_too_long: bool,
    /// Whether the next page has a change that the trigger cannot deliver.
    pub has_undeliverable: bool,
    /// Earlier looks, up to this one.
    pub observation: Option<&'a LeaseObservation>,
}

impl Evidence<'_> {
    pub(crate) fn state(&self, now: DateTime<Utc>, stalled_after: Duration) -> LeaseState {
        let without_progress = self.observation.is_some_and(|observation| observation.lasted(stalled_after));
        match self.recorded_failure {
            Some(FailureOf::Handler) => return LeaseState::HandlerFails,
            Some(FailureOf::Read) => return LeaseState::ReadsFail,
            None => {}
        }
        if self.has_changes && self.is_abandoned {
            return LeaseState::OwnerGone;
        }
        // A lease may be busy with older changes: what counts is how long the next one waits.
        let waits = || self.waiting_since.is_some_and(|since| later(since, stalled_after) <= now);
        match (self.is_owned, self.has_changes) {
            (true, true) if self.waits_too_long || without_progress && waits() => LeaseState::HandlerFails,
            (true, _) => LeaseState::Ok,
            (false, false) => LeaseState::Free,
            (false, true) => match (self.has_undeliverable, without_progress) {
                (true, true) => LeaseState::Stalled,
                (true, false) => LeaseState::PossiblyStalled,
                (false, true) => LeaseState::ReadsFail,
                (false, false) => LeaseState::Free,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALLED_AFTER: Duration = Duration::from_secs(600);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000, 0).expect("a time")
    }

    fn state(change: impl FnOnce(&mut Evidence<'_>), observed: Option<u32>) -> LeaseState {
        let ago = |seconds| now() - chrono::Duration::seconds(seconds);
        let observation = observed.map(|writes| LeaseObservation {
            lease_id: "x..0".into(),
            continuation_token: None,
            is_owned: false,
            etag: None,
            writes,
            since: ago(700),
            seen: now(),
        });
        let mut evidence = Evidence {
            is_owned: false,
            is_abandoned: false,
            has_changes: true,
            waiting_since: Some(ago(700)),
            recorded_failure: None,
            waits_too_long: false,
            has_undeliverable: false,
            observation: observation.as_ref(),
        };
        change(&mut evidence);
        evidence.state(now(), STALLED_AFTER)
    }

    #[test]
    fn each_row_of_the_table_has_a_state_of_its_own() {
        let undeliverable = |evidence: &mut Evidence<'_>| evidence.has_undeliverable = true;
        assert_eq!(state(undeliverable, Some(50)), LeaseState::Stalled);
        assert_eq!(serde_json::to_value(LeaseState::Stalled).expect("json"), LeaseState::Stalled.name());
        assert_eq!(state(undeliverable, None), LeaseState::PossiblyStalled);
        assert_eq!(state(undeliverable, Some(1)), LeaseState::PossiblyStalled);
        assert_eq!(state(|_| (), Some(50)), LeaseState::ReadsFail);
        assert_eq!(state(|_| (), None), LeaseState::Free);
        assert_eq!(state(|evidence| evidence.is_owned = true, Some(40)), LeaseState::HandlerFails);
        assert_eq!(state(|evidence| evidence.is_owned = true, None), LeaseState::Ok);
        for is_owned in [false, true] {
            let abandoned = |evidence: &mut Evidence<'_>| {
                (evidence.is_owned, evidence.is_abandoned, evidence.has_undeliverable) = (is_owned, true, true);
            };
            assert_eq!(state(abandoned, Some(0)), LeaseState::OwnerGone);
        }
    }

    #[test]
    fn a_lease_without_changes_has_no_problem() {
        for is_owned in [false, true] {
            let idle = |evidence: &mut Evidence<'_>| {
                (evidence.is_owned, evidence.has_changes, evidence.waiting_since) = (is_owned, false, None);
            };
            assert!(!state(idle, Some(50)).is_problem());
        }
        let recent = |evidence: &mut Evidence<'_>| {
            (evidence.is_owned, evidence.waiting_since) = (true, Some(now()));
        };
        assert_eq!(state(recent, Some(50)), LeaseState::Ok);
    }

    #[test]
    fn a_failure_that_the_owner_records_needs_no_other_evidence() {
        let failed = |failure| {
            move |evidence: &mut Evidence<'_>| {
                (evidence.is_owned, evidence.recorded_failure) = (true, Some(failure));
            }
        };
        assert_eq!(state(failed(FailureOf::Handler), None), LeaseState::HandlerFails);
        assert_eq!(state(failed(FailureOf::Read), None), LeaseState::ReadsFail);
    }
}
