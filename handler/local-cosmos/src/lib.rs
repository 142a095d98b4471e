//! An embedded Azure Cosmos DB endpoint on a loopback port, for development and tests.
//!
//! The in-memory emulator of the official Rust SDK serves documents, queries and partitions; any SDK, and the Functions host,
//! can use it. This crate adds what the emulator lacks: a change feed in both modes, read from a log of the writes; time to
//! live; the service's page limits; account keys. On demand it splits and merges partitions, throttles requests and injects
//! faults. For tests it logs the requests that it answers, and it can refuse queries that need an index which does not exist.
//!
//! All data is in memory and is lost when the [`Endpoint`] ends.

mod budget;
mod bulk;
mod change_feed;
mod change_log;
mod container;
mod control;
mod emulator;
mod endpoint;
mod entry;
mod envelope;
mod expiry;
mod faults;
mod gateway;
mod incoming;
mod index_policy;
mod item_rules;
mod key_path;
mod keys;
mod limits;
mod lsn;
mod operation;
mod options;
mod page;
mod partitions;
mod query_depth;
mod query_literals;
mod query_pages;
mod query_paths;
mod registry;
mod reply;
mod request_log;
mod resource_ids;
// The gateway does not use all of it yet.
#[allow(dead_code, unused_imports)]
mod resources;
mod usage;
mod version_log;
mod writes;

pub use control::{ControlError, ItemScope, Partition};
pub use endpoint::{Endpoint, StartError};
pub use faults::{Effect, Fault, ItemFault, RequestKind};
pub use keys::EMULATOR_KEY;
pub use options::Options;
pub use request_log::{LoggedKind, LoggedRequest};
pub use usage::Usage;
