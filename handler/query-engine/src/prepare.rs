//! Indexes over long lists of constants in filters, so that a query for a thousand items does not compare each document with each of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::children::{ChildMut, visit_mut};
use crate::print::expression;
use crate::syntax::{Binary, Constant, Expr, OrIndex, Origin, Projection, Select};
use crate::value::canonical;

/// The fewest constants for which an index is worth its work.
const FEWEST: usize = 8;

/// Adds the indexes to a query whose names are resolved.
pub(crate) fn prepare(select: &mut Select) {
    for source in &mut select.sources {
        if let Origin::Query(select) = &mut source.origin {
            prepare(select);
        }
    }
    match &mut select.projection {
        Projection::Star => {}
        Projection::Value(expr) => prepare_expr(expr),
        Projection::Items(items) => items.iter_mut().for_each(|item| prepare_expr(&mut item.expr)),
    }
    select.filter.iter_mut().chain(&mut select.group_by).for_each(prepare_expr);
    select.order_by.iter_mut().for_each(|item| prepare_expr(&mut item.expr));
}

fn prepare_expr(expr: &mut Expr) {
    match expr {
        Expr::In { list, values, .. } if list.len() >= FEWEST => {
            let texts: Option<HashSet<String>> = list.iter().map(|element| constant(element).map(canonical)).collect();
            *values = texts.map(Arc::new);
        }
        Expr::Or { operands, index } if operands.len() >= FEWEST => *index = or_index(operands).map(Arc::new),
        _ => {}
    }
    visit_mut(expr, &mut |child| match child {
        ChildMut::Expr(child) => prepare_expr(child),
        ChildMut::Query(select) => prepare(select),
    });
}

fn constant(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Constant(Constant { value, .. }) => value.as_ref(),
        _ => None,
    }
}

/// An index by the path that the first comparison of each operand has.
fn or_index(operands: &[Expr]) -> Option<OrIndex> {
    let (path, _) = comparison(operands.first()?)?;
    let text = expression(path);
    let mut index = HashMap::<String, Vec<usize>>::new();
    for (at, operand) in operands.iter().enumerate() {
        let (found, value) = comparison(operand)?;
        if expression(found) != text {
            return None;
        }
        index.entry(canonical(value)).or_default().push(at);
    }
    Some(OrIndex { path: path.clone(), operands: index })
}

/// The path and the constant that an operand, or the first of those that AND connects in it, is equal for.
fn comparison(expr: &Expr) -> Option<(&Expr, &Value)> {
    match expr {
        Expr::And(operands) => comparison(operands.first()?),
        Expr::Binary(Binary::Equal, operands) => match &**operands {
            (path @ Expr::Path(..), value) => Some((path, constant(value)?)),
            _ => None,
        },
        _ => None,
    }
}
