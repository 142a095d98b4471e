//! A container's indexing policy: which paths have an index.
//!
//! Source: "Indexing policies in Azure Cosmos DB" in Microsoft's documentation. `id` and `_ts` are always indexed when the
//! indexing mode is consistent, whatever the policy says. The partition key is not: unless it is `/id`, the policy has to
//! include it. Where included and excluded paths conflict, the more precise one wins. An ORDER BY of several properties needs
//! a composite index with the same paths in the same sequence, and with all directions the same or all opposite.

use serde::Deserialize;
use serde_json::Value;

use crate::charges::PathStep;

/// A step of a path of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Property(String),
    /// Any element of an array.
    Elements,
}

impl Step {
    fn is(&self, other: PathStep<'_>) -> bool {
        match (self, other) {
            (Self::Property(name), PathStep::Property(other)) => name == other,
            (Self::Elements, PathStep::Elements) => true,
            _ => false,
        }
    }
}

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
    /// Reads the `indexingPolicy` of a definition, which was checked before.
    pub(crate) fn from_json(policy: &Value) -> Self {
        serde_json::from_value(policy.clone()).unwrap_or_default()
    }

    /// Whether a path has an index. That of an array is also one for its elements, as in `ARRAY_CONTAINS`.
    pub(crate) fn is_indexed(&self, path: &[PathStep<'_>]) -> bool {
        if !self.indexing_mode.eq_ignore_ascii_case("consistent") {
            return false;
        }
        // A query that the SDK rewrites to resume a sort also filters on `_rid`.
        if let [PathStep::Property("id" | "_ts" | "_rid")] = path {
            return true;
        }
        let best = |paths: &[PolicyPath]| paths.iter().filter_map(|policy| precision(&policy.path, path)).max();
        let included = best(&self.included_paths);
        included.is_some() && included > best(&self.excluded_paths) || self.has_indexed_elements(path)
    }

    /// Whether the elements of an array are included, where a query names the array alone.
    fn has_indexed_elements(&self, path: &[PathStep<'_>]) -> bool {
        let elements = [path, &[PathStep::Elements]].concat();
        self.included_paths.iter().any(|policy| {
            let (steps, _) = parse(&policy.path);
            steps.len() >= elements.len() && steps.iter().zip(&elements).all(|(step, other)| step.is(*other))
        })
    }

    /// Whether there is a composite index for these paths, each with whether it is descending.
    pub(crate) fn has_composite_index(&self, order: &[(Vec<PathStep<'_>>, bool)]) -> bool {
        self.composite_indexes.iter().any(|index| {
            let is_descending = |path: &CompositePath| path.order.eq_ignore_ascii_case("descending");
            let has_paths = index.len() == order.len()
                && index.iter().zip(order).all(|(index, (path, _))| is_same(&parse(&index.path).0, path));
            let same =
                index.iter().zip(order).filter(|(index, (_, descending))| is_descending(index) == *descending).count();
            has_paths && (same == 0 || same == order.len())
        })
    }
}

fn is_same(policy: &[Step], path: &[PathStep<'_>]) -> bool {
    policy.len() == path.len() && policy.iter().zip(path).all(|(step, other)| step.is(*other))
}

/// How precisely a path of a policy covers a path; `None` if it does not.
fn precision(policy: &str, path: &[PathStep<'_>]) -> Option<(usize, bool)> {
    let (prefix, is_wildcard) = parse(policy);
    let covered = if is_wildcard { path.get(..prefix.len())? } else { path };
    is_same(&prefix, covered).then_some((prefix.len(), !is_wildcard))
}

/// The steps of a policy's path, and whether it ends with `/*`.
fn parse(policy: &str) -> (Vec<Step>, bool) {
    let mut steps = Vec::new();
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
    use serde_json::json;

    fn paths(included: &[&str], excluded: &[&str]) -> IndexPolicy {
        let paths = |paths: &[&str]| paths.iter().map(|path| json!({"path": path})).collect::<Vec<_>>();
        IndexPolicy::from_json(&json!({"includedPaths": paths(included), "excludedPaths": paths(excluded)}))
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
        assert_indexed(&IndexPolicy::from_json(&json!({})), &["a", "a.b", "_ts", "id"], &["_etag"]);
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
    fn with_indexing_switched_off_nothing_is_indexed() {
        assert_indexed(&IndexPolicy::from_json(&json!({"indexingMode": "none"})), &[], &["a", "id"]);
    }

    #[test]
    fn a_composite_index_serves_its_sequence_in_both_directions() {
        let index = json!([[{"path": "/a", "order": "ascending"}, {"path": "/b/c", "order": "descending"}]]);
        let policy = IndexPolicy::from_json(&json!({"compositeIndexes": index}));
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
