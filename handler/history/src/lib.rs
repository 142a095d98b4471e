//! Versions of the documents of an Azure Cosmos DB container: captured from its change feed, kept in a container of their
//! own, and read back.
//!
//! Everything starts from a [`Store`]: the containers of one database, reached when they are first needed.

pub mod backup;
mod capture;
mod cosmos;
mod dead_letters;
mod difference;
mod enclose;
mod filter;
mod jobs;
mod limits;
mod located;
mod moment;
mod paging;
mod policy;
mod populate;
mod progress;
mod provision;
mod query;
mod read;
mod restore;
mod retention;
mod sample;
mod scan;
mod status;
mod store;
mod truncate;
mod verify;
mod version;

pub use capture::{Batch, CaptureReport, DeliveryError, decode_delivery};
pub use cosmos::{Client, Connect, Error, ErrorKind, Key, KeyComponent};
pub use dead_letters::{DeadLetter, DeadLetterPage, DeadLettersRequest, Replay, ReplayOutcome};
pub use difference::{FieldChange, changes};
pub use filter::Filter;
pub use jobs::{Claim, Job, JobKind, JobOptions, JobProgress, JobState, SliceEnd, Work, job_to_run};
pub use moment::Moment;
pub use populate::{PopulateReport, PopulateRequest};
pub use progress::Progress;
pub use provision::{Provisioned, identity_commands};
pub use query::{QueryPage, QueryRequest};
pub use read::{AsOf, Difference, DocumentName, SearchRequest, SearchRow, SearchRows, VersionPage, VersionsRequest};
pub use restore::{
    Action, BackupLine, Counts, FilterOn, Plan, PlannedItem, RestoreItems, RestoreList, RestoreRecord, RestoreReport,
    RestoreRequest, RestoreView, Restored, Selection, Target, UndoRequest,
};
pub use retention::{RetentionStatus, SweepReport, SweepRequest, SweepState};
pub use status::{ContainerState, ContainerStatus};
pub use store::{ContainerNames, Role, Store, StoreOptions};
pub use truncate::{TruncateReport, TruncateRequest};
pub use verify::{Finding, FindingKind, Findings, VerifyCounts, VerifyList, VerifyRecord, VerifyRequest, VerifyView};
pub use version::{Operation, Version};
