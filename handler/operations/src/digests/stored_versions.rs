//! Reads versions with their digests.

use changefeed_backup_format::Digest;
use changefeed_cosmos::{Container, DocumentName, Error, Key};
use changefeed_history::RecordDigest;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most ids in a query.
const IDS_TOGETHER: usize = 50;
/// Versions that are read at the same time: each may have parts.
const CONCURRENCY: usize = 4;
/// What distinguishes the name of a removal from an id.
const REMOVAL_MARK: char = '~';

/// A version as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredVersion {
    /// When it was stored, in seconds since 1970.
    pub second: i64,
    /// Its document, as far as the record has its name.
    pub document: DocumentName,
    pub digest: RecordDigest,
}

impl StoredVersion {
    /// The digest of its content.
    pub(crate) fn sha256(&self) -> Digest {
        self.digest.sha256.into()
    }

    async fn of(changes: &Container, record: Value) -> Result<Self, Error> {
        let document = DocumentName {
            id: record["sourceId"].as_str().unwrap_or_default().to_owned(),
            partition_key: Key::deserialize(&record["partitionKey"]).unwrap_or_else(|_| Key::new(Vec::new())),
        };
        let second = record["_ts"].as_f64().unwrap_or_default() as i64;
        Ok(Self { second, document, digest: RecordDigest::of(changes, record).await? })
    }
}

/// The versions that were stored from one second on and before another, in the order of their time.
///
/// # Errors
/// When the changes container cannot be read.
pub(crate) async fn read_period(
    changes: &Container,
    from: i64,
    to: i64,
    page_items: usize,
) -> Result<BoxStream<'_, Result<StoredVersion, Error>>, Error> {
    let query = "SELECT * FROM c WHERE NOT IS_DEFINED(c.partOf) AND c._ts >= @from AND c._ts < @to ORDER BY c._ts";
    let parameters = Map::from_iter([("@from".to_owned(), json!(from)), ("@to".to_owned(), json!(to))]);
    let rows = changes.select_few::<Value>(query, &parameters, None, page_items).await?;
    Ok(with_digests(changes, rows))
}

/// The versions that may have these names, whenever they were stored.
///
/// # Errors
/// When the changes container cannot be read.
pub(crate) async fn read_by_names(changes: &Container, names: &[&str]) -> Result<Vec<StoredVersion>, Error> {
    let mut found = Vec::new();
    for names in names.chunks(IDS_TOGETHER) {
        let (mut parameters, mut listed, mut conditions) = (Map::new(), Vec::new(), Vec::new());
        for (number, name) in names.iter().enumerate() {
            let parameter = format!("@id{number}");
            match name.split_once(REMOVAL_MARK) {
                Some((short, _)) => {
                    conditions.push(format!("STARTSWITH(c.id, {parameter})"));
                    parameters.insert(parameter, json!(short));
                }
                None => {
                    listed.push(parameter.clone());
                    parameters.insert(parameter, json!(name));
                }
            }
        }
        if !listed.is_empty() {
            conditions.push(format!("c.id IN ({})", listed.join(", ")));
        }
        let query = format!("SELECT * FROM c WHERE {}", conditions.join(" OR "));
        let rows = changes.select::<Value>(&query, &parameters, None).await?;
        found.extend(with_digests(changes, rows).try_collect::<Vec<_>>().await?);
    }
    Ok(found)
}

fn with_digests<'a>(
    changes: &'a Container,
    rows: BoxStream<'static, Result<Value, Error>>,
) -> BoxStream<'a, Result<StoredVersion, Error>> {
    rows.map(move |row| async move { StoredVersion::of(changes, row?).await }).buffered(CONCURRENCY).boxed()
}

/// A name without what distinguishes removals with the same start of their ids.
pub(crate) fn shared_name(name: &str) -> &str {
    name.split_once(REMOVAL_MARK).map_or(name, |(short, _)| short)
}
