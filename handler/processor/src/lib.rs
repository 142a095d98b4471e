//! A change feed processor for Azure Cosmos DB, in the shape of the .NET and Java ones.
//!
//! A processor reads the change feed of a *monitored container* and hands every batch of changes to a handler. What was
//! handled is recorded in a *lease container*, one lease document for each range of the monitored container, so that a
//! processor that stops, or is killed, goes on where it was. Changes are delivered **at least once**, in order within a
//! partition key value; a batch whose handler fails is delivered again and never skipped.
//!
//! Lease documents have the names, fields and continuation tokens of the .NET change feed processor (version 3), which
//! are also those of the Azure Functions trigger: a lease passes between them and this crate without a gap.
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

mod balance;
mod bootstrap;
mod builder;
mod change;
mod checkpoint;
mod clock;
mod context;
mod cosmos;
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
pub use cosmos::{Container, Error, ErrorKind, connect};
pub use estimator::{ChangeFeedEstimator, LeaseLag};
pub use health::ProcessingError;
pub use instance::RunningProcessor;
pub use lease::{FeedRange, Lease, RangeEnvelope};
pub use lease_set::LeaseSet;
pub use mode::ChangeFeedMode;
pub use start_from::StartFrom;
