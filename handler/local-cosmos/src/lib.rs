//! An embedded Azure Cosmos DB endpoint on a loopback port, for development and tests.
//!
//! Any SDK, and the Functions host, can use it: it serves databases, containers, items, queries, batches, throughput and the change
//! feed in both modes, with the service's limits, charges and errors. On demand it splits and merges partitions, throttles
//! requests, moves its clock and injects faults. For tests it logs the requests that it answers, and it can refuse queries
//! that need an index which does not exist. What it does not offer is answered 501.

mod budget;
mod charges;
mod clock;
mod container;
mod continuation;
mod control;
mod endpoint;
mod etag;
mod expiry;
mod faults;
mod feed;
mod gateway;
mod growth;
mod incoming;
mod index_policy;
mod items;
mod key_path;
mod keys;
mod limits;
mod operation;
mod options;
mod partition_key;
mod patch;
mod query;
mod reply;
mod request;
mod request_log;
mod requested_range;
mod resources;
mod scripted_status;
mod session_token;
mod store;
mod usage;

pub use control::{ControlError, ItemScope, Partition};
pub use endpoint::{Endpoint, StartError};
pub use faults::{Effect, Fault, ItemFault, RequestKind};
pub use keys::EMULATOR_KEY;
pub use options::Options;
pub use request::{Request, Response};
pub use request_log::{LoggedKind, LoggedRequest};
pub use usage::Usage;
