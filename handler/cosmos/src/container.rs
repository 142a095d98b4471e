//! Items of one container.
//!
//! Every request for an item is made here, and each one that names an item asks [`ItemAddress`] how: no request leaves whose
//! URL is that of another item, of the container or of the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_core::http::Etag;
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::{ItemResponse, ResponseHeaders};
use azure_data_cosmos::options::{ItemReadOptions, ItemWriteOptions, Precondition, ReadFeedRangesOptions};
use serde_json::Value;
use tokio::time::Instant;

use crate::definition::{Definition, Staleness};
use crate::deletion::{Deletion, may_be_executed};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::item_address::{ItemAddress, PathId, printable};
use crate::key::Key;
use crate::key_path::KeyPath;
use crate::key_range::KeyRange;
use crate::meter::Meter;
use crate::range_ids::RangeIds;
use crate::retry::retry;
use crate::scope::Scope;

/// An open container, with its definition as it was when it was opened.
#[derive(Clone)]
pub struct Container {
    pub(crate) client: ContainerClient,
    pub(crate) gateway: Gateway,
    pub(crate) range_ids: RangeIds,
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) definition: Arc<Definition>,
    pub(crate) staleness: Staleness,
    pub(crate) meter: Meter,
    pub(crate) scope: Scope,
}

/// The answer to a write.
#[derive(Clone, Debug)]
pub struct Written {
    /// Request units.
    pub request_charge: f64,
    /// Whether the item is new.
    pub created: bool,
    /// The item's etag after the write.
    pub etag: Option<String>,
}

/// A stored item. Only [`Container::read_stored`] makes one, after it has compared the id with the one that it asked for.
#[derive(Clone, Debug)]
pub struct Stored {
    /// With the service's system properties.
    pub document: Value,
    /// The logical sequence number of the write. Of an item that was read by a batch, the newest number of its partition then, which
    /// orders the versions of the item in the same way.
    pub lsn: Option<i64>,
    _compared: Compared,
}

/// Shows that an item has the id that was asked for.
#[derive(Clone, Copy, Debug)]
struct Compared;

impl std::fmt::Debug for Container {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Container")
            .field("name", &self.name)
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}

/// A record as the item that is stored. The functions that write items take no other type, so that each of them is compiled once.
///
/// # Errors
/// [`Internal`](crate::ErrorKind::Internal) when it is no JSON, which this program never makes.
pub fn to_item(record: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(record).map_err(|error| Error::internal("storing a record", error))
}

impl Container {
    /// The SDK's client of the container. Only the feed reader of the change feed processor uses it: its requests are not metered.
    pub fn sdk_client(&self) -> &ContainerClient {
        &self.client
    }

    /// The same container with the items of all sources, as they are stored: for queries that people write.
    pub fn with_all_sources(&self) -> Self {
        Self { scope: Scope::All, ..self.clone() }
    }

    /// The container's definition.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The container's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The paths of the partition key, one for each component.
    pub fn key_paths(&self) -> &[KeyPath] {
        &self.definition.key_paths
    }

    /// The time to live of items without one of their own, in seconds: -1 is forever, `None` where time to live is off.
    pub fn default_ttl(&self) -> Option<i64> {
        self.definition.default_ttl
    }

    /// The id of an item of which every source has its own one.
    pub fn own_id(&self, name: &str) -> String {
        self.scope.own_id(name)
    }

    /// Creates an item.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when an item of this id exists.
    pub async fn create(&self, key: &Key, id: &str, item: &Value) -> Result<Written, Error> {
        let item = self.scope.marked(id, item);
        let response = Box::pin(self.client.create_item(key.to_sdk()?, id, &*item, Some(self.write_options()))).await;
        response.map(|response| self.written(&response)).map_err(|error| self.write_failed("creating", id, error))
    }

