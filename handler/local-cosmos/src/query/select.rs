//! Queries over databases, containers and offers.

use std::sync::Arc;

use query_engine::{Document, PageRequest, Query};
use serde_json::Value;

use crate::resources::{ListQuery, Refusal};

/// The rows of a query over resources.
pub(crate) fn select(query: &ListQuery, resources: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let refuse = |error: String| Refusal::bad_request(error);
    let parsed = Query::parse(&query.text, &query.parameters).map_err(|error| refuse(error.to_json()))?;
    let mut documents =
        resources.into_iter().zip(1..).map(|(value, position)| Document { value: Arc::new(value), position });
    let page = parsed.run(&mut documents, &PageRequest::default()).map_err(|error| refuse(error.to_json()))?;
    let rows = page.rows.iter().map(|row| serde_json::from_str(row).map_err(|error| refuse(error.to_string())));
    rows.collect()
}
