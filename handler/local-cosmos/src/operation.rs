//! What a request does, and to which container.

use actix_web::http::Method;

use crate::incoming::Incoming;
use crate::resources::{Address, ContainerPath, Resource};

/// A container, addressed by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContainerName {
    pub database: String,
    pub container: String,
}

impl ContainerName {
    pub(crate) fn new(database: impl Into<String>, container: impl Into<String>) -> Self {
        Self { database: database.into(), container: container.into() }
    }
}

impl std::fmt::Display for ContainerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.database, self.container)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Upsert,
    Replace,
    Patch,
    Delete,
    /// Reads one item.
    Read,
    /// A transactional or bulk batch.
    Batch,
    ChangeFeed,
    /// A query or a read of all items, answered in pages.
    Query,
    QueryPlan,
    /// Reads the account, a database, a container or its physical partitions, or lists databases or containers.
    ReadMetadata,
    Other,
}

/// A request's action and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub action: Action,
    pub address: Address,
    /// The database that the request is for.
    pub database: Option<String>,
    /// The container that the request is for.
    pub container: Option<ContainerName>,
}

impl Operation {
    pub(crate) fn of(incoming: &Incoming) -> Self {
        let address = Address::parse(&incoming.path);
        let container =
            address.container().map(|path| ContainerName::new(path.database.clone(), path.container.clone()));
        let database = match &address {
            Address::Resource(Resource::Database(name) | Resource::Containers(name)) => Some(name.clone()),
            _ => container.as_ref().map(|name| name.database.clone()),
        };
        Self { action: action(incoming, &address), address, database, container }
    }

    /// The same operation, with the names of the container and its database, of which its address may have the resource ids.
    pub(crate) fn with_names(self, database: String, container: String) -> Self {
        Self { database: Some(database.clone()), container: Some(ContainerName { database, container }), ..self }
    }

    /// The container of the address, by names or resource ids.
    pub(crate) fn container_path(&self) -> Option<&ContainerPath> {
        self.address.container()
    }

    /// The id of the item that the path names.
    pub(crate) fn item_id(&self) -> Option<&str> {
        if let Address::Item(_, id) = &self.address { Some(id) } else { None }
    }

    pub(crate) fn is_write(&self) -> bool {
        use Action::{Batch, Create, Delete, Patch, Replace, Upsert};
        matches!(self.action, Create | Upsert | Replace | Patch | Delete | Batch)
    }

    pub(crate) fn is_metadata_read(&self) -> bool {
        self.action == Action::ReadMetadata
    }

    /// Whether it creates, replaces or deletes a database or a container.
    pub(crate) fn is_definition_write(&self) -> bool {
        self.action == Action::Other && self.database.is_some() && matches!(self.address, Address::Resource(_))
    }
}

fn action(incoming: &Incoming, address: &Address) -> Action {
    match (&incoming.method, address) {
        (&Method::POST, Address::Items(_)) => {
            if incoming.flag("x-ms-cosmos-is-batch-request") {
                Action::Batch
            } else if incoming.is_query_plan() {
                Action::QueryPlan
            } else if incoming.is_query() {
                Action::Query
            } else if incoming.flag("x-ms-documentdb-is-upsert") {
                Action::Upsert
            } else {
                Action::Create
            }
        }
        (&Method::PUT, Address::Item(..)) => Action::Replace,
        (&Method::PATCH, Address::Item(..)) => Action::Patch,
        (&Method::DELETE, Address::Item(..)) => Action::Delete,
        (&Method::GET, Address::Item(..)) => Action::Read,
        (&Method::GET, Address::Items(_)) if incoming.header("a-im").is_some() => Action::ChangeFeed,
        (&Method::GET, Address::Items(_)) => Action::Query,
        (&Method::GET, Address::Account | Address::Resource(_)) => Action::ReadMetadata,
        (&Method::POST, Address::Resource(_)) if incoming.is_query() => Action::ReadMetadata,
        _ => Action::Other,
    }
}
