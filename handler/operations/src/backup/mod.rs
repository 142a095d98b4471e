//! Backups are jobs. A backup contains the live container, or the history as of a time; all documents, or those that changed
//! since an earlier backup.
//!
//! The position is stored by the writer alone: its `progress.json` is replaced together with the segments that it names. The
//! job says that there is work left, and shows the progress. If a worker is killed at any instant, the next one resumes from
//! the writer's position, and no document is lost or duplicated.
//!
//! An increment reads the change feed from the position in the earlier backup, and the deletes that the history has recorded since.
//! Where there is no such position, it compares all documents. Decision 7 in `docs/decisions/` says why.
//!
//! The race to mind: a document may be deleted or created again while its container is read. A live backup has each document
//! as it was when it was read. A backup as of a time has each document once, because the scan observes each once.

mod backup_job;
mod backup_record;
mod backup_request;
mod backups;
mod collect;
mod feed_cursor;
mod feed_reader;
mod format_conversions;
mod limits;
mod page_sizer;
mod removal_record;
mod removals;

pub use backup_record::{BackupCounts, BackupList, BackupView};
pub use backup_request::BackupRequest;
pub use backups::{BACKUP, Backups};
pub use format_conversions::format_error;
pub(crate) use format_conversions::{damage_error, key_from_components, read_error};
pub(crate) use removal_record::{RemovalRecord, Removing};
