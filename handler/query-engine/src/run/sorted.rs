//! Queries with ORDER BY.
//!
//! Rows with equal values come by the numbers of their documents, in the direction of the first ORDER BY expression: so does the service,
//! and clients that merge ranges rely on it (`OrderByCrossPartitionQueryPipelineStage` in the .NET SDK). Documents without the property
//! are returned, before all others: the documentation of ORDER BY says that they are since 2022, and clients have filters for it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::ControlFlow::Continue;

use serde_json::Value;

use super::page::{Page, PageRequest, bounds, text, wrong_resume};
use crate::computed::ComputedProperty;
use crate::error::QueryError;
use crate::evaluate::{Scope, Statement, compare_keys};
use crate::paths::{PathStep, PropertyPath, order_by_paths};
use crate::resume::{Resume, ResumeFilter, document_number};
use crate::syntax::{OrderItem, Select};

/// Where a row is in the order.
#[derive(Clone)]
struct Place<'q> {
    select: &'q Select,
    keys: Vec<Option<Value>>,
    position: u64,
    /// The number of the row among those of its document.
    row: u64,
}

impl Place<'_> {
    /// Compares without regard to the row of a document.
    fn compare_document(&self, other: &Self) -> Ordering {
        compare_keys(self.select, &self.keys, &other.keys).then_with(|| self.compare_position(other.position))
    }

    fn compare_position(&self, other: u64) -> Ordering {
        let order = self.position.cmp(&other);
        let is_descending = self.select.order_by.first().is_some_and(OrderItem::is_descending);
        if is_descending { order.reverse() } else { order }
    }
}

struct Row<'q> {
    place: Place<'q>,
    text: String,
}

impl Ord for Row<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.compare_document(&other.place).then(self.place.row.cmp(&other.place.row))
    }
}

impl PartialOrd for Row<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Row<'_> {}

pub(super) fn page(select: &Select, statement: &Statement<'_>, request: &PageRequest<'_>) -> Result<Page, QueryError> {
    let (skip, end) = bounds(select);
    let (start, rows_before, mut counted) = match request.resume {
        None => (None, 0, 0),
        Some(Resume::Sorted { values, position, rows, counted }) => {
            if values.len() != select.order_by.len() {
                return Err(wrong_resume());
            }
            let keys = values.iter().map(|value| value.first().cloned()).collect();
            (Some(Place { select, keys, position: *position, row: 0 }), *rows, *counted)
        }
        Some(_) => return Err(wrong_resume()),
    };
    let filter = request.resume_filter.map(|filter| Filter::new(select, filter)).transpose()?;
    if counted >= end {
        return Ok(Page::default());
    }
    let mut first = First {
        rows: BinaryHeap::new(),
        bytes: 0,
        is_cut: false,
        skip: skip.saturating_sub(counted),
        end: end - counted,
    };
    // A join makes rows of one document that are not in order.
    let is_sorted = request.is_sorted
        && select.sources.len() == 1
        && !select.sources[0].iterates
        && !sorts_by_computed(select, request.computed);
    while let Some((document, position)) = statement.container.next() {
        let scope = Scope { document: Some((&document, position)), ..statement.scope() };
        // The rows of this document, and those of them that have the values after which the page starts.
        let (mut row, mut equal) = (0, 0);
        let _ = scope.filtered(select, &mut |scope| {
            row += 1;
            let place = Place { select, keys: scope.sort_keys(select), position, row };
            match start.as_ref().map(|start| place.compare_document(start)) {
                Some(Ordering::Less) => return Continue(()),
                Some(Ordering::Equal) => {
                    equal += 1;
                    if equal <= rows_before {
                        return Continue(());
                    }
                }
                _ => {}
            }
            if filter.as_ref().is_some_and(|filter| !filter.allows(&place)) || first.is_after(&place, request) {
                return Continue(());
            }
            if let Some(value) = scope.project(select) {
                first.push(Row { place, text: text(&value) }, request);
            }
            Continue(())
        });
        if statement.failed.get() || is_sorted && first.is_cut {
            break;
        }
    }
    let is_cut = first.is_cut;
    let mut rows = first.rows.into_sorted_vec().into_iter().peekable();
    let mut page = Page::default();
    let mut last: Option<Place<'_>> = None;
    // The rows of the last document with the last values.
    let mut same = 0;
    while let Some(next) = rows.next_if(|row| counted < skip || page.has_room(&row.text, request)) {
        if counted >= end {
            return Ok(page);
        }
        let is_same = match &last {
            Some(last) => next.place.compare_document(last) == Ordering::Equal,
            None => false,
        };
        let continues =
            last.is_none() && start.as_ref().is_some_and(|start| next.place.compare_document(start) == Ordering::Equal);
        same = if is_same {
            same + 1
        } else if continues {
            rows_before + 1
        } else {
            1
        };
        if counted >= skip {
            page.push(next.text);
        }
        counted += 1;
        last = Some(next.place);
    }
    if let Some(last) = last
        && (rows.peek().is_some() || is_cut)
        && counted < end
    {
        let values = last.keys.into_iter().map(|key| key.into_iter().collect()).collect();
        page.resume = Some(Resume::Sorted { values, position: last.position, rows: same, counted });
    }
    Ok(page)
}

