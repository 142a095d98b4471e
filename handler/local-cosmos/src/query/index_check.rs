//! Checks that a query has the indexes that it needs.
//!
//! The service refuses a sort by a path without an index, but executes such a filter as a scan of every item, which is slow and
//! expensive. On demand such a filter is refused too, so that a test detects it.

use query_engine::{PathStep as QueryStep, PropertyPath, Query, path_text};

use super::index_metrics::{IndexMetrics, index_spec};
use crate::charges::PathStep;
use crate::index_policy::IndexPolicy;

/// Checks the paths that a query sorts by and, with `refuses_filters`, those that it filters by. The error is a message for the client.
pub(super) fn check(container: &str, policy: &IndexPolicy, query: &Query, refuses_filters: bool) -> Result<(), String> {
    if refuses_filters && let Some(path) = query.filter_paths().iter().find(|path| !policy.is_indexed(&steps(path))) {
        return Err(format!(
            "The query filters on {}, which the indexing policy of container {container} does not include.",
            path_text(path)
        ));
    }
    // A score has no path; the service sorts by it without an index.
    let order: Option<Vec<(PropertyPath, bool)>> =
        query.order_by_paths().into_iter().map(|(path, is_descending)| Some((path?, is_descending))).collect();
    match order.unwrap_or_default().as_slice() {
        [] => Ok(()),
        [(path, _)] if policy.is_indexed(&steps(path)) => Ok(()),
        [(path, _)] => Err(format!(
            "The order-by item {} is excluded: the indexing policy of container {container} does not include it.",
            path_text(path)
        )),
        order => {
            let paths: Vec<_> = order.iter().map(|(path, is_descending)| (steps(path), *is_descending)).collect();
            if policy.has_composite_index(&paths) {
                return Ok(());
            }
            let name = |(path, is_descending): &(PropertyPath, bool)| {
                format!("{} {}", path_text(path), if *is_descending { "DESC" } else { "ASC" })
            };
            let order = order.iter().map(name).collect::<Vec<_>>().join(", ");
            Err(format!(
                "The order by query does not have a corresponding composite index that it can be served from: ({order}) in container \
                 {container}."
            ))
        }
    }
}

/// The indexes that the query uses, and those that it would use if there were any.
pub(super) fn metrics(policy: &IndexPolicy, query: &Query) -> IndexMetrics {
    let mut metrics = IndexMetrics::default();
    let order: Vec<(PropertyPath, bool)> =
        query.order_by_paths().into_iter().filter_map(|(path, is_descending)| Some((path?, is_descending))).collect();
    let mut paths = query.filter_paths();
    if let [(path, _)] = order.as_slice()
        && !paths.contains(path)
    {
        paths.push(path.clone());
    }
    for path in &paths {
        let steps = steps(path);
        let list = if policy.is_indexed(&steps) { &mut metrics.utilized } else { &mut metrics.potential };
        list.push(index_spec(&steps));
    }
    if order.len() > 1 {
        let paths: Vec<_> = order.iter().map(|(path, is_descending)| (steps(path), *is_descending)).collect();
        let spec = |(path, is_descending): &(PropertyPath, bool)| {
            format!("{} {}", path_text(path), if *is_descending { "DESC" } else { "ASC" })
        };
        let list = match policy.has_composite_index(&paths) {
            true => &mut metrics.utilized_composite,
            false => &mut metrics.potential_composite,
        };
        list.push(order.iter().map(spec).collect());
    }
    metrics
}

fn steps(path: &PropertyPath) -> Vec<PathStep<'_>> {
    path.iter()
        .map(|step| match step {
            QueryStep::Property(name) => PathStep::Property(name),
            QueryStep::Elements => PathStep::Elements,
        })
        .collect()
}
