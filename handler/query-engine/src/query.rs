//! A query that was read and checked.

use serde_json::Value;

use crate::computed::ComputedProperty;
use crate::constraints::{self, Condition, KeyFilter};
use crate::error::QueryError;
use crate::hybrid::{self, HybridPlan};
use crate::names::resolve;
use crate::parse::{parse, parse_condition};
use crate::paths::{self, PropertyPath};
use crate::plan::{self, Plan};
use crate::prefilter::{self, Prefilter};
use crate::prepare::prepare;
use crate::print;
use crate::run::{self, Document, Page, PageRequest};
use crate::syntax::Select;
use crate::vector::VectorProperty;
use crate::vector_policy;

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
        prepare(&mut select);
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
        if self.is_ranked() {
            let message = "A query with ORDER BY RANK is computed by the client, by the plan of the query.";
            return Err(QueryError::general(message));
        }
        run::page(&self.select, documents, request)
    }

    /// What a client needs to merge the results of several ranges.
    ///
    /// # Errors
    /// When results of several ranges cannot be merged, or the query has ORDER BY RANK.
    pub fn plan(&self) -> Result<Plan, QueryError> {
        plan::plan(&self.select)
    }

    /// Whether the query has ORDER BY RANK. Only clients can compute it, by [`Self::hybrid_plan`].
    #[must_use]
    pub fn is_ranked(&self) -> bool {
        self.select.rank.is_some()
    }

    /// What a client needs to compute a query with ORDER BY RANK; `None` for other queries.
    ///
    /// # Errors
    /// When something in the query is not supported.
    pub fn hybrid_plan(&self) -> Result<Option<HybridPlan>, QueryError> {
        hybrid::plan(&self.select)
    }

    /// Compares the vectors of properties as the vector policy of a container says, where the query does not say it itself.
    #[must_use]
    pub fn with_vectors(mut self, vectors: &[VectorProperty]) -> Self {
        if !vectors.is_empty() {
            vector_policy::apply(&mut self.select, vectors);
        }
        self
    }

    /// What the filter says about the values of the paths of the partition key, or of other paths: with the paths of the key and `id`, it
    /// is the list of the items that a read of many items is for.
    #[must_use]
    pub fn key_values(&self, paths: &[Vec<String>]) -> KeyFilter {
        constraints::key_filter(&self.select, paths)
    }

    /// The conditions that each document of the result meets, by which a store can choose documents with an index.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        constraints::conditions(&self.select)
    }

    /// A look at the text of a document that tells whether it is worth parsing.
    #[must_use]
    pub fn prefilter(&self, computed: &[ComputedProperty]) -> Prefilter {
        Prefilter::new(&self.select, computed)
    }

    /// Whether the rows depend on what is in the documents. If not, as in `SELECT VALUE COUNT(1) FROM c`, only their number counts, and they
    /// can be provided with null for a value.
    #[must_use]
    pub fn reads_values(&self) -> bool {
        prefilter::reads_values(&self.select)
    }

    /// The paths of all filters, sorted and each once.
    #[must_use]
    pub fn filter_paths(&self) -> Vec<PropertyPath> {
        paths::filter_paths(&self.select)
    }

    /// The paths of ORDER BY, and whether each is descending; `None` for an expression that is no path.
    #[must_use]
    pub fn order_by_paths(&self) -> Vec<(Option<PropertyPath>, bool)> {
        paths::order_by_paths(&self.select)
    }

    /// Whether the query has a FROM clause. One without is computed once, over no documents.
    #[must_use]
    pub fn reads_documents(&self) -> bool {
        !self.select.sources.is_empty()
    }

    /// The text of the query without its filter. It is the same for all pages of a query: clients that resume a sort change the filter.
    #[must_use]
    pub fn text_without_filter(&self) -> String {
        print::query(&Select { filter: None, ..self.select.clone() })
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
