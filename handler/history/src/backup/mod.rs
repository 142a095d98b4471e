//! Backups as files: what a container held, live or as of a moment, where nothing of Azure is needed to read it.
//!
//! A backup is a folder of compressed segments and a manifest, written last. `docs/backup-format.md` specifies the files.
//! Nothing read from one is believed before its digest is, and nothing in one makes the reader use more than bounded memory.

mod access;
mod chain;
pub mod contents;
mod damage;
mod deletion;
mod digest;
mod document;
mod foreign;
mod list;
mod manifest;
mod place;
pub mod progress;
pub mod read;
mod sealed;
mod segment;
mod segment_name;
mod segment_reader;
mod segment_writer;
mod verify;
pub mod write;

pub use access::PlaceAccess;
pub use chain::check_chain;
pub use damage::{Damage, ReadError};
pub use deletion::Deletion;
pub use digest::Digest;
pub use document::BackupDocument;
pub use foreign::{ForeignDocument, ForeignError, ForeignMark, ForeignReader};
pub use list::{ListedBackup, ListedState, list, look};
pub use manifest::{BackupHeader, Content, Earlier, Manifest, Source};
pub use place::{Chunks, Entry, EntryKind, Place, Revision};
pub use read::BackupReader;
pub use segment::{SegmentKind, SegmentRecord};
pub use segment_name::SegmentName;
pub use segment_reader::{Line, SegmentReader};
pub use segment_writer::SegmentWriter;
pub use verify::{Verification, verify, verify_listing, verify_segment};
pub use write::{BackupWriter, Resumed};
