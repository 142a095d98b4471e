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
use crate::lease::Lease;

const UPDATE_ATTEMPTS: usize = 6;
/// After this time a lock is the remains of an instance that was killed.
const LOCK_SECONDS: i64 = 30;

/// The leases of one processor on one monitored container.
#[derive(Clone, Debug)]
pub(crate) struct LeaseStore {
    container: Container,
    prefix: String,
}

impl LeaseStore {
    /// # Errors
    /// [`ErrorKind::Invalid`] when the lease container is not partitioned by `/id` or `/partitionKey`.
    pub(crate) fn new(container: Container, prefix: String) -> Result<Self, Error> {
        match container.partition_key_path.as_str() {
            "/id" | "/partitionKey" => Ok(Self { container, prefix }),
            other => Err(Error::new(
                ErrorKind::Invalid,
                format!("opening lease container {}", container.name),
                format!("its partition key is {other}; it must be /id or /partitionKey"),
            )),
        }
    }

    pub(crate) fn lease_id(&self, lease_token: &str) -> String {
        format!("{}..{lease_token}", self.prefix)
    }

    /// Every lease of this processor.
    pub(crate) async fn all(&self) -> Result<Vec<Lease>, Error> {
        let failed = |error| self.failed("reading the leases", error);
        let query = Query::from("SELECT * FROM c WHERE STARTSWITH(c.id, @prefix)")
            .with_parameter("@prefix", format!("{}..", self.prefix))
            .map_err(failed)?;
        let leases = self
            .container
            .client
            .query_items::<Lease>(query, FeedScope::full_container(), None)
            .await
            .map_err(failed)?;
        leases.try_collect().await.map_err(failed)
    }

    /// Creates a lease; false when there is one already.
    pub(crate) async fn create(&self, lease: &Lease) -> Result<bool, Error> {
        self.create_document(&lease.id, lease).await
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
            next.timestamp = Some(Utc::now());
            next.ts = None;
            match self.replace(&next, current.etag.as_deref()).await {
                Ok(response) => {
                    next.etag = response.headers().etag().map(|etag| etag.as_ref().to_owned());
                    return Ok(Some(next));
                }
                Err(error) if error.status().is_precondition_failed() => match self.read(&current.id).await? {
                    Some(document) => current = self.parse(document)?,
                    None => return Ok(None),
                },
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
    pub(crate) async fn delete(&self, id: &str, etag: Option<&str>) -> Result<(), Error> {
        match self.container.client.delete_item(id.to_owned(), id, Some(conditional(etag))).await {
            Ok(_) => Ok(()),
            Err(error) if error.status().is_not_found() => Ok(()),
            Err(error) => Err(self.failed("deleting a lease", error)),
        }
    }

    /// Whether every lease was made, by whichever instance.
    pub(crate) async fn is_initialized(&self) -> Result<bool, Error> {
        Ok(self.read(&self.marker_id()).await?.is_some())
    }

    pub(crate) async fn mark_initialized(&self) -> Result<(), Error> {
        let id = self.marker_id();
        self.create_document(&id, &json!({"id": id})).await.map(drop)
    }

    /// Takes the lock under which leases are made; false when another instance has it.
    pub(crate) async fn lock(&self, now: DateTime<Utc>) -> Result<bool, Error> {
        let id = self.lock_id();
        if self.create_document(&id, &json!({"id": id, "ttl": LOCK_SECONDS})).await? {
            return Ok(true);
        }
        // A container without time to live would keep the lock of a killed instance for ever.
        if let Some(lock) = self.read(&id).await?
            && lock["_ts"]
                .as_i64()
                .is_some_and(|written| now - Duration::seconds(LOCK_SECONDS) > from_timestamp(written))
        {
            self.delete(&id, lock["_etag"].as_str()).await?;
        }
        Ok(false)
    }

    pub(crate) async fn unlock(&self) -> Result<(), Error> {
        self.delete(&self.lock_id(), None).await
    }

    fn marker_id(&self) -> String {
        format!("{}.info", self.prefix)
    }

    fn lock_id(&self) -> String {
        format!("{}.lock", self.prefix)
    }

    async fn create_document(&self, id: &str, document: &impl Serialize) -> Result<bool, Error> {
        let mut document = serde_json::to_value(document)
            .map_err(|error| Error::new(ErrorKind::Invalid, "writing a lease", error.to_string()))?;
        if self.container.partition_key_path == "/partitionKey" {
            document["partitionKey"] = Value::from(id);
        }
        match self.container.client.create_item(id.to_owned(), id, &document, None).await {
            Ok(_) => Ok(true),
            Err(error) if error.status().is_conflict() => Ok(false),
            Err(error) => Err(self.failed("creating a lease", error)),
        }
    }

    async fn replace(&self, lease: &Lease, etag: Option<&str>) -> Result<ItemResponse, CosmosError> {
        self.container.client.replace_item(lease.id.clone(), &lease.id, lease, Some(conditional(etag))).await
    }

    async fn read(&self, id: &str) -> Result<Option<Value>, Error> {
        let failed = |error| self.failed("reading a lease", error);
        match self.container.client.read_item(id.to_owned(), id, None).await {
            Ok(response) => response.into_model().map(Some).map_err(failed),
            Err(error) if error.status().is_not_found() => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn parse(&self, document: Value) -> Result<Lease, Error> {
        serde_json::from_value(document)
            .map_err(|error| Error::new(ErrorKind::Invalid, "reading a lease", error.to_string()))
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
