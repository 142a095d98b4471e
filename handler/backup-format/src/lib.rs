//! Backups of documents as files: written, read, listed and verified without Cosmos DB.
//!
//! A backup is a folder of compressed segments and a manifest, which is written last. `docs/reference/backup-format.md` specifies the
//! files. A reader checks a file's digest before it uses the content, and uses bounded memory whatever a file holds.
//!
//! The race to mind: two writers may work on one backup, because a process that was declared dead may still run. `write.rs`
//! says how the older one is stopped.

mod chain;
mod contents;
mod damage;
mod deletion;
mod digest;
mod document;
mod error;
mod feed_position;
mod inventory;
mod json_files;
mod limits;
mod list;
mod location;
mod manifest;
mod progress;
mod read;
mod remove;
mod sealed;
mod segment;
mod segment_reader;
mod segment_writer;
mod timestamp;
mod verify;
mod version_digests;
mod write;

pub use chain::check_chain;
pub use damage::{Damage, ReadError};
pub use deletion::Deletion;
pub use digest::Digest;
pub use document::BackupDocument;
pub use error::{Error, ErrorKind};
pub use feed_position::{FeedPosition, FeedRangePosition};
pub use inventory::{Inventory, OtherFolder, OtherState, StoredBackup};
pub use json_files::{JsonDocument, JsonFilesError, JsonFilesReader, ResumePoint};
pub use list::{ListedBackup, ListedState, inspect, list};
pub use location::{BackupLocation, Chunks, EntryKind, Existing, FileWriter, LocationAccess, LocationEntry, Revision};
pub use manifest::{BackupHeader, Content, EarlierBackup, Manifest, Source};
pub use read::{BackupReader, read_manifest, read_unfinished, unfinished_backup};
pub use remove::{Removal, remove, remove_rest};
pub use segment::{SegmentKind, SegmentName, SegmentRecord};
pub use segment_reader::{Line, SegmentReader};
pub use segment_writer::SegmentWriter;
pub use timestamp::Timestamp;
pub use verify::{Verification, missing_segment, verify, verify_listing, verify_segment};
pub use version_digests::{
    ChainFile, ChainFlaw, ChainLink, CheckedChain, DigestFile, HistoryContainer, RemovedVersion, VersionDigest,
    check_digest_chain, create_digest_file, digest_file_name, digest_file_names, read_digest_file,
};
pub use write::{BackupWriter, Resumed, check_empty, has_unfinished_backup};
