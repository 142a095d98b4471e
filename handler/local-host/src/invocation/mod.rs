//! Invocations of functions that a Cosmos DB trigger starts.

mod body;
mod delivery;
mod error;
mod invoker;
mod response;

pub(crate) use delivery::Deliverer;
pub use delivery::Delivery;
pub use error::InvocationError;
pub(crate) use invoker::Invoker;
