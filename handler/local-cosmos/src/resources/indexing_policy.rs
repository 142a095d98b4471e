//! The indexing policy in the definition of a container, with what the service fills in.
//!
//! Source: "Indexing policies in Azure Cosmos DB" in Microsoft's documentation, and definitions that the service answered.
//! The root `/*` must be included or excluded, `_etag` is excluded unless it is included by its own path, and the kinds of
//! indexes that older SDKs send are ignored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::policy_path::{check_composite_path, check_index_path};
use super::refusal::Refusal;
use super::search_policies::{FullTextIndex, VectorIndex, full_text_indexes, vector_indexes};

/// The most composite indexes, and the most paths of one. Source: "Azure Cosmos DB service quotas".
const MAX_COMPOSITE_INDEXES: usize = 100;
const MAX_COMPOSITE_PATHS: usize = 8;
const ROOT: &str = "/*";
const ETAG: &str = "/\"_etag\"/?";
const SHAPES: [&str; 4] = ["Point", "LineString", "Polygon", "MultiPolygon"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IndexingMode {
    Consistent,
    /// Nothing is indexed.
    None,
}

/// What the index of a container has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexingPolicy {
    pub indexing_mode: IndexingMode,
    pub automatic: bool,
    pub included_paths: Vec<IndexPath>,
    pub excluded_paths: Vec<IndexPath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub composite_indexes: Vec<Vec<CompositePath>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spatial_indexes: Vec<SpatialIndex>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vector_indexes: Vec<VectorIndex>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub full_text_indexes: Vec<FullTextIndex>,
}

/// A path like `/*`, `/a/?` or `/a/[]/b/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexPath {
    pub path: String,
}

/// A path like `/a/b`, without a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CompositePath {
    pub path: String,
    pub order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    Ascending,
    Descending,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SpatialIndex {
    pub path: String,
    pub types: Vec<String>,
}

/// The policy as clients send it; each list may be missing or null.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Given {
    indexing_mode: Option<String>,
    automatic: Option<bool>,
    included_paths: Option<Vec<IndexPath>>,
    excluded_paths: Option<Vec<IndexPath>>,
    composite_indexes: Option<Vec<Vec<GivenComposite>>>,
    spatial_indexes: Option<Vec<GivenSpatial>>,
    vector_indexes: Option<Vec<Value>>,
    full_text_indexes: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct GivenComposite {
    path: String,
    order: Option<String>,
}

#[derive(Deserialize)]
struct GivenSpatial {
    path: String,
    #[serde(alias = "spatialTypes")]
    types: Option<Vec<String>>,
}

impl Default for IndexingPolicy {
    /// The policy of a container that is created without one.
    fn default() -> Self {
        Self {
            indexing_mode: IndexingMode::Consistent,
            automatic: true,
            included_paths: vec![index_path(ROOT)],
            excluded_paths: vec![index_path(ETAG)],
            composite_indexes: Vec::new(),
            spatial_indexes: Vec::new(),
            vector_indexes: Vec::new(),
            full_text_indexes: Vec::new(),
        }
    }
}

impl IndexingPolicy {
    /// Reads the member `indexingPolicy` of a definition.
    pub(crate) fn parse(value: Option<&Value>) -> Result<Self, Refusal> {
        let value = match value {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(value) if value.is_object() => value,
            Some(other) => return refuse(format!("The indexing policy is invalid: it is {other}, not an object.")),
        };
        let given = Given::deserialize(value)
            .map_err(|error| Refusal::bad_request(format!("The indexing policy is invalid: {error}.")))?;
        let composite_indexes = composite_indexes(given.composite_indexes.unwrap_or_default())?;
        let spatial_indexes = spatial_indexes(given.spatial_indexes.unwrap_or_default())?;
        let vector_indexes = vector_indexes(given.vector_indexes)?;
        let full_text_indexes = full_text_indexes(given.full_text_indexes)?;
        let (included, excluded) = (paths(given.included_paths)?, paths(given.excluded_paths)?);
        match given.indexing_mode.as_deref() {
            Some(mode) if mode.eq_ignore_ascii_case("none") => return Ok(Self::none()),
            Some(mode) if !mode.eq_ignore_ascii_case("consistent") => {
                return refuse(format!("The indexing mode is \"{mode}\"; it must be consistent or none."));
            }
            _ => {}
        }
        let (included_paths, excluded_paths) = complete(included, excluded)?;
        let automatic = given.automatic.unwrap_or(true);
        let indexing_mode = IndexingMode::Consistent;
        Ok(Self {
            indexing_mode,
            automatic,
            included_paths,
            excluded_paths,
            composite_indexes,
            spatial_indexes,
            vector_indexes,
            full_text_indexes,
        })
    }

    fn none() -> Self {
        Self {
            indexing_mode: IndexingMode::None,
            automatic: false,
            included_paths: Vec::new(),
            excluded_paths: Vec::new(),
            ..Self::default()
        }
    }
}

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

