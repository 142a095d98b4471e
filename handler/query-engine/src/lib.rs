//! Azure Cosmos DB's SQL dialect for NoSQL: parser, query plans and execution over JSON documents.
//!
//! The crate knows neither HTTP nor a store. Its sources are Microsoft's documentation of the language, the grammar and the tests in its .NET
//! SDK, and recordings of what that SDK sends. What these do not settle is refused with a message, never answered with a guess.
//!
//! # A page of a result
//!
//! [`Query::parse`] reads and checks a text. [`Query::run`] computes a page over documents that the caller provides in the order of their
//! positions. What a page ends with, a [`Resume`], starts the next one; as JSON it is a continuation token. The caller may leave out documents
//! that cannot be in the result: [`Query::key_values`] and [`Query::conditions`] say which can, [`Query::prefilter`] which are worth
//! parsing, and [`Resume::scan_from`] where a scan continues. Paths of queries can name computed properties, which no index has.
//!
//! ```
//! use query_engine::{Document, PageRequest, Query};
//! use serde_json::json;
//!
//! let documents = [json!({"id": "a", "n": 2}), json!({"id": "b", "n": 1})];
//! let mut documents =
//!     documents.into_iter().zip(1..).map(|(value, position)| Document { value: value.into(), position });
//! let query = Query::parse("SELECT VALUE c.id FROM c WHERE c.n >= @n ORDER BY c.n", &[("@n".into(), json!(1))])?;
//! let page = query.run(&mut documents, &PageRequest { max_items: 1, ..PageRequest::default() })?;
//! assert_eq!(page.rows, [r#""b""#]);
//! assert!(page.resume.is_some());
//! # Ok::<(), query_engine::QueryError>(())
//! ```
//!
//! # Several ranges
//!
//! Clients that merge ranges ask for a plan first ([`Query::plan`]) and send its rewritten text to each range. Its placeholder for a filter is
//! replaced by the client. The ranges that a plan names follow from [`Query::key_values`] with the paths of the partition key. If that is an
//! empty list, or if the query reads no documents ([`Query::reads_documents`]), one range answers for all.
//!
//! A query with ORDER BY RANK has a plan of another kind ([`Query::hybrid_plan`]), and only the client can compute it.
//!
//! # Limits
//!
//! [`MAX_LENGTH`], [`MAX_BRACKETS`] and [`MAX_DEPTH`] bound what is read, so that no query overflows a stack of 1 MB. A page examines at most
//! 20 million combinations of sources.

mod children;
mod clock;
mod computed;
mod constraints;
mod error;
mod evaluate;
mod functions;
mod grouping;
mod hybrid;
mod lexer;
mod like;
mod names;
mod parse;
mod paths;
mod plan;
mod prefilter;
mod prepare;
mod print;
mod query;
mod resume;
mod run;
mod syntax;
mod value;
mod vector;
mod vector_policy;

pub use computed::ComputedProperty;
pub use constraints::{Condition, KeyFilter, Values};
pub use error::{ErrorKind, QueryError};
pub use hybrid::HybridPlan;
pub use parse::{MAX_BRACKETS, MAX_DEPTH, MAX_LENGTH};
pub use paths::{PathStep, PropertyPath, path_text};
pub use plan::{DistinctCount, Plan};
pub use prefilter::Prefilter;
pub use query::Query;
pub use resume::{Resume, ResumeFilter, document_number};
pub use run::{Document, Page, PageRequest};
pub use value::sort_order;
pub use vector::{DistanceFunction, VectorProperty};
