//! What a request does, and to which container.

use azure_core::http::Method;
use url::Url;

use crate::incoming::Incoming;

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
    CreateContainer,
    ReadContainer,
    ReplaceContainer,
    DeleteContainer,
    /// Lists a container's physical partitions.
    ReadPartitions,
    DeleteDatabase,
    /// Reads the account or a database, or lists databases or containers.
    ReadMetadata,
    Other,
}

/// A request's action and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub action: Action,
    /// The database named in the path.
    pub database: Option<String>,
    /// The container named in the path.
    pub container: Option<ContainerName>,
}

impl Operation {
    pub(crate) fn of(incoming: &Incoming) -> Self {
        let segments = segments(incoming);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let database = match segments.as_slice() {
            ["dbs", database, ..] => Some((*database).to_owned()),
            _ => None,
        };
        let container = match segments.as_slice() {
            ["dbs", database, "colls", container, ..] => Some(ContainerName::new(*database, *container)),
            _ => None,
        };
        Self { action: action(incoming, &segments), database, container }
    }

    /// The container whose items the request reads or writes.
    pub(crate) fn items_of(&self) -> Option<&ContainerName> {
        self.container.as_ref().filter(|_| self.is_write() || self.is_read_of_items())
    }

    pub(crate) fn is_write(&self) -> bool {
        use Action::{Batch, Create, Delete, Patch, Replace, Upsert};
        matches!(self.action, Create | Upsert | Replace | Patch | Delete | Batch)
    }

    /// Whether the request reads or writes items of one partition key value.
    pub(crate) fn addresses_item(&self) -> bool {
        self.is_write() || self.action == Action::Read
    }

    fn is_read_of_items(&self) -> bool {
        matches!(self.action, Action::Read | Action::Query | Action::ChangeFeed)
    }

    pub(crate) fn is_metadata_read(&self) -> bool {
        matches!(self.action, Action::ReadContainer | Action::ReadPartitions | Action::ReadMetadata)
    }

    /// Whether the request creates or deletes containers.
    pub(crate) fn changes_registry(&self) -> bool {
        matches!(self.action, Action::CreateContainer | Action::DeleteContainer | Action::DeleteDatabase)
    }
}

fn action(incoming: &Incoming, segments: &[&str]) -> Action {
    match (incoming.method, segments) {
        (Method::Post, ["dbs", _, "colls", _, "docs"]) => {
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
        (Method::Put, ["dbs", _, "colls", _, "docs", _]) => Action::Replace,
        (Method::Patch, ["dbs", _, "colls", _, "docs", _]) => Action::Patch,
        (Method::Delete, ["dbs", _, "colls", _, "docs", _]) => Action::Delete,
        (Method::Get, ["dbs", _, "colls", _, "docs", _]) => Action::Read,
        (Method::Get, ["dbs", _, "colls", _, "docs"]) if incoming.header("a-im").is_some() => Action::ChangeFeed,
        (Method::Get, ["dbs", _, "colls", _, "docs"]) => Action::Query,
        (Method::Post, ["dbs", _, "colls"]) if !incoming.is_query() => Action::CreateContainer,
        (Method::Get, ["dbs", _, "colls", _]) => Action::ReadContainer,
        (Method::Get, ["dbs", _, "colls", _, "pkranges"]) => Action::ReadPartitions,
        (Method::Put, ["dbs", _, "colls", _]) => Action::ReplaceContainer,
        (Method::Delete, ["dbs", _, "colls", _]) => Action::DeleteContainer,
        (Method::Delete, ["dbs", _]) => Action::DeleteDatabase,
        (Method::Get, [] | ["dbs"] | ["dbs", _] | ["dbs", _, "colls"]) => Action::ReadMetadata,
        (Method::Post, ["dbs"] | ["dbs", _, "colls"]) if incoming.is_query() => Action::ReadMetadata,
        _ => Action::Other,
    }
}

/// The segments of the path, decoded.
pub(crate) fn segments(incoming: &Incoming) -> Vec<String> {
    incoming.url.path().split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

/// The last segment of an item's path: its id.
pub(crate) fn item_id(incoming: &Incoming) -> String {
    incoming.url.path().rsplit('/').next().map(decode).unwrap_or_default()
}

/// The URL of an item in a container whose items have the URL `items`; `None` if no path has this id as its last segment.
pub(crate) fn item_url(items: &Url, id: &str) -> Option<Url> {
    let mut url = items.clone();
    url.path_segments_mut().ok()?.push(id);
    let is_item = url.path().strip_prefix(items.path()).and_then(|path| path.strip_prefix('/')).map(decode);
    (is_item.is_some_and(|last| last == id && !id.is_empty())).then_some(url)
}

fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
