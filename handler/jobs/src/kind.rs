//! What a job does.

use std::fmt;

use changefeed_cosmos::Error;
use futures::future::BoxFuture;

use crate::run::Run;
use crate::state::JobState;

/// A kind of job by its name in records, and the noun for it in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The property `kind` of the records.
    pub name: &'static str,
    /// How messages call such a job.
    pub noun: &'static str,
}

impl Kind {
    /// The error for a missing job of this kind. `doing` is the attempted action, such as *cancelling*.
    pub fn not_found(self, doing: &str, id: &str) -> Error {
        Error::not_found(format!("{doing} {} {id}", self.noun), format!("there is no such {}", self.noun))
    }
}

/// The end of a slice's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    More,
    /// The work was divided among portions, or they have not all ended: it continues after them.
    Waiting,
    /// The job has ended in this state.
    Ended(JobState),
}

/// The work of the jobs of one kind.
///
/// `work` starts at [`Run::cursor`] and works until nothing is left or [`Run::is_stopping`]. After each step it calls
/// [`Run::advance`] with the new cursor and the new counts; both are saved together. Steps since the last save are done again
/// after a kill, so a repeated step must have the same outcome.
pub trait JobKind: fmt::Debug + Send + Sync {
    /// The kind.
    fn kind(&self) -> Kind;

    /// Works on a job until it is done or the run is stopping. Requests are to be counted by [`Run::meter`].
    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>>;
}
