//! The history of a monitored container.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use changefeed_cosmos::{Error, FEED_LSN, Key, LazyContainer, Meter, display_key_paths};
use serde_json::Value;
use tokio::time::Instant;

use crate::actor::ActorFields;
use crate::capture_rules::{CaptureRules, CheckedRules, without_omitted};
use crate::containers::Containers;
use crate::erasure::{Erased, ErasureOptions};
use crate::omitted_fields::OmittedFields;
use crate::retention_record::Horizon;
use crate::service_clock::ServiceClock;
use crate::untracked_fields::UntrackedFields;
use crate::version::Version;

/// The versions of a monitored container's documents, and the documents themselves. Clones share the containers.
#[derive(Clone, Debug)]
pub struct History {
    pub(crate) monitored: LazyContainer,
    pub(crate) changes: LazyContainer,
    pub(crate) horizon: Horizon,
    clock: ServiceClock,
    erased: Erased,
    actor_fields: ActorFields,
    rules: Arc<CaptureRules>,
    /// The fields of the stamp that restores set.
    stamp_fields: Arc<[String]>,
    /// Whether a stored document was read that has a property `_lsn` of its own.
    own_lsn_seen: Arc<AtomicBool>,
}

impl History {
    /// The history in these containers. `actor_fields` are those of new versions; `erasure` says how soon an erasure is known.
    pub fn new(containers: &Containers, actor_fields: ActorFields, erasure: ErasureOptions) -> Self {
        Self {
            monitored: containers.monitored.clone(),
            changes: containers.changes.clone(),
            horizon: Horizon::new(containers.jobs.clone()),
            stamp_fields: Arc::default(),
            rules: Arc::default(),
            own_lsn_seen: Arc::default(),
            clock: ServiceClock::new(containers.jobs.clone()),
            erased: Erased::new(containers.jobs.clone(), erasure),
            actor_fields,
        }
    }

    /// The same history, of documents in which restores set these fields.
    pub fn with_stamp_fields(self, fields: impl IntoIterator<Item = String>) -> Self {
        Self { stamp_fields: fields.into_iter().collect(), ..self }
    }

    /// The same history, in which these documents and fields are never stored.
    pub fn with_capture_rules(self, rules: CaptureRules) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }

    /// The same history. Its requests are counted by this meter.
    pub fn metered(&self, meter: &Meter) -> Self {
        Self {
            monitored: self.monitored.metered(meter),
            changes: self.changes.metered(meter),
            horizon: self.horizon.metered(meter),
            stamp_fields: Arc::clone(&self.stamp_fields),
            own_lsn_seen: Arc::clone(&self.own_lsn_seen),
            clock: self.clock.clone(),
            erased: self.erased.clone(),
            actor_fields: self.actor_fields.clone(),
            rules: Arc::clone(&self.rules),
        }
    }

    /// The container whose documents are captured.
    pub fn monitored(&self) -> &LazyContainer {
        &self.monitored
    }

    /// The container of the versions.
    pub fn changes(&self) -> &LazyContainer {
        &self.changes
    }

    /// The clock by which versions are ordered.
    pub fn clock(&self) -> &ServiceClock {
        &self.clock
    }

    /// The documents that are erased.
    pub fn erased(&self) -> &Erased {
        &self.erased
    }

    /// The fields of documents that name the actor of a version.
    pub fn actor_fields(&self) -> &ActorFields {
        &self.actor_fields
    }

    /// What is never stored of the documents of the monitored container.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when the rules do not fit the partition key of the container, and when its
    /// definition cannot be read.
    pub async fn rules(&self) -> Result<CheckedRules, Error> {
        if self.rules.is_empty() {
            return Ok(CheckedRules::default());
        }
        self.rules.checked(self.monitored.open().await?.key_paths())
    }

    /// The fields that are never stored.
    pub fn omitted_fields(&self) -> &OmittedFields {
        self.rules.omitted()
    }

    /// A version as the history has it, or will have it: without the omitted fields.
    pub fn as_recorded(&self, version: Version) -> Version {
        without_omitted(self.rules.omitted(), Cow::Owned(version)).into_owned()
    }

    /// Records that versions from before a second since 1970 may be missing. The horizon never moves back.
    ///
    /// # Errors
    /// When the record cannot be written before the deadline.
    pub async fn raise_horizon(&self, second: i64, deadline: Instant) -> Result<(), Error> {
        self.horizon.raise(second, deadline).await
    }

    /// The fields that are never among the changed paths of a document of the monitored container.
    ///
    /// # Errors
    /// When the definition of the container cannot be read.
    pub async fn untracked_fields(&self) -> Result<UntrackedFields, Error> {
        let monitored = self.monitored.open().await?;
        Ok(UntrackedFields::new(self.stamp_fields.iter().cloned(), monitored.key_paths()))
    }

    /// Notes whether a stored document has a property `_lsn` of its own. The Functions host delivers such a document like any other.
    pub(crate) fn note_own_lsn(&self, stored: &Value) {
        if stored.get(FEED_LSN).is_some() {
            self.own_lsn_seen.store(true, Ordering::Relaxed);
        }
    }

    /// Whether documents of the monitored container may have a property `_lsn` of their own.
    pub(crate) fn may_have_own_lsn(&self) -> bool {
        self.own_lsn_seen.load(Ordering::Relaxed)
    }

    /// Checks that a key in a request has as many components as the monitored container's key.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when the numbers differ, and when the container cannot be read.
    pub async fn check_key(&self, key: &Key) -> Result<(), Error> {
        let monitored = self.monitored.open().await?;
        let paths = monitored.key_paths();
        if key.components().len() == paths.len() {
            return Ok(());
        }
        let message = format!(
            "partitionKey {key} has {} components; the container's key has {}: {}",
            key.components().len(),
            paths.len(),
            display_key_paths(paths)
        );
        Err(Error::invalid("reading the request", message))
    }
}
