//! Every request goes through here: to the emulator, to the log, or to both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::change_feed;
use crate::change_log::Entry;
use crate::container::{Container, read_partition_key_ranges};
use crate::emulator::{Emulator, Incoming};
use crate::keys::is_signed;
use crate::operation::{ContainerName, Operation, item_id};
use crate::paging;
use crate::reply::{Reply, header};
use crate::usage::UsageMeter;

const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";
const CONTENT_RESPONSE: &str = "x-ms-cosmos-populate-content-response-on-write";

#[derive(Debug)]
pub(crate) struct Gateway {
    emulator: Emulator,
    containers: Mutex<BTreeMap<ContainerName, Arc<Container>>>,
    /// The key that requests must be signed with, if they must be.
    key: Option<String>,
    pub usage: UsageMeter,
}

/// What the log needs of a stored item.
#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(rename = "_ts")]
    ts: i64,
    #[serde(rename = "_etag")]
    etag: String,
    #[serde(default)]
    ttl: serde_json::Value,
}

impl Gateway {
    pub(crate) fn new(emulator: Emulator, key: Option<String>) -> Self {
        Self { emulator, containers: Mutex::default(), key, usage: UsageMeter::new() }
    }

    pub(crate) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    pub(crate) fn containers(&self) -> Vec<(ContainerName, Arc<Container>)> {
        self.registry().iter().map(|(name, container)| (name.clone(), Arc::clone(container))).collect()
    }

    pub(crate) async fn answer(&self, mut incoming: Incoming) -> Reply {
        if let Some(key) = &self.key
            && !self.is_authorized(key, &incoming)
        {
            return Reply::error(401, "Unauthorized", "The request is not signed with this account's key.");
        }
        // Text is what every client reads; the log keeps text too.
        incoming.remove_header("x-ms-cosmos-supported-serialization-formats");
        let reply = match Operation::of(&incoming) {
            Operation::Write(name) => self.write(&name, incoming).await,
            Operation::Delete(name) => self.delete(&name, incoming).await,
            Operation::Batch(name) => self.batch(&name, incoming).await,
            Operation::ChangeFeed(name) => self.change_feed(&name, incoming).await,
            Operation::Page(_) => paging::execute(&self.emulator, incoming).await,
            Operation::ReadContainer(name) => self.read_container(&name, incoming).await,
            Operation::AlterContainer(name) => {
                let reply = self.emulator.execute(&incoming).await;
                let known = self.registry().get(&name).cloned();
                if let Some(container) = known {
                    container.reload(&self.emulator, &name).await;
                }
                reply
            }
            Operation::DropContainer(name) => {
                let reply = self.emulator.execute(&incoming).await;
                if reply.is_success() {
                    self.registry().remove(&name);
                }
                reply
            }
            Operation::DropDatabase(database) => {
                let reply = self.emulator.execute(&incoming).await;
                if reply.is_success() {
                    self.registry().retain(|name, _| name.database != database);
                }
                reply
            }
            Operation::Other => self.emulator.execute(&incoming).await,
        };
        self.usage.count(reply.request_charge());
        reply
    }

    fn is_authorized(&self, key: &str, incoming: &Incoming) -> bool {
        let date = incoming.header("x-ms-date").or_else(|| incoming.header("date")).unwrap_or_default();
        let authorization = incoming.header("authorization").unwrap_or_default();
        is_signed(key, incoming.method.as_str(), incoming.url.path(), date, authorization)
    }

    async fn write(&self, name: &ContainerName, mut incoming: Incoming) -> Reply {
        let Some(container) = self.container(name).await else { return self.emulator.execute(&incoming).await };
        let wants_body = wants_body(&incoming);
        incoming.set_header(CONTENT_RESPONSE, "true");
        let _writes = container.writes.lock().await;
        let mut reply = self.emulator.execute(&incoming).await;
        if reply.is_success() {
            let body = std::mem::take(&mut reply.body);
            if wants_body {
                reply.body.clone_from(&body);
            }
            let key = incoming.header(PARTITION_KEY).map(str::to_owned);
            append(&container, &reply, [(key, body)]);
        }
        reply
    }

    async fn delete(&self, name: &ContainerName, incoming: Incoming) -> Reply {
        let Some(container) = self.container(name).await else { return self.emulator.execute(&incoming).await };
        let _writes = container.writes.lock().await;
        let reply = self.emulator.execute(&incoming).await;
        if reply.is_success() {
            let key = incoming.header(PARTITION_KEY).unwrap_or_default();
            remove(&container, key, &item_id(&incoming));
            remember_session(&container, &reply);
        }
        reply
    }

