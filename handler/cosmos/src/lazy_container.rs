//! A container that is opened when a request first needs it, with a definition that is kept up to date.
//!
//! A definition is read again when it is a minute old, when the service answers that the container is another one, and when
//! a document shows it. Many callers may ask at once: one of them reads, the others use the definition that is known.
//! A read that fails leaves it in place, and the next attempt waits a while, so that throttled metadata holds up no batch.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use azure_data_cosmos::clients::ContainerClient;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::account::Account;
use crate::container::Container;
use crate::definition::{Definition, Staleness, read_properties};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::meter::Meter;
use crate::range_ids::RangeIds;
use crate::resource_name::ResourceName;
use crate::scope::Scope;
use crate::source_name::SourceName;

/// For how long a definition is used before it is read again.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The pause after a failed read of a definition, while an older one is known.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A container of a database. Clones share the definition and count into the same meter.
#[derive(Clone, Debug)]
pub struct LazyContainer {
    account: Account,
    database: String,
    name: String,
    meter: Meter,
    scope: Scope,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    known: RwLock<Option<Known>>,
    range_ids: RangeIds,
    /// Held while the definition is read.
    reading: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    client: ContainerClient,
    gateway: Gateway,
    definition: Arc<Definition>,
    staleness: Staleness,
    /// When the request for it was sent.
    read_at: Instant,
    /// When reading it again failed.
    failed_at: Option<Instant>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.definition.fmt(formatter)
    }
}

impl Known {
    fn is_due(&self, needed_since: Option<Instant>) -> bool {
        match needed_since {
            Some(since) => self.read_at < since,
            None => {
                let since_failure = self.failed_at.map(|failed_at| failed_at.elapsed());
                is_due(self.read_at.elapsed(), self.staleness.is_reported(), since_failure)
            }
        }
    }
}

/// Whether a definition of this age is read again. `since_failure` is the time since an attempt failed.
fn is_due(age: Duration, is_reported_stale: bool, since_failure: Option<Duration>) -> bool {
    let is_old = age >= MAX_AGE || is_reported_stale;
    is_old && since_failure.is_none_or(|passed| passed >= PAUSE_AFTER_FAILURE)
}

impl LazyContainer {
    /// The container of this name. Nothing is sent before it is needed.
    pub fn new(account: Account, database: impl Into<String>, name: impl Into<String>) -> Self {
        let (meter, scope, shared) = (Meter::default(), Scope::default(), Arc::default());
        Self { account, database: database.into(), name: name.into(), meter, scope, shared }
    }

    /// The same container, whose requests another meter counts.
    pub fn metered(&self, meter: &Meter) -> Self {
        Self { meter: meter.clone(), ..self.clone() }
    }

    /// The items of one source, in a container that several sources share: others are not found, and what is written has the name of the
    /// source. Of the source `default` it is the items without one.
    pub fn of_source(&self, source: SourceName) -> Self {
        Self { scope: Scope::Source(source), ..self.clone() }
    }

    /// The id of an item of which every source has its own one.
    pub fn own_id(&self, name: &str) -> String {
        self.scope.own_id(name)
    }

    /// The source of the items, in a container that several sources share.
    pub fn source(&self) -> Option<&SourceName> {
        self.scope.source()
    }

    /// The container's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the container's database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Another container of the same database, whose requests the same meter counts.
    pub fn sibling(&self, name: impl Into<String>) -> Self {
        let other = Self::new(self.account.clone(), self.database.clone(), name);
        Self { meter: self.meter.clone(), ..other }
    }

    /// The container with its definition as it is known, which is at most a minute old unless it cannot be read.
    ///
    /// # Errors
    /// When the definition was never read and cannot be.
    pub async fn open(&self) -> Result<Container, Error> {
        self.open_since(None).await
    }

    /// The definition as it was at `since` or later. Where it cannot be read, the one that is known.
    ///
    /// # Errors
    /// When the definition was never read and cannot be.
    pub async fn definition_since(&self, since: Instant) -> Result<Arc<Definition>, Error> {
        Ok(Arc::clone(self.open_since(Some(since)).await?.definition()))
    }

