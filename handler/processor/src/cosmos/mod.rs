//! The only place of this crate that names the types of the Cosmos DB SDK.

mod connect;
mod container;
mod error;
mod feed;
mod leases;

pub use azure_data_cosmos::CosmosClient;
pub use connect::connect;
pub use container::Container;
pub use error::{Error, ErrorKind};
pub(crate) use feed::{FeedPage, Position};
pub(crate) use leases::LeaseStore;
