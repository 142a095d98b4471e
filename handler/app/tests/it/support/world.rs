//! An embedded endpoint with the containers of the default settings.

use std::collections::BTreeMap;
use std::time::Duration;

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::ChangeFeedPageIterator;
use azure_data_cosmos::models::{ChangeFeedItem, ContainerProperties, PartitionKeyDefinition, TimeToLive};
use azure_data_cosmos::options::{ChangeFeedStartFrom, ContentResponseOnWrite, ItemWriteOptions};
use azure_data_cosmos::{FeedScope, PartitionKey};
use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Account, Client, Clock, ContainerSpec, Error, KeyPath, create_container};
use changefeed_history::{ActorFields, ContainerNames, IndexedField, Role, container_spec};
use changefeed_jobs::JobOptions;
use changefeed_operations::{Changefeed, ChangefeedOptions, Connections};
use futures::{StreamExt, TryStreamExt};
use local_cosmos::{Endpoint, Options};
use serde_json::Value;

use super::{Handler, client};

/// The indexed fields that tests search by.
const INDEXED_FIELDS: &str = r#"a, by, city, city_name, group, id, n, name, pk, zip, "odd names"."zip code", "odd names".tags.0,
    none, "it's odd", tags, tags.0, tags.0.0, lines.0, lines.0.t, lines.1.t, lines.0.tags.0"#;

fn indexed_fields() -> Vec<IndexedField> {
    IndexedField::parse_list(INDEXED_FIELDS).expect("fields")
}

/// The names of the containers of every world.
pub fn names() -> ContainerNames {
    let name = str::to_owned;
    ContainerNames {
        database: name("dev"),
        monitored: name("events"),
        changes: name("changes"),
        leases: name("leases"),
        jobs: name("jobs"),
        dead_letters: name("dead-letters"),
    }
}

/// The library on the containers of the default settings, for tests that change its options.
pub fn changefeed_on(client: &Client, change: impl FnOnce(&mut ChangefeedOptions)) -> Changefeed {
    let mut options = ChangefeedOptions {
        source: Default::default(),
        other_histories: Vec::new(),
        concurrency: 16,
        batch_timeout: Duration::from_secs(30),
        indexed_fields: indexed_fields(),
        actor_fields: ActorFields::parse_list("updatedBy").expect("fields"),
        capture_rules: Default::default(),
        restored_at_field: Some("restored_at".to_owned()),
        restore_id_field: Some("restore_id".to_owned()),
        retention_days: None,
        jobs: JobOptions::default(),
        locations: LocationAccess { host: Some("here".to_owned()), ..LocationAccess::default() },
        connections: Connections::new(|name| Err(Error::invalid("connecting", format!("no connection {name}")))),
        clock: Clock::default(),
    };
    change(&mut options);
    Changefeed::new(&Account::connected(client.clone()), names(), options)
}

/// An endpoint with containers, and a client that accesses them directly.
pub struct World {
    pub endpoint: Endpoint,
    pub client: Client,
}

impl World {
    /// An endpoint whose `events` has the partition key `/pk` and whose `changes` has the provisioned one.
    pub async fn new() -> Self {
        Self::with_keys(&["/pk"], &["/pk", "/sourceId"]).await
    }

    /// An endpoint whose `events` and `changes` have these partition keys.
    pub async fn with_keys(events: &[&'static str], changes: &[&'static str]) -> Self {
        let options = Options { refuse_unindexed_queries: true, partitions: Some(4), ..Options::default() };
        let endpoint = Endpoint::start(options).await.expect("endpoint");
        let client = client(endpoint.url()).await;
        let world = Self { endpoint, client };
        world.client.sdk().create_database("dev", None).await.expect("database");
        for (role, key) in
            [(Role::Monitored, events), (Role::Changes, changes), (Role::DeadLetters, &["/id"]), (Role::Jobs, &["/id"])]
        {
            world.provision(role, key).await;
        }
        world
    }

