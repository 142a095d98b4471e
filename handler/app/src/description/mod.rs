//! The description of the API: for programs at `/api/openapi.json`, for people at `/api`.

mod document;
#[cfg(test)]
mod generated;
mod index;

pub use document::{index, openapi};
