//! Stores the changes of a batch as versions.
//!
//! Properties wanted: a batch is acknowledged only when each of its documents is a version or a dead letter; a redelivered
//! batch adds nothing; a crash at any instant leaves whole versions and a batch that is delivered again. They hold because
//! the id of a version follows from the version alone, versions are created and never changed, and the caller acknowledges
//! only after [`Capture::capture`] has returned.

mod again;
mod context;
mod delivery;
mod excluded;
mod fidelity;
mod identity;
mod permanent;
mod unescape;

use std::borrow::Cow;
use std::time::Duration;

use changefeed_cosmos::{Container, Error, FieldPath, Item, LazyContainer, Meter};
use chrono::Utc;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use self::again::{Seen, name_of, resource_id_of};
use self::context::Context;
use self::identity::FeedImages;
use self::permanent::is_permanent;
use crate::capture_rules::CheckedRules;
use crate::containers::Containers;
use crate::dead_letter::DeadLetter;
use crate::erasure::Erased;
use crate::history::History;
use crate::observed::{Batch, Observed, Unusable};
use crate::record::{items, version_of};
use crate::storable_payload::StorablePayload;
use crate::store_version::create_record;
use crate::version::Operation;
use crate::version_id::{VersionId, separates_documents};

pub use delivery::{DeliveryError, decode_delivery};
pub(crate) use excluded::is_excluded;
pub(crate) use fidelity::may_be_rewritten;
pub use identity::UNKNOWN_IDENTITY;

/// The delivered bytes of the documents of a batch that are stored at the same time. A document takes a multiple of its size
/// while it is stored. A larger document is stored alone.
const BYTES_IN_FLIGHT: usize = 4 * PART_BYTES;
/// The delivered bytes of documents that are stored together: their records fit into one request.
const PART_BYTES: usize = 1024 * 1024;

/// How batches are captured.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// Requests in flight for one document each, of one part of a batch.
    pub concurrency: usize,
    /// How long transient failures are retried within a batch before it is returned to be delivered again.
    pub batch_timeout: Duration,
}

/// The outcome of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaptureReport {
    /// Versions that are new.
    pub stored: u64,
    /// Versions that were stored before.
    pub already_stored: u64,
    /// Documents that can never be stored as versions, and are dead letters.
    pub dead_lettered: u64,
    /// Changes of erased documents, which are not stored.
    pub erased: u64,
    /// Changes of documents that the capture filter excludes, which are not stored.
    pub excluded: u64,
    /// Request units of the writes, and of searching the change feed for ids and keys that the host may have rewritten.
    pub request_charge: f64,
}

/// The outcome of a document, with the request units.
enum Outcome {
    /// `None` if the version was stored before.
    Stored(Option<f64>),
    DeadLettered(f64),
    /// Not stored, because the document is erased.
    Erased,
    /// Not stored, because the capture filter excludes the document.
    Excluded,
}

/// Why there is no version of a change.
pub(crate) enum NotStored {
    /// It can never be stored.
    Unusable(Unusable),
    /// Its document is erased.
    Erased,
    /// The capture filter excludes its document.
    Excluded,
}

/// A document of a batch.
struct Delivered {
    payload: Box<RawValue>,
    /// The change as the feed has it, if it was read again.
    image: Option<Observed>,
}

/// A version that is ready to be stored.
struct Prepared {
    version: VersionId,
    items: Vec<Item>,
}

/// Divides documents into parts that are stored together.
fn parts(documents: impl Iterator<Item = Delivered>) -> Vec<Vec<Delivered>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Delivered>>::new(), 0);
    for document in documents {
        bytes += document.payload.get().len();
        match parts.last_mut() {
            Some(part) if bytes <= PART_BYTES => part.push(document),
            _ => {
                bytes = document.payload.get().len();
                parts.push(vec![document]);
            }
        }
    }
    parts
}

/// A version in the history.
pub(crate) struct StoredVersion {
    pub version: VersionId,
    /// Request units; `None` if it was stored before.
    pub charge: Option<f64>,
}

/// Stores batches of changes.
#[derive(Clone, Debug)]
pub struct Capture {
    history: History,
    dead_letters: LazyContainer,
    options: CaptureOptions,
}

