//! Restores, and what they need.

use std::time::Duration;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Container, Error, ErrorKind, Meter, ResourceName, display_key_paths};
use changefeed_history::{Containers, History, Role};
use changefeed_jobs::{Jobs, Kind};

/// The kind of restores among the jobs.
pub const RESTORE: Kind = Kind { name: "restore", noun: "restore" };

/// The options of restores.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// Documents that are planned or written concurrently.
    pub concurrency: usize,
    /// How long transient failures are retried within one request.
    pub timeout: Duration,
    /// The field of a restored document that is set to the time of the restore, in seconds since 1970; `None` sets no field.
    pub restored_at_field: Option<String>,
    /// The field of a restored document that is set to the id of the restore; `None` sets no field.
    pub restore_id_field: Option<String>,
}

/// Restores of documents.
#[derive(Clone, Debug)]
pub struct Restores {
    pub(super) containers: Containers,
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) locations: LocationAccess,
    pub(super) options: RestoreOptions,
}

impl Restores {
    /// Restores from this history and from backups. Their records are in `jobs`.
    pub fn new(
        containers: Containers,
        history: History,
        jobs: Jobs,
        locations: LocationAccess,
        options: RestoreOptions,
    ) -> Self {
        Self { containers, history, jobs, locations, options }
    }

    /// The same restores, whose requests another meter counts.
    pub(crate) fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }

    /// The container that a restore writes to: the monitored one, or another one with the same partition key that is not one of
    /// the history's containers, whatever name they are opened by.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is a container of the history, or has another
    /// partition key; and when it cannot be read.
    pub(super) async fn target_container(&self, into: Option<&str>) -> Result<Container, Error> {
        let monitored = self.history.monitored();
        let Some(name) = into else { return monitored.open().await };
        let refused = |message: String| Err(Error::invalid("planning a restore", message));
        let is_own = |role: Role| refused(format!("into is {name:?}, the {role:?} container; name another one"));
        if let Err(error) = name.parse::<ResourceName>() {
            return refused(format!("into: {error}"));
        }
        let names = self.containers.names();
        if let Some(role) = Role::ALL.into_iter().find(|role| names.of(*role) == name) {
            return is_own(role);
        }
        if self.containers.other_histories().iter().any(|other| other == name) {
            return refused(format!("into is {name:?}, which has the versions of another source; name another one"));
        }
        let container = monitored.sibling(name).open().await?;
        for role in Role::ALL {
            match self.containers.of(role).open().await {
                Ok(own) if own.definition().is_same_container(container.definition()) => return is_own(role),
                Ok(_) => {}
                // A container that does not exist is not the one that is written to.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let monitored = monitored.open().await?;
        let expected = monitored.key_paths();
        if container.key_paths() != expected {
            let message = format!(
                "into is {name:?}, whose partition key is {}; it must be {}",
                display_key_paths(container.key_paths()),
                display_key_paths(expected)
            );
            return refused(message);
        }
        Ok(container)
    }
}
