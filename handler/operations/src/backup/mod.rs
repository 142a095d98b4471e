//! Backups are made by jobs: of the live container, or of the history as of a moment; of everything, or of what changed
//! since an earlier backup.
//!
//! What is written, and where to read on, is known to the writer alone: its `progress.json` is replaced together with the
//! segments that it names. The job only says that there is something to do, and shows how far it is. Whoever is killed at
//! whatever instant, the next runner goes on from the writer's cursor, and no document is lost or doubled.
//!
//! The race to mind: a document may be deleted or made again while its container is read. A live backup has each document
//! as it was when it was read. One as of a moment has each document once, as `scan` meets it.

mod backups;
mod collect;
mod convert;
mod cursor;
mod fit;
mod record;
mod request;
mod work;

pub use backups::{BACKUP, Backups};
pub use convert::format_error;
pub(crate) use convert::key_from_components;
pub use record::{BackupCounts, BackupList, BackupView};
pub use request::BackupRequest;