impl Capture {
    /// Captures into these containers.
    pub fn new(containers: &Containers, history: History, options: CaptureOptions) -> Self {
        Self { history, dead_letters: containers.dead_letters.clone(), options }
    }

    /// The same capture. Its requests are counted by this meter.
    pub(crate) fn metered(&self, meter: &Meter) -> Self {
        let dead_letters = self.dead_letters.metered(meter);
        Self { history: self.history.metered(meter), dead_letters, options: self.options.clone() }
    }

    /// Stores every change of a batch, concurrently.
    ///
    /// # Errors
    /// When one of them could be stored neither as a version nor as a dead letter: the batch must be delivered again.
    pub async fn capture(&self, batch: &Batch, documents: Vec<Box<RawValue>>) -> Result<CaptureReport, Error> {
        let context = Box::pin(self.context(batch, documents.iter().map(|document| document.get()))).await?;
        let mut images = Box::pin(context.find_in_feed(documents.iter().map(|document| document.get()))).await?;
        let mut report = CaptureReport { request_charge: images.request_charge, ..CaptureReport::default() };
        let documents = documents.into_iter().enumerate();
        let parts = parts(documents.map(|(index, payload)| Delivered { payload, image: images.take(index) }));
        // The first failure does not cancel writes that are under way: each success is one write less in the redelivery.
        let outcomes: Vec<Vec<Result<Outcome, Error>>> = futures::stream::iter(parts)
            .map(|part| context.capture_part(part))
            .buffer_unordered(BYTES_IN_FLIGHT / PART_BYTES)
            .collect()
            .await;
        for outcome in outcomes.into_iter().flatten() {
            let charge = match outcome? {
                Outcome::Stored(Some(charge)) => {
                    report.stored += 1;
                    charge
                }
                Outcome::Stored(None) => {
                    report.already_stored += 1;
                    0.0
                }
                Outcome::DeadLettered(charge) => {
                    report.dead_lettered += 1;
                    charge
                }
                Outcome::Erased => {
                    report.erased += 1;
                    0.0
                }
                Outcome::Excluded => {
                    report.excluded += 1;
                    0.0
                }
            };
            report.request_charge += charge;
        }
        Ok(report)
    }

    /// Stores a document that an earlier batch delivered, or returns why it still cannot be stored. It does not become a dead
    /// letter. `omitted` are fields that the payload had and lacks now.
    pub(crate) async fn capture_again(
        &self,
        batch: &Batch,
        payload: &str,
        omitted: &[FieldPath],
    ) -> Result<Result<StoredVersion, NotStored>, Error> {
        let context = self.context(batch, std::iter::once(payload)).await?;
        if context.erased.is_in(payload, context.monitored.key_paths()) {
            return Ok(Err(NotStored::Erased));
        }
        let image = Box::pin(context.find_in_feed(std::iter::once(payload))).await?.take(0);
        let seen = match context.see(payload, image) {
            Ok(seen) => seen,
            Err(unusable) => return Ok(Err(NotStored::Unusable(unusable))),
        };
        let Prepared { version, items } = match context.prepare(seen, None, omitted).await? {
            Ok(prepared) => prepared,
            Err(not_stored) => return Ok(Err(not_stored)),
        };
        let changes = self.history.changes().open().await?;
        match create_record(&changes, &items, context.deadline).await {
            Ok(charge) => Ok(Ok(StoredVersion { version, charge })),
            Err(error) => refusal(error).map(|unusable| Err(NotStored::Unusable(unusable))),
        }
    }

    /// The documents that are erased.
    pub(crate) fn erased(&self) -> &Erased {
        self.history.erased()
    }

    /// What is never stored.
    pub(crate) async fn rules(&self) -> Result<CheckedRules, Error> {
        self.history.rules().await
    }

    /// The container whose documents are captured.
    pub(crate) fn monitored(&self) -> &LazyContainer {
        self.history.monitored()
    }