    async fn batch(&self, name: &ContainerName, mut incoming: Incoming) -> Reply {
        #[derive(Deserialize)]
        struct BatchOperation {
            #[serde(rename = "operationType")]
            kind: String,
            id: Option<String>,
        }
        #[derive(Deserialize)]
        struct BatchResult {
            #[serde(rename = "statusCode")]
            status: u16,
            #[serde(rename = "resourceBody")]
            body: Option<Box<RawValue>>,
        }
        let Some(container) = self.container(name).await else { return self.emulator.execute(&incoming).await };
        incoming.set_header(CONTENT_RESPONSE, "true");
        let _writes = container.writes.lock().await;
        let reply = self.emulator.execute(&incoming).await;
        let operations: Vec<BatchOperation> = serde_json::from_slice(&incoming.body).unwrap_or_default();
        let results: Vec<BatchResult> = serde_json::from_slice(&reply.body).unwrap_or_default();
        let key = incoming.header(PARTITION_KEY).unwrap_or_default().to_owned();
        let mut written = Vec::new();
        for (operation, result) in
            operations.iter().zip(results).filter(|(_, result)| (200..300).contains(&result.status))
        {
            match (operation.kind.as_str(), result.body) {
                ("Read", _) => {}
                ("Delete", _) => remove(&container, &key, operation.id.as_deref().unwrap_or_default()),
                (_, Some(body)) => written.push((Some(key.clone()), body.get().as_bytes().to_vec())),
                (kind, None) => log::error!("{kind} in a batch answered without its item; the change feed lacks it"),
            }
        }
        append(&container, &reply, written);
        reply
    }

    async fn change_feed(&self, name: &ContainerName, incoming: Incoming) -> Reply {
        let full_fidelity = incoming.header("a-im").is_some_and(|mode| mode.eq_ignore_ascii_case("Full-Fidelity Feed"));
        if full_fidelity {
            let message = "AllVersionsAndDeletes mode needs continuous backup, which this endpoint does not have.";
            return Reply::error(400, "BadRequest", message);
        }
        let Some(container) = self.container(name).await else { return self.emulator.execute(&incoming).await };
        let partitions = read_partition_key_ranges(&self.emulator, name).await;
        change_feed::read(&container, &partitions, &incoming)
    }

    async fn read_container(&self, name: &ContainerName, incoming: Incoming) -> Reply {
        let reply = self.emulator.execute(&incoming).await;
        if !reply.is_success() || !incoming.flag("x-ms-documentdb-populatequotainfo") {
            return reply;
        }
        let items = match self.container(name).await {
            Some(container) => container.log().items(),
            None => 0,
        };
        reply.with("x-ms-resource-usage", format!("documentsCount={items};"))
    }

    async fn container(&self, name: &ContainerName) -> Option<Arc<Container>> {
        if let Some(container) = self.registry().get(name) {
            return Some(Arc::clone(container));
        }
        let loaded = Arc::new(Container::load(&self.emulator, name).await?);
        Some(Arc::clone(self.registry().entry(name.clone()).or_insert(loaded)))
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, BTreeMap<ContainerName, Arc<Container>>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the client wants to see what it wrote.
fn wants_body(incoming: &Incoming) -> bool {
    match incoming.header(CONTENT_RESPONSE) {
        Some(value) => value.eq_ignore_ascii_case("true"),
        None => !incoming.header("prefer").is_some_and(|prefer| prefer.contains("return=minimal")),
    }
}

/// Logs the items that one request wrote: partition key header (taken from the item if there was none) and body.
fn append(container: &Container, reply: &Reply, written: impl IntoIterator<Item = (Option<String>, Vec<u8>)>) {
    let definition = container.definition();
    let lsn = reply.header(header::LSN).and_then(|lsn| lsn.parse().ok()).unwrap_or_default();
    let entry = |(key, body): (Option<String>, Vec<u8>)| -> Result<Entry, String> {
        let stored: Stored = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let key = match key {
            Some(key) => key,
            None => definition.key_header(&serde_json::from_slice(&body).map_err(|error| error.to_string())?),
        };
        let epk = definition.key_range(&key)?.min;
        Ok(Entry { epk, id: stored.id, key, etag: stored.etag, ts: stored.ts, ttl: stored.ttl.as_i64(), lsn, body })
    };
    match written.into_iter().map(entry).collect::<Result<Vec<_>, _>>() {
        Ok(entries) => container.log().append(entries, definition.default_ttl),
        Err(error) => log::error!("a write is missing in the change feed: {error}"),
    }
    remember_session(container, reply);
}

fn remove(container: &Container, key: &str, id: &str) {
    if let Ok(range) = container.definition().key_range(key) {
        container.log().remove(&range.min, id);
    }
}

fn remember_session(container: &Container, reply: &Reply) {
    if let (Some(partition), Some(token)) =
        (reply.header(header::PARTITION_KEY_RANGE_ID), reply.header(header::SESSION_TOKEN))
    {
        container.remember_session(partition, token);
    }
}
