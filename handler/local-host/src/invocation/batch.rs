//! The batch of a Cosmos DB trigger as the text that the function receives: a JSON array.
//!
//! In AllVersionsAndDeletes mode the elements are objects of the trigger's own types. Their properties are always the same ones, and
//! only the documents and the key values in them pass through the JSON library.

use changefeed_processor::{Change, ChangeFeedMode, ChangeMetadata, OperationType, UndeliverableChange};
use serde_json::{Value, json};

use crate::newtonsoft::{TimeZone, text_to_json, to_json, with_last_to_json};

/// The property that the change feed adds to documents of LatestVersion mode.
const LSN: &str = "_lsn";
const NO_DOCUMENT: &str = "{}";

/// # Errors
/// With the first change that the real trigger cannot read: it throws an exception then.
pub(crate) fn batch(
    changes: &[Change],
    mode: ChangeFeedMode,
    zone: TimeZone,
) -> Result<String, Box<UndeliverableChange>> {
    if let Some(change) = UndeliverableChange::first(changes, mode) {
        return Err(Box::new(change));
    }
    let elements: Vec<String> = match mode {
        ChangeFeedMode::LatestVersion => {
            changes.iter().filter_map(|change| change.current.as_ref()).map(|current| document(current, zone)).collect()
        }
        ChangeFeedMode::AllVersionsAndDeletes => changes.iter().map(|change| envelope(change, zone)).collect(),
    };
    Ok(format!("[{}]", elements.join(",")))
}

/// A document as the host's JSON library reads it: of two properties of one name, the feed's and the document's own, the last stays
/// where it is.
fn document(document: &Value, zone: TimeZone) -> String {
    match document {
        Value::Object(properties) => with_last_to_json(properties, LSN, zone),
        other => to_json(other, zone),
    }
}

fn envelope(change: &Change, zone: TimeZone) -> String {
    let current = change.current.as_ref().filter(|current| !current.is_null());
    let current = current.map_or_else(|| NO_DOCUMENT.to_owned(), |current| to_json(current, zone));
    let metadata = metadata(&change.metadata.clone().unwrap_or_default(), zone);
    let previous = change.previous.as_ref().filter(|previous| !previous.is_null());
    let previous = previous.map(|previous| format!(",\"previous\":{}", to_json(previous, zone))).unwrap_or_default();
    format!("{{\"current\":{current},\"metadata\":{metadata}{previous}}}")
}

fn metadata(metadata: &ChangeMetadata, zone: TimeZone) -> String {
    let operation = match metadata.operation_type.unwrap_or(OperationType::Create) {
        OperationType::Create => "create",
        OperationType::Replace => "replace",
        OperationType::Delete => "delete",
    };
    let known = json!({
        "crts": metadata.crts.unwrap_or_default(),
        "lsn": metadata.lsn.unwrap_or_default(),
        "operationType": operation,
        "previousImageLSN": metadata.previous_image_lsn.unwrap_or_default(),
        "timeToLiveExpired": metadata.time_to_live_expired.unwrap_or_default(),
    });
    let mut json = to_json(&known, zone);
    json.pop();
    if let Some(id) = &metadata.id {
        json.push_str(&format!(",\"id\":{}", text_to_json(id)));
    }
    if let Some(key) = metadata.partition_key.as_ref().and_then(key_as_read) {
        json.push_str(&format!(",\"partitionKey\":{}", to_json(&key, zone)));
    }
    json + "}"
}

/// The key values after they were read as a dictionary: the library takes some names for its own references between objects.
fn key_as_read(key: &Value) -> Option<Value> {
    let Value::Object(values) = key else { return Some(key.clone()) };
    if values.contains_key("$ref") {
        return None;
    }
    Some(
        values
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "$type" | "$id"))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_versions(change: Value) -> String {
        let change: Change = serde_json::from_value(change).expect("a change");
        batch(&[change], ChangeFeedMode::AllVersionsAndDeletes, TimeZone::default()).expect("deliverable")
    }

    #[test]
    fn the_system_property_of_a_document_comes_last_even_if_the_document_has_its_own() {
        let change = Change {
            current: Some(json!({"_lsn": 7, "id": "1", "at": "2024-01-01T00:00:00.0Z"})),
            ..Change::default()
        };
        let batch = batch(&[change], ChangeFeedMode::LatestVersion, TimeZone::default());
        assert_eq!(batch.expect("deliverable"), r#"[{"id":"1","at":"2024-01-01T00:00:00Z","_lsn":7}]"#);
    }

    #[test]
    fn an_element_of_all_versions_mode_always_has_the_same_properties() {
        let delete = json!({"metadata": {"crts": 1700000000, "lsn": 9, "operationType": "delete", "id": "2024-01-01T00:00:00.0Z",
            "partitionKey": {"pk": "2024-01-01T00:00:00.0Z"}}});
        assert_eq!(
            all_versions(delete),
            r#"[{"current":{},"metadata":{"crts":1700000000.0,"lsn":9,"operationType":"delete","previousImageLSN":0,"timeToLiveExpired":false,"id":"2024-01-01T00:00:00.0Z","partitionKey":{"pk":"2024-01-01T00:00:00Z"}}}]"#
        );
    }

    #[test]
    fn names_of_references_between_objects_are_lost_from_a_key() {
        let key = |name: &str| {
            let delete = json!({"metadata": {"operationType": "delete", "id": "1", "partitionKey": {name: "a"}}});
            let text = all_versions(delete);
            text.split_once("\"id\":\"1\"").expect("an id").1.to_owned()
        };
        assert_eq!(key("pk"), r#","partitionKey":{"pk":"a"}}}]"#);
        assert_eq!(key("$type"), r#","partitionKey":{}}}]"#);
        assert_eq!(key("$id"), r#","partitionKey":{}}}]"#);
        assert_eq!(key("$ref"), "}}]");
    }

    #[test]
    fn a_change_that_the_trigger_cannot_read_fails_the_batch() {
        let good = Change { current: Some(json!({"id": "1"})), ..Change::default() };
        let bad = Change { current: Some(json!({"id": "2", "at": "/Date(253402300800000)/"})), ..Change::default() };
        let error = batch(&[good, bad], ChangeFeedMode::LatestVersion, TimeZone::default()).expect_err("an error");
        assert_eq!(error.id.as_deref(), Some("2"));
    }
}
