//! An embedded Azure Cosmos DB endpoint on a loopback port, for development and tests.
//!
//! The in-memory emulator of the official Rust SDK serves documents, queries and partitions; any SDK, and the Functions host,
//! can use it. This crate adds what the emulator lacks: a change feed in both modes, read from a log of the writes; time to
//! live; the service's page limits; account keys. It also does on demand what happens to a container in production: splits
//! and merges of partitions, throttling, faults. And it helps tests: it lists the requests it has answered and can refuse
//! queries that no index serves.
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
mod envelope;
mod expiry;
mod faults;
mod gateway;
mod index_policy;
mod item_rules;
mod keys;
mod limits;
mod lsn;
mod operation;
mod page;
mod partitions;
mod query_pages;
mod query_paths;
mod registry;
mod reply;
mod request_log;
mod resource_ids;
mod usage;
mod version_log;
mod writes;

pub use control::{ControlError, ItemScope, Partition};
pub use endpoint::{Endpoint, Options, StartError};
pub use faults::{Effect, Fault, ItemFault, RequestKind};
pub use keys::EMULATOR_KEY;
pub use request_log::{LoggedKind, LoggedRequest};
pub use usage::Usage;