    /// Creates or replaces an item.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn upsert(&self, key: &Key, id: &str, item: &Value) -> Result<Written, Error> {
        let item = self.scope.marked(id, item);
        let response = Box::pin(self.client.upsert_item(key.to_sdk()?, id, &*item, Some(self.write_options()))).await;
        response.map(|response| self.written(&response)).map_err(|error| self.write_failed("upserting", id, error))
    }

    /// Reads an item; `None` when it does not exist.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn read(&self, key: &Key, id: &str) -> Result<Option<Value>, Error> {
        Ok(self.read_stored(key, id).await?.map(|stored| stored.document))
    }

    /// Reads an item with the sequence number of its last write; `None` when it does not exist.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn read_stored(&self, key: &Key, id: &str) -> Result<Option<Stored>, Error> {
        let stored = match ItemAddress::of(id) {
            ItemAddress::Path(id) => self.read_by_path(key, id).await,
            ItemAddress::Body(id) => self.read_by_batch(key, id).await,
        };
        Ok(stored?.and_then(|stored| Some(Stored { document: self.scope.unmarked(stored.document)?, ..stored })))
    }

    /// What a read of the item with this id has returned, if it is that item.
    pub(crate) fn stored(&self, id: &str, document: Value, lsn: Option<i64>) -> Result<Stored, Error> {
        if document["id"] != id {
            let message = format!("the service returned item {}", document["id"]);
            return Err(Error::corrupt(self.action_on("reading", id), message));
        }
        Ok(Stored { document, lsn, _compared: Compared })
    }

    /// Replaces an item that still has this etag.
    ///
    /// # Errors
    /// [`PreconditionFailed`](crate::ErrorKind::PreconditionFailed) when it has another one;
    /// [`Invalid`](crate::ErrorKind::Invalid) when the service cannot replace an item with this id.
    pub async fn replace(&self, key: &Key, id: &str, item: &Value, etag: &str) -> Result<Written, Error> {
        let item = &*self.scope.marked(id, item);
        match ItemAddress::of(id) {
            ItemAddress::Path(id) => self.replace_by_path(key, id, item, etag).await,
            ItemAddress::Body(id) => self.replace_by_batch(key, id, item, etag).await,
        }
    }

    /// Deletes an item, if it has this etag where one is given.
    ///
    /// # Errors
    /// [`PreconditionFailed`](crate::ErrorKind::PreconditionFailed) when it has another etag;
    /// [`Invalid`](crate::ErrorKind::Invalid) when the service cannot delete an item with this id.
    pub async fn delete(&self, key: &Key, id: &str, etag: Option<&str>) -> Result<Deletion, Error> {
        self.delete_once(key, id, etag, &AtomicBool::new(false)).await
    }

    /// [`Self::delete`], repeated as [`retry`] does.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub async fn delete_until(
        &self,
        deadline: Instant,
        key: &Key,
        id: &str,
        etag: Option<&str>,
    ) -> Result<Deletion, Error> {
        let may_be_done = AtomicBool::new(false);
        retry(deadline, || self.delete_once(key, id, etag, &may_be_done)).await
    }

    /// `may_be_done`: whether an earlier request may have deleted the item. It is set when one of this call may have.
    async fn delete_once(
        &self,
        key: &Key,
        id: &str,
        etag: Option<&str>,
        may_be_done: &AtomicBool,
    ) -> Result<Deletion, Error> {
        // A caller that knows the etag has read the item.
        let is_absent =
            etag.is_none() && self.scope.source().is_some() && Box::pin(self.read_stored(key, id)).await?.is_none();
        let deleted = match ItemAddress::of(id) {
            _ if is_absent => None,
            ItemAddress::Path(id) => self.delete_by_path(key, id, etag, may_be_done).await?,
            ItemAddress::Body(id) => self.delete_by_batch(key, id, etag, may_be_done).await?,
        };
        Ok(match deleted {
            Some(request_charge) => Deletion::Done(request_charge),
            None if may_be_done.load(Ordering::Relaxed) => Deletion::Unclear,
            None => Deletion::Absent,
        })
    }

    async fn read_by_path(&self, key: &Key, id: PathId<'_>) -> Result<Option<Stored>, Error> {
        let id = id.as_str();
        let options = ItemReadOptions::default().with_operation_options(self.meter.operation());
        match Box::pin(self.client.read_item(key.to_sdk()?, id, Some(options))).await {
            Ok(response) => {
                self.charge(response.headers());
                let lsn = response.headers().item_lsn().and_then(|lsn| i64::try_from(lsn).ok());
                let document = response.into_model().map_err(|error| self.failed("reading", id, error))?;
                self.stored(id, document, lsn).map(Some)
            }
            Err(error) => self.absent_or("reading", id, error),
        }
    }

    async fn replace_by_path(&self, key: &Key, id: PathId<'_>, item: &Value, etag: &str) -> Result<Written, Error> {
        let options = self.write_options().with_precondition(if_match(etag));
        let response = Box::pin(self.client.replace_item(key.to_sdk()?, id.as_str(), item, Some(options))).await;
        let failed = |error| self.write_failed("replacing", id.as_str(), error);
        response.map(|response| self.written(&response)).map_err(failed)
    }

    async fn delete_by_path(
        &self,
        key: &Key,
        id: PathId<'_>,
        etag: Option<&str>,
        may_be_done: &AtomicBool,
    ) -> Result<Option<f64>, Error> {
        let id = id.as_str();
        let mut options = self.write_options();
        if let Some(etag) = etag {
            options = options.with_precondition(if_match(etag));
        }
        match Box::pin(self.client.delete_item(key.to_sdk()?, id, Some(options))).await {
            Ok(response) => Ok(Some(self.charge(response.headers()))),
            Err(error) => {
                may_be_done.fetch_or(may_be_executed(error.diagnostics().as_deref()), Ordering::Relaxed);
                if error.status().is_not_found() {
                    self.absent_or("deleting", id, error)
                } else {
                    Err(self.write_failed("deleting", id, error))
                }
            }
        }
    }

    /// The ranges of the physical partitions.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn ranges(&self) -> Result<Vec<KeyRange>, Error> {
        self.read_ranges(false).await
    }

    /// The ranges of the physical partitions as they are now. The SDK keeps those that it has read until a request fails.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn ranges_now(&self) -> Result<Vec<KeyRange>, Error> {
        self.read_ranges(true).await
    }

    async fn read_ranges(&self, is_fresh: bool) -> Result<Vec<KeyRange>, Error> {
        let failed = |error| Error::from_sdk(format!("reading the ranges of container {}", self.name), error);
        let options = ReadFeedRangesOptions::default().with_force_refresh(is_fresh);
        let ranges = Box::pin(self.client.read_feed_ranges(Some(options))).await.map_err(failed)?;
        Ok(ranges.iter().map(KeyRange::of).collect())
    }

    fn write_options(&self) -> ItemWriteOptions {
        ItemWriteOptions::default().with_operation_options(self.meter.operation())
    }

    fn written(&self, response: &ItemResponse) -> Written {
        Written {
            request_charge: self.charge(response.headers()),
            created: u16::from(response.status().status_code()) == 201,
            etag: response.headers().etag().map(|etag| etag.as_ref().to_owned()),
        }
    }

    /// Counts what a request cost.
    pub(crate) fn charge(&self, headers: &ResponseHeaders) -> f64 {
        let charge = charge(headers);
        self.meter.add(charge);
        charge
    }

    fn charge_failed(&self, error: &CosmosError) {
        if let Some(response) = error.response() {
            self.meter.add(response.headers().request_charge.map_or(0.0, |charge| charge.value()));
        }
    }

    /// `None` when the item does not exist. A container that does not exist, or is another one by now, is an error.
    pub(crate) fn absent_or<T>(&self, action: &str, id: &str, error: CosmosError) -> Result<Option<T>, Error> {
        let is_not_found = error.status().is_not_found();
        let error = self.failed(action, id, error);
        if is_not_found && !error.definition_is_stale() { Ok(None) } else { Err(error) }
    }

    pub(crate) fn failed(&self, action: &str, id: &str, error: CosmosError) -> Error {
        self.charge_failed(&error);
        self.noted(Error::from_sdk(self.action_on(action, id), error))
    }

    pub(crate) fn write_failed(&self, action: &str, id: &str, error: CosmosError) -> Error {
        self.charge_failed(&error);
        self.noted(Error::of_write(self.action_on(action, id), error))
    }

    /// What a failed request was to do.
    pub(crate) fn action_on(&self, action: &str, id: &str) -> String {
        format!("{action} item {} of container {}", printable(id), self.name)
    }

    /// An error, after its hint that the definition has changed was noted.
    pub(crate) fn noted(&self, error: Error) -> Error {
        if error.definition_is_stale() {
            self.staleness.report();
        }
        error
    }
}

pub(crate) fn if_match(etag: &str) -> Precondition {
    Precondition::IfMatch(Etag::from(etag.to_owned()))
}

pub(crate) fn charge(headers: &ResponseHeaders) -> f64 {
    headers.request_charge().map_or(0.0, |charge| charge.value())
}
