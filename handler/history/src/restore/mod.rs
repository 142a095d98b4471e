//! Puts documents back.
//!
//! A restore is a plan, then its execution. The plan is a value that can be shown; it says for each document what would be
//! done and carries the etag that it saw. Execution writes only over what the plan saw, after making sure that what it
//! overwrites is in the history, and records what it did, so that it can be undone.

mod execute;
mod plan;
mod record;
mod request;
mod select;
mod undo;

pub use plan::{Action, Counts, Plan, PlannedItem};
pub use record::{RestoreList, RestoreRecord, RestoreReport, RestoreState};
pub use request::{FilterOn, RestoreRequest, Selection, Target};
pub use undo::UndoRequest;
