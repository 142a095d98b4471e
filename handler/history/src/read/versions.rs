//! The versions of one document, newest first.

use std::collections::VecDeque;

use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::record::version_of;
use crate::cosmos::{Container, Error, ErrorKind, Key, KeyComponent};
use crate::limits::MAX_ID_BYTES;
use crate::paging::{continuation, page_items, place};
use crate::store::{Role, Store};
use crate::version::{Version, pk_of};

const DEFAULT_PAGE_ITEMS: usize = 20;

/// A document of the monitored container: its id and its partition key value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentName {
    /// The id.
    pub id: String,
    /// The components of the partition key value.
    pub partition_key: Key,
}

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct VersionsRequest {
    /// The document.
    pub document: DocumentName,
    /// The most on a page, 1 to 1,000; 20 without.
    pub max_items: Option<u32>,
    /// From the page before.
    pub continuation: Option<String>,
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionPage {
    /// Newest first.
    pub items: Vec<Version>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// After which version a page starts.
#[derive(Serialize, Deserialize)]
struct Continuation {
    ts: i64,
    id: String,
}

/// Versions of one second, sorted, out of a row that is sorted by second only.
pub(crate) struct Versions<'a> {
    changes: &'a Container,
    document: &'a DocumentName,
    records: BoxStream<'static, Result<Value, Error>>,
    ahead: Option<Version>,
    ready: VecDeque<Version>,
}

impl Store {
    /// Lists the versions of a document, newest first.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the changes container cannot be read.
    pub async fn versions(&self, request: &VersionsRequest) -> Result<VersionPage, Error> {
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "listing versions")?;
        let after: Option<Continuation> = place(request.continuation.as_deref(), "listing versions")?;
        let newest = after.as_ref().map_or(i64::MAX, |after| after.ts);
        let mut versions = self.versions_until(&request.document, newest).await?;
        let mut items = Vec::new();
        let mut skipping = after.is_some();
        while let Some(version) = versions.next().await? {
            match &after {
                // Versions of the same second that the page before had.
                Some(after) if skipping && version.source_ts == after.ts => skipping = version.id != after.id,
                _ if items.len() == max_items => {
                    let last =
                        items.last().map(|last: &Version| Continuation { ts: last.source_ts, id: last.id.clone() });
                    return Ok(VersionPage { continuation: last.map(|last| continuation(&last)).transpose()?, items });
                }
                _ => items.push(version),
            }
        }
        Ok(VersionPage { items, continuation: None })
    }

    /// One version of a document.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the document has no version of this id.
    pub async fn version(&self, document: &DocumentName, id: &str) -> Result<Version, Error> {
        let changes = self.container(Role::Changes).await?;
        match self.record_of(document, id).await? {
            Some(record) => version_of(changes, record).await,
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("reading version {id}"),
                format!("document {} has no such version", document.id),
            )),
        }
    }

    /// A version's record, as it is stored; `None` when there is none. Where its key is known it costs a point read. A
    /// record that does not say of which document it is has an empty id or key.
    pub(crate) async fn record_of(&self, document: &DocumentName, id: &str) -> Result<Option<Value>, Error> {
        let changes = self.container(Role::Changes).await?;
        let is_meant = |record: &Value| {
            let of_another_key =
                Key::deserialize(&record["partitionKey"]).is_ok_and(|key| key != document.partition_key);
            let of_another_id = record["sourceId"].as_str().is_some_and(|id| is_named(document) && id != document.id);
            record.get("partOf").is_none() && !of_another_key && !of_another_id
        };
        if let Some(key) = record_key(changes, document, id) {
            return Ok(changes.read(&key, id).await?.filter(is_meant));
        }
        let (mut query, mut parameters) = ("SELECT * FROM c WHERE c.id = @id".to_owned(), Map::new());
        parameters.insert("@id".to_owned(), json!(id));
        if is_named(document) {
            query.push_str(" AND c.sourceId = @sourceId");
            parameters.insert("@sourceId".to_owned(), json!(document.id));
        }
        let scope = scope(changes, document).filter(|_| is_named(document));
        let mut records = changes.select::<Value>(&query, &parameters, scope.as_ref()).await?;
        while let Some(record) = records.try_next().await? {
            if is_meant(&record) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The versions of a document whose time is at most this second since 1970, newest first.
    pub(crate) async fn versions_until<'a>(
        &'a self,
        document: &'a DocumentName,
        second: i64,
    ) -> Result<Versions<'a>, Error> {
        let changes = self.container(Role::Changes).await?;
        let query = "SELECT * FROM c WHERE c.sourceId = @id AND c.sourceTs <= @second ORDER BY c.sourceTs DESC";
        let parameters =
            Map::from_iter([("@id".to_owned(), json!(document.id)), ("@second".to_owned(), json!(second))]);
        let scope = scope(changes, document);
        let records = changes.select(query, &parameters, scope.as_ref()).await?;
        Ok(Versions { changes, document, records, ahead: None, ready: VecDeque::new() })
    }
}

impl Versions<'_> {
    /// The next older version.
    pub(crate) async fn next(&mut self) -> Result<Option<Version>, Error> {
        while self.ready.is_empty() {
            let Some(first) = self.take().await? else { return Ok(None) };
            let second = first.source_ts;
            let mut same_second = vec![first];
            while let Some(version) = self.take().await? {
                if version.source_ts == second {
                    same_second.push(version);
                } else {
                    self.ahead = Some(version);
                    break;
                }
            }
            same_second.sort_by_key(|version| std::cmp::Reverse(version.order()));
            self.ready = same_second.into();
        }
        Ok(self.ready.pop_front())
    }

    async fn take(&mut self) -> Result<Option<Version>, Error> {
        if let Some(version) = self.ahead.take() {
            return Ok(Some(version));
        }
        while let Some(record) = self.records.try_next().await? {
            let version = version_of(self.changes, record).await?;
            // Where the changes container has another key, documents of one id and different keys lie together.
            if version.partition_key == self.document.partition_key {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }
}

/// The key under which the versions of a document lie; `None` when that cannot be told from the document's name.
pub(crate) fn scope(changes: &Container, document: &DocumentName) -> Option<Key> {
    known_key(changes, document, None)
}

/// The key of a version's record; `None` when it cannot be told, or when the id is none that a record has.
fn record_key(changes: &Container, document: &DocumentName, id: &str) -> Option<Key> {
    let is_id = (1..=MAX_ID_BYTES).contains(&id.len()) && !id.contains(['/', '\\', '?', '#']);
    known_key(changes, document, Some(id)).filter(|_| is_id && is_named(document))
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
    // What is not known here is not missing there. A missing first component is the name of a key too; a query over all
    // partitions finds it as well.
    (!key.components().contains(&KeyComponent::Undefined)).then_some(key)
}

fn is_named(document: &DocumentName) -> bool {
    !document.id.is_empty() && !document.partition_key.components().is_empty()
}