fn index_path(path: &str) -> IndexPath {
    IndexPath { path: path.to_owned() }
}

fn paths(given: Option<Vec<IndexPath>>) -> Result<Vec<IndexPath>, Refusal> {
    let mut paths = Vec::<IndexPath>::new();
    for IndexPath { path } in given.unwrap_or_default() {
        // The service reads the root without a wildcard as the root.
        let path = if path == "/" { index_path(ROOT) } else { IndexPath { path } };
        check(&path.path, check_index_path(&path.path))?;
        if paths.contains(&path) {
            return refuse(format!("The indexing path '{}' is given twice.", path.path));
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Checks that the root is in one of the lists, and excludes `_etag`.
fn complete(
    mut included: Vec<IndexPath>,
    mut excluded: Vec<IndexPath>,
) -> Result<(Vec<IndexPath>, Vec<IndexPath>), Refusal> {
    if let Some(both) = included.iter().find(|path| excluded.contains(path)) {
        return refuse(format!("The indexing path '{}' is both included and excluded.", both.path));
    }
    if included.is_empty() && excluded.is_empty() {
        included.push(index_path(ROOT));
    }
    let root = index_path(ROOT);
    if !included.contains(&root) && !excluded.contains(&root) {
        return refuse(
            "The special mandatory indexing path '/*' is missing; it must be among the included or the excluded paths."
                .into(),
        );
    }
    let is_etag = |path: &IndexPath| matches!(path.path.as_str(), ETAG | "/_etag/?" | "/_etag/*" | "/\"_etag\"/*");
    if !included.iter().chain(&excluded).any(is_etag) {
        excluded.push(index_path(ETAG));
    }
    Ok((included, excluded))
}

fn check(path: &str, checked: Result<(), usize>) -> Result<(), Refusal> {
    match checked {
        Ok(()) => Ok(()),
        Err(at) => refuse(format!(
            "The indexing path '{path}' could not be accepted, failed near position '{at}'. A path ends with /? for a value or \
             /* for everything below; a name with other characters than letters, digits and _ is in double quotes."
        )),
    }
}

fn composite_indexes(given: Vec<Vec<GivenComposite>>) -> Result<Vec<Vec<CompositePath>>, Refusal> {
    if given.len() > MAX_COMPOSITE_INDEXES {
        let count = given.len();
        return refuse(format!("There are {count} composite indexes; at most {MAX_COMPOSITE_INDEXES} are allowed."));
    }
    given.into_iter().map(composite_index).collect()
}

fn composite_index(given: Vec<GivenComposite>) -> Result<Vec<CompositePath>, Refusal> {
    let count = given.len();
    if !(2..=MAX_COMPOSITE_PATHS).contains(&count) {
        return refuse(format!("A composite index has {count} paths; it must have 2 to {MAX_COMPOSITE_PATHS}."));
    }
    let mut paths = Vec::<CompositePath>::with_capacity(count);
    for GivenComposite { path, order } in given {
        if let Err(at) = check_composite_path(&path) {
            return refuse(format!(
                "The path '{path}' of a composite index could not be accepted, failed near position '{at}'. Such a path is a \
                 slash and a name for each step, without /? or /* at its end."
            ));
        }
        if paths.iter().any(|other| other.path == path) {
            return refuse(format!("The path '{path}' is twice in one composite index."));
        }
        let order = match order.as_deref() {
            None => Order::Ascending,
            Some(order) if order.eq_ignore_ascii_case("ascending") => Order::Ascending,
            Some(order) if order.eq_ignore_ascii_case("descending") => Order::Descending,
            Some(order) => {
                return refuse(format!("The order of '{path}' is \"{order}\"; it must be ascending or descending."));
            }
        };
        paths.push(CompositePath { path, order });
    }
    Ok(paths)
}

fn spatial_indexes(given: Vec<GivenSpatial>) -> Result<Vec<SpatialIndex>, Refusal> {
    let mut indexes = Vec::new();
    for GivenSpatial { path, types } in given {
        check(&path, check_index_path(&path))?;
        let types = types.unwrap_or_else(|| SHAPES.map(str::to_owned).to_vec());
        if let Some(unknown) = types.iter().find(|shape| !SHAPES.contains(&shape.as_str())) {
            let allowed = SHAPES.join(", ");
            return refuse(format!("A spatial index has the type \"{unknown}\"; allowed are {allowed}."));
        }
        indexes.push(SpatialIndex { path, types });
    }
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn completed(given: &Value) -> Value {
        let policy = IndexingPolicy::parse(Some(given)).expect("a policy");
        let written = json!(policy);
        assert_eq!(IndexingPolicy::parse(Some(&written)).expect("a policy"), policy, "{given}");
        written
    }

    /// What the service answers for these policies.
    #[test]
    fn policies_are_completed() {
        let paths = |paths: &[&str]| paths.iter().map(|path| json!({"path": path})).collect::<Vec<_>>();
        let policy = |included: &[&str], excluded: &[&str]| {
            let (included, excluded) = (paths(included), paths(excluded));
            json!({"indexingMode": "consistent", "automatic": true, "includedPaths": included, "excludedPaths": excluded})
        };
        let usual = policy(&["/*"], &[ETAG]);
        let sdk = json!({"automatic": true, "indexingMode": "Consistent", "includedPaths": [{"path": "/*", "indexes": []}],
            "excludedPaths": [], "compositeIndexes": [], "spatialIndexes": [], "vectorIndexes": [], "fullTextIndexes": []});
        for (given, expected) in [
            (json!({}), usual.clone()),
            (json!({"indexingMode": "consistent"}), usual.clone()),
            (json!({"includedPaths": null, "excludedPaths": []}), usual.clone()),
            (json!({"includedPaths": [{"path": "/"}]}), usual.clone()),
            (usual.clone(), usual.clone()),
            (sdk, usual),
            (
                json!({"includedPaths": [{"path": "/a/?"}], "excludedPaths": [{"path": "/*"}]}),
                policy(&["/a/?"], &["/*", ETAG]),
            ),
            (
                json!({"includedPaths": [{"path": "/*"}], "excludedPaths": [{"path": "/x/*"}]}),
                policy(&["/*"], &["/x/*", ETAG]),
            ),
            (json!({"includedPaths": [{"path": "/*"}, {"path": "/_etag/?"}]}), policy(&["/*", "/_etag/?"], &[])),
        ] {
            assert_eq!(completed(&given), expected, "{given}");
        }
        assert_eq!(json!(IndexingPolicy::default()), policy(&["/*"], &[ETAG]));
        assert_eq!(IndexingPolicy::parse(Some(&Value::Null)), Ok(IndexingPolicy::default()));
    }

    #[test]
    fn without_an_index_there_are_no_paths() {
        let none = json!({"indexingMode": "none", "automatic": false, "includedPaths": [], "excludedPaths": []});
        assert_eq!(completed(&json!({"indexingMode": "None"})), none);
        assert_eq!(completed(&none), none);
    }

    #[test]
    fn composite_and_spatial_indexes_are_completed() {
        let given = json!({
            "includedPaths": [{"path": "/*"}],
            "compositeIndexes": [[{"path": "/a"}, {"path": "/\"b c\"/d", "order": "Descending"}]],
            "spatialIndexes": [{"path": "/location/*"}, {"path": "/area/?", "types": ["Polygon"]}],
        });
        let policy = completed(&given);
        let composite = json!([[{"path": "/a", "order": "ascending"}, {"path": "/\"b c\"/d", "order": "descending"}]]);
        assert_eq!(policy["compositeIndexes"], composite);
        let spatial = json!([{"path": "/location/*", "types": SHAPES}, {"path": "/area/?", "types": ["Polygon"]}]);
        assert_eq!(policy["spatialIndexes"], spatial);
    }

    #[test]
    fn policies_that_the_service_refuses_are_refused() {
        let composite = |paths: Value| json!({"includedPaths": [{"path": "/*"}], "compositeIndexes": [paths]});
        for (policy, message) in [
            (json!([]), "The indexing policy is invalid"),
            (json!({"includedPaths": "/*"}), "The indexing policy is invalid"),
            (json!({"indexingMode": "lazy"}), "\"lazy\"; it must be consistent or none"),
            (json!({"includedPaths": [{"path": "/a/?"}]}), "special mandatory indexing path '/*' is missing"),
            (json!({"excludedPaths": [{"path": "/a/?"}]}), "special mandatory indexing path '/*' is missing"),
            (json!({"includedPaths": [{"path": "/a"}]}), "'/a' could not be accepted, failed near position '2'"),
            (json!({"includedPaths": [{"path": "/a-b/?"}]}), "in double quotes"),
            (json!({"includedPaths": [{"path": "/*"}, {"path": "/*"}]}), "given twice"),
            (json!({"includedPaths": [{"path": "/*"}], "excludedPaths": [{"path": "/*"}]}), "included and excluded"),
            (composite(json!([{"path": "/a"}])), "has 1 paths; it must have 2 to 8"),
            (composite(json!([{"path": "/a"}, {"path": "/b/?"}])), "'/b/?' of a composite index"),
            (composite(json!([{"path": "/a"}, {"path": "/a"}])), "twice in one composite index"),
            (composite(json!([{"path": "/a"}, {"path": "/b", "order": "up"}])), "\"up\"; it must be ascending"),
            (json!({"includedPaths": [{"path": "/*"}], "spatialIndexes": [{"path": "/a"}]}), "failed near position"),
            (
                json!({"includedPaths": [{"path": "/*"}], "spatialIndexes": [{"path": "/a/?", "types": ["Circle"]}]}),
                "\"Circle\"; allowed are",
            ),
        ] {
            let refusal = IndexingPolicy::parse(Some(&policy)).expect_err("refused");
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.contains(message), "{policy}: {}", refusal.message);
        }
    }
}
