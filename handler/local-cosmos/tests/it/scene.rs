//! An endpoint with one container, and a reader of its change feed that continues from tokens.

use azure_core::credentials::Secret;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::{ContinuationToken, FeedScope};
use azure_data_cosmos::models::{ChangeFeedItem, ContainerProperties, PartitionKeyDefinition, TimeToLive};
use azure_data_cosmos::options::{ChangeFeedMode, ChangeFeedOptions, ChangeFeedStartFrom, MaxItemCountHint};
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt;
use local_cosmos::{EMULATOR_KEY, Endpoint, Options};
use serde_json::{Value, json};

use crate::rest::{self, Answer};

/// The most partitions of one operation. The SDK refuses an operation on more; its default is 100.
pub const MAX_FAN_OUT: u32 = 1_000;

/// An endpoint with the container `c` in the database `db`, in which items may have a time to live.
pub struct Scene {
    pub endpoint: Endpoint,
    /// The client that `container` belongs to.
    pub client: CosmosClient,
    pub container: ContainerClient,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(Options::default(), PartitionKeyDefinition::from("/pk")).await
    }

    pub async fn with(options: Options, key: PartitionKeyDefinition) -> Self {
        let options = Options { partitions: options.partitions.or(Some(4)), ..options };
        let endpoint = Endpoint::start(options).await.expect("endpoint");
        let client = client(&endpoint).await;
        client.create_database("db", None).await.expect("database");
        let database = client.database_client("db");
        let properties = ContainerProperties::new("c", key).with_default_ttl(TimeToLive::NoDefault);
        database.create_container(properties, None).await.expect("container");
        Self { container: database.container_client("c", None).await.expect("client"), client, endpoint }
    }

    pub async fn upsert(&self, pk: &str, id: &str, n: i64) {
        let item = json!({"id": id, "pk": pk, "n": n});
        self.container.upsert_item(pk.to_owned(), id, item, None).await.expect("upsert");
    }

    pub async fn delete(&self, pk: &str, id: &str) {
        self.container.delete_item(pk.to_owned(), id, None).await.expect("delete");
    }

    /// Sends a request for the container's items over plain HTTP.
    pub async fn docs(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        rest::send(self.endpoint.url(), method, "/dbs/db/colls/c/docs", headers, body).await
    }
}

/// Another client.
pub async fn client(endpoint: &Endpoint) -> CosmosClient {
    connect(endpoint, EMULATOR_KEY).await.expect("client")
}

/// A client with caches of its own. The process-wide caches know containers by name and address, and a new endpoint may have
/// the port of an earlier one.
pub async fn connect(endpoint: &Endpoint, key: &str) -> azure_data_cosmos::Result<CosmosClient> {
    let account = AccountReference::with_authentication_key(endpoint.url().parse()?, Secret::new(key.to_owned()));
    let runtime = CosmosRuntime::builder().build().await?;
    let routing = RoutingStrategy::PreferredRegions(Vec::new());
    CosmosClient::builder().with_runtime(runtime).build(account, routing).await
}

/// Reads the change feed of a scope to its current end, repeatedly.
pub struct Reader {
    container: ContainerClient,
    scope: FeedScope,
    mode: ChangeFeedMode,
    start: ChangeFeedStartFrom,
    page: u32,
    token: Option<ContinuationToken>,
}

impl Reader {
    /// Reads everything from the beginning.
    pub fn of_latest_versions(container: &ContainerClient, scope: FeedScope) -> Self {
        let (mode, start) = (ChangeFeedMode::LatestVersion, ChangeFeedStartFrom::Beginning);
        Self { container: container.clone(), scope, mode, start, page: 10, token: None }
    }

    /// Reads the changes after this call.
    pub async fn of_all_versions(container: &ContainerClient, scope: FeedScope) -> Self {
        let (mode, start) = (ChangeFeedMode::AllVersionsAndDeletes, ChangeFeedStartFrom::Now);
        let mut reader = Self { container: container.clone(), scope, mode, start, page: 10, token: None };
        assert_eq!(reader.read().await.len(), 0);
        reader
    }

    pub fn with_pages_of(mut self, items: u32) -> Self {
        self.page = items;
        self
    }

    /// The changes since the last read.
    pub async fn read(&mut self) -> Vec<ChangeFeedItem<Value>> {
        let mut read = Vec::new();
        self.try_read(&mut read).await.expect("change feed");
        read
    }

    /// Appends the changes since the last read to `read`, also those before an error.
    pub async fn try_read(&mut self, read: &mut Vec<ChangeFeedItem<Value>>) -> azure_data_cosmos::Result<()> {
        let mut empty = 0;
        let limit = MaxItemCountHint::Limit(self.page.try_into().expect("page"));
        let mut options = ChangeFeedOptions::default().with_mode(self.mode).with_max_item_count(limit);
        options.feed = options.feed.with_max_fan_out(MAX_FAN_OUT);
        if let Some(token) = self.token.clone() {
            options = options.with_continuation_token(token);
        }
        let mut pages =
            self.container.query_change_feed::<Value>(self.scope.clone(), self.start.clone(), Some(options)).await?;
        loop {
            let items = pages.next().await.expect("a change feed never ends")?.into_items();
            let token = pages.to_continuation_token()?;
            let round = ranges(&token);
            self.token = Some(token);
            empty = if items.is_empty() { empty + 1 } else { 0 };
            // Pages alternate between ranges: a round without items is the end.
            if empty > round {
                return Ok(());
            }
            read.extend(items);
        }
    }
}

/// The number of ranges in a token.
fn ranges(token: &ContinuationToken) -> usize {
    let encoded = token.as_str().strip_prefix("c1.").expect("version 1");
    let decoded = URL_SAFE_NO_PAD.decode(encoded).expect("base64");
    // The token of a logical partition has no ranges.
    String::from_utf8_lossy(&decoded).matches("min_epk").count().max(1)
}
