//! The lease container: leases, the marker that they were all made, and the lock under which they are made.
//!
//! Every update carries the etag that was read. Whoever finds another one reads again and decides anew; nobody
//! overwrites what it has not seen.

use azure_core::http::Etag;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use azure_data_cosmos::{CosmosError, Query};
use chrono::{DateTime, Duration, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::container::Container;
use super::error::{Error, ErrorKind};
use crate::clock::Clock;
use crate::lease::Lease;

const UPDATE_ATTEMPTS: usize = 6;
/// After this time a lock is the remains of an instance that was killed.
const LOCK_SECONDS: i64 = 30;

/// The lock under which leases are made, as this instance took it.
#[derive(Debug)]
pub(crate) struct Lock {
    etag: Option<String>,
}

/// The leases of one processor on one monitored container.
#[derive(Clone, Debug)]
pub(crate) struct LeaseStore {
    container: Container,
    prefix: String,
    clock: Clock,
}

impl LeaseStore {
    /// # Errors
    /// [`ErrorKind::Invalid`] when the lease container is not partitioned by `/id` or `/partitionKey`.
    pub(crate) fn new(container: Container, prefix: String, clock: Clock) -> Result<Self, Error> {
        match container.partition_key_path.as_str() {
            "/id" | "/partitionKey" => Ok(Self { container, prefix, clock }),
            other => Err(Error::new(
                ErrorKind::Invalid,
                format!("opening lease container {}", container.name),
                format!("its partition key is {other}; it must be /id or /partitionKey"),
            )),
        }
    }

    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The clock that leases are written by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn lease_id(&self, lease_token: &str) -> String {
        format!("{}..{lease_token}", self.prefix)
    }

    /// Every lease of this processor. A document that is no lease does not stop the others.
    pub(crate) async fn all(&self) -> Result<Vec<Lease>, Error> {
        let failed = |error| self.failed("reading the leases", error);
        let query = Query::from("SELECT * FROM c WHERE STARTSWITH(c.id, @prefix)")
            .with_parameter("@prefix", format!("{}..", self.prefix))
            .map_err(failed)?;
        let documents = self
            .container
            .client
            .query_items::<Value>(query, FeedScope::full_container(), None)
            .await
            .map_err(failed)?;
        let documents: Vec<Value> = documents.try_collect().await.map_err(failed)?;
        Ok(documents.into_iter().filter_map(|document| self.parse_or_skip(document)).collect())
    }

    /// Creates a lease; false when there is one already.
    pub(crate) async fn create(&self, lease: &Lease) -> Result<bool, Error> {
        Ok(self.create_document(&lease.id, lease).await?.is_some())
    }

    /// Applies `change` to the lease as it is stored now. `None` when it is gone or `change` declines what it finds.
    pub(crate) async fn update(
        &self,
        lease: &Lease,
        change: impl Fn(&Lease) -> Option<Lease>,
    ) -> Result<Option<Lease>, Error> {
        let mut current = lease.clone();
        for _ in 0..UPDATE_ATTEMPTS {
            let Some(mut next) = change(&current) else { return Ok(None) };
            next.timestamp = Some(self.clock.now());
            next.ts = None;
            match self.replace(&next, current.etag.as_deref()).await {
                Ok(response) => {
                    next.etag = response.headers().etag().map(|etag| etag.as_ref().to_owned());
                    return Ok(Some(next));
                }
                Err(error) if error.status().is_precondition_failed() => {
                    match self.read(current.key(), &current.id).await? {
                        Some(document) => current = self.parse(document)?,
                        None => return Ok(None),
                    }
                }
                Err(error) if error.status().is_not_found() => return Ok(None),
                Err(error) => return Err(self.failed("updating a lease", error)),
            }
        }
        Err(Error::new(
            ErrorKind::PreconditionFailed,
            format!("updating lease {}", current.id),
            "it changed on every attempt",
        ))
    }

    /// Deletes a lease that was split or merged away, or a document that is gone already.
    pub(crate) async fn delete(&self, lease: &Lease) -> Result<(), Error> {
        self.delete_document(lease.key(), &lease.id, lease.etag.as_deref()).await
    }

    async fn delete_document(&self, key: &str, id: &str, etag: Option<&str>) -> Result<(), Error> {
        match self.container.client.delete_item(key.to_owned(), id, Some(conditional(etag))).await {
            Ok(_) => Ok(()),
            Err(error) if error.status().is_not_found() => Ok(()),
            Err(error) => Err(self.failed("deleting a lease", error)),
        }
    }

    /// Whether every lease was made, by whichever instance.
    pub(crate) async fn is_initialized(&self) -> Result<bool, Error> {
        let id = self.marker_id();
        Ok(self.read(&id, &id).await?.is_some())
    }

    pub(crate) async fn mark_initialized(&self) -> Result<(), Error> {
        let id = self.marker_id();
        self.create_document(&id, &json!({"id": id})).await.map(drop)
    }

    /// Has the leases looked at again by whoever starts next.
    pub(crate) async fn forget_initialized(&self) -> Result<(), Error> {
        let id = self.marker_id();
        self.delete_document(&id, &id, None).await
    }

    /// Takes the lock under which leases are made; `None` when another instance has it.
    pub(crate) async fn lock(&self, now: DateTime<Utc>) -> Result<Option<Lock>, Error> {
        let id = self.lock_id();
        if let Some(created) = self.create_document(&id, &json!({"id": id, "ttl": LOCK_SECONDS})).await? {
            return Ok(Some(Lock { etag: created.headers().etag().map(|etag| etag.as_ref().to_owned()) }));
        }
        // A container without time to live would keep the lock of a killed instance for ever.
        if let Some(lock) = self.read(&id, &id).await?
            && lock["_ts"]
                .as_i64()
                .is_some_and(|written| now - Duration::seconds(LOCK_SECONDS) > from_timestamp(written))
        {
            self.unlock(Lock { etag: lock["_etag"].as_str().map(str::to_owned) }).await?;
        }
        Ok(None)
    }

    /// Gives a lock back. One that expired meanwhile, and may be another instance's by now, is left alone.
    pub(crate) async fn unlock(&self, lock: Lock) -> Result<(), Error> {
        let Some(etag) = lock.etag else { return Ok(()) };
        let id = self.lock_id();
        match self.delete_document(&id, &id, Some(&etag)).await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(()),
            result => result,
        }
    }

    fn marker_id(&self) -> String {
        format!("{}.info", self.prefix)
    }

    fn lock_id(&self) -> String {
        format!("{}.lock", self.prefix)
    }

    /// Creates a document; `None` when there is one already.
    async fn create_document(&self, id: &str, document: &impl Serialize) -> Result<Option<ItemResponse>, Error> {
        let mut document = serde_json::to_value(document)
            .map_err(|error| Error::new(ErrorKind::Invalid, "writing a lease", error.to_string()))?;
        if self.container.partition_key_path == "/partitionKey" {
            document["partitionKey"] = Value::from(id);
        }
        match self.container.client.create_item(id.to_owned(), id, &document, None).await {
            Ok(response) => Ok(Some(response)),
            Err(error) if error.status().is_conflict() => Ok(None),
            Err(error) => Err(self.failed("creating a lease", error)),
        }
    }

    async fn replace(&self, lease: &Lease, etag: Option<&str>) -> Result<ItemResponse, CosmosError> {
        self.container.client.replace_item(lease.key().to_owned(), &lease.id, lease, Some(conditional(etag))).await
    }

    async fn read(&self, key: &str, id: &str) -> Result<Option<Value>, Error> {
        let failed = |error| self.failed("reading a lease", error);
        match self.container.client.read_item(key.to_owned(), id, None).await {
            Ok(response) => response.into_model().map(Some).map_err(failed),
            Err(error) if error.status().is_not_found() => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn parse(&self, document: Value) -> Result<Lease, Error> {
        Lease::read(document).map_err(|error| Error::new(ErrorKind::Invalid, "reading a lease", error.to_string()))
    }

    fn parse_or_skip(&self, document: Value) -> Option<Lease> {
        let id = document["id"].as_str().unwrap_or_default().to_owned();
        let skip = |error| log::error!("{id} in {} is no lease and is passed over: {error}", self.container.name);
        self.parse(document).map_err(skip).ok()
    }

    fn failed(&self, action: &str, error: CosmosError) -> Error {
        Error::from_sdk(format!("{action} in {}", self.container.name), error)
    }
}

fn conditional(etag: Option<&str>) -> ItemWriteOptions {
    let mut options = ItemWriteOptions::default();
    if let Some(etag) = etag {
        options = options.with_precondition(Precondition::IfMatch(Etag::from(etag.to_owned())));
    }
    options
}

fn from_timestamp(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosmos::connect;
    use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition};
    use local_cosmos::{Endpoint, Options};

    async fn open() -> (Endpoint, LeaseStore) {
        let endpoint = Endpoint::start(Options::default()).await.expect("endpoint");
        let client = connect(&endpoint.connection_string()).await.expect("client");
        client.create_database("db", None).await.expect("database");
        let properties = ContainerProperties::new("lease", PartitionKeyDefinition::from("/id"));
        client.database_client("db").create_container(properties, None).await.expect("container");
        let container = Container::open(&client, "db", "lease").await.expect("open");
        (endpoint, LeaseStore::new(container, "p".into(), Clock::default()).expect("store"))
    }

    #[tokio::test]
    async fn a_lock_is_given_back_by_who_took_it_and_left_alone_when_it_is_another_instances() {
        let (_endpoint, store) = open().await;
        let first = store.lock(Utc::now()).await.expect("lock").expect("free");
        assert!(store.lock(Utc::now()).await.expect("lock").is_none());
        let later = Utc::now() + Duration::seconds(LOCK_SECONDS + 2);
        assert!(store.lock(later).await.expect("lock").is_none(), "the expired lock is removed first");
        let second = store.lock(later).await.expect("lock").expect("free");

        store.unlock(first).await.expect("unlock");
        assert!(store.read("p.lock", "p.lock").await.expect("read").is_some(), "the second instance still has it");
        store.unlock(second).await.expect("unlock");
        assert!(store.read("p.lock", "p.lock").await.expect("read").is_none());
    }

    #[tokio::test]
    async fn a_document_that_is_no_lease_does_not_hide_the_others() {
        let (_endpoint, store) = open().await;
        for document in [
            json!({"id": "p..0", "LeaseToken": "0"}),
            json!({"id": "p..1", "LeaseToken": "1", "timestamp": "yesterday"}),
            json!({"id": "p..2", "LeaseToken": "2", "PartitionId": "2"}),
            json!({"id": "p..3"}),
        ] {
            let id = document["id"].as_str().expect("id").to_owned();
            store.create_document(&id, &document).await.expect("create");
        }
        let mut tokens: Vec<_> =
            store.all().await.expect("leases").into_iter().map(|lease| lease.lease_token).collect();
        tokens.sort();
        assert_eq!(tokens, ["0", "2"]);
    }
}
