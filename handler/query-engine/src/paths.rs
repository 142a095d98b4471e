//! The property paths that a query filters or sorts by.

use crate::children::{Child, visit};
use crate::syntax::{Base, Expr, Origin, Projection, Root, Select, Step};

/// A step of a property path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathStep {
    /// To a property.
    Property(String),
    /// To any element of an array.
    Elements,
}

/// A path from the root of a document.
pub type PropertyPath = Vec<PathStep>;

/// A path in the notation of indexing policies, without its end (`/?` or `/*`).
#[must_use]
pub fn path_text(path: &[PathStep]) -> String {
    let step = |step: &PathStep| match step {
        PathStep::Property(name) if name.chars().all(|character| character.is_alphanumeric() || character == '_') => {
            format!("/{name}")
        }
        PathStep::Property(name) => format!("/\"{name}\""),
        PathStep::Elements => "/[]".to_owned(),
    };
    path.iter().map(step).collect()
}

/// The paths of the sources in scope; `None` for the rows of a subquery.
pub(crate) type Scope = Vec<Option<PropertyPath>>;

/// The paths of all filters, those of subqueries included, sorted and each once. In filters, the arrays that a subquery reads are too.
pub(crate) fn filter_paths(select: &Select) -> Vec<PropertyPath> {
    let mut paths = Vec::new();
    read_query(select, &mut Scope::new(), false, &mut paths);
    paths.retain(|path| !path.is_empty());
    paths.sort();
    paths.dedup();
    paths
}

/// The paths of ORDER BY, and whether each is descending; `None` for what is no path.
pub(crate) fn order_by_paths(select: &Select) -> Vec<(Option<PropertyPath>, bool)> {
    let mut scope = Scope::new();
    enter(select, &mut scope);
    select.order_by.iter().map(|item| (path(&item.expr, &scope), item.is_descending())).collect()
}

/// Adds the sources of a query to the scope.
pub(crate) fn enter(select: &Select, scope: &mut Scope) {
    for source in &select.sources {
        let path = match &source.origin {
            Origin::Query(_) => None,
            Origin::Path { root, steps, .. } => {
                let start = match root {
                    Root::Container => Some(Vec::new()),
                    Root::Alias(hops) => at(scope, *hops),
                };
                start.map(|mut path| {
                    extend(&mut path, steps);
                    if source.iterates {
                        path.push(PathStep::Elements);
                    }
                    path
                })
            }
        };
        scope.push(path);
    }
}

fn at(scope: &Scope, hops: usize) -> Option<PropertyPath> {
    scope.len().checked_sub(hops + 1).and_then(|index| scope[index].clone())
}

/// Extends a path by the steps up to one that is not known.
fn extend(path: &mut PropertyPath, steps: &[Step]) -> bool {
    for step in steps {
        match step {
            Step::Index(_) => path.push(PathStep::Elements),
            step => match step.property() {
                Some(name) => path.push(PathStep::Property(name.to_owned())),
                None => return false,
            },
        }
    }
    true
}

/// The path that an expression is, if all its steps are known.
pub(crate) fn path(expr: &Expr, scope: &Scope) -> Option<PropertyPath> {
    let Expr::Path(base, steps) = expr else { return None };
    let Base::Alias(alias) = &**base else { return None };
    let mut path = at(scope, alias.hops)?;
    extend(&mut path, steps).then_some(path)
}

/// `in_filter`: whether the query is part of a filter.
fn read_query(select: &Select, scope: &mut Scope, in_filter: bool, paths: &mut Vec<PropertyPath>) {
    let outer = scope.len();
    for (index, source) in select.sources.iter().enumerate() {
        if let Origin::Query(inner) = &source.origin {
            read_query(inner, scope, in_filter, paths);
        }
        let one = Select { sources: vec![select.sources[index].clone()], ..Select::default() };
        enter(&one, scope);
        if in_filter && let Some(Some(path)) = scope.last() {
            paths.push(path.clone());
        }
    }
    let mut selected: Vec<&Expr> =
        select.group_by.iter().chain(select.order_by.iter().map(|item| &item.expr)).collect();
    match &select.projection {
        Projection::Star => {}
        Projection::Value(expr) => selected.push(expr),
        Projection::Items(items) => selected.extend(items.iter().map(|item| &item.expr)),
    }
    for expr in selected {
        read_subqueries(expr, scope, paths);
    }
    if let Some(filter) = &select.filter {
        read_filter(filter, scope, paths);
    }
    scope.truncate(outer);
}

/// Reads the subqueries of an expression whose own paths need no index.
fn read_subqueries(expr: &Expr, scope: &mut Scope, paths: &mut Vec<PropertyPath>) {
    visit(expr, &mut |child| match child {
        Child::Expr(child) => read_subqueries(child, scope, paths),
        Child::Query(select) => read_query(select, scope, false, paths),
    });
}

fn read_filter(expr: &Expr, scope: &mut Scope, paths: &mut Vec<PropertyPath>) {
    // The rewritten text of a query for constructed objects has this condition, which needs no index.
    if let Expr::Call { written, arguments, .. } = expr
        && written.eq_ignore_ascii_case("IS_DEFINED")
        && matches!(arguments.as_slice(), [Expr::Object(_) | Expr::Array(_)])
    {
        return;
    }
    if let Expr::Path(base, steps) = expr
        && let Base::Alias(alias) = &**base
        && let Some(mut path) = at(scope, alias.hops)
    {
        extend(&mut path, steps);
        paths.push(path);
    }
    visit(expr, &mut |child| match child {
        Child::Expr(child) => read_filter(child, scope, paths),
        Child::Query(select) => read_query(select, scope, true, paths),
    });
}
