//! Work that is too long for an answer.
//!
//! A job is a document of the jobs container. Whoever runs it claims it, works for at most a minute, and saves how far it
//! is together with what came of it, every few seconds and at the end. That write brings the next slice, through the change
//! feed of the jobs container: no other service is needed.
//!
//! Properties wanted: a job goes on after whatever was killed, wherever that was; two runners never both believe that a
//! job is theirs for longer than a claim lasts, and do no harm if they do; memory does not grow with the work.
//!
//! A kind of job is a cursor, a function that works through a slice, and counts: see [`kind`].

mod budget;
mod cancel;
mod claim;
mod create;
mod job;
mod kind;
mod options;
mod pace;
mod parts;
mod run;
mod slice;
mod state;

pub(crate) use job::new_id;
pub use job::{Claim, Job, JobProgress, Work, job_to_run};
pub use kind::JobKind;
pub(crate) use kind::Step;
pub use options::JobOptions;
pub(crate) use pace::check_budget;
pub(crate) use parts::{Part, PartPage, Parts, PartsReader, read_parts};
pub(crate) use run::Run;
pub use slice::SliceEnd;
pub use state::JobState;
