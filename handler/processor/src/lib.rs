//! A change feed processor for Azure Cosmos DB, modeled on the .NET and Java change feed processors.
//!
//! A processor reads the change feed of a *monitored container* and passes every batch of changes to a handler. It
//! records its progress in a *lease container* (partitioned by `/id`), with one lease document for each feed range of
//! the monitored container. A processor that stops or crashes resumes from its leases. Any number of instances divide
//! the leases evenly among themselves. The leases of an instance that dies expire after
//! [a minute](ProcessorBuilder::lease_expiration_interval), and other instances acquire them.
//!
//! Changes are delivered **at least once**, in order within a partition key value. A batch whose handler fails is
//! redelivered after a delay that increases with each failure. It is never skipped, and other leases are not affected.
//! After a lease changes owner, the handler of the previous owner may still run while the new owner delivers changes.
//!
//! ```no_run
//! use changefeed_processor::{ChangeFeedProcessor, Container, StartFrom, connect};
//!
//! # async fn example() -> Result<(), changefeed_processor::Error> {
//! let client = connect("AccountEndpoint=https://…;AccountKey=…;").await?;
//! let processor = ChangeFeedProcessor::builder(
//!     "orders",
//!     Container::open(&client, "store", "cart").await?,
//!     Container::open(&client, "store", "leases").await?,
//! )
//! .start_from(StartFrom::Beginning)
//! .on_error(|lease, error| eprintln!("{lease:?}: {error}"))
//! .build(|context, changes| async move {
//!     println!("{} changes on lease {}", changes.len(), context.lease_token());
//!     Ok::<(), std::io::Error>(())
//! });
//! let running = processor.start().await?;
//! // …
//! running.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Change feed modes
//!
//! [`ChangeFeedMode::LatestVersion`] delivers the latest version of every document that was created or replaced. It may
//! omit intermediate versions, and it does not report deletes. [`ChangeFeedMode::AllVersionsAndDeletes`] delivers every
//! change: see [`Change`]. A lease belongs to one mode. To process a container in the other mode, use another processor
//! name.
//!
//! # Checkpoints
//!
//! After the handler succeeds, the processor checkpoints: it stores the continuation token of the batch in the lease. A
//! lease with a continuation token ignores [`StartFrom`]. A handler that collects several batches before it stores them
//! checkpoints by itself: see [`ProcessorBuilder::build_with_manual_checkpoint`]. [`LeaseSet`] copies leases to another
//! lease container and resets them to a point in time.
//!
//! # Monitoring
//!
//! [`ChangeFeedEstimator`] reports for each lease how far behind it is, in transactions and in seconds, which instance
//! owns it, and whether and why it is stuck. It needs no running processor.
//!
//! # Compatibility with .NET and Azure Functions
//!
//! Lease documents have the ids, fields and continuation tokens of the .NET change feed processor (version 3), which
//! the Azure Functions trigger uses too. Once a lease has a continuation token, any of them can take over from another
//! without missing a change. With [`StartFrom::Now`] a lease has one from its creation. Splits and merges of partitions are
//! handled as in .NET.
//!
//! # Testing
//!
//! [`ManualClock`] stands still until a test advances it, so that a test of lease expiration need not wait.

mod balance;
mod bootstrap;
mod builder;
mod change;
mod checkpoint;
mod container;
mod context;
mod coverage;
mod coverage_check;
mod estimator;
mod feed;
mod health;
mod instance;
mod lease;
mod lease_set;
mod lease_state;
mod lease_store;
mod lease_time;
mod locate;
mod mode;
mod observation;
mod orphan;
mod partition;
mod polling;
mod recovery;
mod renewal;
mod running;
mod start_from;
mod topology;
mod unblock;
mod undeliverable;

pub use changefeed_cosmos::{Client as CosmosClient, Clock, Error, ErrorKind, ManualClock};

pub use builder::{ChangeFeedProcessor, ProcessorBuilder};
pub use change::{Change, ChangeMetadata, OperationType};
pub use checkpoint::Checkpointer;
pub use container::{Container, connect};
pub use context::Context;
pub use estimator::{ChangeFeedEstimator, LeaseLag};
pub use health::ProcessingError;
pub use lease::{FeedRange, Lease, RangeEnvelope};
pub use lease_set::LeaseSet;
pub use lease_state::LeaseState;
pub use mode::ChangeFeedMode;
pub use observation::LeaseObservation;
pub use running::RunningProcessor;
pub use start_from::StartFrom;
pub use unblock::{ChangePage, CheckpointMove};
pub use undeliverable::{UndeliverableChange, UndeliverableReason};
