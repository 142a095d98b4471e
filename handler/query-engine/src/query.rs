//! A query that was read and checked.

use serde_json::Value;

use crate::error::QueryError;
use crate::names::resolve;
use crate::parse::{parse, parse_condition};
use crate::run::{self, Document, Page, PageRequest};
use crate::syntax::Select;

/// A query that was read and checked, with its parameters.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) select: Select,
}

impl Query {
    /// Reads a query. The names of parameters start with `@`.
    ///
    /// # Errors
    /// When the text is invalid, a name or a parameter is unknown, or something is not supported.
    pub fn parse(text: &str, parameters: &[(String, Value)]) -> Result<Self, QueryError> {
        Self::resolved(parse(text, parameters)).map_err(|error| error.located_in(text))
    }

    /// Reads the condition of a patch, such as `FROM c WHERE c.taskNum = 3`, as a query for the document.
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse_condition(text: &str) -> Result<Self, QueryError> {
        Self::resolved(parse_condition(text)).map_err(|error| error.located_in(text))
    }

    fn resolved(select: Result<Select, QueryError>) -> Result<Self, QueryError> {
        let mut select = select?;
        resolve(&mut select)?;
        Ok(Self { select })
    }

    /// Computes a page of the result over documents in the order of their positions.
    ///
    /// # Errors
    /// When the resume point belongs to another query, or a scalar subquery has several rows.
    pub fn run(
        &self,
        documents: &mut dyn Iterator<Item = Document>,
        request: &PageRequest<'_>,
    ) -> Result<Page, QueryError> {
        run::page(&self.select, documents, request)
    }

    /// Whether a document has a row: whether it meets the condition of a patch.
    ///
    /// # Errors
    /// As [`Query::run`].
    pub fn matches(&self, document: &Document) -> Result<bool, QueryError> {
        let request = PageRequest { max_items: 1, ..PageRequest::default() };
        let page = self.run(&mut std::iter::once(document.clone()), &request)?;
        Ok(!page.rows.is_empty())
    }
}
