//! The version before another one.

use changefeed_cosmos::{Container, DocumentName, Error, FieldPath};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::total_order::{ChangeOrder, Place, TIME, WITHIN_SECOND_OF_DOCUMENT};
use super::versions::scope;
use crate::record::read_version;
use crate::version::{Operation, Version, pk_of};

/// Versions of one second that one request reads. The query does not order them.
const ROWS_OF_A_SECOND: usize = 4;

/// What is known about the document before a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Previous {
    /// The version before it is known.
    Known,
    /// The document did not exist.
    None,
    /// No earlier version is known, or the retention may have deleted the one before it.
    Unknown,
}

/// The document before a version.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// What is known.
    pub state: Previous,
    /// Its body; `None` if it did not exist or is not known.
    pub body: Option<Value>,
    /// Fields that it may have had and that are never stored.
    pub omitted: Vec<FieldPath>,
}

impl Before {
    const UNKNOWN: Self = Self { state: Previous::Unknown, body: None, omitted: Vec::new() };
    const NONE: Self = Self { state: Previous::None, body: None, omitted: Vec::new() };

    /// The document before `version` if the version itself says so: it is a creation, or the change feed delivered the earlier body.
    pub(crate) fn of_itself(version: &Version) -> Option<Self> {
        match (version.operation, &version.previous) {
            (Operation::Create, _) => Some(Self::NONE),
            (_, Some(body)) => Some(Self { state: Previous::Known, body: Some(body.clone()), omitted: Vec::new() }),
            _ => None,
        }
    }

    /// The document before `version`, from the newest earlier version that is stored. `horizon` is that of the retention, read after
    /// both versions.
    pub(crate) fn of_stored(version: &Version, earlier: Option<Version>, horizon: i64) -> Self {
        let Some(earlier) = earlier.filter(|_| version.source_ts > horizon) else { return Self::UNKNOWN };
        let replaced = version.operation == Operation::Replace || version.operation.is_removal();
        let existed = !earlier.operation.is_removal() && (replaced || earlier.exists_at(version.source_ts));
        match earlier.document.filter(|_| existed) {
            Some(body) => Self { state: Previous::Known, body: Some(body), omitted: earlier.omitted },
            None => Self::NONE,
        }
    }
}

/// The newest version of a document before a version of it. It takes one request, or two if many versions have one second.
pub(crate) async fn version_before(changes: &Container, version: &Version) -> Result<Option<Version>, Error> {
    let place = place_of(version);
    let mut parameters = Map::new();
    let columns = [&[TIME], WITHIN_SECOND_OF_DOCUMENT.as_slice()].concat();
    let is_before = place.after(&columns, ChangeOrder::Newest, &mut parameters);
    let second = [("@second".to_owned(), json!(version.source_ts))];
    parameters.extend(second);
    let condition = format!("c.sourceTs <= @second AND {is_before}");
    let found = before(changes, version, &condition, parameters, "sourceTs").await?;
    let newest = newest(found);
    let (rows, Some(newest)) = newest else { return Ok(None) };
    let record = if rows < ROWS_OF_A_SECOND {
        newest
    } else {
        let mut parameters = Map::new();
        let is_before = place.after(&columns, ChangeOrder::Newest, &mut parameters);
        parameters.insert("@second".to_owned(), newest["sourceTs"].clone());
        let condition = format!("c.sourceTs = @second AND {is_before}");
        let found = before(changes, version, &condition, parameters, "lsn").await?;
        self::newest(found).1.unwrap_or(newest)
    };
    read_version(changes, record).await.map(Some)
}

