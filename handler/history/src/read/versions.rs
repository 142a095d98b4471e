//! The versions of one document, newest first.

use std::collections::VecDeque;

use changefeed_cosmos::{
    Container, DocumentName, Error, Key, KeyComponent, page_items, page_token, printable, read_page_token,
};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::history::History;
use crate::record::read_version;
use crate::version::{Version, pk_of};
use crate::version_id::VersionId;

const DEFAULT_PAGE_ITEMS: usize = 20;

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct VersionsRequest {
    /// The document.
    pub document: DocumentName,
    /// The maximum number of versions on a page, 1 to 1,000; default 20.
    pub max_items: Option<u32>,
    /// The continuation of the previous page.
    pub continuation: Option<String>,
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionPage {
    /// Newest first.
    pub items: Vec<Version>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// The last version of a page.
#[derive(Serialize, Deserialize)]
struct Position {
    ts: i64,
    id: VersionId,
}

/// Reads the versions of a document, newest first. The query sorts by second only; versions of one second are sorted here.
pub struct Versions<'a> {
    changes: Container,
    document: &'a DocumentName,
    records: BoxStream<'static, Result<Value, Error>>,
    ahead: Option<Version>,
    ready: VecDeque<Version>,
}

impl History {
    /// Lists the versions of a document, newest first.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the changes container cannot be read.
    pub async fn versions(&self, request: &VersionsRequest) -> Result<VersionPage, Error> {
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "listing versions")?;
        let after: Option<Position> = read_page_token(request.continuation.as_deref(), "listing versions")?;
        let newest = after.as_ref().map_or(i64::MAX, |after| after.ts);
        let mut versions = self.versions_until(&request.document, newest, max_items + 1).await?;
        let mut items = Vec::new();
        let mut skipping = after.is_some();
        while let Some(version) = versions.next().await? {
            match &after {
                // The previous page contains versions of the same second.
                Some(after) if skipping && version.source_ts == after.ts => skipping = version.id != after.id,
                _ if items.len() == max_items => {
                    let last = items.last().map(|last: &Version| Position { ts: last.source_ts, id: last.id.clone() });
                    return Ok(VersionPage { continuation: last.map(|last| page_token(&last)).transpose()?, items });
                }
                _ => items.push(version),
            }
        }
        Ok(VersionPage { items, continuation: None })
    }

    /// One version of a document.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when the document has no version with this id, and
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when no version can have it.
    pub async fn version(&self, document: &DocumentName, id: &str) -> Result<Version, Error> {
        VersionId::parse(id)?;
        let changes = self.changes.open().await?;
        match self.record_of(document, id).await? {
            Some(record) => read_version(&changes, record).await,
            None => Err(Error::not_found(
                format!("reading version {id}"),
                format!("document {} has no such version", printable(&document.id)),
            )),
        }
    }

    /// The record of a version as it is stored; `None` if it does not exist. This is a point read if the key of the record follows
    /// from the name of the document. A name with an empty id or key stands for the unknown document of a damaged record.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn record_of(&self, document: &DocumentName, id: &str) -> Result<Option<Value>, Error> {
        let changes = self.changes.open().await?;
        let is_meant = |record: &Value| is_meant(record, document);
        if let Some(key) = record_key(&changes, document, id) {
            return Ok(changes.read(&key, id).await?.filter(is_meant));
        }
        let (mut query, mut parameters) = ("SELECT * FROM c WHERE c.id = @id".to_owned(), Map::new());
        parameters.insert("@id".to_owned(), json!(id));
        if is_named(document) {
            query.push_str(" AND c.sourceId = @sourceId");
            parameters.insert("@sourceId".to_owned(), json!(document.id));
        }
        let scope = scope(&changes, document).filter(|_| is_named(document));
        let mut records = changes.select_few::<Value>(&query, &parameters, scope.as_ref(), 2).await?;
        while let Some(record) = records.try_next().await? {
            if is_meant(&record) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Versions of documents, in their order, as [`Self::version`] returns them; `None` where there is none, where the key of its record
    /// does not follow from the name of the document, and where it is damaged.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn versions_many(&self, versions: &[(DocumentName, VersionId)]) -> Result<Vec<Option<Version>>, Error> {
        let changes = self.changes.open().await?;
        let (indexes, records) = record_names(&changes, versions);
        let mut found = vec![None; versions.len()];
        for (index, record) in indexes.into_iter().zip(changes.read_many(&records).await?) {
            let Some(record) = record.filter(|record| is_meant(record, &versions[index].0)) else { continue };
            found[index] = read_version(&changes, record).await.ok();
        }
        Ok(found)
    }

    /// The versions of a document up to a second since 1970, newest first. `expected` is the number that the caller expects to
    /// read; it is used as the page size of the query.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn versions_until<'a>(
        &self,
        document: &'a DocumentName,
        second: i64,
        expected: usize,
    ) -> Result<Versions<'a>, Error> {
        let changes = self.changes.open().await?;
        let query = "SELECT * FROM c WHERE c.sourceId = @id AND c.sourceTs <= @second ORDER BY c.sourceTs DESC";
        let parameters =
            Map::from_iter([("@id".to_owned(), json!(document.id)), ("@second".to_owned(), json!(second))]);
        let scope = scope(&changes, document);
        let records = changes.select_few(query, &parameters, scope.as_ref(), expected).await?;
        Ok(Versions { changes, document, records, ahead: None, ready: VecDeque::new() })
    }
}

