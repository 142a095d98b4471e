//! Items of one container.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::http::Etag;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::{ContinuationToken, FeedScope};
use azure_data_cosmos::models::{ContainerProperties, ItemResponse, ResponseHeaders, TimeToLive};
use azure_data_cosmos::options::{
    ItemWriteOptions, MaxItemCountHint, Precondition, QueryOptions, ReadContainerOptions,
};
use azure_data_cosmos::{CosmosError, Query};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::account::Account;
use super::error::Error;
use super::key::Key;
use super::meter::Meter;
use super::range::KeyRange;

/// How long a container's definition is believed.
const DEFINITION_AGE: Duration = Duration::from_secs(60);
/// Asks the service to tell with a container how much is in it.
const POPULATE_QUOTA_INFO: &str = "x-ms-documentdb-populatequotainfo";

/// An open container.
#[derive(Clone)]
pub(crate) struct Container {
    client: ContainerClient,
    name: String,
    key_paths: Vec<String>,
    /// Read again when it is older than [`DEFINITION_AGE`].
    default_ttl: Arc<Mutex<(Instant, Option<i64>)>>,
    meter: Meter,
}

/// What a write cost, and what it made.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub request_charge: f64,
    /// Whether there was no such item before.
    pub created: bool,
    /// The item's etag after it.
    pub etag: Option<String>,
}

/// A stored item.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// With the service's system properties.
    pub document: Value,
    /// The logical sequence number of the write.
    pub lsn: Option<i64>,
}

/// A page of a query.
#[derive(Debug)]
pub(crate) struct Page {
    pub items: Vec<Value>,
    /// Absent after the last page.
    pub continuation: Option<String>,
    pub request_charge: f64,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Container")
            .field("name", &self.name)
            .field("key_paths", &self.key_paths)
            .finish_non_exhaustive()
    }
}

impl Container {
    pub(crate) async fn open(account: &Account, database: &str, name: &str) -> Result<Self, Error> {
        let failed = |error| Error::from_sdk(format!("opening container {name} of database {database}"), error);
        let database_client = account.client().await?.database_client(database.to_owned());
        let client = database_client.container_client(name.to_owned(), None).await.map_err(failed)?;
        let properties = client.read(None).await.and_then(|response| response.into_model()).map_err(failed)?;
        let key_paths = properties.partition_key.paths().iter().map(ToString::to_string).collect();
        let default_ttl = Arc::new(Mutex::new((Instant::now(), ttl_of(&properties))));
        Ok(Self { client, name: name.to_owned(), key_paths, default_ttl, meter: account.meter().clone() })
    }

    /// The same container, counted by another meter.
    pub(crate) fn counted_by(&self, meter: &Meter) -> Self {
        Self { meter: meter.clone(), ..self.clone() }
    }

    /// The paths of the partition key, `/pk` or `/a/b`, one for each component.
    pub(crate) fn key_paths(&self) -> &[String] {
        &self.key_paths
    }

    /// The time to live of items without one of their own, in seconds: -1 for ever, `None` where time to live is off. It
    /// can be changed at any time, and is known here after a minute.
    pub(crate) async fn default_ttl(&self) -> Option<i64> {
        self.default_ttl_since(Instant::now().checked_sub(DEFINITION_AGE)).await
    }

    /// [`Self::default_ttl`] as it was at this instant or after.
    pub(crate) async fn default_ttl_since(&self, since: Option<Instant>) -> Option<i64> {
        let mut known = self.default_ttl.lock().await;
        if since.is_some_and(|since| known.0 < since) {
            match self.client.read(None).await.and_then(|response| response.into_model()) {
                Ok(properties) => *known = (Instant::now(), ttl_of(&properties)),
                Err(error) => log::warn!("the definition of container {} cannot be read: {error}", self.name),
            }
        }
        known.1
    }

    /// Creates an item; [`ErrorKind::Conflict`](super::ErrorKind::Conflict) when there is one of this id.
    pub(crate) async fn create(&self, key: &Key, id: &str, item: &impl serde::Serialize) -> Result<Written, Error> {
        let response = self.client.create_item(key.to_sdk()?, id, item, None).await;
        response.map(|response| self.written(&response)).map_err(|error| self.failed("creating", id, error))
    }

    pub(crate) async fn upsert(&self, key: &Key, id: &str, item: &impl serde::Serialize) -> Result<Written, Error> {
        let response = self.client.upsert_item(key.to_sdk()?, id, item, None).await;
        response.map(|response| self.written(&response)).map_err(|error| self.failed("upserting", id, error))
    }

