//! Requests and answers over HTTP: bodies, query strings and errors.

mod accepted;
mod body;
mod error;
mod query;

pub use accepted::accepted;
pub use body::{Json, MAX_BODY_BYTES, RawJson};
pub use error::ApiError;
pub use query::{NoQuery, Query};
