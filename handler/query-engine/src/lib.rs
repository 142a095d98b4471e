//! Azure Cosmos DB's SQL dialect for NoSQL: parser, query plans and execution over JSON documents.
//!
//! The crate knows neither HTTP nor a store.

mod functions;
mod value;
