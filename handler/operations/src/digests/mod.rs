//! Digests of the history, written to the location of backups, so that an altered or removed version is found.
//!
//! A job continues a chain of files ([`changefeed_backup_format`] has their format) with the hours that are over: each version that was stored
//! in them, by the service's clock, and each removal that was recorded in them. `verify` compares the history with them.
//!
//! Properties wanted: an hour is written once, and never changed; a version that exists when its hour is written is in it; a removal
//! by this program is in the chain, or recorded, before the version is missing.
//!
//! The races to mind:
//!
//! * *A version of an hour is stored after the hour was written.* An hour is written when it is over and a grace time has passed, by the
//!   service's clock, which also gives a version its time.
//! * *Two jobs write one chain.* The name of the next file follows from the end of the last one, and is created once.
//! * *The first digests are written while a removal is under way that did not record it.* From then on removals are recorded. The first job
//!   waits until those that were under way have ended, unless nothing was ever removed.
//! * *The last files of a chain are removed.* Then the chain would be continued at an earlier end. The jobs container remembers the last
//!   file, and a job that does not find it fails.

mod all;
mod digest_job;
mod digest_record;
mod digest_request;
mod digest_state;
mod stored_versions;
mod write_file;

pub(crate) use all::is_digests_folder;
pub use all::{DIGEST, Digests};
pub use digest_record::{DigestCounts, DigestList, DigestView};
pub use digest_request::DigestRequest;
pub(crate) use stored_versions::{StoredVersion, read_by_names, read_period, shared_name};
