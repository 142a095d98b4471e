//! Takes a batch of changes into the history.
//!
//! Properties wanted: a batch is answered as stored only when every document of it is a version or a dead letter; a
//! batch that comes again adds nothing; a crash at any instant leaves whole versions and a batch that comes again.
//! They hold because a version's id follows from the version alone, versions are created and never changed, and the
//! caller acknowledges only after [`Store::capture`] has returned.

mod delivery;
mod exactly;
mod fidelity;
pub(crate) mod observed;
pub(crate) mod record;

use std::time::Instant;

use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use delivery::{DeliveryError, decode_delivery};

use crate::cosmos::{Container, Error, Key, KeyComponent};
use crate::dead_letters::DeadLetter;
use crate::enclose::digest;
use crate::policy::{Decision, decide, retry};
use crate::store::{Role, Store};
use crate::version::Version;
use observed::{Observed, Unusable};
use record::Item;

/// Where a batch comes from.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The function that received it.
    pub function: String,
    /// The invocation; the same over the host's retries.
    pub invocation_id: String,
    /// Whether values may have been rewritten on the way, as the Functions host does with date-time strings.
    pub rewritten_by_host: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaptureReport {
    /// Versions that are new.
    pub stored: u64,
    /// Versions that were there already.
    pub already_stored: u64,
    /// Documents that can never be stored as versions, and are kept as dead letters.
    pub dead_lettered: u64,
    /// Request units spent on writes.
    pub request_charge: f64,
}

enum Outcome {
    Kept(Kept),
    DeadLettered(f64),
}

/// A version that is in the history.
pub(crate) struct Kept {
    /// Its id.
    pub version: String,
    /// What it cost; none if it was there already.
    pub charge: Option<f64>,
}

impl Store {
    /// Stores every change of a batch, concurrently.
    ///
    /// # Errors
    /// When any of them could be stored neither as a version nor as a dead letter: the batch must be delivered again.
    pub async fn capture(&self, batch: &Batch, documents: Vec<Box<RawValue>>) -> Result<CaptureReport, Error> {
        let deadline = Instant::now() + self.options.batch_timeout;
        let monitored = self.container(Role::Monitored).await?;
        let changes = self.container(Role::Changes).await?;
        let context = Context { store: self, batch, deadline, monitored, changes };
        // The first failure must not cancel writes that are under way: every one that succeeds is one less next time.
        let outcomes: Vec<Result<Outcome, Error>> = futures::stream::iter(documents)
            .map(|payload| context.capture_one(payload))
            .buffer_unordered(self.options.concurrency)
            .collect()
            .await;
        let add = |mut report: CaptureReport, outcome| async move {
            match outcome {
                Outcome::Kept(Kept { charge: Some(charge), .. }) => {
                    (report.stored, report.request_charge) = (report.stored + 1, report.request_charge + charge)
                }
                Outcome::Kept(Kept { charge: None, .. }) => report.already_stored += 1,
                Outcome::DeadLettered(charge) => {
                    (report.dead_lettered, report.request_charge) =
                        (report.dead_lettered + 1, report.request_charge + charge);
                }
            }
            Ok(report)
        };
        futures::stream::iter(outcomes).try_fold(CaptureReport::default(), add).await
    }

    /// Stores a document that a batch brought earlier, or says why that still cannot be. It does not go to the dead letters.
    pub(crate) async fn capture_again(&self, batch: &Batch, payload: &str) -> Result<Result<Kept, Unusable>, Error> {
        let deadline = Instant::now() + self.options.batch_timeout;
        let monitored = self.container(Role::Monitored).await?;
        let changes = self.container(Role::Changes).await?;
        Context { store: self, batch, deadline, monitored, changes }.store_one(payload).await
    }
}

struct Context<'a> {
    store: &'a Store,
    batch: &'a Batch,
    deadline: Instant,
    monitored: &'a Container,
    changes: &'a Container,
}

