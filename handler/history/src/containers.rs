//! The containers of a history, by their roles.

use changefeed_cosmos::{Account, Error, LazyContainer, SourceName};
use serde::Serialize;

use crate::indexed_field::IndexedField;

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The container whose documents are captured.
    Monitored,
    /// The container of the versions.
    Changes,
    /// The leases of the change feeds.
    Leases,
    /// The records of jobs.
    Jobs,
    /// Documents that could not be captured.
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
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when there is none; the message contains the allowed names.
    pub fn role_of(&self, name: &str, roles: &[Role]) -> Result<Role, Error> {
        roles.iter().copied().find(|role| self.of(*role) == name).ok_or_else(|| {
            let allowed: Vec<&str> = roles.iter().map(|role| self.of(*role)).collect();
            Error::invalid(
                "choosing a container",
                format!("unknown container {name:?}; use one of {}", allowed.join(", ")),
            )
        })
    }
}

/// The containers by their roles. Each is opened when a request first needs it.
#[derive(Clone, Debug)]
pub struct Containers {
    source: SourceName,
    other_histories: Vec<String>,
    names: ContainerNames,
    indexed_fields: Vec<IndexedField>,
    pub(crate) monitored: LazyContainer,
    pub(crate) changes: LazyContainer,
    leases: LazyContainer,
    pub(crate) jobs: LazyContainer,
    pub(crate) dead_letters: LazyContainer,
}

impl Containers {
    /// The containers with these names, of the source `default`. No request is sent. `indexed_fields` are the fields of documents that the changes container
    /// indexes.
    pub fn new(account: &Account, names: ContainerNames, indexed_fields: Vec<IndexedField>) -> Self {
        let container = |name: &String| LazyContainer::new(account.clone(), names.database.clone(), name.clone());
        Self {
            monitored: container(&names.monitored),
            changes: container(&names.changes),
            leases: container(&names.leases),
            jobs: container(&names.jobs).of_source(SourceName::default()),
            dead_letters: container(&names.dead_letters).of_source(SourceName::default()),
            source: SourceName::default(),
            other_histories: Vec::new(),
            names,
            indexed_fields,
        }
    }

    /// The same containers of another source, which shares those of jobs and of dead letters.
    pub fn of_source(self, source: SourceName) -> Self {
        let [jobs, dead_letters] = [&self.jobs, &self.dead_letters].map(|shared| shared.of_source(source.clone()));
        Self { source, jobs, dead_letters, ..self }
    }

    /// The same containers, in an app that stores the versions of other sources in these containers.
    pub fn beside(self, other_histories: Vec<String>) -> Self {
        Self { other_histories, ..self }
    }

    /// The containers with the versions of other sources.
    pub fn other_histories(&self) -> &[String] {
        &self.other_histories
    }

    /// The source whose documents, versions, jobs and dead letters these are.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// Their names.
    pub fn names(&self) -> &ContainerNames {
        &self.names
    }

    /// The fields of documents that the changes container indexes.
    pub(crate) fn indexed_fields(&self) -> &[IndexedField] {
        &self.indexed_fields
    }

    /// The account.
    pub fn account(&self) -> &Account {
        self.monitored.account()
    }

    /// The container with this role.
    pub fn of(&self, role: Role) -> &LazyContainer {
        match role {
            Role::Monitored => &self.monitored,
            Role::Changes => &self.changes,
            Role::Leases => &self.leases,
            Role::Jobs => &self.jobs,
            Role::DeadLetters => &self.dead_letters,
        }
    }
}
