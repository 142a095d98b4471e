//! Where backups are stored: a folder of this machine, or the blobs below a prefix.
//!
//! Two writers may use one location, because a process that was declared dead may still run. Therefore a file is created only
//! if none exists, and replaced only if it is unchanged. A file under its name is always complete.
//!
//! Secrets are never printed: a location is printed without the query of its URL, and errors are scrubbed.

mod access;
mod backup_location;
mod blob;
mod connection_string;
mod file;
mod file_writer;
mod folder;
mod shared_key;

pub use access::LocationAccess;
pub use backup_location::BackupLocation;
pub use file::{Chunks, EntryKind, LocationEntry, Revision};
pub use file_writer::{Existing, FileWriter};
