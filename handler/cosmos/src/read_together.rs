//! Reads items with few requests of our own: those of a physical partition, up to 100, in one query.
//!
//! The SDK parses each query, to plan it, and each row twice. That took a quarter of the time in which a document is captured. What
//! these requests do not read is read by the SDK, which knows more about regions and retries.
//!
//! The session tokens that the SDK knows are not sent: this is for items that this program has not written.

use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::container::Container;
use crate::document_name::DocumentName;
use crate::error::{Error, ErrorKind, NAME_CACHE_STALE};
use crate::gateway::{Answer, Feed};
use crate::read_many::{CONCURRENT_REQUESTS, MAX_SELECTED, MIN_TOGETHER};

/// After so many bytes, no other page of a query is read.
const MAX_BYTES: usize = 2 * 1024 * 1024;

impl Container {
    /// The items of these names, which must be different, in no order: those that exist and that can be read with others.
    ///
    /// # Errors
    /// While the service has not enough throughput, splits a partition or is not available.
    pub async fn read_together(&self, names: &[DocumentName]) -> Result<Vec<Value>, Error> {
        if self.gateway.has_other_region_for_reads() {
            return Ok(self.read_many(names).await?.into_iter().flatten().collect());
        }
        let mut queries = Vec::new();
        for (range, indexes) in self.by_range_id(names.iter().map(|name| &name.partition_key).enumerate()).await? {
            for indexes in indexes.chunks(MAX_SELECTED).filter(|indexes| indexes.len() >= MIN_TOGETHER) {
                let mut parameters = Map::new();
                let conditions = indexes.iter().map(|index| self.is_item(&names[*index], &mut parameters));
                let query = format!("SELECT * FROM c WHERE {}", conditions.collect::<Vec<_>>().join(" OR "));
                queries.push((range.clone(), query, parameters));
            }
        }
        let read = futures::stream::iter(queries)
            .map(async |(range, query, parameters)| self.read_pages(&range, &query, parameters).await);
        let items: Vec<Vec<Value>> = read.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        Ok(items.into_iter().flatten().collect())
    }

    /// The items of a query of a partition.
    async fn read_pages(&self, range: &str, query: &str, parameters: Map<String, Value>) -> Result<Vec<Value>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            documents: Vec<Value>,
        }
        let parameters: Vec<_> =
            parameters.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let body = json!({"query": self.scope.query(query)?, "parameters": parameters}).to_string().into_bytes();
        let background = self.meter.headers();
        let (mut items, mut bytes, mut continuation) = (Vec::new(), 0, None::<String>);
        while bytes < MAX_BYTES {
            let headers = [
                ("x-ms-documentdb-isquery", "True"),
                ("x-ms-documentdb-query-enablecrosspartition", "True"),
                ("x-ms-documentdb-partitionkeyrangeid", range),
                ("x-ms-cosmos-intended-collection-rid", &self.definition.resource_id),
                ("x-ms-max-item-count", "1000"),
            ];
            let background = background.iter().map(|(name, value)| (*name, value.as_str()));
            let continued = continuation.as_deref().map(|token| ("x-ms-continuation", token));
            let headers: Vec<_> = headers.into_iter().chain(background).chain(continued).collect();
            let answer = match self.gateway.send(self.target(Feed::Query), &headers, Some(body.clone())).await {
                Ok(answer) => answer,
                Err(error) => {
                    log::debug!("items are read one by one: {error}");
                    break;
                }
            };
            self.meter.add(answer.charge);
            if answer.status != 200 {
                self.not_read(&answer)?;
                break;
            }
            bytes += answer.body.len();
            // An answer that cannot be read has no items.
            let Ok(page) = serde_json::from_slice::<Page>(&answer.body) else { break };
            items.extend(page.documents);
            continuation = answer.continuation;
            if continuation.is_none() {
                break;
            }
        }
        Ok(items)
    }

    /// What follows from a refusal: an error if the same request may succeed later.
    fn not_read(&self, answer: &Answer) -> Result<(), Error> {
        let kind = match answer.status {
            429 => ErrorKind::Throttled,
            410 if answer.sub_status != u32::from(NAME_CACHE_STALE.value()) => {
                self.range_ids.forget();
                ErrorKind::Gone
            }
            408 | 449 | 500.. => ErrorKind::Unavailable,
            status => {
                log::debug!("items are read one by one: a query was answered with status {status}");
                return Ok(());
            }
        };
        let action = format!("reading items of container {}", self.name);
        Err(Error::new(kind, action, format!("answered with status {}", answer.status))
            .with_retry_after(answer.retry_after))
    }
}
