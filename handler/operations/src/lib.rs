//! What is done with a history: restore, back up, verify, populate, truncate, query.
//!
//! [`Changefeed`] makes every capability from the settings, in one place. Each of them owns just the containers that it needs.

mod backup;
mod changefeed;
mod documents;
mod held_versions;
mod populate;
mod query;
mod restore;
mod sample;
mod scan;
mod truncate;
mod verify;

pub use backup::{BACKUP, BackupCounts, BackupList, BackupRequest, BackupView, Backups, format_error};
pub use changefeed::{Changefeed, ChangefeedOptions};
pub use documents::Documents;
pub use populate::{PopulateReport, PopulateRequest};
pub use query::{QueryPage, QueryRequest};
pub use restore::{
    Action, BackupLine, Counts, FilterOn, Plan, PlannedItem, RESTORE, RestoreItems, RestoreList, RestoreOptions,
    RestoreRecord, RestoreReport, RestoreRequest, RestoreView, Restored, Restores, Selection, Target, UndoRequest,
};
pub use truncate::{TruncateReport, TruncateRequest};
pub use verify::{
    Finding, FindingKind, Findings, VERIFY, Verifications, VerifyCounts, VerifyList, VerifyRecord, VerifyRequest,
    VerifyView,
};

/// Called with the number of items that are done and the number of all; often, from one task at a time.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);
