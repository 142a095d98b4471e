//! The rows of a query within a scope: subqueries, and queries that are computed as a whole.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::ControlFlow::{self, Break, Continue};

use serde_json::{Map, Value};

use super::aggregates::Groups;
use super::{Evaluated, Frame, Scope, truth};
use crate::error::QueryError;
use crate::syntax::{Expr, Origin, Projection, QueryUse, Root, Select, Source};
use crate::value::{canonical, sort_order};

/// Receives the rows of a query until it breaks.
pub(crate) type Sink<'s> = dyn FnMut(Cow<'_, Value>) -> ControlFlow<()> + 's;

impl<'a> Scope<'a> {
    /// The value of a subquery in an expression.
    #[inline(never)]
    pub(super) fn query(self, query_use: QueryUse, select: &'a Select) -> Evaluated<'a> {
        let mut rows = Vec::new();
        let most = match query_use {
            QueryUse::Scalar => 2,
            QueryUse::Exists | QueryUse::First => 1,
            QueryUse::Array | QueryUse::Last | QueryUse::All => usize::MAX,
        };
        if query_use == QueryUse::All {
            return Some(truth(self.is_all(select)));
        }
        let _ = self.rows(select, &mut |row| {
            if query_use == QueryUse::Last {
                rows.clear();
            }
            rows.push(row.into_owned());
            if rows.len() < most { Continue(()) } else { Break(()) }
        });
        match query_use {
            QueryUse::Exists => Some(truth(!rows.is_empty())),
            QueryUse::Array => Some(Cow::Owned(Value::Array(rows))),
            QueryUse::Scalar if rows.len() > 1 => {
                let message = "The cardinality of a scalar subquery result set cannot be greater than one.";
                self.statement.fail(QueryError::general(message));
                None
            }
            _ => rows.pop().map(Cow::Owned),
        }
    }

    /// Whether no row of a query fails its filter.
    fn is_all(self, select: &'a Select) -> bool {
        let mut all = true;
        let _ = self.tuples(&select.sources, &mut |scope| {
            all = select.filter.as_ref().is_none_or(|filter| scope.condition(filter) != Some(false));
            if all { Continue(()) } else { Break(()) }
        });
        all
    }

    pub(super) fn first_row(self, select: &'a Select) -> Option<Value> {
        let mut first = None;
        let _ = self.rows(select, &mut |row| {
            first = Some(row.into_owned());
            Break(())
        });
        first
    }

    /// Visits each combination of the sources of a query.
    pub(crate) fn tuples(
        self,
        sources: &'a [Source],
        visit: &mut dyn FnMut(Scope<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some((source, rest)) = sources.split_first() else { return visit(self) };
        let mut bind = |value: &Value, position: Option<u64>| {
            let frame = Frame { value, outer: self.frame, position };
            Scope { frame: Some(&frame), ..self }.tuples(rest, visit)
        };
        let mut elements = |value: &Value, position: Option<u64>| match value {
            Value::Array(elements) if source.iterates => elements.iter().try_for_each(|element| bind(element, None)),
            _ if source.iterates => Continue(()),
            value => bind(value, position),
        };
        match &source.origin {
            Origin::Query(select) => self.rows(select, &mut |row| elements(&row, None)),
            Origin::Path { root, steps, .. } => {
                let mut at = |root: &Value, position: Option<u64>| {
                    let position = position.filter(|_| steps.is_empty());
                    self.steps(root, steps).map_or(Continue(()), |value| elements(value, position))
                };
                match (root, self.document) {
                    (Root::Alias(hops), _) => {
                        self.source(*hops).map_or(Continue(()), |frame| at(frame.value, frame.position))
                    }
                    (Root::Container, Some((document, position))) => at(document, Some(position)),
                    (Root::Container, None) => {
                        while let Some((document, position)) = self.statement.container.next() {
                            at(&document, Some(position))?;
                        }
                        Continue(())
                    }
                }
            }
        }
    }

    /// Visits each combination of the sources that the filter lets through.
    pub(crate) fn filtered(
        self,
        select: &'a Select,
        visit: &mut dyn FnMut(Scope<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.tuples(&select.sources, &mut |scope| {
            scope.statement.count_combination();
            if scope.statement.failed.get() {
                return Break(());
            }
            match &select.filter {
                Some(filter) if !scope.is_true(filter) => Continue(()),
                _ => visit(scope),
            }
        })
    }

    /// The row of the SELECT clause; `None` is no row.
    pub(crate) fn project(self, select: &'a Select) -> Evaluated<'a> {
        match &select.projection {
            Projection::Star => self.source(0).map(|frame| Cow::Borrowed(frame.value)),
            Projection::Value(expr) => self.value(expr),
            Projection::Items(items) => {
                let mut row = Map::with_capacity(items.len());
                for item in items {
                    if let Some(value) = self.value(&item.expr) {
                        row.insert(item.name.clone(), value.into_owned());
                    }
                }
                Some(Cow::Owned(Value::Object(row)))
            }
        }
    }

    /// The rows of a query.
    pub(crate) fn rows(self, select: &'a Select, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let (mut skip, mut take) = (0, select.top.unwrap_or(u64::MAX));
        if let Some(page) = select.page {
            (skip, take) = (page.offset, page.limit);
        }
        if take == 0 {
            return Continue(());
        }
        let mut known = HashSet::new();
        // Whether it is this query that has enough rows.
        let mut is_done = false;
        let mut emit = |row: Cow<'_, Value>| {
            if select.distinct && !known.insert(canonical(&row)) {
                return Continue(());
            }
            if skip > 0 {
                skip -= 1;
                return Continue(());
            }
            take -= 1;
            sink(row)?;
            is_done = take == 0;
            if is_done { Break(()) } else { Continue(()) }
        };
        let flow = if select.aggregates > 0 || !select.group_by.is_empty() {
            self.grouped(select, &mut emit)
        } else if !select.order_by.is_empty() {
            self.sorted(select, &mut emit)
        } else {
            self.filtered(select, &mut |scope| scope.project(select).map_or(Continue(()), &mut emit))
        };
        if is_done { Continue(()) } else { flow }
    }

    #[inline(never)]
    fn grouped(self, select: &'a Select, emit: &mut Sink<'_>) -> ControlFlow<()> {
        let mut groups = Groups::new(select);
        let _ = self.filtered(select, &mut |scope| {
            groups.add(scope);
            Continue(())
        });
        for values in groups.finish() {
            let scope = Scope { group: Some(&values), ..self };
            if let Some(row) = scope.project(select) {
                emit(row)?;
            }
        }
        Continue(())
    }

    #[inline(never)]
    fn sorted(self, select: &'a Select, emit: &mut Sink<'_>) -> ControlFlow<()> {
        let mut rows = Vec::new();
        let _ = self.filtered(select, &mut |scope| {
            if let Some(row) = scope.project(select) {
                rows.push((scope.sort_keys(select), row.into_owned()));
            }
            Continue(())
        });
        rows.sort_by(|(a, _), (b, _)| compare_keys(select, a, b));
        rows.into_iter().try_for_each(|(_, row)| emit(Cow::Owned(row)))
    }

    pub(crate) fn sort_keys(self, select: &'a Select) -> Vec<Option<Value>> {
        let key = |expr: &'a Expr| self.value(expr).map(Cow::into_owned);
        select.order_by.iter().map(|item| key(&item.expr)).collect()
    }
}

/// The order of two rows by the values of ORDER BY.
pub(crate) fn compare_keys(select: &Select, a: &[Option<Value>], b: &[Option<Value>]) -> Ordering {
    for ((item, a), b) in select.order_by.iter().zip(a).zip(b) {
        let order = sort_order(a.as_ref(), b.as_ref());
        if order != Ordering::Equal {
            return if item.is_descending() { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}
