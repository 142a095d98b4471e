//! Requests and answers over HTTP: bodies, query strings and errors.

mod accepted;
mod body;
mod caller;
mod error;
mod invocation;
mod query;

pub use accepted::accepted;
pub use body::{Json, RawJson};
pub use caller::Caller;
pub use error::ApiError;
pub use invocation::Invocation;
pub use query::{NoQuery, Query};
