//! Refuses queries that filter or sort by a path without an index.
//!
//! The service refuses such a sort, but executes such a filter as a scan of every item, which is slow and expensive. With this
//! option both are answered 400, so that a test detects them.
//!
//! Source: "Indexing policies in Azure Cosmos DB" in Microsoft's documentation. `id` and `_ts` are always indexed when the
//! indexing mode is consistent, whatever the policy says. The partition key is not: unless it is `/id`, the policy has to
//! include it. Where included and excluded paths conflict, the more precise one wins. An ORDER BY of several properties needs
//! a composite index with the same paths in the same sequence, and with all directions the same or all opposite.

use serde::Deserialize;

use crate::query_paths::{Path, QueryPaths, Step, display};

/// The part of a container's indexing policy that decides about filters and sorts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct IndexPolicy {
    indexing_mode: String,
    included_paths: Vec<PolicyPath>,
    excluded_paths: Vec<PolicyPath>,
    composite_indexes: Vec<Vec<CompositePath>>,
}

#[derive(Clone, Debug, Deserialize)]
struct PolicyPath {
    path: String,
}

#[derive(Clone, Debug, Deserialize)]
struct CompositePath {
    path: String,
    #[serde(default)]
    order: String,
}

impl Default for IndexPolicy {
    /// The service's policy for a container that is created without one.
    fn default() -> Self {
        Self {
            indexing_mode: "consistent".into(),
            included_paths: vec![PolicyPath { path: "/*".into() }],
            excluded_paths: vec![PolicyPath { path: "/\"_etag\"/?".into() }],
            composite_indexes: Vec::new(),
        }
    }
}

impl IndexPolicy {
    /// Checks that every path which a query filters or sorts by has an index. The error is a message for the client.
    pub(crate) fn check(&self, query: &str, container: &str) -> Result<(), String> {
        let paths = QueryPaths::of(query);
        if let Some(path) = paths.filters.iter().find(|path| !self.indexes(path)) {
            let path = display(path);
            return Err(format!(
                "The query filters on {path}, which the indexing policy of container {container} does not include."
            ));
        }
        match paths.order_by.as_slice() {
            [] => Ok(()),
            [(path, _)] if self.indexes(path) => Ok(()),
            [(path, _)] => {
                let path = display(path);
                Err(format!(
                    "The query sorts by {path}, which the indexing policy of container {container} does not include."
                ))
            }
            order if self.has_composite_index(order) => Ok(()),
            order => {
                let name = |(path, descending): &(Path, bool)| {
                    format!("{} {}", display(path), if *descending { "DESC" } else { "ASC" })
                };
                let order = order.iter().map(name).collect::<Vec<_>>().join(", ");
                Err(format!("The query sorts by ({order}), for which container {container} has no composite index."))
            }
        }
    }

    fn indexes(&self, path: &[Step]) -> bool {
        if !self.indexing_mode.eq_ignore_ascii_case("consistent") {
            return false;
        }
        // A query that the SDK rewrites to resume a sort also filters on `_rid`.
        if let [Step::Property(name)] = path
            && ["id", "_ts", "_rid"].contains(&name.as_str())
        {
            return true;
        }
        let best = |paths: &[PolicyPath]| paths.iter().filter_map(|policy| precision(&policy.path, path)).max();
        let included = best(&self.included_paths);
        included.is_some() && included > best(&self.excluded_paths) || self.indexes_elements(path)
    }

    /// Whether the elements of an array are included, where a query names the array alone, as in `ARRAY_CONTAINS`.
    fn indexes_elements(&self, path: &[Step]) -> bool {
        let elements = [path, &[Step::Elements]].concat();
        self.included_paths.iter().any(|policy| parse(&policy.path).0.starts_with(&elements))
    }

    fn has_composite_index(&self, order: &[(Path, bool)]) -> bool {
        self.composite_indexes.iter().any(|index| {
            let is_descending = |path: &CompositePath| path.order.eq_ignore_ascii_case("descending");
            let has_paths = index.len() == order.len()
                && index.iter().zip(order).all(|(index, (path, _))| parse(&index.path).0 == *path);
            let same =
                index.iter().zip(order).filter(|(index, (_, descending))| is_descending(index) == *descending).count();
            has_paths && (same == 0 || same == order.len())
        })
    }
}

