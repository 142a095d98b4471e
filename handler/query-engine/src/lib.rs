//! Azure Cosmos DB's SQL dialect for NoSQL: parser, query plans and execution over JSON documents.
//!
//! The crate knows neither HTTP nor a store. [`Query::parse`] reads and checks a text; [`Query::run`] computes a page of the result over
//! documents that the caller provides in the order of their positions. What a page ends with, a [`Resume`], starts the next one.

mod children;
mod clock;
mod computed;
mod constraints;
mod error;
mod evaluate;
mod functions;
mod grouping;
mod lexer;
mod like;
mod names;
mod parse;
mod paths;
mod plan;
mod print;
mod query;
mod resume;
mod run;
mod syntax;
mod value;

pub use computed::ComputedProperty;
pub use constraints::{Condition, KeyFilter, Values};
pub use error::{ErrorKind, QueryError};
pub use parse::{MAX_BRACKETS, MAX_DEPTH, MAX_LENGTH};
pub use paths::{PathStep, PropertyPath, path_text};
pub use plan::{DistinctCount, Plan};
pub use query::Query;
pub use resume::{Resume, ResumeFilter, document_number};
pub use run::{Document, Page, PageRequest};
pub use value::sort_order;
