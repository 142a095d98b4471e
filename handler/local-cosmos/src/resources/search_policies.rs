//! Vector search and full-text search in the definition of a container: its policies, and the indexes of its indexing policy.
//!
//! Sources: "Vector search in Azure Cosmos DB", "Full-text search in Azure Cosmos DB" and "Indexing policies" in Microsoft's documentation.
//! The indexes are checked and answered; queries have the same results without them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::policy_path::check_composite_path;
use super::refusal::Refusal;

/// The most dimensions of a vector, and of one with a flat index.
const MAX_DIMENSIONS: u64 = 4096;
const MAX_FLAT_DIMENSIONS: u64 = 505;
const DATA_TYPES: [&str; 4] = ["float32", "float16", "int8", "uint8"];
const DISTANCE_FUNCTIONS: [&str; 3] = ["cosine", "dotproduct", "euclidean"];
const INDEX_TYPES: [&str; 3] = ["flat", "quantizedFlat", "diskANN"];
const LANGUAGE: &str = "en-US";

/// A property with vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VectorEmbedding {
    pub path: String,
    data_type: String,
    pub distance_function: String,
    dimensions: u64,
}

/// An index of the vectors of a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VectorIndex {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    /// How the index is made, which does not matter here.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// An index of the words of a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FullTextIndex {
    path: String,
}

/// The vector and full-text policies of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchPolicies {
    pub vectors: Vec<VectorEmbedding>,
    /// The paths with texts; `None` without a policy.
    texts: Option<Vec<String>>,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// The elements of a list in a policy. A policy or list that is missing has none.
fn elements<'v>(policy: Option<&'v Value>, name: &str, list: &str) -> Result<&'v [Value], Refusal> {
    match policy {
        None | Some(Value::Null) => Ok(&[]),
        Some(policy) => match (policy.as_object(), &policy[list]) {
            (Some(_), Value::Null) => Ok(&[]),
            (Some(_), Value::Array(elements)) => Ok(elements),
            _ => refuse(format!("{name} is {policy}; it must be an object with the array {list}.")),
        },
    }
}

fn path(value: &Value, name: &str) -> Result<String, Refusal> {
    let path = value["path"].as_str().unwrap_or_default();
    match check_composite_path(path) {
        Ok(()) => Ok(path.to_owned()),
        Err(at) => refuse(format!(
            "The path '{path}' in {name} is invalid near position '{at}'; it must be like /a/b, without a wildcard."
        )),
    }
}

/// The text of a member, which is one of a list in any letter case.
fn one_of(value: &Value, member: &str, allowed: &[&str]) -> Result<String, Refusal> {
    let given = value[member].as_str().unwrap_or_default();
    match allowed.iter().find(|allowed| allowed.eq_ignore_ascii_case(given)) {
        Some(found) => Ok((*found).to_owned()),
        None => refuse(format!("{member} is {}; it must be one of {}.", value[member], allowed.join(", "))),
    }
}

impl SearchPolicies {
    /// Reads the members `vectorEmbeddingPolicy` and `fullTextPolicy` of a definition.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut vectors = Vec::<VectorEmbedding>::new();
        let name = "vectorEmbeddingPolicy";
        for value in elements(body.get(name), name, "vectorEmbeddings")? {
            let path = path(value, name)?;
            if vectors.iter().any(|other| other.path == path) {
                return refuse(format!("The path '{path}' is given twice in {name}."));
            }
            let dimensions = match value["dimensions"].as_u64() {
                Some(dimensions) if (1..=MAX_DIMENSIONS).contains(&dimensions) => dimensions,
                _ => {
                    return refuse(format!(
                        "The dimensions of {path} are {}; they must be 1 to {MAX_DIMENSIONS}.",
                        value["dimensions"]
                    ));
                }
            };
            vectors.push(VectorEmbedding {
                path,
                data_type: one_of(value, "dataType", &DATA_TYPES)?,
                distance_function: one_of(value, "distanceFunction", &DISTANCE_FUNCTIONS)?,
                dimensions,
            });
        }
        Ok(Self { vectors, texts: texts(body.get("fullTextPolicy"))? })
    }

    /// Checks that each index is of a property of its policy.
    pub(super) fn check_indexes(&self, vectors: &[VectorIndex], texts: &[FullTextIndex]) -> Result<(), Refusal> {
        for index in vectors {
            let Some(vector) = self.vectors.iter().find(|vector| vector.path == index.path) else {
                return refuse(format!("The vector index path '{}' is not in vectorEmbeddingPolicy.", index.path));
            };
            if index.kind == INDEX_TYPES[0] && vector.dimensions > MAX_FLAT_DIMENSIONS {
                return refuse(format!(
                    "The vector index of '{}' is flat, which allows {MAX_FLAT_DIMENSIONS} dimensions; it has {}.",
                    index.path, vector.dimensions
                ));
            }
        }
        let is_known = |index: &FullTextIndex| self.texts.iter().flatten().any(|path| *path == index.path);
        match texts.iter().find(|index| !is_known(index)) {
            None => Ok(()),
            Some(index) => refuse(format!("The full-text index path '{}' is not in fullTextPolicy.", index.path)),
        }
    }

    /// Checks a replace: properties with vectors can be added, those that there are cannot change.
    pub(super) fn check_replaced_by(&self, new: &Self) -> Result<(), Refusal> {
        match self.vectors.iter().find(|vector| !new.vectors.contains(vector)) {
            None => Ok(()),
            Some(vector) => refuse(format!(
                "The vector policy of a container cannot be changed, only extended; it has {}.",
                json!(vector)
            )),
        }
    }

    /// Adds the members of the definition.
    pub(super) fn write(&self, json: &mut Map<String, Value>) {
        if !self.vectors.is_empty() {
            json.insert("vectorEmbeddingPolicy".into(), json!({"vectorEmbeddings": self.vectors}));
        }
        if let Some(texts) = &self.texts {
            let paths: Vec<Value> = texts.iter().map(|path| json!({"path": path, "language": LANGUAGE})).collect();
            json.insert("fullTextPolicy".into(), json!({"defaultLanguage": LANGUAGE, "fullTextPaths": paths}));
        }
    }
}

