//! The key of a document in a request: `pk` for a key of one text, or `partitionKey`, the array of any key's components.

use changefeed_cosmos::{DocumentName, Key};
use serde::{Deserialize, Deserializer};

/// The key that a request names, if it names one.
pub(crate) fn named_key(pk: Option<String>, partition_key: Option<Key>) -> Result<Option<Key>, String> {
    match (pk, partition_key) {
        (Some(_), Some(_)) => Err("give pk or partitionKey, not both".to_owned()),
        (pk, partition_key) => Ok(pk.map(Key::text).or(partition_key)),
    }
}

/// A document as a request names it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawDocumentName {
    id: String,
    pk: Option<String>,
    partition_key: Option<Key>,
}

/// A document that has an id and a key.
#[derive(Deserialize)]
#[serde(try_from = "RawDocumentName")]
struct NamedDocument(DocumentName);

impl TryFrom<RawDocumentName> for NamedDocument {
    type Error = String;

    fn try_from(raw: RawDocumentName) -> Result<Self, String> {
        let key = named_key(raw.pk, raw.partition_key)?;
        let partition_key = key.ok_or("a document needs pk, or partitionKey, the array of its key's components")?;
        Ok(Self(DocumentName { id: raw.id, partition_key }))
    }
}

/// Reads a list of documents.
pub(crate) fn named_documents<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<DocumentName>>, D::Error> {
    let documents = Option::<Vec<NamedDocument>>::deserialize(deserializer)?;
    Ok(documents.map(|documents| documents.into_iter().map(|NamedDocument(name)| name).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(document: Value) -> Result<DocumentName, String> {
        serde_json::from_value(document).map(|NamedDocument(name)| name).map_err(|error| error.to_string())
    }

    #[test]
    fn a_document_has_one_key_under_either_name() {
        let name = read(json!({"id": "1", "pk": "a"})).expect("a name");
        assert_eq!(name, read(json!({"id": "1", "partitionKey": ["a"]})).expect("a name"));
        assert_eq!(name, DocumentName { id: "1".into(), partition_key: Key::text("a") });
        for (refused, reason) in [
            (json!({"id": "1"}), "a document needs pk"),
            (json!({"id": "1", "pk": "a", "partitionKey": ["a"]}), "not both"),
            (json!({"id": "1", "pk": ["a"]}), "expected a string"),
            (json!({"id": "1", "pk": "a", "kp": "a"}), "unknown field `kp`"),
            (json!({"pk": "a"}), "missing field `id`"),
        ] {
            let message = read(refused.clone()).expect_err("refused");
            assert!(message.contains(reason), "{refused}: {message}");
        }
    }
}
