//! Executes a query over documents, a page at a time.

mod page;
mod sorted;
mod streaming;
mod whole;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use serde_json::Value;

use crate::clock;
use crate::error::QueryError;
use crate::evaluate::{Container, Statement};
use crate::syntax::{Origin, Root, Select};

pub use page::{Document, Page, PageRequest};

/// Documents that are read one after the other, and counted.
struct Reader<'a> {
    documents: RefCell<&'a mut dyn Iterator<Item = Document>>,
    read: Cell<u64>,
}

impl Container for Reader<'_> {
    fn next(&self) -> Option<(Arc<Value>, u64)> {
        let Document { value, position } = self.documents.borrow_mut().next()?;
        self.read.set(self.read.get() + 1);
        Some((value, position))
    }
}

/// Computes a page.
pub(crate) fn page(
    select: &Select,
    documents: &mut dyn Iterator<Item = Document>,
    request: &PageRequest<'_>,
) -> Result<Page, QueryError> {
    let reader = Reader { documents: RefCell::new(documents), read: Cell::new(0) };
    let statement = Statement {
        container: &reader,
        computed: request.computed,
        ticks: clock::ticks(),
        failure: RefCell::new(None),
        failed: Cell::new(false),
        combinations: Cell::new(0),
    };
    let way = way(select);
    if request.resume_filter.is_some() && way != Way::Sorted {
        return Err(QueryError::general(
            "A resumeFilter needs a query with ORDER BY, without DISTINCT and aggregates.",
        ));
    }
    let mut page = match way {
        Way::Streaming => streaming::page(select, &statement, request)?,
        Way::Sorted => sorted::page(select, &statement, request)?,
        Way::Whole => whole::page(select, &statement, request)?,
    };
    if let Some(error) = statement.failure.take() {
        return Err(error);
    }
    page.documents_read = reader.read.get();
    Ok(page)
}

/// How a query is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Document by document.
    Streaming,
    /// Document by document, with the rows that come first in the order.
    Sorted,
    /// From the first document for each page.
    Whole,
}

fn way(select: &Select) -> Way {
    let reads_container = matches!(select.sources.first(), Some(source) if matches!(source.origin, Origin::Path { root: Root::Container, .. }));
    match () {
        () if !reads_container || select.distinct || select.aggregates > 0 || !select.group_by.is_empty() => Way::Whole,
        () if select.order_by.is_empty() => Way::Streaming,
        () => Way::Sorted,
    }
}