fn texts(policy: Option<&Value>) -> Result<Option<Vec<String>>, Refusal> {
    let name = "fullTextPolicy";
    let mut paths = Vec::<String>::new();
    let given = elements(policy, name, "fullTextPaths")?;
    for value in
        policy.into_iter().map(|policy| &policy["defaultLanguage"]).chain(given.iter().map(|path| &path["language"]))
    {
        if !value.is_null() && value != LANGUAGE {
            return refuse(format!("A language of {name} is {value}; this endpoint offers {LANGUAGE} only."));
        }
    }
    for value in given {
        let path = path(value, name)?;
        if paths.contains(&path) {
            return refuse(format!("The path '{path}' is given twice in {name}."));
        }
        paths.push(path);
    }
    Ok(policy.filter(|policy| !policy.is_null()).map(|_| paths))
}

/// Reads the member `vectorIndexes` of an indexing policy.
pub(super) fn vector_indexes(given: Option<Vec<Value>>) -> Result<Vec<VectorIndex>, Refusal> {
    let read = |value: &Value| {
        let (path, kind) = (path(value, "vectorIndexes")?, one_of(value, "type", &INDEX_TYPES)?);
        let mut others = value.as_object().cloned().unwrap_or_default();
        others.retain(|name, _| name != "path" && name != "type");
        Ok(VectorIndex { path, kind, others })
    };
    given.unwrap_or_default().iter().map(read).collect()
}