impl Context<'_> {
    async fn capture_one(&self, payload: Box<RawValue>) -> Result<Outcome, Error> {
        match self.store_one(payload.get()).await? {
            Ok(kept) => Ok(Outcome::Kept(kept)),
            Err(unusable) => self.bury(&payload, unusable).await,
        }
    }

    async fn store_one(&self, payload: &str) -> Result<Result<Kept, Unusable>, Error> {
        let observed = match Observed::parse(payload, self.monitored.key_paths()) {
            Ok(observed) => observed,
            Err(unusable) => return Ok(Err(unusable)),
        };
        let (observed, exact) = self.exact(observed).await?;
        let captured_by = &self.batch.invocation_id;
        let default_ttl = self.monitored.default_ttl().await;
        let mut version = record::version(observed, default_ttl, exact, captured_by, Utc::now());
        if version.operation.is_removal() && !self.changes.key_paths().iter().any(|path| path == "/sourceId") {
            // Removals of one transaction have one time and sequence number; here they would share a partition too.
            version.id = format!("{}-{}", version.id, digest(&version.source_id));
        }
        match keep(self.changes, &version, self.deadline).await {
            Ok(charge) => Ok(Ok(Kept { version: version.id, charge })),
            Err(error) if decide(error.kind()) == Decision::DeadLetter => {
                Ok(Err(Unusable { code: "refused", message: error.to_string() }))
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces a body that the host may have rewritten by the stored one, while that is still the same version. The
    /// version's document is exact, or it is told that it may not be.
    async fn exact(&self, mut observed: Observed) -> Result<(Observed, bool), Error> {
        if !self.batch.rewritten_by_host {
            return Ok((observed, true));
        }
        let previous_suspicious = observed.previous.as_ref().is_some_and(fidelity::may_be_rewritten);
        let Some(document) = observed.document.as_ref().filter(|document| fidelity::may_be_rewritten(document)) else {
            return Ok((observed, !previous_suspicious));
        };
        let stored = match self.stored(&observed, document).await {
            Ok(stored) => stored,
            // What can be read never, must not hold up what can be kept.
            Err(error) if decide(error.kind()) == Decision::DeadLetter => None,
            Err(error) => return Err(error),
        };
        let Some(stored) = stored else { return Ok((observed, false)) };
        let (operation, lsn, paths) = (observed.operation, observed.lsn, self.monitored.key_paths());
        let Ok(current) = Observed::of_document(stored, operation, lsn, paths) else { return Ok((observed, false)) };
        // Id and key never change while it is the same item, so they are right even if its content has moved on.
        if current.etag == observed.etag {
            let previous = observed.previous.take();
            return Ok((Observed { previous, ..current }, !previous_suspicious));
        }
        (observed.id, observed.partition_key) = (current.id, current.partition_key);
        Ok((observed, false))
    }

    /// The stored item: by its id and key, or by its resource id where the host may have rewritten those.
    async fn stored(&self, observed: &Observed, document: &Value) -> Result<Option<Value>, Error> {
        let texts = observed.partition_key.components().iter().filter_map(|component| match component {
            KeyComponent::Text(text) => Some(text),
            _ => None,
        });
        if !texts.chain([&observed.id]).any(|text| fidelity::has_date_time_form(text)) {
            return retry(self.deadline, || self.monitored.read(&observed.partition_key, &observed.id)).await;
        }
        let parameters = Map::from_iter([("@rid".to_owned(), document["_rid"].clone())]);
        retry(self.deadline, || async {
            let items =
                self.monitored.select::<Value>("SELECT * FROM c WHERE c._rid = @rid", &parameters, None).await?;
            items.boxed().try_next().await
        })
        .await
    }

    async fn bury(&self, payload: &RawValue, unusable: Unusable) -> Result<Outcome, Error> {
        log::error!("a document cannot be kept as a version and goes to the dead letters: {unusable}");
        let dead_letters = self.store.container(Role::DeadLetters).await?;
        let mut request_charge = 0.0;
        for item in DeadLetter::new(payload.get(), &unusable, self.batch, Utc::now()).items()? {
            request_charge += create(dead_letters, &item, self.deadline).await?.unwrap_or_default();
        }
        Ok(Outcome::DeadLettered(request_charge))
    }
}

/// Stores a version: the charge, or `None` if it is there already. Its parts come first, so that a version that can be
/// seen is whole.
pub(crate) async fn keep(changes: &Container, version: &Version, deadline: Instant) -> Result<Option<f64>, Error> {
    let items =
        record::items(version).map_err(|message| Error::invalid(format!("storing version {}", version.id), message))?;
    let mut request_charge = 0.0;
    let mut created = None;
    for item in items {
        created = create(changes, &item, deadline).await?;
        request_charge += created.unwrap_or_default();
    }
    Ok(created.map(|_| request_charge))
}

/// Creates an item: the charge, or `None` if it is there already.
async fn create(container: &Container, item: &Item, deadline: Instant) -> Result<Option<f64>, Error> {
    let key = Key::of(&item.body, container.key_paths())?;
    match retry(deadline, || container.create(&key, &item.id, &item.body)).await {
        Ok(written) => Ok(Some(written.request_charge)),
        Err(error) if decide(error.kind()) == Decision::AlreadyStored => Ok(None),
        Err(error) => Err(error),
    }
}
