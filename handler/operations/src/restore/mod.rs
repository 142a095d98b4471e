//! Puts documents back.
//!
//! A restore is a plan, then its execution. The plan is a value that can be shown; it says for each document what would be
//! done and carries the etag that it saw. Execution writes only over what the plan saw, after making sure that what it
//! overwrites is in the history, and records what it did, so that it can be undone. What is too large for a request is a
//! job, which does the same page by page.

mod backup_files;
mod create_job;
mod execute;
mod from_backup;
mod last_words;
mod plan;
mod record;
mod request;
mod restores;
mod scanned;
mod select;
mod show;
mod stored_item;
mod undo;
mod work;

pub use create_job::Restored;
pub use plan::{Action, BackupLine, Counts, Plan, PlannedItem};
pub use record::{RestoreList, RestoreRecord, RestoreReport};
pub use request::{FilterOn, RestoreRequest, Selection, Target};
pub use restores::{RESTORE, RestoreOptions, Restores};
pub use show::{RestoreItems, RestoreView};
pub use undo::UndoRequest;