/// Reads the member `fullTextIndexes` of an indexing policy.
pub(super) fn full_text_indexes(given: Option<Vec<Value>>) -> Result<Vec<FullTextIndex>, Refusal> {
    let read = |value: &Value| Ok(FullTextIndex { path: path(value, "fullTextIndexes")? });
    given.unwrap_or_default().iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::definition::ContainerDefinition;
    use super::*;

    fn parse(members: &Value) -> Result<ContainerDefinition, Refusal> {
        let mut body = json!({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}});
        for (name, value) in members.as_object().expect("an object") {
            body[name] = value.clone();
        }
        ContainerDefinition::parse(body.to_string().as_bytes())
    }

    fn vector(path: &str, function: &str, dimensions: u64) -> Value {
        json!({"path": path, "dataType": "float32", "distanceFunction": function, "dimensions": dimensions})
    }

    #[test]
    fn policies_and_their_indexes_are_stored() {
        let members = json!({
            "vectorEmbeddingPolicy": {"vectorEmbeddings": [vector("/v", "euclidean", 3), vector("/a/\"b c\"", "cosine", 4096)]},
            "fullTextPolicy": {"defaultLanguage": "en-US", "fullTextPaths": [{"path": "/text", "language": "en-US"}]},
            "indexingPolicy": {
                "indexingMode": "consistent",
                "automatic": true,
                "includedPaths": [{"path": "/*"}],
                "excludedPaths": [{"path": "/\"_etag\"/?"}, {"path": "/v/*"}],
                "vectorIndexes": [{"path": "/v", "type": "diskANN", "quantizationByteSize": 2}],
                "fullTextIndexes": [{"path": "/text"}],
            },
        });
        let definition = parse(&members).expect("a definition");
        let written = Value::Object(definition.to_json());
        for member in ["vectorEmbeddingPolicy", "fullTextPolicy", "indexingPolicy"] {
            assert_eq!(written[member], members[member], "{member}");
        }
        assert_eq!(parse(&written), Ok(definition));
    }

    #[test]
    fn what_is_not_given_is_left_out_or_completed() {
        let written = |members: &Value| Value::Object(parse(members).expect("a definition").to_json());
        let unused = json!({"vectorEmbeddingPolicy": {"vectorEmbeddings": []}, "fullTextPolicy": null});
        assert_eq!(written(&unused), written(&json!({})));
        let texts =
            written(&json!({"fullTextPolicy": {"defaultLanguage": "en-US", "fullTextPaths": [{"path": "/t"}]}}));
        assert_eq!(texts["fullTextPolicy"]["fullTextPaths"], json!([{"path": "/t", "language": "en-US"}]));
        let vector = json!({"path": "/v", "dataType": "Int8", "distanceFunction": "DotProduct", "dimensions": 2});
        let vectors = written(&json!({"vectorEmbeddingPolicy": {"vectorEmbeddings": [vector]}}));
        assert_eq!(vectors["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["distanceFunction"], "dotproduct");
    }

    #[test]
    fn policies_that_the_service_refuses_are_refused() {
        let vectors = |vectors: Value| json!({"vectorEmbeddingPolicy": {"vectorEmbeddings": vectors}});
        let with_index = |dimensions: u64, index: Value| {
            json!({"vectorEmbeddingPolicy": {"vectorEmbeddings": [vector("/v", "cosine", dimensions)]},
                "indexingPolicy": {"includedPaths": [{"path": "/*"}], "vectorIndexes": [index]}})
        };
        for (members, message) in [
            (json!({"vectorEmbeddingPolicy": []}), "must be an object with the array vectorEmbeddings"),
            (vectors(json!({"path": "/v"})), "must be an object with the array vectorEmbeddings"),
            (vectors(json!([vector("v", "cosine", 3)])), "The path 'v'"),
            (vectors(json!([vector("/v/*", "cosine", 3)])), "without a wildcard"),
            (vectors(json!([vector("/v", "cosine", 3), vector("/v", "cosine", 3)])), "given twice"),
            (vectors(json!([vector("/v", "manhattan", 3)])), "one of cosine, dotproduct, euclidean"),
            (vectors(json!([vector("/v", "cosine", 0)])), "must be 1 to 4096"),
            (vectors(json!([vector("/v", "cosine", 4097)])), "must be 1 to 4096"),
            (vectors(json!([{"path": "/v", "distanceFunction": "cosine", "dimensions": 3}])), "dataType is null"),
            (with_index(3, json!({"path": "/w", "type": "flat"})), "'/w' is not in vectorEmbeddingPolicy"),
            (with_index(3, json!({"path": "/v", "type": "tree"})), "one of flat, quantizedFlat, diskANN"),
            (with_index(506, json!({"path": "/v", "type": "flat"})), "allows 505 dimensions"),
            (json!({"fullTextPolicy": {"fullTextPaths": [{"path": "/t/*"}]}}), "without a wildcard"),
            (json!({"fullTextPolicy": {"defaultLanguage": "de-DE"}}), "offers en-US only"),
            (json!({"fullTextPolicy": {"fullTextPaths": [{"path": "/t", "language": "fr-FR"}]}}), "offers en-US only"),
            (
                json!({"indexingPolicy": {"includedPaths": [{"path": "/*"}], "fullTextIndexes": [{"path": "/t"}]}}),
                "'/t' is not in fullTextPolicy",
            ),
        ] {
            let refusal = parse(&members).expect_err("refused");
            assert_eq!(refusal.status, 400, "{members}");
            assert!(refusal.message.contains(message), "{members}: {}", refusal.message);
        }
    }

    #[test]
    fn a_replace_can_add_vectors_but_change_none() {
        let policy = |vectors: Value| json!({"vectorEmbeddingPolicy": {"vectorEmbeddings": vectors}});
        let old = parse(&policy(json!([vector("/v", "cosine", 3)]))).expect("a definition");
        let replace = |members: Value| {
            let new = parse(&members).expect("a definition").to_json();
            old.replace(Value::Object(new).to_string().as_bytes())
        };
        replace(policy(json!([vector("/w", "euclidean", 2), vector("/v", "cosine", 3)]))).expect("extended");
        for vectors in [json!([]), json!([vector("/v", "euclidean", 3)])] {
            let refusal = replace(policy(vectors)).expect_err("refused");
            assert!(refusal.message.contains("cannot be changed"), "{}", refusal.message);
        }
    }
}
