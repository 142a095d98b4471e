//! Exit codes. Scripts rely on them, so this file is the only place that knows the numbers.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed, cancelled, or detached before the end |
//! | 2 | wrong usage |
//! | 3 | done, with conflicts, unknown states, damage, findings, or dead letters that still cannot be stored |
//! | 4 | declined at a prompt |

use std::process::ExitCode;

use changefeed_cosmos::{Error, ErrorKind};
use changefeed_jobs::JobState;
use changefeed_operations::Counts;

use super::standard_output::OutputClosed;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// The command failed, or its job was cancelled or detached from.
    Failed,
    /// The arguments contradict each other, are incomplete, or have values that are not allowed; clap uses the same code.
    Usage,
    /// The command finished, and there is something that needs attention.
    Found,
    /// The answer at a prompt was not yes.
    Declined,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Found => 3,
            Exit::Declined => 4,
        })
    }
}

impl Exit {
    /// The end of a job, or of a job that has not ended yet and is only shown.
    pub fn of_job(state: JobState) -> Self {
        match state {
            JobState::Failed | JobState::Cancelled => Self::Failed,
            JobState::Conflicts | JobState::Unknowns | JobState::Findings => Self::Found,
            JobState::Planned | JobState::Queued | JobState::Running | JobState::Done => Self::Done,
        }
    }

    /// A plan that was not executed: what its execution would end with if every planned write succeeded.
    pub fn of_plan(counts: &Counts) -> Self {
        match counts {
            Counts { failed: 1.., .. } => Self::Failed,
            Counts { conflict: 1.., .. } | Counts { unknown: 1.., .. } => Self::Found,
            _ => Self::Done,
        }
    }

    /// A command that returned an error.
    pub fn of_error(error: &anyhow::Error) -> Self {
        if error.is::<OutputClosed>() {
            return Self::Done;
        }
        if error.is::<Declined>() {
            return Self::Declined;
        }
        let kind = error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind);
        let is_usage = matches!(kind, Some(ErrorKind::Invalid | ErrorKind::PlaceNotAllowed | ErrorKind::TooWide));
        if is_usage || error.is::<UsageError>() { Self::Usage } else { Self::Failed }
    }
}

/// Arguments that contradict each other or are incomplete.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Arguments that contradict each other or are incomplete, as an error.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(UsageError(message.into()))
}

/// The answer at a prompt was not yes. The text says what was left undone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Declined(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_distinguished_by_their_cause_even_with_context() {
        let declined = anyhow::Error::new(Declined("nothing was deleted"));
        assert_eq!(Exit::of_error(&declined), Exit::Declined);
        assert_eq!(Exit::of_error(&declined.context("deleting")), Exit::Declined);
        assert_eq!(Exit::of_error(&anyhow::Error::new(UsageError("--id needs --pk".into()))), Exit::Usage);
        let invalid = Error::invalid("reading a window", "from is after to");
        assert_eq!(Exit::of_error(&anyhow::Error::new(invalid).context("counting")), Exit::Usage);
        assert_eq!(Exit::of_error(&Error::not_found("reading a version", "there is none").into()), Exit::Failed);
        assert_eq!(Exit::of_error(&OutputClosed.into()), Exit::Done);
        assert_eq!(Exit::of_error(&anyhow::anyhow!("no")), Exit::Failed);
    }

    #[test]
    fn a_failure_outweighs_a_conflict_and_an_unknown_state() {
        let counts = |unknown, conflict, failed| Counts { unknown, conflict, failed, ..Counts::default() };
        assert_eq!(Exit::of_plan(&counts(1, 1, 1)), Exit::Failed);
        assert_eq!(Exit::of_plan(&counts(0, 1, 0)), Exit::Found);
        assert_eq!(Exit::of_plan(&counts(1, 0, 0)), Exit::Found);
        assert_eq!(Exit::of_plan(&counts(0, 0, 0)), Exit::Done);
    }
}
