//! The other containers.

use changefeed_cosmos::{Error, ErrorKind, Meter};
use changefeed_history::{ActorFields, ContainerNames, Containers, FlatFields, History, Role};
use futures::TryStreamExt;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::rehome_request::RehomeRequest;
use super::rehomes::Rehomes;

const ACTION: &str = "looking at the other history";

/// The other history.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its versions, or the copies of changes.
    pub history: History,
    pub containers: Containers,
    /// What copies of changes look like; `None` for versions.
    pub flat: Option<FlatFields>,
    has_dead_letters: bool,
    has_jobs: bool,
}

impl Source {
    /// The containers of a request. Nothing is sent.
    ///
    /// # Errors
    /// When the settings of the connection are missing.
    pub(super) fn new(rehomes: &Rehomes, request: &RehomeRequest) -> Result<Self, Error> {
        let from = &request.from;
        let account = match &from.connection {
            Some(name) => rehomes.connections.account(name)?,
            None => rehomes.containers.account().clone(),
        };
        let own = rehomes.containers.names();
        let names = ContainerNames {
            database: from.database.clone().unwrap_or_else(|| own.database.clone()),
            changes: from.changes.clone(),
            dead_letters: from.dead_letters.clone().unwrap_or_else(|| own.dead_letters.clone()),
            jobs: from.jobs.clone().unwrap_or_else(|| own.jobs.clone()),
            ..own.clone()
        };
        let source = from.source.clone().unwrap_or_default();
        let containers = Containers::new(&account, names, Vec::new()).of_source(source);
        let erasure = rehomes.history.erased().options();
        Ok(Self {
            history: History::new(&containers, ActorFields::default(), erasure),
            containers,
            flat: request.flat.clone(),
            has_dead_letters: from.dead_letters.is_some(),
            has_jobs: from.jobs.is_some(),
        })
    }

    /// The same containers, whose requests a meter counts.
    pub(super) fn metered(self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), ..self }
    }

    /// Whether the request names a container of dead letters.
    pub(super) fn has_dead_letters(&self) -> bool {
        self.has_dead_letters
    }

    /// Checks that the containers are there, and that the items are what the request says.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with what the containers hold instead, and [`Conflict`](ErrorKind::Conflict) when erased documents
    /// cannot be recorded here.
    pub(super) async fn check(&self, rehomes: &Rehomes, request: &RehomeRequest) -> Result<(), Error> {
        let changes = self.history.changes().open().await?;
        let own = rehomes.history.changes();
        let is_same_account = own.account().host().await? == self.history.changes().account().host().await?;
        if is_same_account && changes.definition().is_same_container(own.open().await?.definition()) {
            return Err(Error::invalid(ACTION, format!("{} is the container of this history", changes.name())));
        }
        let others = [(Role::DeadLetters, self.has_dead_letters), (Role::Jobs, self.has_jobs)];
        for (role, _) in others.into_iter().filter(|(_, is_given)| *is_given) {
            self.containers.of(role).open().await?;
        }
        let first = "SELECT TOP 1 * FROM c WHERE NOT IS_DEFINED(c.partOf)";
        let mut items = changes.select_few::<Value>(first, &Map::new(), None, 1).await?;
        let Some(item) = items.try_next().await? else { return Ok(()) };
        let id = item["id"].as_str().unwrap_or_default().to_owned();
        let refused = |message: String| Err(Error::invalid(ACTION, message));
        let is_version = item["sourceId"].is_string() && item["partitionKey"].is_array() && item["schema"].is_number();
        match &self.flat {
            None if !is_version => {
                return refused(format!(
                    "item {id} of container {} is not a version of this program; for copies of changes that another program has made, \
                     add flat (--flat)",
                    changes.name()
                ));
            }
            Some(_) if is_version => {
                return refused(format!(
                    "item {id} of container {} is a version of this program; leave out flat (--flat)",
                    changes.name()
                ));
            }
            Some(flat) => {
                let monitored = rehomes.history.monitored().open().await?;
                if let Err(message) = flat.read(item, monitored.key_paths()) {
                    return refused(format!(
                        "item {id} of container {} is not a copy of a change: {message}",
                        changes.name()
                    ));
                }
            }
            None => {}
        }
        if !self.has_jobs || request.without_erased {
            return Ok(());
        }
        let (own, theirs) = (rehomes.history.erased(), self.history.erased());
        let problem = if request.new_key && theirs.has_any().await? {
            "documents were erased in the other history, and cannot be recorded with the new partition key"
        } else if !own.can_copy_from(theirs).await? {
            "documents were erased in both histories, and the two lists cannot become one"
        } else {
            return Ok(());
        };
        let message = format!(
            "{problem}, because their names are not stored; erase them here too, then add withoutErased (--without-erased)"
        );
        Err(Error::new(ErrorKind::Conflict, ACTION, message))
    }

    /// Records here what the other history says of itself: from when on it is complete, and which documents are erased.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when documents were erased in both, and when the containers cannot be read or written.
    pub(super) async fn carry_over(&self, to: &History, without_erased: bool, deadline: Instant) -> Result<(), Error> {
        if !self.has_jobs {
            return Ok(());
        }
        if !without_erased {
            to.erased().copy_from(self.history.erased(), deadline).await?;
        }
        to.raise_horizon(self.history.horizon().await?, deadline).await
    }
}
