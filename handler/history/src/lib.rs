//! Stores the versions of the documents of an Azure Cosmos DB container. They are captured from its change feed and stored in
//! another container.
//!
//! [`Containers`] names the containers. [`Capture`] stores versions and [`History`] reads them. [`DeadLetters`] lists the documents
//! that could not be stored, and [`Retention`] deletes versions that have expired.

mod actor;
mod blame;
mod bucket;
mod capture;
mod capture_filter;
mod capture_rules;
mod changed_paths;
mod container_status;
mod containers;
mod dead_letter;
mod dead_letters;
mod difference;
mod erase_versions;
mod erasure;
mod field_list;
mod field_selection;
mod filter;
mod growth;
mod history;
mod indexed_field;
mod limits;
mod merge;
mod observed;
mod omitted_fields;
mod provision;
mod read;
mod record;
mod rehome;
mod removal;
mod removal_log;
mod retention;
mod retention_record;
mod same_value;
mod service_clock;
mod storable_payload;
mod store_version;
mod time_expression;
mod time_zone;
mod untracked_fields;
mod version;
mod version_digest;
mod version_id;
mod window;
mod written_time;

pub use actor::ActorFields;
pub use blame::{BlamedField, Origin, SetBy};
pub use bucket::BucketLength;
pub use capture::{Capture, CaptureOptions, CaptureReport, DeliveryError, UNKNOWN_IDENTITY, decode_delivery};
pub use capture_filter::CaptureFilter;
pub use capture_rules::{CaptureRules, CheckedRules, EXCLUDED};
pub use changed_paths::{PathChange, changed_paths, path_changes, value_at};
pub use container_status::{ContainerState, ContainerStatus};
pub use containers::{ContainerNames, Containers, Role};
pub use dead_letter::DeadLetter;
pub use dead_letters::{CopiedLetters, DeadLetterPage, DeadLetters, Replay, ReplayOutcome};
pub use difference::{FieldChange, changes};
pub use erase_versions::RemovedItems;
pub use erasure::{DocumentSet, ERASED, Erased, ErasedSet, ErasureOptions};
pub use field_list::parse_field_list;
pub use field_selection::FieldSelection;
pub use filter::{Filter, check_filter_count, matches_all};
pub use growth::Growth;
pub use history::History;
pub use indexed_field::IndexedField;
pub use limits::MAX_ACTIVITY_VERSIONS;
pub use merge::{Base, DocumentWindow, LaterChanges, Undo, UndoAction, UndoOptions, WindowVersion};
pub use observed::Batch;
pub use omitted_fields::{OmittedFields, outermost, remove_fields, set_field};
pub use provision::{Provisioned, container_spec};
pub use read::{
    Activity, ActivityRequest, ActorActivity, AsOf, Blame, BlameRequest, BlamedState, Bucket, Change, ChangeOrder,
    ChangesPage, ChangesRequest, Difference, DocumentActivity, FieldActivity, Known, NewestVersions, Outline, Previous,
    SearchRequest, SearchRow, SearchRows, VersionFilter, VersionPage, VersionPages, VersionSelector, Versions,
    VersionsRequest, outline_fields,
};
pub use rehome::{
    ChangeToFold, FlatChange, FlatFields, FoldedChange, LastVersion, NextVersions, Placed, VersionPlacer, fold_changes,
};
pub use removal_log::{DIGESTS_RECORD, REMOVALS, RemovalCause, Removals};
pub use retention::{
    Expired, HeldVersions, PinnedVersions, Retention, RetentionOptions, RetentionStatus, SweepReport, SweepRequest,
    SweepState,
};
pub use same_value::{same_optional_value, same_value};
pub use service_clock::{ServiceClock, ServiceTime};
pub use time_expression::{InterpretedTime, TimeExpression};
pub use time_zone::TimeZone;
pub use untracked_fields::UntrackedFields;
pub use version::{Operation, SCHEMA, Version, pk_of};
pub use version_digest::{RecordDigest, document_digest};
pub use version_id::{VersionId, separates_documents};
pub use window::Window;
