//! How jobs go through containers of any size, in memory that does not grow: page by page, with what was found stored.

mod documents;
mod look;
mod pages;
mod seen;

pub(crate) use documents::{Candidate, Met, Scan};
pub(crate) use look::{Found, Source};
pub(crate) use pages::{ItemsPage, PageState, Planned, StoredPage, plan_page};
pub(crate) use seen::{Seen, Sight};