    /// Makes the next [`Self::open`] read the definition, because a document or an answer shows that it has changed.
    pub fn report_stale(&self) {
        if let Some(known) = self.known() {
            known.staleness.report();
        }
    }

    async fn open_since(&self, needed_since: Option<Instant>) -> Result<Container, Error> {
        if let Some(known) = self.known().filter(|known| !known.is_due(needed_since)) {
            return Ok(self.container(known));
        }
        let _reading = match (self.known(), self.shared.reading.try_lock()) {
            (_, Ok(reading)) => reading,
            // Another caller reads it; what is known serves until then, unless it must be newer.
            (Some(known), Err(_)) if needed_since.is_none() && !known.staleness.is_reported() => {
                return Ok(self.container(known));
            }
            (_, Err(_)) => self.shared.reading.lock().await,
        };
        let before = self.known();
        if let Some(known) = before.clone().filter(|known| !known.is_due(needed_since)) {
            return Ok(self.container(known));
        }
        let read_at = Instant::now();
        let known = match (self.read().await, before) {
            (Ok((client, gateway, definition)), _) => {
                let definition = Arc::new(definition);
                Known { client, gateway, definition, staleness: Staleness::default(), read_at, failed_at: None }
            }
            (Err(error), Some(before)) if error.is_transient() => {
                log::warn!("{error}; using the definition that was read {} s ago", before.read_at.elapsed().as_secs());
                Known { failed_at: Some(Instant::now()), ..before }
            }
            (Err(error), _) => return Err(error),
        };
        if let Some(replaced) =
            self.known().filter(|before| before.definition.resource_id != known.definition.resource_id)
        {
            log::warn!(
                "container {} was deleted and created again: its resource id was {} and is {}",
                self.name,
                replaced.definition.resource_id,
                known.definition.resource_id
            );
            self.shared.range_ids.forget();
        }
        *self.shared.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(self.container(known))
    }

    async fn read(&self) -> Result<(ContainerClient, Gateway, Definition), Error> {
        let action = format!("opening container {} of database {}", self.name, self.database);
        let failed = |error| Error::from_sdk(action.clone(), error);
        // A name is a segment of every path: another text could be the path of another container.
        let valid = |name: &str| {
            name.parse::<ResourceName>().map(String::from).map_err(|error| {
                Error::invalid(
                    format!("opening container {:?} of database {:?}", self.name, self.database),
                    error.to_string(),
                )
            })
        };
        let (database, name) = (valid(&self.database)?, valid(&self.name)?);
        let account = self.account.client().await?;
        let database = account.sdk().database_client(database);
        let mut client = Box::pin(database.container_client(name.clone(), None)).await.map_err(failed)?;
        let definition = Definition::of(&read_properties(&client, &action).await?)?;
        if self.known().is_some_and(|known| known.definition.resource_id != definition.resource_id) {
            // A client of the SDK addresses the container that had the name when the client was made.
            client = Box::pin(database.container_client(name, None)).await.map_err(failed)?;
        }
        Ok((client, account.gateway().clone(), definition))
    }

    fn known(&self) -> Option<Known> {
        self.shared.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn container(&self, known: Known) -> Container {
        Container {
            client: known.client,
            gateway: known.gateway,
            range_ids: self.shared.range_ids.clone(),
            database: self.database.clone(),
            name: self.name.clone(),
            definition: known.definition,
            staleness: known.staleness,
            meter: self.meter.clone(),
            scope: self.scope.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_read_again_after_a_minute_or_when_it_is_reported_but_not_right_after_a_failure() {
        let seconds = Duration::from_secs_f64;
        let cases = [
            (59.9, false, None, false),
            (60.0, false, None, true),
            (1.0, true, None, true),
            (60.0, false, Some(4.9), false),
            (1.0, true, Some(4.9), false),
            (1.0, true, Some(5.0), true),
            (65.0, false, Some(5.0), true),
            (1.0, false, Some(5.0), false),
        ];
        for (age, is_reported_stale, since_failure, due) in cases {
            let found = is_due(seconds(age), is_reported_stale, since_failure.map(seconds));
            assert_eq!(found, due, "age {age}, reported {is_reported_stale}, failed {since_failure:?}");
        }
    }
}
