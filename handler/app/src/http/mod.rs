//! The server that the Functions host calls.

mod accepted;
mod body;
mod error;
mod parameters;
mod routes;
mod server;

pub use accepted::accepted;
pub use body::{Json, RawJson};
pub use error::ApiError;
pub use parameters::Parameters;
pub use server::serve;
