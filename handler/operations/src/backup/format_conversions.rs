//! Converts between the types of the backup format and those of the history.

use changefeed_backup_format as format;
use changefeed_backup_format::BackupDocument;
use changefeed_cosmos::{Error, ErrorKind, Key, KeyComponent};
use changefeed_history::{Filter, Version};
use serde_json::Value;

/// An error of the backup format, with the same kind.
pub fn format_error(error: format::Error) -> Error {
    let kind = match error.kind() {
        format::ErrorKind::NotFound => ErrorKind::NotFound,
        format::ErrorKind::Conflict => ErrorKind::Conflict,
        format::ErrorKind::PreconditionFailed => ErrorKind::PreconditionFailed,
        format::ErrorKind::PlaceNotAllowed => ErrorKind::PlaceNotAllowed,
        format::ErrorKind::Forbidden | format::ErrorKind::Protected => ErrorKind::Forbidden,
        format::ErrorKind::Throttled => ErrorKind::Throttled,
        format::ErrorKind::Unavailable => ErrorKind::Unavailable,
        format::ErrorKind::TooLarge => ErrorKind::TooLarge,
        format::ErrorKind::Invalid => ErrorKind::Invalid,
        format::ErrorKind::Corrupt => ErrorKind::Corrupt,
        format::ErrorKind::Internal => ErrorKind::Internal,
    };
    Error::new(kind, error.action(), error.message())
}

/// An error of reading a backup. A location without a finished backup, or with one of a later version, is the caller's fault;
/// other damage is damage of stored data.
pub(crate) fn read_error(location: &format::BackupLocation, action: &str, error: format::ReadError) -> Error {
    match error {
        format::ReadError::Location(error) => format_error(error),
        format::ReadError::Damage(damage) => damage_error(location, action, &damage),
    }
}

/// A damage of a backup as an error: see [`read_error`].
pub(crate) fn damage_error(location: &format::BackupLocation, action: &str, damage: &format::Damage) -> Error {
    use format::Damage::{NewerFormat, NoManifest, Unfinished};
    let action = format!("{action} in {location}");
    match damage {
        NoManifest | Unfinished { .. } | NewerFormat { .. } => Error::invalid(action, damage.to_string()),
        damage => Error::corrupt(action, damage),
    }
}

/// A partition key as the JSON components of a deletion.
pub(crate) fn key_components(key: Key) -> Vec<Value> {
    key.components().iter().cloned().map(Value::from).collect()
}

/// The partition key with the components of a deletion.
pub(crate) fn key_from_components(components: Vec<Value>) -> Result<Key, Error> {
    let components: Result<Vec<KeyComponent>, String> = components.into_iter().map(KeyComponent::try_from).collect();
    components.map(Key::new).map_err(|message| Error::corrupt("reading the partition key of a deletion", message))
}

/// The filters in a backup's header.
pub(super) fn parse_filters(texts: &[String]) -> Result<Vec<Filter>, Error> {
    let filters: Result<Vec<Filter>, String> = texts.iter().map(|text| Filter::parse(text)).collect();
    filters.map_err(|message| Error::corrupt("reading the filters in a backup's header", message))
}

/// Filters as a backup's header stores them.
pub(super) fn filter_texts(filters: &[Filter]) -> Vec<String> {
    filters.iter().cloned().map(String::from).collect()
}

/// The document of a version, as a backup stores it.
pub(super) fn backup_document(version: &Version) -> Result<BackupDocument, Error> {
    let body = version.document.clone().unwrap_or_default();
    let document = match &version.etag {
        Some(etag) => BackupDocument::from_parts(body, version.source_ts, etag),
        None => Err("the version has no etag".into()),
    };
    document.map_err(|message| Error::corrupt(format!("backing up version {}", version.id), message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_partition_key_is_the_same_as_components() {
        let key: Key = serde_json::from_value(json!(["a", 1.5, true, null, {}])).expect("key");
        let components = key_components(key.clone());
        assert_eq!(json!(components), json!(["a", 1.5, true, null, {}]));
        assert_eq!(key_from_components(components).expect("key"), key);
        assert!(key_from_components(vec![json!([1])]).is_err());
    }

    #[test]
    fn a_missing_backup_is_the_callers_fault_and_a_damaged_one_is_corrupt_data() {
        let location = format::BackupLocation::folder("/backups/b");
        let error = |damage| read_error(&location, "reading the backup", format::ReadError::Damage(damage));
        for damage in [format::Damage::NoManifest, format::Damage::Unfinished { segments: 2 }] {
            assert_eq!(error(damage).kind(), ErrorKind::Invalid);
        }
        let damaged = error(format::Damage::ManifestChanged);
        assert_eq!(damaged.kind(), ErrorKind::Corrupt);
        assert!(damaged.to_string().starts_with("reading the backup in /backups/b: "), "{damaged}");
    }

    #[test]
    fn filters_are_the_same_as_text_and_other_texts_are_rejected() {
        let filters = vec![Filter::parse("a=1").expect("filter"), Filter::parse("b contains x").expect("filter")];
        assert_eq!(parse_filters(&filter_texts(&filters)).expect("filters"), filters);
        assert!(parse_filters(&["no filter".into()]).is_err());
    }

    #[test]
    fn the_document_of_a_version_has_its_time_and_etag() {
        let version = json!({"id": "5-e", "sourceId": "1", "partitionKey": ["a"], "operation": "write", "sourceTs": 5,
            "etag": "\"e\"", "capturedAt": "t", "capturedBy": "i", "exact": true, "schema": 1, "document": {"id": "1", "a": 1}});
        let mut version: Version = serde_json::from_value(version).expect("version");
        let document = backup_document(&version).expect("document");
        assert_eq!(document.value().to_string(), r#"{"id":"1","a":1,"_ts":5,"_etag":"\"e\""}"#);
        let etag = version.etag.take();
        assert!(backup_document(&version).is_err());
        (version.etag, version.document) = (etag, None);
        assert!(backup_document(&version).is_err());
    }
}