    async fn context<'a>(
        &'a self,
        batch: &'a Batch,
        mut payloads: impl Iterator<Item = &str>,
    ) -> Result<Context<'a>, Error> {
        let deadline = Instant::now() + self.options.batch_timeout;
        let separates_documents = separates_documents(self.history.changes().open().await?.key_paths());
        let mut monitored = self.history.monitored().open().await?;
        // A batch is of one container. If that is not the one whose definition is known, it was deleted and created again.
        if let Some(resource_id) = payloads.find_map(resource_id)
            && !monitored.definition().has_document(&resource_id)
        {
            self.history.monitored().report_stale();
            monitored = self.history.monitored().open().await?;
            if !monitored.definition().has_document(&resource_id) {
                log::warn!(
                    "a batch has documents of another container than {}: it was deleted and created again",
                    monitored.name()
                );
            }
        }
        let rules = self.history.rules().await?;
        let bytes_in_flight = Semaphore::new(BYTES_IN_FLIGHT);
        // From here on, nothing of the batch is written later than `batch_timeout`.
        let erased = Box::pin(self.history.erased().current(deadline)).await?;
        Ok(Context {
            history: &self.history,
            dead_letters: &self.dead_letters,
            concurrency: self.options.concurrency,
            batch,
            deadline,
            bytes_in_flight,
            monitored,
            erased,
            rules,
            separates_documents,
        })
    }
}

/// The resource id of the document in a payload.
fn resource_id(payload: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "_rid")]
        resource_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct Payload {
        #[serde(rename = "_rid")]
        resource_id: Option<String>,
        current: Option<Image>,
        previous: Option<Image>,
    }
    let payload: Payload = serde_json::from_str(payload).ok()?;
    let images = payload.current.into_iter().chain(payload.previous);
    payload.resource_id.or_else(|| images.into_iter().find_map(|image| image.resource_id))
}

/// Why a version can never be stored.
///
/// # Errors
/// The same error, if it may be stored later.
fn refusal(error: Error) -> Result<Unusable, Error> {
    if is_permanent(&error) { Ok(Unusable { code: "refused", message: error.to_string() }) } else { Err(error) }
}

