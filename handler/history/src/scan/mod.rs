//! How jobs go through containers of any size, in memory that does not grow: page by page, with what was found stored.

mod documents;
mod look;
mod pages;
mod seen;

pub(crate) use documents::{Candidate, Met, Remover, Scan};
pub(crate) use look::{Looked, Looked as Found, Source};
pub(crate) use pages::{ItemsPage, PageState, Planned, StoredPage, plan_page};
pub(crate) use seen::{Seen, Sight};