    /// Reads an item; `None` when there is none.
    pub(crate) async fn read(&self, key: &Key, id: &str) -> Result<Option<Value>, Error> {
        match self.client.read_item(key.to_sdk()?, id, None).await {
            Ok(response) => {
                self.charge(response.headers());
                response.into_model().map(Some).map_err(|error| self.failed("reading", id, error))
            }
            Err(error) if error.status().is_not_found() => {
                self.charge_failed(&error);
                Ok(None)
            }
            Err(error) => Err(self.failed("reading", id, error)),
        }
    }

    /// Reads an item with its sequence number, which the service tells beside it.
    pub(crate) async fn read_stored(&self, key: &Key, id: &str) -> Result<Option<Stored>, Error> {
        let failed = |error| self.failed("reading", id, error);
        match self.client.read_item(key.to_sdk()?, id, None).await {
            Ok(response) => {
                self.charge(response.headers());
                let lsn = response.headers().item_lsn().and_then(|lsn| i64::try_from(lsn).ok());
                Ok(Some(Stored { document: response.into_model().map_err(failed)?, lsn }))
            }
            Err(error) if error.status().is_not_found() => {
                self.charge_failed(&error);
                Ok(None)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Replaces an item that still has this etag.
    pub(crate) async fn replace(&self, key: &Key, id: &str, item: &Value, etag: &str) -> Result<Written, Error> {
        let response = self.client.replace_item(key.to_sdk()?, id, item, Some(if_match(etag))).await;
        response.map(|response| self.written(&response)).map_err(|error| self.failed("replacing", id, error))
    }

    /// Every item that a query selects, over one partition key value or over all.
    pub(crate) async fn select<T: DeserializeOwned + Send + 'static>(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
    ) -> Result<BoxStream<'static, Result<T, Error>>, Error> {
        let name = self.name.clone();
        let failed = move |error| Error::from_sdk(format!("querying container {name}"), error);
        let (query, scope) = self.prepared(text, parameters, key)?;
        let pages = self.client.query_items::<T>(query, scope, None).await.map_err(&failed)?.into_pages();
        let meter = self.meter.clone();
        let items = pages.map(move |page| {
            let page = page.map_err(&failed)?;
            meter.add(charge(page.headers()));
            Ok(futures::stream::iter(page.into_items().into_iter().map(Ok)))
        });
        Ok(items.try_flatten().boxed())
    }

    /// Deletes an item, if it has this etag where one is given. The charge; `None` when there is no such item.
    pub(crate) async fn delete(&self, key: &Key, id: &str, etag: Option<&str>) -> Result<Option<f64>, Error> {
        match self.client.delete_item(key.to_sdk()?, id, etag.map(if_match)).await {
            Ok(response) => Ok(Some(self.charge(response.headers()))),
            Err(error) if error.status().is_not_found() => {
                self.charge_failed(&error);
                Ok(None)
            }
            Err(error) => Err(self.failed("deleting", id, error)),
        }
    }

    /// One page of a query, over one partition key value or over all.
    pub(crate) async fn query(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
        max_items: NonZeroU32,
        continuation: Option<&str>,
    ) -> Result<Page, Error> {
        let (query, scope) = self.prepared(text, parameters, key)?;
        self.page(query, scope, max_items, continuation).await
    }

    /// One page of a query over a range. A query without an order goes on from a continuation at the same place, whatever
    /// was written since.
    pub(crate) async fn query_range(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        range: &KeyRange,
        max_items: NonZeroU32,
        continuation: Option<&str>,
    ) -> Result<Page, Error> {
        let (query, _) = self.prepared(text, parameters, None)?;
        self.page(query, FeedScope::range(range.to_sdk()?), max_items, continuation).await
    }

    async fn page(
        &self,
        query: Query,
        scope: FeedScope,
        max_items: NonZeroU32,
        continuation: Option<&str>,
    ) -> Result<Page, Error> {
        let failed = |error| Error::from_sdk(format!("querying container {}", self.name), error);
        let mut options = QueryOptions::default().with_max_item_count(MaxItemCountHint::Limit(max_items));
        if let Some(token) = continuation {
            if decoded(token).is_none_or(|token| token["op"] != "Query") {
                return Err(Error::invalid(
                    format!("querying container {}", self.name),
                    "the continuation is not one that a query gave",
                ));
            }
            options = options.with_continuation_token(ContinuationToken::from_string(token.to_owned()));
        }
        let items = self.client.query_items::<Value>(query, scope, Some(options)).await.map_err(failed)?;
        let mut pages = items.into_pages();
        let Some(page) = pages.next().await.transpose().map_err(failed)? else {
            return Ok(Page { items: Vec::new(), continuation: None, request_charge: 0.0 });
        };
        let request_charge = self.charge(page.headers());
        let continuation = pages.to_continuation_token().ok().filter(|token| !is_drained(token));
        let continuation = continuation.map(|token| token.as_str().to_owned());
        Ok(Page { items: page.into_items(), continuation, request_charge })
    }

    /// The ranges of the physical partitions.
    pub(crate) async fn ranges(&self) -> Result<Vec<KeyRange>, Error> {
        let failed = |error| Error::from_sdk(format!("reading the ranges of container {}", self.name), error);
        let ranges = self.client.read_feed_ranges(None).await.map_err(failed)?;
        Ok(ranges.iter().map(KeyRange::of).collect())
    }

    /// How many items there are, as far as the service has counted them: writes of the last moments may be missing.
    pub(crate) async fn count(&self) -> Result<Option<u64>, Error> {
        let failed = |error| Error::from_sdk(format!("reading container {}", self.name), error);
        let mut options = ReadContainerOptions::default();
        options.operation.custom_headers =
            Some(HashMap::from([(HeaderName::from_static(POPULATE_QUOTA_INFO), HeaderValue::from_static("true"))]));
        let response = self.client.read(Some(options)).await.map_err(failed)?;
        Ok(response.headers().resource_usage().and_then(documents_count))
    }

    fn prepared(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
    ) -> Result<(Query, FeedScope), Error> {
        if let Some(key) = key
            && !(1..=self.key_paths.len()).contains(&key.components().len())
        {
            let (found, paths) = (key.components().len(), &self.key_paths);
            let message = format!(
                "partition key {key} has {found} components; the container has {}: {}",
                paths.len(),
                paths.join(", ")
            );
            return Err(Error::invalid(format!("querying container {}", self.name), message));
        }
        let mut query = Query::from(text);
        for (name, value) in parameters {
            let with_parameter = query.with_parameter(name.clone(), value);
            query =
                with_parameter.map_err(|error| Error::from_sdk(format!("querying container {}", self.name), error))?;
        }
        let scope = match key {
            Some(key) => FeedScope::partition(key.to_sdk()?),
            None => FeedScope::full_container(),
        };
        Ok((query, scope))
    }

    fn written(&self, response: &ItemResponse) -> Written {
        Written {
            request_charge: self.charge(response.headers()),
            created: u16::from(response.status().status_code()) == 201,
            etag: response.headers().etag().map(|etag| etag.as_ref().to_owned()),
        }
    }

    /// Counts and tells what a request cost.
    fn charge(&self, headers: &ResponseHeaders) -> f64 {
        let charge = charge(headers);
        self.meter.add(charge);
        charge
    }

    fn charge_failed(&self, error: &CosmosError) {
        if let Some(response) = error.response() {
            self.meter.add(response.headers().request_charge.map_or(0.0, |charge| charge.value()));
        }
    }

    fn failed(&self, action: &str, id: &str, error: CosmosError) -> Error {
        self.charge_failed(&error);
        Error::from_sdk(format!("{action} item {id} of container {}", self.name), error)
    }
}

/// What is in a token of the SDK: base64url JSON after `c1.`.
fn decoded(token: &str) -> Option<Value> {
    let json = URL_SAFE_NO_PAD.decode(token.strip_prefix("c1.")?).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Whether nothing comes after this token. The SDK gives one after the last page too.
fn is_drained(token: &ContinuationToken) -> bool {
    decoded(token.as_str()).is_some_and(|token| token["root"]["kind"] == "drained")
}

/// The number of documents in `documentSize=0;documentsSize=5;documentsCount=17;…`.
fn documents_count(resource_usage: &str) -> Option<u64> {
    let count = resource_usage.split(';').find_map(|part| part.strip_prefix("documentsCount="))?;
    count.parse().ok()
}

fn ttl_of(properties: &ContainerProperties) -> Option<i64> {
    match properties.default_ttl {
        TimeToLive::NoDefault => Some(-1),
        TimeToLive::Seconds(seconds) => Some(i64::from(seconds)),
        _ => None,
    }
}

fn if_match(etag: &str) -> ItemWriteOptions {
    ItemWriteOptions::default().with_precondition(Precondition::IfMatch(Etag::from(etag.to_owned())))
}

fn charge(headers: &ResponseHeaders) -> f64 {
    headers.request_charge().map_or(0.0, |charge| charge.value())
}
