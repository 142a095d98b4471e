//! A request to erase documents.

use std::collections::HashSet;

use changefeed_cosmos::{DocumentName, IdempotencyKey, Key};
use changefeed_jobs::check_budget;
use serde::Deserialize;

use crate::named_key::{named_documents, named_key};

/// The most documents that one request names.
const MAX_DOCUMENTS: usize = 1000;

/// A request to erase documents.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "RawErasureRequest")]
pub struct ErasureRequest {
    /// The documents, each once: 1 to 1,000.
    pub documents: Vec<DocumentName>,
    /// Leave the live documents. They are no longer captured.
    pub keep_live: bool,
    /// Only count what would be removed.
    pub dry_run: bool,
    /// The number of documents again, so that no request erases by mistake. A dry run needs none.
    pub confirm: Option<u64>,
    /// The reason, for the record.
    pub reason: Option<String>,
    /// Who requests it, for the record.
    pub requested_by: Option<String>,
    /// The budget: request units a second.
    pub ru_per_second: Option<f64>,
    /// Identifies the request, if its sender may repeat it.
    pub key: Option<IdempotencyKey>,
}

/// The request as it is in JSON.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawErasureRequest {
    id: Option<String>,
    pk: Option<String>,
    partition_key: Option<Key>,
    #[serde(deserialize_with = "named_documents")]
    documents: Option<Vec<DocumentName>>,
    keep_live: bool,
    dry_run: bool,
    confirm: Option<u64>,
    reason: Option<String>,
    requested_by: Option<String>,
    ru_per_second: Option<f64>,
}

impl TryFrom<RawErasureRequest> for ErasureRequest {
    type Error = String;

    fn try_from(raw: RawErasureRequest) -> Result<Self, String> {
        Ok(Self {
            documents: chosen(raw.id, named_key(raw.pk, raw.partition_key)?, raw.documents)?,
            keep_live: raw.keep_live,
            dry_run: raw.dry_run,
            confirm: raw.confirm,
            reason: raw.reason,
            requested_by: raw.requested_by,
            ru_per_second: raw.ru_per_second,
            key: None,
        })
    }
}

/// The documents of a request, each once.
pub(super) fn chosen(
    id: Option<String>,
    key: Option<Key>,
    documents: Option<Vec<DocumentName>>,
) -> Result<Vec<DocumentName>, String> {
    let mut documents = match (id, key, documents) {
        (Some(id), Some(partition_key), None) => vec![DocumentName { id, partition_key }],
        (Some(_), None, None) => {
            return Err("id needs the document's pk, or partitionKey, the array of its key's components".to_owned());
        }
        (None, None, Some(documents)) => documents,
        _ => return Err("give exactly one of: id and partitionKey, or pk; documents".to_owned()),
    };
    let mut names = HashSet::new();
    documents.retain(|name| names.insert(name.to_index_key()));
    if let Some(unnamed) = documents.iter().position(|name| name.id.is_empty()) {
        return Err(format!("the id of document {unnamed} is empty"));
    }
    match documents.len() {
        1..=MAX_DOCUMENTS => Ok(documents),
        number => Err(format!("documents has {number} entries; allowed are 1 to {MAX_DOCUMENTS}")),
    }
}

/// Refuses a request that does not repeat the number of documents.
pub(super) fn check_confirmed(confirm: Option<u64>, documents: usize) -> Result<(), String> {
    match confirm {
        Some(number) if number == documents as u64 => Ok(()),
        Some(number) => Err(format!("confirm is {number}; repeat the number of documents: {documents}")),
        None => Err(format!("confirm is missing; repeat the number of documents: {documents}")),
    }
}

impl ErasureRequest {
    /// Checks the values.
    ///
    /// # Errors
    /// The name of the value that is not allowed, and what is.
    pub(super) fn check(&self) -> Result<(), String> {
        check_budget(self.ru_per_second)?;
        if self.dry_run { Ok(()) } else { check_confirmed(self.confirm, self.documents.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(request: Value) -> Result<ErasureRequest, String> {
        let request: ErasureRequest = serde_json::from_value(request).map_err(|error| error.to_string())?;
        request.check().map(|()| request)
    }

    #[test]
    fn a_request_names_documents_and_repeats_their_number() {
        let one = read(json!({"id": "1", "pk": "a", "confirm": 1, "keepLive": true})).expect("a request");
        assert!(one.keep_live && one.documents.len() == 1);
        let twice = json!({"documents": [{"id": "1", "pk": "a"}, {"id": "1", "partitionKey": ["a"]}], "confirm": 1});
        assert_eq!(read(twice).expect("a request").documents, one.documents);
        assert!(read(json!({"id": "1", "pk": "a", "dryRun": true})).is_ok());
        for (refused, reason) in [
            (json!({"id": "1", "pk": "a"}), "confirm is missing; repeat the number of documents: 1"),
            (json!({"id": "1", "pk": "a", "confirm": 2}), "confirm is 2; repeat"),
            (json!({"id": "1", "confirm": 1}), "id needs the document's pk"),
            (json!({"id": "", "pk": "a", "confirm": 1}), "is empty"),
            (json!({"documents": [], "confirm": 0}), "documents has 0 entries; allowed are 1 to 1000"),
            (json!({"id": "1", "pk": "a", "documents": [], "confirm": 1}), "exactly one of"),
            (json!({"id": "1", "pk": "a", "confirm": 1, "ruPerSecond": -1}), "ruPerSecond"),
            (json!({"id": "1", "pk": "a", "confirm": 1, "force": true}), "unknown field `force`"),
        ] {
            let message = read(refused.clone()).expect_err("refused");
            assert!(message.contains(reason), "{refused}: {message}");
        }
    }
}