/// Whether a computed property decides about the order, which no order of documents can follow.
fn sorts_by_computed(select: &Select, computed: &[ComputedProperty]) -> bool {
    let is_computed = |path: &PropertyPath| matches!(path.first(), Some(PathStep::Property(name)) if computed.iter().any(|property| property.name == *name));
    order_by_paths(select).iter().any(|(path, _)| path.as_ref().is_none_or(is_computed))
}

/// The rows that come first, as many as a page can have.
struct First<'q> {
    rows: BinaryHeap<Row<'q>>,
    bytes: usize,
    /// Whether rows that come later were left out.
    is_cut: bool,
    skip: u64,
    end: u64,
}

impl<'q> First<'q> {
    fn most(&self, request: &PageRequest<'_>) -> u64 {
        let wanted = u64::try_from(request.max_items.max(1)).unwrap_or(u64::MAX);
        self.skip.saturating_add(wanted).min(self.end)
    }

    fn len(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    fn is_full(&self, request: &PageRequest<'_>) -> bool {
        self.len() >= self.most(request) || self.skip == 0 && self.bytes > request.max_bytes
    }

    /// Whether a row comes after all that the page can have.
    fn is_after(&mut self, place: &Place<'q>, request: &PageRequest<'_>) -> bool {
        let is_after = self.is_full(request)
            && self.rows.peek().is_some_and(|last| {
                place.compare_document(&last.place).then(place.row.cmp(&last.place.row)) == Ordering::Greater
            });
        // A row that is left out because the query has enough does not make another page.
        self.is_cut |= is_after;
        is_after
    }

    fn push(&mut self, row: Row<'q>, request: &PageRequest<'_>) {
        self.bytes += row.text.len();
        self.rows.push(row);
        // One row more than fits shows that there is another page.
        while self.len() > self.most(request)
            || self.skip == 0
                && self.rows.len() > 1
                && self.rows.peek().is_some_and(|last| self.bytes - last.text.len() > request.max_bytes)
        {
            if let Some(last) = self.rows.pop() {
                self.bytes -= last.text.len();
                self.is_cut = true;
            }
        }
    }
}

/// The filter by which a client resumes.
struct Filter<'q> {
    place: Place<'q>,
    /// The number of the document to start at.
    document: Option<u64>,
    exclude: bool,
}

impl<'q> Filter<'q> {
    fn new(select: &'q Select, filter: &ResumeFilter) -> Result<Self, QueryError> {
        if filter.value.len() != select.order_by.len() {
            let message = format!(
                "The resumeFilter has {} values, ORDER BY has {} expressions.",
                filter.value.len(),
                select.order_by.len()
            );
            return Err(QueryError::general(message));
        }
        let key = |value: &Value| match value {
            Value::Array(elements) if elements.is_empty() => Ok(None),
            Value::Array(_) | Value::Object(_) => Err(QueryError::not_supported(
                "A resumeFilter with the hash of an array or an object in ORDER BY is not supported.",
            )),
            value => Ok(Some(value.clone())),
        };
        let keys = filter.value.iter().map(key).collect::<Result<_, _>>()?;
        let document = match filter.rid.as_deref() {
            None => None,
            Some(rid) => Some(
                document_number(rid)
                    .ok_or_else(|| QueryError::general(format!("The rid '{rid}' of the resumeFilter is invalid.")))?,
            ),
        };
        Ok(Self { place: Place { select, keys, position: 0, row: 0 }, document, exclude: filter.exclude })
    }

    fn allows(&self, place: &Place<'_>) -> bool {
        match compare_keys(place.select, &place.keys, &self.place.keys) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => match self.document.map(|document| place.compare_position(document)) {
                Some(Ordering::Less) => false,
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) | None => !self.exclude,
            },
        }
    }
}
