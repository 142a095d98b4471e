//! Backups of a container, written by jobs in the format of `changefeed-backup-format`.

mod convert;
mod job;

pub use convert::format_error;
pub(crate) use convert::key_from_components;
pub use job::{BackupCounts, BackupList, BackupRequest, BackupView};
pub(crate) use job::{KIND, work};
