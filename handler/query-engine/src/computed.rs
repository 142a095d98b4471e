//! Properties that a container computes from each document.

use serde_json::Value;

use crate::error::QueryError;
use crate::names::resolve;
use crate::parse::parse;
use crate::syntax::{Projection, Select};

/// A computed property of a container. `c.name` has its value, even where a document has a property of that name; `SELECT *` does not.
///
/// Paths that [`crate::Query`] reports can name computed properties, which documents do not have.
#[derive(Clone, Debug)]
pub struct ComputedProperty {
    pub(crate) name: String,
    pub(crate) select: Select,
}

impl ComputedProperty {
    /// The name of the property.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a definition: a name, and a query such as `SELECT VALUE LOWER(c.name) FROM c`.
    ///
    /// # Errors
    /// When the query is invalid, has clauses beside SELECT VALUE and FROM, or has aggregates.
    pub fn new(name: &str, query: &str) -> Result<Self, QueryError> {
        let parameters: &[(String, Value)] = &[];
        let mut select = parse(query, parameters)?;
        resolve(&mut select)?;
        let is_plain = select.filter.is_none()
            && select.group_by.is_empty()
            && select.order_by.is_empty()
            && select.page.is_none()
            && select.top.is_none()
            && !select.distinct
            && select.aggregates == 0
            && select.sources.len() == 1
            && matches!(select.projection, Projection::Value(_));
        if !is_plain {
            let message = format!(
                "The query of the computed property '{name}' must have SELECT VALUE and FROM, no other clause, and no aggregate."
            );
            return Err(QueryError::general(message));
        }
        Ok(Self { name: name.to_owned(), select })
    }
}