/// How precisely a path of a policy covers a path of a query; `None` if it does not.
fn precision(policy: &str, path: &[Step]) -> Option<(usize, bool)> {
    let (prefix, is_wildcard) = parse(policy);
    let covers = if is_wildcard { path.starts_with(&prefix) } else { path == prefix };
    covers.then_some((prefix.len(), !is_wildcard))
}

/// The steps of a policy's path, and whether it ends with `/*`.
fn parse(policy: &str) -> (Path, bool) {
    let mut steps = Path::new();
    let mut rest = policy.trim_start_matches('/');
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (name, after) = quoted.unwrap_or_else(|| rest.split_once('/').unwrap_or((rest, "")));
        match name {
            "*" if quoted.is_none() => return (steps, true),
            "?" if quoted.is_none() => return (steps, false),
            "[]" if quoted.is_none() => steps.push(Step::Elements),
            name => steps.push(Step::Property(name.to_owned())),
        }
        rest = after.trim_start_matches('/');
    }
    (steps, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn policy(policy: Value) -> IndexPolicy {
        serde_json::from_value(policy).expect("policy")
    }

    fn paths(included: &[&str], excluded: &[&str]) -> IndexPolicy {
        let paths = |paths: &[&str]| paths.iter().map(|path| json!({"path": path})).collect::<Vec<_>>();
        policy(json!({"includedPaths": paths(included), "excludedPaths": paths(excluded)}))
    }

    #[track_caller]
    fn assert_filters(policy: &IndexPolicy, allowed: &[&str], refused: &[&str]) {
        for path in allowed {
            policy.check(&format!("SELECT * FROM c WHERE c.{path} = 1"), "db/c").expect("allowed");
        }
        for path in refused {
            policy.check(&format!("SELECT * FROM c WHERE c.{path} = 1"), "db/c").expect_err(path);
        }
    }

    #[test]
    fn without_a_policy_everything_but_the_etag_is_indexed() {
        assert_filters(&policy(json!({})), &["a", "a.b", "_ts", "id"], &["_etag"]);
    }

    #[test]
    fn the_more_precise_path_wins() {
        let policy = paths(&["/*", "/a/b/*", "/x/?"], &["/a/*", "/x/*", "/a/b/c/?"]);
        assert_filters(&policy, &["z", "a.b", "a.b.d", "x", "a.b.c.d"], &["a", "a.c", "a.b.c", "x.y"]);
    }

    #[test]
    fn without_the_root_only_what_is_included_and_the_system_properties_are_indexed() {
        let policy = paths(&["/a/?", "/\"b c\"/d/*", "/tags/[]/name/?"], &["/*"]);
        assert_filters(&policy, &["a", "id", "_ts", "tags", "tags[0].name"], &["pk", "a.b", "b", "tags[0].n", "_etag"]);
        policy.check("SELECT * FROM c WHERE c['b c'].d.e = 1", "db/c").expect("allowed");
    }

    #[test]
    fn with_indexing_switched_off_nothing_is_indexed() {
        assert_filters(&policy(json!({"indexingMode": "none"})), &[], &["a", "id"]);
    }

    #[test]
    fn a_sort_by_several_properties_needs_their_composite_index() {
        let index = json!([[{"path": "/a", "order": "ascending"}, {"path": "/b/c", "order": "descending"}]]);
        let policy = policy(json!({"compositeIndexes": index}));
        let check = |order: &str| policy.check(&format!("SELECT * FROM c ORDER BY {order}"), "db/c");
        for order in ["c.a, c.b.c DESC", "c.a DESC, c.b.c ASC", "c.a", "c.b.c DESC"] {
            check(order).expect("allowed");
        }
        for order in ["c.a, c.b.c", "c.b.c DESC, c.a", "c.a, c.b.c DESC, c.d", "c.a, c.d", "c._etag"] {
            check(order).expect_err(order);
        }
    }

    #[test]
    fn the_message_names_the_path_and_the_container() {
        let policy = paths(&["/a/?"], &["/*"]);
        let message = policy.check("SELECT * FROM c WHERE NOT IS_DEFINED(c.b['x y'])", "db/c").expect_err("refused");
        assert!(message.contains("/b/\"x y\"") && message.contains("db/c"), "{message}");
        let message = policy.check("SELECT * FROM c ORDER BY c.a, c.b DESC", "db/c").expect_err("refused");
        assert!(message.contains("(/a ASC, /b DESC)") && message.contains("db/c"), "{message}");
    }
}
