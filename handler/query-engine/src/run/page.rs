//! What a page of a result is, and what is asked for.

use std::sync::Arc;

use serde_json::Value;

use crate::computed::ComputedProperty;
use crate::error::QueryError;
use crate::resume::{Resume, ResumeFilter};
use crate::syntax::Select;

/// A document of the container.
#[derive(Clone, Debug)]
pub struct Document {
    /// The whole document, with its system properties.
    pub value: Arc<Value>,
    /// The number of the document in its `_rid`, by which the documents of a scan ascend. A replace does not change it.
    pub position: u64,
}

/// Which page of a result is wanted.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// The most rows.
    pub max_items: usize,
    /// The most bytes of all rows. A page has one row at least.
    pub max_bytes: usize,
    /// Where the page before ended.
    pub resume: Option<&'a Resume>,
    /// The filter by which a client resumes a sort.
    pub resume_filter: Option<&'a ResumeFilter>,
    /// Whether the documents come in the order of ORDER BY, and those with equal values by their positions, in the direction of
    /// the first ORDER BY expression. Then the page ends without reading more.
    pub is_sorted: bool,
    /// The computed properties of the container.
    pub computed: &'a [ComputedProperty],
}

impl Default for PageRequest<'_> {
    fn default() -> Self {
        Self {
            max_items: usize::MAX,
            max_bytes: usize::MAX,
            resume: None,
            resume_filter: None,
            is_sorted: false,
            computed: &[],
        }
    }
}

/// A page of a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The JSON text of each row.
    pub rows: Vec<String>,
    /// Where the next page starts; `None` if this is the last one.
    pub resume: Option<Resume>,
    /// How many documents were read.
    pub documents_read: u64,
    /// The bytes of the rows.
    pub bytes: usize,
}

/// How many rows a query skips, and how many it has with them.
pub(super) fn bounds(select: &Select) -> (u64, u64) {
    match select.page {
        Some(page) => (page.offset, page.offset.saturating_add(page.limit)),
        None => (0, select.top.unwrap_or(u64::MAX)),
    }
}

pub(super) fn wrong_resume() -> QueryError {
    QueryError::general("The continuation token does not belong to this query.")
}

impl Page {
    /// Whether a row still fits.
    pub(super) fn has_room(&self, row: &str, request: &PageRequest<'_>) -> bool {
        self.rows.is_empty()
            || self.rows.len() < request.max_items && self.bytes.saturating_add(row.len()) <= request.max_bytes
    }

    pub(super) fn is_full(&self, request: &PageRequest<'_>) -> bool {
        self.rows.len() >= request.max_items.max(1) || self.bytes >= request.max_bytes
    }

    pub(super) fn push(&mut self, row: String) {
        self.bytes += row.len();
        self.rows.push(row);
    }
}

/// The JSON text of a row.
pub(super) fn text(row: &Value) -> String {
    row.to_string()
}
