//! The containers that a history consists of.

use std::collections::BTreeMap;

use changefeed_backup_format::LocationAccess;
use serde::Serialize;
use tokio::sync::OnceCell;

use crate::cosmos::{Account, Connect, Container, Error, Meter};
use crate::jobs::JobOptions;

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The container whose versions are kept.
    Monitored,
    /// The container that keeps them.
    Changes,
    /// The leases of whoever reads the monitored container's change feed.
    Leases,
    /// Long work.
    Jobs,
    /// What could not be stored.
    DeadLetters,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Monitored, Self::Changes, Self::Leases, Self::Jobs, Self::DeadLetters];
}

/// The names of the database and its containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerNames {
    /// The database that all containers are in.
    pub database: String,
    /// See [`Role::Monitored`].
    pub monitored: String,
    /// See [`Role::Changes`].
    pub changes: String,
    /// See [`Role::Leases`].
    pub leases: String,
    /// See [`Role::Jobs`].
    pub jobs: String,
    /// See [`Role::DeadLetters`].
    pub dead_letters: String,
}

impl ContainerNames {
    /// The name of the container with this role.
    pub fn of(&self, role: Role) -> &str {
        match role {
            Role::Monitored => &self.monitored,
            Role::Changes => &self.changes,
            Role::Leases => &self.leases,
            Role::Jobs => &self.jobs,
            Role::DeadLetters => &self.dead_letters,
        }
    }

    /// The role of the container with this name among `roles`.
    ///
    /// # Errors
    /// Names what is allowed.
    pub fn role_of(&self, name: &str, roles: &[Role]) -> Result<Role, Error> {
        roles.iter().copied().find(|role| self.of(*role) == name).ok_or_else(|| {
            let allowed: Vec<&str> = roles.iter().map(|role| self.of(*role)).collect();
            Error::invalid("choosing a container", format!("{name:?} is none of {}", allowed.join(", ")))
        })
    }
}

/// How a [`Store`] works.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Writes in flight for one batch or request.
    pub concurrency: usize,
    /// How long throttling is waited out within a batch before it is given back to be delivered again.
    pub batch_timeout: std::time::Duration,
    /// Property paths of documents (`city_name`, `address.city`) that the changes container indexes.
    pub indexed_fields: Vec<String>,
    /// The field of a restored document that gets the time of the restore, in seconds since 1970; none without.
    pub restored_at_field: Option<String>,
    /// For how many days a version is kept after it has been superseded; for ever without.
    pub retention_days: Option<u32>,
    /// How long work is done.
    pub jobs: JobOptions,
    /// How the places of backups are reached.
    pub places: LocationAccess,
}

/// A monitored container and its history.
#[derive(Debug)]
pub struct Store {
    pub(crate) account: Account,
    pub(crate) names: ContainerNames,
    pub(crate) options: StoreOptions,
    containers: BTreeMap<Role, OnceCell<Container>>,
}

impl Store {
    /// A store over these containers. Nothing is reached before it is needed.
    pub fn new(connect: Connect, names: ContainerNames, options: StoreOptions) -> Self {
        let containers = Role::ALL.into_iter().map(|role| (role, OnceCell::new())).collect();
        Self { account: Account::new(connect), names, options, containers }
    }

    /// The same store with a meter of its own, that counts nothing but what is done through it.
    pub(crate) fn metered(&self) -> Self {
        let account = self.account.metered();
        let reopened = |(role, cell): (&Role, &OnceCell<Container>)| {
            let container = cell.get().map(|container| container.counted_by(account.meter()));
            (*role, OnceCell::new_with(container))
        };
        let containers = self.containers.iter().map(reopened).collect();
        Self { account, names: self.names.clone(), options: self.options.clone(), containers }
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.account.meter()
    }

    /// The names of the containers.
    pub fn names(&self) -> &ContainerNames {
        &self.names
    }

    pub(crate) async fn container(&self, role: Role) -> Result<&Container, Error> {
        let open = || Container::open(&self.account, &self.names.database, self.names.of(role));
        self.containers[&role].get_or_try_init(open).await
    }
}
