//! Invocations of functions by Cosmos DB and timer triggers.

mod body;
mod delivery;
mod invocation_error;
mod invoker;
mod response;

pub(crate) use delivery::Deliverer;
pub use delivery::Delivery;
pub use invocation_error::InvocationError;
pub(crate) use invoker::Invoker;
