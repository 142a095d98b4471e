//! The operations on a history: restore, back up, verify, erase, move, populate, truncate, query.
//!
//! [`Changefeed`] creates all capabilities from the settings, in one place. Each of them owns only the containers that it needs.

mod backup;
mod backup_policy;
mod changefeed;
mod digests;
mod documents;
mod erase;
mod held_versions;
mod job_view;
mod listed_job;
mod named_key;
mod populate;
mod query;
mod rehearsal;
mod rehome;
mod restore;
mod sample;
mod scan;
mod truncate;
mod tryout_record;
mod verify;
mod window;

pub use backup::{BACKUP, BackupCounts, BackupList, BackupRequest, BackupView, Backups, format_error};
pub use backup_policy::{
    BackupLateness, BackupPolicies, BackupPolicy, DeletesKnown, Interval, Keep, PolicyEvent, PolicyLook, PolicyView,
    ProtectedFolder, PruneAction, PruneOrder, PrunePlan, PruneReport, PruneRequest, PrunedFolder, RunView, TimeOfDay,
};
pub use changefeed::{Changefeed, ChangefeedOptions};
pub use digests::{DIGEST, DigestCounts, DigestList, DigestRequest, DigestView, Digests};
pub use documents::{Documents, Progress};
pub use erase::{
    ERASE, EraseCounts, ErasureList, ErasureRecord, ErasureRequest, ErasureView, Erasures, HoldingBackup, LiftReport,
    LiftRequest, ServiceCopies,
};
pub use job_view::{JobList, JobView};
pub use listed_job::ListedJob;
pub use populate::{PopulateReport, PopulateRequest};
pub use query::{QueryPage, QueryRequest};
pub use rehearsal::{Rehearsal, RehearsalReport, Rehearsals};
pub use rehome::{Connections, REHOME, RehomeCounts, RehomeList, RehomeRequest, RehomeSource, RehomeView, Rehomes};
pub use restore::{
    Action, BackupLine, CaptureLag, Counts, ExecuteRequest, FilterOn, Forecast, JointMember, JointRestore,
    JointRestoreList, JointRestores, Plan, PlannedItem, RESTORE, RestoreItems, RestoreItemsRequest, RestoreList,
    RestoreOptions, RestoreRecord, RestoreReport, RestoreRequest, RestoreView, Restored, Restores, Selection, Target,
    UndoRequest, WindowSelection,
};
pub use sample::sample_documents;
pub use truncate::{TruncateReport, TruncateRequest};
pub use verify::{
    Finding, FindingKind, Findings, VERIFY, Verifications, VerifyCounts, VerifyList, VerifyRecord, VerifyRequest,
    VerifyView,
};
pub use window::{
    MarkedChange, MarkedChanges, WindowActivity, WindowActivityRequest, WindowChangesRequest, WindowReader,
};
