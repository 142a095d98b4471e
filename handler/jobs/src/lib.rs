//! Work that is too long for one request.
//!
//! A job is a document of the jobs container. A worker claims it, works for at most a minute, and saves its position together
//! with its counts, every few seconds and at the end. That write brings the next slice through the change feed of the jobs
//! container: no other service is needed. Several workers do a large job together: each claims a portion of it.
//!
//! Properties wanted: a job resumes wherever its worker was killed; two workers never both believe that a job is theirs for
//! longer than a claim lasts, and do no harm if they do; memory does not grow with the work.
//!
//! What a job does is a [`JobKind`]. This crate names none: [`JobRunner`] is given those that it may run.

mod budget;
mod cancel;
mod claim;
mod default_budget;
mod divide;
mod divided_job;
mod job;
mod jobs;
mod kind;
mod list;
mod options;
mod pace;
mod paged_query;
mod pages;
mod parts;
mod places;
mod portion;
mod portions;
mod repeated;
mod requeue;
mod run;
mod runner;
mod set_budget;
mod state;
mod wake;

pub use budget::{Budget, DefaultBudget, check_budget};
pub use job::{Claim, Job, JobProgress, JobToRun, Work, job_to_run, new_id, second_of_id};
pub use jobs::Jobs;
pub use kind::{JobKind, Kind, Step};
pub use list::{ListedItems, page_of};
pub use options::JobOptions;
pub use paged_query::{Found, PagedQuery};
pub use pages::{ItemsPage, PageState, Planned, StoredPage, plan_page};
pub use parts::{Part, PartPage, Parts, PartsReader, read_parts, read_to_end};
pub use places::ItemPlaces;
pub use portion::{Portion, PortionState};
pub use run::Run;
pub use runner::JobRunner;
pub use state::{JobState, SliceEnd};
