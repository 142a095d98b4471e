//! The control interface: operations that clients of Cosmos DB do not have, for tests of programs. Available as functions and
//! over HTTP.

mod body;
mod description;
mod error;
mod expire;
mod fault_requests;
mod item_scope;
mod partition_count;
mod partition_list;
mod server;
mod settings;
mod transition;

pub use error::ControlError;
pub use item_scope::ItemScope;
pub use partition_list::Partition;

pub(crate) use expire::expire_now;
pub(crate) use partition_count::set_partition_count;
pub(crate) use partition_list::list as list_partitions;
pub(crate) use server::serve;
pub(crate) use settings::{keep_previous_images, set_clock, throttle};
pub(crate) use transition::{merge, split};