/// The first records of the document that meet a condition, sorted by a column: those that have the same value, as many as one request
/// reads.
async fn before(
    changes: &Container,
    version: &Version,
    condition: &str,
    mut parameters: Map<String, Value>,
    column: &str,
) -> Result<Vec<Value>, Error> {
    let document = DocumentName { id: version.source_id.clone(), partition_key: version.partition_key.clone() };
    parameters.insert("@id".to_owned(), json!(document.id));
    // The record of the same version that is not exact is no earlier version.
    parameters.insert("@plain".to_owned(), json!(version.id.plain()));
    let is_key = match pk_of(&document.partition_key) {
        Some(pk) => {
            parameters.insert("@pk".to_owned(), pk);
            "c.pk = @pk"
        }
        None => "NOT IS_DEFINED(c.pk)",
    };
    let query = format!(
        "SELECT * FROM c WHERE c.sourceId = @id AND {is_key} AND c.id != @plain AND {condition} ORDER BY c.{column} DESC"
    );
    let scope = scope(changes, &document);
    let mut records = changes.select_few::<Value>(&query, &parameters, scope.as_ref(), ROWS_OF_A_SECOND).await?;
    let mut found: Vec<Value> = Vec::new();
    while found.len() < ROWS_OF_A_SECOND
        && let Some(record) = records.try_next().await?
    {
        if found.first().is_some_and(|first| first[column] != record[column]) {
            break;
        }
        found.push(record);
    }
    Ok(found)
}

/// The number of records, and the newest one.
fn newest(records: Vec<Value>) -> (usize, Option<Value>) {
    let rows = records.len();
    (rows, records.into_iter().max_by(|one, other| Place::of(one).compare(&Place::of(other), ChangeOrder::Oldest)))
}

fn place_of(version: &Version) -> Place {
    let mut record = json!({"sourceTs": version.source_ts, "sourceId": version.source_id, "id": version.id});
    if let Some(pk) = &version.pk {
        record["pk"] = pk.clone();
    }
    if let Some(lsn) = version.lsn {
        record["lsn"] = json!(lsn);
    }
    Place::of(&record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(operation: Operation, ts: i64) -> Version {
        let document = if operation.is_removal() { Value::Null } else { json!({"id": "1", "n": ts}) };
        let record = json!({"id": format!("{ts}"), "sourceId": "1", "partitionKey": ["a"], "operation": operation, "sourceTs": ts,
            "capturedAt": "t", "capturedBy": "i", "exact": true, "schema": 1, "document": document});
        let mut version: Version = serde_json::from_value(record).expect("a version");
        version.document = version.document.filter(Value::is_object);
        version
    }

    #[test]
    fn what_was_before_a_version_is_known_absent_or_unknown() {
        use Operation::{Create, Delete, Expire, Replace, Write};
        let state = |operation, earlier: Option<(Operation, i64)>, horizon| {
            let version = version(operation, 100);
            let earlier = earlier.map(|(operation, ts)| self::version(operation, ts));
            let before = Before::of_itself(&version).unwrap_or_else(|| Before::of_stored(&version, earlier, horizon));
            assert_eq!(before.body.is_some(), before.state == Previous::Known);
            before.state
        };
        assert_eq!(state(Create, None, -1), Previous::None);
        for operation in [Write, Replace, Delete] {
            assert_eq!(state(operation, None, -1), Previous::Unknown, "{operation:?}");
            assert_eq!(state(operation, Some((Write, 50)), -1), Previous::Known, "{operation:?}");
            assert_eq!(state(operation, Some((Write, 50)), 99), Previous::Known, "{operation:?}");
            assert_eq!(state(operation, Some((Write, 50)), 100), Previous::Unknown, "{operation:?}");
            assert_eq!(state(operation, Some((Delete, 50)), -1), Previous::None, "{operation:?}");
        }
        let with_expiry = |operation, expires| {
            let earlier = Version { expires_at: Some(expires), ..version(Write, 50) };
            Before::of_stored(&version(operation, 100), Some(earlier), -1).state
        };
        assert_eq!((with_expiry(Write, 90), with_expiry(Write, 200)), (Previous::None, Previous::Known));
        assert_eq!((with_expiry(Replace, 90), with_expiry(Expire, 100)), (Previous::Known, Previous::Known));
    }
}
