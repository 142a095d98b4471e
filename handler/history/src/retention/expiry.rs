//! Finds the versions of a document that were superseded up to a time.

use std::collections::VecDeque;

use changefeed_cosmos::{Container, DocumentName, Error, Key, KeyPath, read_id_and_key, select_id_and_key};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::read::scope;
use crate::version_id::VersionId;

/// The fields of a version that decide when it expires and how it is deleted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub id: VersionId,
    /// The partition key value of its record in the changes container.
    pub key: Key,
    pub source_ts: i64,
    pub lsn: Option<i64>,
    /// Whether it has part items.
    pub split: bool,
}

/// The versions of a document whose successor is not after a time, newest first.
pub(super) struct Superseded {
    rows: BoxStream<'static, Result<Value, Error>>,
    document: DocumentName,
    key_paths: Vec<KeyPath>,
    ahead: VecDeque<Row>,
    /// The second of the version that was current at that time; `None` if the first version is newer.
    pub newest: Option<i64>,
}

impl Superseded {
    /// Finds the versions that were superseded at `second` or before.
    pub(super) async fn at(changes: &Container, document: &DocumentName, second: i64) -> Result<Self, Error> {
        let query = format!(
            "SELECT VALUE {{at: {}, sourceTs: c.sourceTs, lsn: c.lsn, partitionKey: c.partitionKey, \
             documentParts: c.documentParts, previousParts: c.previousParts}} \
             FROM c WHERE c.sourceId = @id AND c.sourceTs <= @second ORDER BY c.sourceTs DESC",
            select_id_and_key(changes.key_paths())
        );
        let parameters =
            Map::from_iter([("@id".to_owned(), json!(document.id)), ("@second".to_owned(), json!(second))]);
        let rows = changes.select(&query, &parameters, scope(changes, document).as_ref()).await?;
        let (document, key_paths) = (document.clone(), changes.key_paths().to_vec());
        let mut superseded = Self { rows, document, key_paths, ahead: VecDeque::new(), newest: None };
        superseded.skip_current().await?;
        Ok(superseded)
    }

    pub(super) async fn next(&mut self) -> Result<Option<Row>, Error> {
        match self.ahead.pop_front() {
            Some(row) => Ok(Some(row)),
            None => self.read().await,
        }
    }

    /// Reads the versions of the newest second, and skips those that are or may be the current version.
    async fn skip_current(&mut self) -> Result<(), Error> {
        let Some(first) = self.read().await? else { return Ok(()) };
        let second = first.source_ts;
        self.newest = Some(second);
        let mut newest = vec![first];
        let mut next = None;
        while let Some(row) = self.read().await? {
            if row.source_ts != second {
                next = Some(row);
                break;
            }
            newest.push(row);
        }
        self.ahead = superseded_within(newest).into_iter().chain(next).collect();
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Row>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Selected {
            at: Value,
            source_ts: i64,
            lsn: Option<i64>,
            partition_key: Key,
            document_parts: Option<u64>,
            previous_parts: Option<u64>,
        }
        while let Some(selected) = self.rows.try_next().await? {
            let read = Selected::deserialize(&selected).map_err(|error| error.to_string()).and_then(|row| {
                let at = read_id_and_key(&row.at, &self.key_paths).map_err(|error| error.to_string())?;
                Ok((row, at))
            });
            match read {
                Ok((row, at)) if row.partition_key == self.document.partition_key => {
                    let split = row.document_parts.is_some() || row.previous_parts.is_some();
                    let id = VersionId::from(at.id.as_str());
                    return Ok(Some(Row { id, key: at.partition_key, source_ts: row.source_ts, lsn: row.lsn, split }));
                }
                // The query selects by id only. Documents with the same id can have different keys.
                Ok(_) => {}
                Err(error) => log::warn!("skipping an item of the changes container that is not a version: {error}"),
            }
        }
        Ok(None)
    }
}

/// The versions of one second that another version of that second certainly superseded. Sequence numbers decide; if one is missing,
/// any of the versions may be the last. All records of the last version are excluded.
fn superseded_within(rows: Vec<Row>) -> Vec<Row> {
    let Some(lsns) = rows.iter().map(|row| row.lsn).collect::<Option<Vec<i64>>>() else { return Vec::new() };
    let last = lsns.into_iter().max();
    let current: Vec<VersionId> = rows.iter().filter(|row| row.lsn == last).map(|row| row.id.clone()).collect();
    rows.into_iter().filter(|row| !current.iter().any(|id| id.is_same_version(&row.id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superseded(rows: &[(&str, Option<i64>)]) -> Vec<String> {
        let row = |(id, lsn): &(&str, Option<i64>)| Row {
            id: VersionId::from(*id),
            key: Key::text("a"),
            source_ts: 5,
            lsn: *lsn,
            split: false,
        };
        superseded_within(rows.iter().map(row).collect()).into_iter().map(|row| row.id.into()).collect()
    }

    #[test]
    fn within_a_second_all_records_of_the_version_with_the_highest_sequence_number_are_current() {
        assert_eq!(superseded(&[("a", Some(1)), ("b", Some(3)), ("c", Some(2))]), ["a", "c"]);
        assert_eq!(superseded(&[("a", Some(1)), ("b", Some(3)), ("c", Some(3))]), ["a"]);
        assert_eq!(superseded(&[("a-exact", Some(4)), ("a", Some(3)), ("b", Some(2))]), ["b"]);
        assert_eq!(superseded(&[("a", None), ("b", Some(3))]), Vec::<String>::new());
        assert_eq!(superseded(&[("a", None)]), Vec::<String>::new());
    }
}
