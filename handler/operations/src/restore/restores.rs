//! Restores, and what they need.

use std::time::Duration;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Container, Error, Meter};
use changefeed_history::{ContainerNames, History, Role};
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
    pub(super) names: ContainerNames,
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) locations: LocationAccess,
    pub(super) options: RestoreOptions,
}

impl Restores {
    /// Restores from this history and from backups. Their records are in `jobs`.
    pub fn new(
        names: ContainerNames,
        history: History,
        jobs: Jobs,
        locations: LocationAccess,
        options: RestoreOptions,
    ) -> Self {
        Self { names, history, jobs, locations, options }
    }

    /// The same restores, whose requests another meter counts.
    pub(super) fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }

    /// The container that a restore writes to: the monitored one, or another one with the same partition key that is not one of
    /// the history's containers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](changefeed_cosmos::ErrorKind::Invalid) when it is a container of the history, or has another
    /// partition key; and when it cannot be read.
    pub(super) async fn target_container(&self, into: Option<&str>) -> Result<Container, Error> {
        let monitored = self.history.monitored();
        let Some(name) = into else { return monitored.open().await };
        if let Some(role) = Role::ALL.into_iter().find(|role| self.names.of(*role) == name) {
            return Err(Error::invalid(
                "planning a restore",
                format!("into is {name:?}, the {role:?} container; name another one"),
            ));
        }
        let container = monitored.sibling(name).open().await?;
        let monitored = monitored.open().await?;
        let expected = monitored.key_paths();
        if container.key_paths() != expected {
            let message = format!(
                "into is {name:?}, whose partition key is {}; it must be {}",
                container.key_paths().join(", "),
                expected.join(", ")
            );
            return Err(Error::invalid("planning a restore", message));
        }
        Ok(container)
    }
}
