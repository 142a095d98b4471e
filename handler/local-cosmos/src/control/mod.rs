//! The control interface: operations that clients of Cosmos DB do not have, for tests of programs. Available as functions and
//! over HTTP.

mod body;
mod description;
mod error;
mod expire;
mod faults;
mod item_scope;
mod partition_count;
mod partitions;
mod previous_images;
mod server;
mod throttle;
mod transition;
mod unindexed_queries;

pub use error::ControlError;
pub use item_scope::ItemScope;
pub use partitions::Partition;

pub(crate) use expire::expire_now;
pub(crate) use partition_count::set_partition_count;
pub(crate) use partitions::list as list_partitions;
pub(crate) use previous_images::keep_previous_images;
pub(crate) use server::serve;
pub(crate) use throttle::throttle;
pub(crate) use transition::{merge, split};