impl Context<'_> {
    /// The changes as the change feed has them, where the host may have rewritten an id or a key in the batch.
    async fn find_in_feed(&self, payloads: impl Iterator<Item = &str>) -> Result<FeedImages, Error> {
        let (mut delivered, mut others) = (Vec::new(), 0);
        for (index, payload) in payloads.enumerate().filter(|_| self.batch.rewritten_by_host) {
            let is_envelope = payload.contains(r#""operationType""#);
            match is_envelope.then(|| Observed::parse(payload, self.monitored.key_paths())) {
                Some(Ok(change)) if change.operation != Operation::Write => {
                    delivered.push((index, Observed { document: None, previous: None, ..change }));
                }
                _ => others += 1,
            }
        }
        identity::find_in_feed(&self.monitored, self.deadline, &delivered, others).await
    }

    /// Stores changes together.
    async fn capture_part(&self, part: Vec<Delivered>) -> Vec<Result<Outcome, Error>> {
        let bytes: usize = part.iter().map(|document| document.payload.get().len()).sum();
        let bytes = u32::try_from(bytes.min(BYTES_IN_FLIGHT)).unwrap_or(u32::MAX);
        let (_in_flight, changes) = match self.begin(bytes).await {
            Ok(begun) => begun,
            Err(error) => return vec![Err(error)],
        };
        let concurrency = self.concurrency;
        let see = |Delivered { payload, image }: Delivered| (self.see(payload.get(), image), payload);
        let seen: Vec<_> = part.into_iter().map(see).collect();
        let mut stored = self.stored_together(seen.iter().filter_map(|(seen, _)| seen.as_ref().ok())).await;
        let prepared = seen.into_iter().map(|(seen, payload)| {
            let stored = seen.as_ref().ok().and_then(|seen| stored.remove(resource_id_of(&seen.observed)?));
            async move {
                match seen {
                    Ok(seen) => (self.prepare(seen, stored, &[]).await, payload),
                    Err(unusable) => (Ok(Err(NotStored::Unusable(unusable))), payload),
                }
            }
        });
        let prepared = futures::stream::iter(prepared);
        let (mut outcomes, mut records, mut in_parts) = (Vec::new(), (Vec::new(), Vec::new()), Vec::new());
        for (prepared, payload) in prepared.buffered(concurrency).collect::<Vec<_>>().await {
            match prepared {
                Ok(Ok(Prepared { mut items, .. })) if items.len() == 1 => {
                    records.0.append(&mut items);
                    records.1.push(payload);
                }
                Ok(Ok(Prepared { items, .. })) => in_parts.push((items, payload)),
                Ok(Err(NotStored::Unusable(unusable))) => outcomes.push(self.dead_letter(&payload, &unusable).await),
                Ok(Err(NotStored::Erased)) => outcomes.push(Ok(Outcome::Erased)),
                Ok(Err(NotStored::Excluded)) => outcomes.push(Ok(Outcome::Excluded)),
                Err(error) => outcomes.push(Err(error)),
            }
        }
        let created = changes.create_many(&records.0, concurrency, self.deadline).await;
        for (created, payload) in created.into_iter().zip(records.1) {
            outcomes.push(self.outcome(&payload, created).await);
        }
        for (items, payload) in in_parts {
            let created = create_record(&changes, &items, self.deadline).await;
            outcomes.push(self.outcome(&payload, created).await);
        }
        outcomes
    }

    /// Waits until as many bytes may be stored.
    async fn begin(&self, bytes: u32) -> Result<(SemaphorePermit<'_>, Container), Error> {
        let in_flight = self.bytes_in_flight.acquire_many(bytes).await;
        let in_flight = in_flight.map_err(|closed| Error::internal("storing a batch", closed))?;
        Ok((in_flight, self.history.changes().open().await?))
    }

    /// The outcome of a document whose record was created, existed or was refused.
    async fn outcome(&self, payload: &RawValue, created: Result<Option<f64>, Error>) -> Result<Outcome, Error> {
        match created {
            Ok(charge) => Ok(Outcome::Stored(charge)),
            Err(error) => self.dead_letter(payload, &refusal(error)?).await,
        }
    }

    /// The version of a change. `stored` is its document as it is stored, if it was read; `omitted` are fields that it had when it was
    /// delivered first and lacks now.
    async fn prepare(
        &self,
        seen: Seen,
        stored: Option<Value>,
        omitted: &[FieldPath],
    ) -> Result<Result<Prepared, NotStored>, Error> {
        if seen.is_excluded {
            return Ok(Err(NotStored::Excluded));
        }
        let (observed, exact) = match self.exact(seen, stored).await? {
            Ok(observed) => observed,
            Err(unusable) => return Ok(Err(NotStored::Unusable(unusable))),
        };
        if self.erased.contains(&name_of(&observed)) {
            return Ok(Err(NotStored::Erased));
        }
        let captured_by = &self.batch.invocation_id;
        let default_ttl = self.monitored.default_ttl();
        let mut version =
            version_of(observed, default_ttl, self.history.actor_fields(), exact, captured_by, Utc::now());
        if version.operation.is_removal() && !self.separates_documents {
            let digest = version.name_digest();
            version.id = VersionId::of_removal(version.source_ts, version.lsn.unwrap_or_default(), Some(&digest));
        }
        version.omitted.extend_from_slice(omitted);
        let id = version.id.clone();
        let Some(storable) = self.rules.storable(Cow::Owned(version)) else { return Ok(Err(NotStored::Excluded)) };
        match items(&storable) {
            Ok(items) => Ok(Ok(Prepared { version: id, items })),
            Err(error) => refusal(error).map(|unusable| Err(NotStored::Unusable(unusable))),
        }
    }

    async fn dead_letter(&self, payload: &RawValue, unusable: &Unusable) -> Result<Outcome, Error> {
        if self.erased.is_in(payload.get(), self.monitored.key_paths()) {
            return Ok(Outcome::Erased);
        }
        if is_excluded(&self.rules, payload.get(), unusable.code, self.monitored.key_paths()) {
            return Ok(Outcome::Excluded);
        }
        log::error!("a document cannot be stored as a version and becomes a dead letter: {unusable}");
        let dead_letters = self.dead_letters.open().await?;
        let mut request_charge = 0.0;
        let source = self.dead_letters.source().cloned().unwrap_or_default();
        let payload = StorablePayload::of(payload.get(), self.rules.omitted());
        for item in DeadLetter::new(&source, &payload, unusable, self.batch, Utc::now()).items()? {
            let key = item.key(&dead_letters)?;
            request_charge += dead_letters.create_one(&key, &item, self.deadline).await?.unwrap_or_default();
        }
        Ok(Outcome::DeadLettered(request_charge))
    }
}
