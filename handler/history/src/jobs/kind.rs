//! The kinds of jobs, in one place.
//!
//! To add one: a variant and its name here, and a function that is given the [`Run`] and works until there is nothing left
//! or [`Run::is_stopping`]. It reads where to go on with [`Run::cursor`], and after each step that is safe to go on from it
//! calls [`Run::advance`] with the new cursor and the new counts; both are saved together. What it did since the last save
//! it may have to do again: its steps must come to the same when they are repeated.

use super::run::Run;
use super::state::JobState;
use crate::cosmos::Error;
use crate::{backup, restore, verify};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Puts documents back, or undoes that.
    Restore,
    /// Writes a backup.
    Backup,
    /// Holds the live documents against the history.
    Verify,
}

/// What a slice came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    More,
    /// It ended like this.
    Ended(JobState),
}

impl JobKind {
    /// The kind of this name; `None` for what this version does not know.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            restore::KIND => Some(Self::Restore),
            backup::KIND => Some(Self::Backup),
            verify::KIND => Some(Self::Verify),
            _ => None,
        }
    }

    pub(super) async fn work(self, run: &Run) -> Result<Step, Error> {
        match self {
            Self::Restore => restore::work(run).await,
            Self::Backup => backup::work(run).await,
            Self::Verify => verify::work(run).await,
        }
    }
}
