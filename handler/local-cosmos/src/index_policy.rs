//! A container's indexing policy: which paths have an index.
//!
//! Source: "Indexing policies in Azure Cosmos DB" in Microsoft's documentation. `id` and `_ts` are always indexed when the
//! indexing mode is consistent, whatever the policy says. The partition key is not: unless it is `/id`, the policy has to
//! include it. Where included and excluded paths conflict, the more precise one wins. An ORDER BY of several properties needs
//! a composite index with the same paths in the same sequence, and with all directions the same or all opposite.

use crate::charges::PathStep;
use crate::resources::{CompositePath, IndexStep, IndexingMode, IndexingPolicy, Order, index_steps};

/// The part of a container's indexing policy that decides about filters and sorts.
#[derive(Clone, Debug)]
pub(crate) struct IndexPolicy {
    is_consistent: bool,
    included: Vec<PolicyPath>,
    excluded: Vec<PolicyPath>,
    /// The steps of each path, and whether it is descending.
    composite: Vec<Vec<(Vec<IndexStep>, bool)>>,
}

#[derive(Clone, Debug)]
struct PolicyPath {
    steps: Vec<IndexStep>,
    /// Whether it ends with `/*`.
    is_wildcard: bool,
}

impl From<&IndexingPolicy> for IndexPolicy {
    fn from(policy: &IndexingPolicy) -> Self {
        let path = |path: &str| {
            let (steps, is_wildcard) = index_steps(path);
            PolicyPath { steps, is_wildcard }
        };
        Self {
            is_consistent: policy.indexing_mode == IndexingMode::Consistent,
            included: policy.included_paths.iter().map(|included| path(&included.path)).collect(),
            excluded: policy.excluded_paths.iter().map(|excluded| path(&excluded.path)).collect(),
            composite: policy
                .composite_indexes
                .iter()
                .map(|index| {
                    let part = |path: &CompositePath| (index_steps(&path.path).0, path.order == Order::Descending);
                    index.iter().map(part).collect()
                })
                .collect(),
        }
    }
}

