//! A change feed processor for Azure Cosmos DB, in the shape of the .NET and Java ones.
//!
//! A processor reads the change feed of a *monitored container* and hands every batch of changes to a handler. What was
//! handled is recorded in a *lease container* (partitioned by `/id`), one lease document for each range of the monitored
//! container, so that a processor that stops, or is killed, goes on where it was. Any number of instances share the
//! leases: each takes as many as every other has; those of an instance that died are free after
//! [a minute](ProcessorBuilder::lease_expiration_interval).
//!
//! Changes are delivered **at least once**, in order within a partition key value. A batch whose handler fails is delivered
//! again, later and later, and never skipped; the other leases go on meanwhile. When a lease changes hands, a batch that its
//! last owner had read may still be at its handler, beside what the next owner reads.
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
//! # What the feed tells
//!
//! In [`ChangeFeedMode::LatestVersion`], the newest version of every document that was created or replaced. Versions in
//! between may be missing, and deletes are not told. In [`ChangeFeedMode::AllVersionsAndDeletes`], everything: see
//! [`Change`]. Leases are of one mode; a processor of the other mode needs another name.
//!
//! # Bookmarks
//!
//! After a batch was handled its lease's bookmark moves, and wins over any [`StartFrom`] from then on. A handler that
//! gathers batches before it stores them moves bookmarks itself: [`ProcessorBuilder::build_with_manual_checkpoint`].
//! [`LeaseSet`] carries leases to another container, and sets them back to a time.
//!
//! # Watching it
//!
//! [`ChangeFeedEstimator`] tells how far behind each lease is, in transactions and in seconds, who holds it, and whether
//! and why it is stuck. It needs no running processor.
//!
//! # Beside .NET and the Functions trigger
//!
//! Lease documents have the names, fields and continuation tokens of the .NET change feed processor (version 3), which
//! are also those of the Azure Functions trigger: a lease passes between them and this crate without a gap, once it has a
//! bookmark. A partition that is split or merged is followed as they do it.
//!
//! # Tests of programs that use it
//!
//! [`ManualClock`] stands still until it is moved: what takes leases a minute takes a test no time.

mod balance;
mod bootstrap;
mod builder;
mod change;
mod checkpoint;
mod clock;
mod context;
mod cosmos;
mod coverage;
mod estimator;
mod health;
mod instance;
mod lease;
mod lease_set;
mod locate;
mod mode;
mod partition;
mod renewal;
mod start_from;
mod topology;

pub use builder::{ChangeFeedProcessor, ProcessorBuilder};
pub use change::{Change, ChangeMetadata, OperationType};
pub use checkpoint::Checkpointer;
pub use clock::{Clock, ManualClock};
pub use context::Context;
pub use cosmos::{Container, CosmosClient, Error, ErrorKind, connect};
pub use estimator::{ChangeFeedEstimator, LeaseLag};
pub use health::ProcessingError;
pub use instance::RunningProcessor;
pub use lease::{FeedRange, Lease, RangeEnvelope};
pub use lease_set::LeaseSet;
pub use mode::ChangeFeedMode;
pub use start_from::StartFrom;
