//! An embedded Azure Cosmos DB endpoint on a loopback port, for development and tests.
//!
//! Documents, queries and partitions are served by the in-memory emulator that the official Rust SDK carries; any SDK,
//! and the Functions host, can use it. What that emulator lacks is added around it: a change feed that is read from a log
//! of the writes, in both modes, time to live, the service's page limits, and account keys. What happens to a container in
//! production happens here on demand: splits and merges of its partitions, throttling, failures.
//!
//! Nothing is stored: the data ends with the [`Endpoint`].

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
mod paging;
mod partitions;
mod query_paths;
mod registry;
mod reply;
mod request_log;
mod resource_ids;
mod throttle;
mod usage;
mod version_log;
mod writes;

pub use control::{ControlError, ItemScope, Partition};
pub use endpoint::{Endpoint, Options, StartError};
pub use faults::{Effect, Fault, ItemFault, RequestKind};
pub use keys::EMULATOR_KEY;
pub use request_log::{LoggedKind, LoggedRequest};
pub use usage::Usage;