impl Versions<'_> {
    /// The next older version.
    ///
    /// # Errors
    /// When the changes container cannot be read, and when a record is damaged.
    pub async fn next(&mut self) -> Result<Option<Version>, Error> {
        while self.ready.is_empty() {
            let Some(first) = self.next_unsorted().await? else { return Ok(None) };
            let second = first.source_ts;
            let mut same_second = vec![first];
            while let Some(version) = self.next_unsorted().await? {
                if version.source_ts == second {
                    same_second.push(version);
                } else {
                    self.ahead = Some(version);
                    break;
                }
            }
            same_second.sort_by(|one, other| other.compare(one));
            self.ready = same_second.into();
        }
        Ok(self.ready.pop_front())
    }

    async fn next_unsorted(&mut self) -> Result<Option<Version>, Error> {
        if let Some(version) = self.ahead.take() {
            return Ok(Some(version));
        }
        while let Some(record) = self.records.try_next().await? {
            let version = read_version(&self.changes, record).await?;
            // The query selects by id only. Documents with the same id can have different keys.
            if version.partition_key == self.document.partition_key {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }
}

/// The partition key value of the versions of a document; `None` if it does not follow from the name of the document.
pub(crate) fn scope(changes: &Container, document: &DocumentName) -> Option<Key> {
    known_key(changes, document, None)
}

/// The names of the records of versions, with the indexes of those whose key follows from the name of the document.
pub(super) fn record_names(
    changes: &Container,
    versions: &[(DocumentName, VersionId)],
) -> (Vec<usize>, Vec<DocumentName>) {
    let names = versions.iter().enumerate().filter_map(|(index, (document, id))| {
        let partition_key = record_key(changes, document, id)?;
        Some((index, DocumentName { id: id.to_string(), partition_key }))
    });
    names.unzip()
}

/// Whether a record with the id that was asked for is of this document.
pub(super) fn is_meant(record: &Value, document: &DocumentName) -> bool {
    let of_another_key = Key::deserialize(&record["partitionKey"]).is_ok_and(|key| key != document.partition_key);
    let of_another_id = record["sourceId"].as_str().is_some_and(|id| is_named(document) && id != document.id);
    record.get("partOf").is_none() && !of_another_key && !of_another_id
}

/// The key of the record of a version; `None` if it does not follow from the name of the document, or if no record can have this id.
fn record_key(changes: &Container, document: &DocumentName, id: &str) -> Option<Key> {
    known_key(changes, document, Some(id)).filter(|_| VersionId::parse(id).is_ok() && is_named(document))
}

fn known_key(changes: &Container, document: &DocumentName, id: Option<&str>) -> Option<Key> {
    let properties = [
        ("pk", pk_of(&document.partition_key)),
        ("sourceId", Some(json!(document.id))),
        ("id", id.map(|id| json!(id))),
    ];
    let record: Map<String, Value> =
        properties.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let key = Key::of(&Value::Object(record), changes.key_paths()).ok()?;
    // The record may have a value for a component that is not known here. A query over all partitions finds it anyway.
    (!key.components().contains(&KeyComponent::Undefined)).then_some(key)
}

fn is_named(document: &DocumentName) -> bool {
    !document.id.is_empty() && !document.partition_key.components().is_empty()
}
