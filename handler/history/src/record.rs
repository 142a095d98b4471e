//! Converts an observed change to a version, a version to items, and a record back to a version.

use changefeed_cosmos::{
    Container, Error, Item, expires_at, own_ttl, reassemble, split_large_record, timestamp, without_system_properties,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::actor::ActorFields;
use crate::capture_rules::StorableVersion;
use crate::observed::Observed;
use crate::version::{SCHEMA, Version, pk_of};
use crate::version_id::VersionId;

/// The fields of a version that may be stored in parts.
pub(crate) const LARGE_FIELDS: [&str; 2] = ["document", "previous"];

/// The version of an observed change. `default_ttl` is the monitored container's, `None` if time to live is off.
pub(crate) fn version_of(
    observed: Observed,
    default_ttl: Option<i64>,
    actor_fields: &ActorFields,
    exact: bool,
    captured_by: &str,
    now: DateTime<Utc>,
) -> Version {
    let id = match (&observed.etag, observed.lsn) {
        (Some(etag), _) => VersionId::of_write(observed.source_ts, etag),
        (None, lsn) => VersionId::of_removal(observed.source_ts, lsn.unwrap_or_default(), None),
    };
    let expires_at =
        observed.document.as_ref().and_then(|document| expires_at(observed.source_ts, own_ttl(document), default_ttl));
    let actor = observed.document.as_ref().and_then(|document| actor_fields.actor_of(document));
    Version {
        id,
        pk: pk_of(&observed.partition_key),
        source_id: observed.id,
        partition_key: observed.partition_key,
        operation: observed.operation,
        source_ts: observed.source_ts,
        lsn: observed.lsn,
        etag: observed.etag,
        actor,
        expires_at,
        captured_at: timestamp(now),
        captured_by: captured_by.to_owned(),
        exact,
        inferred: false,
        omitted: Vec::new(),
        schema: SCHEMA,
        document: observed.document.map(without_system_properties),
        previous: observed.previous.map(without_system_properties),
    }
}

/// The items of a version: the parts of fields that are too large for the record, then the record.
///
/// # Errors
/// [`Internal`](changefeed_cosmos::ErrorKind::Internal) when the version is not JSON.
pub(crate) fn items(version: &StorableVersion<'_>) -> Result<Vec<Item>, Error> {
    let version = version.version();
    let mut owner = Map::from_iter([("sourceId".to_owned(), json!(version.source_id))]);
    owner.extend(version.pk.clone().map(|pk| ("pk".to_owned(), pk)));
    split_large_record(version, &version.id, &LARGE_FIELDS, &owner)
}

/// Reads the record of a version, and the parts of fields that are too large for it.
///
/// # Errors
/// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when the record or its parts are damaged.
pub(crate) async fn read_version(changes: &Container, record: Value) -> Result<Version, Error> {
    let record = reassemble(changes, record, &LARGE_FIELDS).await?;
    Version::deserialize(&record).map_err(|error| {
        Error::corrupt(format!("reading version {}", record["id"].as_str().unwrap_or("without an id")), error)
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::capture_rules::CheckedRules;
    use changefeed_cosmos::KeyPath;

    fn observed(document: Value) -> Observed {
        Observed::parse(&document.to_string(), &[KeyPath::property("pk")]).expect("observed")
    }

    fn actor_fields() -> ActorFields {
        ActorFields::parse_list("updatedBy").expect("fields")
    }

    fn captured(document: Value) -> Vec<Item> {
        let version = version_of(observed(document), Some(-1), &actor_fields(), true, "i", DateTime::UNIX_EPOCH);
        let storable = CheckedRules::default().storable(Cow::Owned(version)).expect("a version of a captured document");
        items(&storable).expect("items")
    }

    #[test]
    fn a_record_has_the_fields_of_the_format_and_the_document_has_no_system_properties() {
        let items = captured(
            json!({"id": "28036", "pk": "28036", "city_name": "Davidson", "updatedBy": "x", "ttl": 3, "_rid": "r", "_self": "s",
            "_etag": "\"0059\"", "_attachments": "a", "_ts": 1592926406, "_lsn": 20591}),
        );
        assert_eq!(items.len(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(items[0].text()).expect("JSON"),
            json!({"id": "1592926406-0059", "pk": "28036", "sourceId": "28036", "partitionKey": ["28036"],
                "operation": "write", "sourceTs": 1592926406, "lsn": 20591, "etag": "\"0059\"", "actor": "x", "expiresAt": 1592926409,
                "capturedAt": "1970-01-01T00:00:00.000Z", "capturedBy": "i", "exact": true, "schema": 1,
                "document": {"id": "28036", "pk": "28036", "city_name": "Davidson", "updatedBy": "x", "ttl": 3}})
        );
    }

    #[test]
    fn a_version_expires_by_its_own_time_to_live_or_the_default_of_the_container() {
        let expires_at = |ttl: Value, default_ttl| {
            let document = json!({"id": "1", "pk": "a", "ttl": ttl, "_etag": "e", "_ts": 100});
            version_of(observed(document), default_ttl, &ActorFields::default(), true, "i", DateTime::UNIX_EPOCH)
                .expires_at
        };
        assert_eq!(expires_at(json!(3), Some(-1)), Some(103));
        assert_eq!(expires_at(json!(3.0), Some(-1)), Some(103));
        assert_eq!(expires_at(json!(null), Some(10)), Some(110));
        assert_eq!(expires_at(json!(-1), Some(10)), None);
        assert_eq!(expires_at(json!(null), Some(-1)), None);
        assert_eq!(expires_at(json!(3), None), None);
    }
}