impl IndexPolicy {
    /// Whether a path has an index. That of an array is also one for its elements, as in `ARRAY_CONTAINS`.
    pub(crate) fn is_indexed(&self, path: &[PathStep<'_>]) -> bool {
        if !self.is_consistent {
            return false;
        }
        // A query that the SDK rewrites to resume a sort also filters on `_rid`.
        if let [PathStep::Property("id" | "_ts" | "_rid")] = path {
            return true;
        }
        let best = |paths: &[PolicyPath]| paths.iter().filter_map(|policy| policy.precision(path)).max();
        let included = best(&self.included);
        included.is_some() && included > best(&self.excluded) || self.has_indexed_elements(path)
    }

    /// Whether the elements of an array are included, where a query names the array alone.
    fn has_indexed_elements(&self, path: &[PathStep<'_>]) -> bool {
        let elements = [path, &[PathStep::Elements]].concat();
        self.included
            .iter()
            .any(|policy| policy.steps.get(..elements.len()).is_some_and(|steps| is_same(steps, &elements)))
    }

    /// Whether there is a composite index for these paths, each with whether it is descending.
    pub(crate) fn has_composite_index(&self, order: &[(Vec<PathStep<'_>>, bool)]) -> bool {
        self.composite.iter().any(|index| {
            let has_paths = index.len() == order.len()
                && index.iter().zip(order).all(|((steps, _), (path, _))| is_same(steps, path));
            let same = index.iter().zip(order).filter(|((_, one), (_, other))| one == other).count();
            has_paths && (same == 0 || same == order.len())
        })
    }
}

impl PolicyPath {
    /// How precisely the path covers another one; `None` if it does not.
    fn precision(&self, path: &[PathStep<'_>]) -> Option<(usize, bool)> {
        let covered = if self.is_wildcard { path.get(..self.steps.len())? } else { path };
        is_same(&self.steps, covered).then_some((self.steps.len(), !self.is_wildcard))
    }
}

fn is_same(policy: &[IndexStep], path: &[PathStep<'_>]) -> bool {
    let is_step = |(step, other): (&IndexStep, &PathStep<'_>)| match (step, other) {
        (IndexStep::Property(name), PathStep::Property(other)) => name == other,
        (IndexStep::Elements, PathStep::Elements) => true,
        _ => false,
    };
    policy.len() == path.len() && policy.iter().zip(path).all(is_step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn policy(json: &Value) -> IndexPolicy {
        IndexPolicy::from(&IndexingPolicy::parse(Some(json)).expect("a policy"))
    }

    fn paths(included: &[&str], excluded: &[&str]) -> IndexPolicy {
        let paths = |paths: &[&str]| paths.iter().map(|path| json!({"path": path})).collect::<Vec<_>>();
        policy(&json!({"includedPaths": paths(included), "excludedPaths": paths(excluded)}))
    }

    /// A path such as `a.b.[]`.
    fn path(text: &str) -> Vec<PathStep<'_>> {
        text.split('.').map(|step| if step == "[]" { PathStep::Elements } else { PathStep::Property(step) }).collect()
    }

    #[track_caller]
    fn assert_indexed(policy: &IndexPolicy, indexed: &[&str], others: &[&str]) {
        for text in indexed {
            assert!(policy.is_indexed(&path(text)), "{text}");
        }
        for text in others {
            assert!(!policy.is_indexed(&path(text)), "{text}");
        }
    }

    #[test]
    fn without_a_policy_everything_but_the_etag_is_indexed() {
        assert_indexed(&policy(&json!({})), &["a", "a.b", "_ts", "id"], &["_etag"]);
    }

    #[test]
    fn the_more_precise_path_wins() {
        let policy = paths(&["/*", "/a/b/*", "/x/?"], &["/a/*", "/x/*", "/a/b/c/?"]);
        assert_indexed(&policy, &["z", "a.b", "a.b.d", "x", "a.b.c.d"], &["a", "a.c", "a.b.c", "x.y"]);
    }

    #[test]
    fn without_the_root_only_what_is_included_and_the_system_properties_are_indexed() {
        let policy = paths(&["/a/?", "/\"b c\"/d/*", "/tags/[]/name/?"], &["/*"]);
        let indexed = ["a", "id", "_ts", "tags", "tags.[].name", "b c.d.e"];
        assert_indexed(&policy, &indexed, &["pk", "a.b", "b", "tags.[].n", "_etag"]);
    }

    #[test]
    fn a_quoted_name_may_have_a_slash_and_a_quote() {
        let policy = paths(&[r#"/"a/b"/?"#, r#"/"a\"b"/?"#], &["/*"]);
        assert_indexed(&policy, &["a/b", "a\"b"], &["a", "b"]);
    }

    #[test]
    fn with_indexing_switched_off_nothing_is_indexed() {
        assert_indexed(&policy(&json!({"indexingMode": "none"})), &[], &["a", "id"]);
    }

    #[test]
    fn a_composite_index_serves_its_sequence_in_both_directions() {
        let index = json!([[{"path": "/a", "order": "ascending"}, {"path": "/b/c", "order": "descending"}]]);
        let policy = policy(&json!({"compositeIndexes": index, "includedPaths": [{"path": "/*"}]}));
        let has = |order: &[(&'static str, bool)]| {
            let order: Vec<_> = order.iter().map(|(text, descending)| (path(text), *descending)).collect();
            policy.has_composite_index(&order)
        };
        assert!(has(&[("a", false), ("b.c", true)]) && has(&[("a", true), ("b.c", false)]));
        for order in [
            vec![("a", false), ("b.c", false)],
            vec![("b.c", true), ("a", false)],
            vec![("a", false), ("b.c", true), ("d", false)],
            vec![("a", false), ("d", false)],
        ] {
            assert!(!has(&order), "{order:?}");
        }
    }
}
