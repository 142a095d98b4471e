//! What the SELECT clause of a query with aggregates or GROUP BY may contain: aggregates, the expressions of GROUP BY, and constants.

use crate::children::{Child, ChildMut, visit, visit_mut};
use crate::error::QueryError;
use crate::print::expression;
use crate::syntax::{Base, Expr, Origin, Projection, Root, Select, Step};

/// Replaces the expressions of GROUP BY in the SELECT clause with the values of the group, and refuses what has no single value there.
pub(crate) fn group(select: &mut Select) -> Result<(), QueryError> {
    let keys: Vec<String> = select.group_by.iter().map(expression).collect();
    match &mut select.projection {
        Projection::Star => Ok(()),
        Projection::Value(expr) => replace(expr, &keys),
        Projection::Items(items) => items.iter_mut().try_for_each(|item| replace(&mut item.expr, &keys)),
    }
}

fn replace(expr: &mut Expr, keys: &[String]) -> Result<(), QueryError> {
    if matches!(expr, Expr::Aggregate { .. }) {
        return Ok(());
    }
    if !keys.is_empty() {
        let text = expression(expr);
        if let Some(index) = keys.iter().position(|key| *key == text) {
            let undefined = Expr::Array(Vec::new());
            *expr = Expr::GroupKey(index, Box::new(std::mem::replace(expr, undefined)));
            return Ok(());
        }
    }
    if let Expr::Path(base, steps) = expr
        && let Base::Alias(alias) = &**base
    {
        // `c.a.b` has a value in the groups of `c.a`.
        for length in (0..steps.len()).rev() {
            let prefix = Expr::Path(base.clone(), steps[..length].to_vec());
            let text = expression(&prefix);
            if let Some(index) = keys.iter().position(|key| *key == text) {
                let rest: Vec<Step> = steps.split_off(length);
                **base = Base::Expr(Expr::GroupKey(index, Box::new(prefix)));
                *steps = rest;
                return Ok(());
            }
        }
        let message = format!(
            "Property reference '{}' is invalid in the select list because it is not contained in either an aggregate \
             function or the GROUP BY clause.",
            expression(&Expr::Path(base.clone(), steps.clone()))
        );
        return Err(QueryError::new("SC2102", message, alias.path));
    }
    let mut result = Ok(());
    visit_mut(expr, &mut |child| {
        if result.is_ok() {
            result = match child {
                ChildMut::Expr(child) => replace(child, keys),
                ChildMut::Query(select) => check_query(select),
            };
        }
    });
    result
}

/// A subquery beside aggregates may not depend on a document.
fn check_query(select: &Select) -> Result<(), QueryError> {
    if depends_on_outer(select, 0) {
        let message = "A subquery in the SELECT clause of a query with aggregates or GROUP BY cannot refer to the sources of that query.";
        return Err(QueryError::not_supported(message));
    }
    Ok(())
}

/// Whether a query refers to sources outside it and outside the `inner` sources around it.
fn depends_on_outer(select: &Select, inner: usize) -> bool {
    let mut known = inner;
    for source in &select.sources {
        let depends = match &source.origin {
            Origin::Path { root: Root::Alias(hops), .. } => *hops >= known,
            Origin::Path { root: Root::Container, .. } => false,
            Origin::Query(select) => depends_on_outer(select, known),
        };
        if depends {
            return true;
        }
        known += 1;
    }
    let mut exprs: Vec<&Expr> = select.filter.iter().chain(&select.group_by).collect();
    exprs.extend(select.order_by.iter().map(|item| &item.expr));
    match &select.projection {
        Projection::Star => {}
        Projection::Value(expr) => exprs.push(expr),
        Projection::Items(items) => exprs.extend(items.iter().map(|item| &item.expr)),
    }
    exprs.into_iter().any(|expr| expr_depends(expr, known))
}

fn expr_depends(expr: &Expr, inner: usize) -> bool {
    if let Expr::Path(base, _) = expr
        && let Base::Alias(alias) = &**base
        && alias.hops >= inner
    {
        return true;
    }
    let mut depends = false;
    visit(expr, &mut |child| {
        depends = depends
            || match child {
                Child::Expr(child) => expr_depends(child, inner),
                Child::Query(select) => depends_on_outer(select, inner),
            };
    });
    depends
}
