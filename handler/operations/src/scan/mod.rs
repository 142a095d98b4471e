//! Reads the documents that a job may mean, each exactly once, in memory that does not grow.

mod documents;
mod seen;
mod versions;

pub(crate) use documents::{Candidate, Met, Scan};
pub(crate) use seen::{Seen, Sight};
pub(crate) use versions::query_versions;
