//! What a request asks for, as far as it matters around the emulator.

use azure_core::http::Method;

use crate::emulator::Incoming;

/// A container, by the names in the path.
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Create, upsert, replace or patch of one item.
    Write(ContainerName),
    Delete(ContainerName),
    /// Read of one item.
    Read(ContainerName),
    /// A transactional or bulk batch.
    Batch(ContainerName),
    ChangeFeed(ContainerName),
    /// A query or a read of all items, answered in pages.
    Page(ContainerName),
    CreateContainer,
    ReadContainer(ContainerName),
    /// The list of a container's physical partitions.
    ReadPartitions(ContainerName),
    /// Replace or delete of a container: what was known of it is out of date.
    AlterContainer(ContainerName),
    DropContainer(ContainerName),
    DropDatabase(String),
    Other,
}

impl Operation {
    pub(crate) fn of(incoming: &Incoming) -> Self {
        let path = incoming.url.path();
        let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let name = |database: &str, container: &str| ContainerName::new(database, container);
        match (incoming.method, segments.as_slice()) {
            (Method::Post, ["dbs", database, "colls", container, "docs"]) => {
                let container = name(database, container);
                if incoming.flag("x-ms-cosmos-is-batch-request") {
                    Self::Batch(container)
                } else if incoming.flag("x-ms-cosmos-is-query-plan-request") {
                    Self::Other
                } else if incoming.flag("x-ms-documentdb-isquery") || incoming.flag("x-ms-documentdb-query") {
                    Self::Page(container)
                } else {
                    Self::Write(container)
                }
            }
            (Method::Put | Method::Patch, ["dbs", database, "colls", container, "docs", _]) => {
                Self::Write(name(database, container))
            }
            (Method::Get, ["dbs", database, "colls", container, "docs", _]) => Self::Read(name(database, container)),
            (Method::Delete, ["dbs", database, "colls", container, "docs", _]) => {
                Self::Delete(name(database, container))
            }
            (Method::Get, ["dbs", database, "colls", container, "docs"]) if incoming.header("a-im").is_some() => {
                Self::ChangeFeed(name(database, container))
            }
            (Method::Get, ["dbs", database, "colls", container, "docs"]) => Self::Page(name(database, container)),
            (Method::Post, ["dbs", _, "colls"]) => Self::CreateContainer,
            (Method::Get, ["dbs", database, "colls", container]) => Self::ReadContainer(name(database, container)),
            (Method::Get, ["dbs", database, "colls", container, "pkranges"]) => {
                Self::ReadPartitions(name(database, container))
            }
            (Method::Put, ["dbs", database, "colls", container]) => Self::AlterContainer(name(database, container)),
            (Method::Delete, ["dbs", database, "colls", container]) => Self::DropContainer(name(database, container)),
            (Method::Delete, ["dbs", database]) => Self::DropDatabase((*database).to_owned()),
            _ => Self::Other,
        }
    }

    /// The container whose items the request is for.
    pub(crate) fn items_of(&self) -> Option<&ContainerName> {
        match self {
            Self::Write(name)
            | Self::Delete(name)
            | Self::Read(name)
            | Self::Batch(name)
            | Self::ChangeFeed(name)
            | Self::Page(name) => Some(name),
            _ => None,
        }
    }
}

/// The last segment of an item's path: its id.
pub(crate) fn item_id(incoming: &Incoming) -> String {
    incoming.url.path().rsplit('/').next().map(decode).unwrap_or_default()
}

fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