    /// Creates the container of a role with the index policy of production and this partition key.
    async fn provision(&self, role: Role, key: &[&'static str]) {
        let key_paths: Vec<KeyPath> = key.iter().map(|path| path.parse().expect("a key path")).collect();
        let spec = container_spec(role, &names(), &key_paths, &indexed_fields());
        let spec = ContainerSpec { key_paths, ..spec };
        create_container(&Account::connected(self.client.clone()), "dev", &spec).await.expect("container");
    }

    /// Creates a container with the default index policy.
    pub async fn create(&self, name: &'static str, key: &[&'static str]) {
        let key = PartitionKeyDefinition::new(key.iter().copied().map(Into::into).collect());
        let properties = ContainerProperties::new(name, key).with_default_ttl(TimeToLive::NoDefault);
        self.client.sdk().database_client("dev").create_container(properties, None).await.expect("container");
    }

    /// Starts a handler on this endpoint.
    pub fn handler(&self) -> Handler {
        Handler::start(&[("CosmosDB", &self.endpoint.connection_string())])
    }

    /// The library on this endpoint, for tests that change its options or pass a clock.
    pub fn changefeed(&self, change: impl FnOnce(&mut ChangefeedOptions)) -> Changefeed {
        changefeed_on(&self.client, change)
    }

    pub async fn container(&self, name: &str) -> ContainerClient {
        self.client.sdk().database_client("dev").container_client(name.to_owned(), None).await.expect("container")
    }

    /// Upserts a document in `events`; returns the stored document.
    pub async fn put(&self, key: impl Into<PartitionKey>, document: Value) -> Value {
        let mut options = ItemWriteOptions::default();
        options.operation.content_response_on_write = Some(ContentResponseOnWrite::Enabled);
        let id = document["id"].as_str().expect("id").to_owned();
        let response =
            self.container("events").await.upsert_item(key, &id, document, Some(options)).await.expect("upsert");
        response.into_model().expect("document")
    }

    /// Reads a document of `events`.
    pub async fn live(&self, key: impl Into<PartitionKey>, id: &str) -> Option<Value> {
        match self.container("events").await.read_item(key, id, None).await {
            Ok(response) => Some(response.into_model().expect("document")),
            Err(error) if error.status().is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The change feed of `events` from the beginning.
    pub async fn feed(&self) -> Feed {
        let events = self.container("events").await;
        let start = ChangeFeedStartFrom::Beginning;
        Feed { pages: events.query_change_feed(FeedScope::full_container(), start, None).await.expect("feed") }
    }

    /// Every item of a container that the query selects.
    pub async fn query(&self, container: &str, query: &str) -> Vec<Value> {
        let items = self.container(container).await;
        let items = items.query_items::<Value>(query, FeedScope::full_container(), None).await.expect("query");
        items.try_collect().await.expect("items")
    }

    /// Every version by its id. Checks that ids are unique.
    pub async fn versions(&self) -> BTreeMap<String, Value> {
        let found = self.query("changes", "SELECT * FROM c WHERE NOT IS_DEFINED(c.partOf)").await;
        let count = found.len();
        let versions: BTreeMap<String, Value> =
            found.into_iter().map(|version| (version["id"].as_str().expect("id").to_owned(), version)).collect();
        assert_eq!(versions.len(), count, "two versions have the same id");
        versions
    }

    /// The version, when there is exactly one.
    pub async fn only_version(&self) -> Value {
        let mut versions = self.versions().await;
        assert_eq!(versions.len(), 1, "{versions:?}");
        versions.pop_first().expect("a version").1
    }

    pub async fn dead_letters(&self) -> Vec<Value> {
        self.query("dead-letters", "SELECT * FROM c").await
    }
}

/// A change feed that is read in steps.
pub struct Feed {
    pages: ChangeFeedPageIterator<ChangeFeedItem<Value>>,
}

impl Feed {
    /// The changes since the last call, with `_lsn`.
    pub async fn changes(&mut self) -> Vec<Value> {
        let mut changes = Vec::new();
        // A page covers one of the four ranges. The feed is at its end after two rounds without a change.
        let mut empty = 0;
        while empty < 8 {
            let page = self.pages.next().await.expect("page").expect("page").into_items();
            empty = if page.is_empty() { empty + 1 } else { 0 };
            changes.extend(page.iter().filter_map(|item| item.current().cloned()));
        }
        changes
    }
}

/// The id of the version of a stored document.
pub fn version_id(document: &Value) -> String {
    let etag = document["_etag"].as_str().expect("_etag").trim_matches('"');
    format!("{:010}-{etag}", document["_ts"].as_i64().expect("_ts"))
}

/// The text of a batch with these documents.
pub fn batch_of(documents: &[Value]) -> String {
    Value::Array(documents.to_vec()).to_string()
}
