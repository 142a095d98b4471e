//! Invocations of functions by their triggers.

mod batch;
mod body;
mod delivery;
mod exception;
mod invalid_response;
mod invocation_error;
mod invoker;
mod response;

pub(crate) use batch::batch;
pub(crate) use body::TriggerData;
pub use delivery::Delivery;
pub(crate) use delivery::{Deliverer, invoke};
pub use invalid_response::{InvalidResponse, Position, Problem};
pub use invocation_error::InvocationError;
pub(crate) use invoker::Invoker;
pub(crate) use response::InvocationResult;
