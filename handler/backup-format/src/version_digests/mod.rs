//! Digests of the versions of a history: a chain of files, so that an altered or removed version is found.
//!
//! A file has the digests of the versions that were stored in a period, and the versions that were removed in it. It names the digest of
//! the file before it, so that a file cannot be changed, removed or inserted without a trace. `docs/reference/backup-format.md` specifies
//! the files.
//!
//! The race to mind: two writers may continue one chain. The name of a file follows from the end of the file before it, and a file is
//! created only if none of this name exists. So one of them creates the file, and the other one continues after it.

mod chain;
mod file;

pub use chain::{ChainFile, ChainFlaw, CheckedChain, check_digest_chain};
pub use file::{
    ChainLink, DigestFile, HistoryContainer, RemovedVersion, VersionDigest, create_digest_file, digest_file_name,
    digest_file_names, read_digest_file,
};
