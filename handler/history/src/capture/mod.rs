//! Takes a batch of changes into the history.
//!
//! Properties wanted: a batch is answered as stored only when every document of it is a version or a dead letter; a
//! batch that comes again adds nothing; a crash at any instant leaves whole versions and a batch that comes again.
//! They hold because a version's id follows from the version alone, versions are created and never changed, and the
//! caller acknowledges only after [`Store::capture`] has returned.

mod dead_letter;
mod delivery;
mod fidelity;
pub(crate) mod observed;
pub(crate) mod record;

use std::time::Instant;

use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use serde_json::value::RawValue;

pub use delivery::{DeliveryError, decode_delivery};

use crate::cosmos::{Container, Error, Key};
use crate::policy::{Decision, decide, retry};
use crate::store::{Role, Store};
use crate::version::Version;
use dead_letter::DeadLetter;
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
    Stored(f64),
    AlreadyStored,
    DeadLettered(f64),
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
                Outcome::Stored(charge) => {
                    (report.stored, report.request_charge) = (report.stored + 1, report.request_charge + charge)
                }
                Outcome::AlreadyStored => report.already_stored += 1,
                Outcome::DeadLettered(charge) => {
                    (report.dead_lettered, report.request_charge) =
                        (report.dead_lettered + 1, report.request_charge + charge);
                }
            }
            Ok(report)
        };
        futures::stream::iter(outcomes).try_fold(CaptureReport::default(), add).await
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
        let observed = match Observed::parse(payload.get(), self.monitored.key_paths()) {
            Ok(observed) => observed,
            Err(unusable) => return self.bury(&payload, unusable).await,
        };
        let (observed, exact) = self.exact(observed).await?;
        let captured_by = &self.batch.invocation_id;
        let version = record::version(observed, self.monitored.default_ttl(), exact, captured_by, Utc::now());
        match keep(self.changes, &version, self.deadline).await {
            Ok(Some(request_charge)) => Ok(Outcome::Stored(request_charge)),
            Ok(None) => Ok(Outcome::AlreadyStored),
            Err(error) if decide(error.kind()) == Decision::DeadLetter => {
                self.bury(&payload, Unusable { code: "refused", message: error.to_string() }).await
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces a body that the host may have rewritten by the stored one, while that is still the same version.
    async fn exact(&self, mut observed: Observed) -> Result<(Observed, bool), Error> {
        let suspicious = self.batch.rewritten_by_host
            && [&observed.document, &observed.previous].into_iter().flatten().any(fidelity::may_be_rewritten);
        if !suspicious {
            return Ok((observed, true));
        }
        let previous_suspicious = observed.previous.as_ref().is_some_and(fidelity::may_be_rewritten);
        let mut exact = false;
        if let (Some(_), Some(etag)) = (&observed.document, &observed.etag) {
            let stored = retry(self.deadline, || self.monitored.read(&observed.partition_key, &observed.id)).await?;
            if let Some(stored) = stored.filter(|stored| stored["_etag"].as_str() == Some(etag)) {
                observed.document = Some(stored);
                exact = !previous_suspicious;
            }
        }
        Ok((observed, exact))
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
