//! Writes: done by the emulator, then put into the log, one after the other for each container.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::bulk;
use crate::change_log::Entry;
use crate::container::Container;
use crate::emulator::{Emulator, Incoming};
use crate::limits::MAX_ID_BYTES;
use crate::operation::item_id;
use crate::reply::{Reply, header};

const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";
const CONTENT_RESPONSE: &str = "x-ms-cosmos-populate-content-response-on-write";

/// Create, upsert, replace or patch of one item.
pub(crate) async fn write(emulator: &Emulator, container: &Container, mut incoming: Incoming) -> Reply {
    if let Err(reply) = check_id(&incoming) {
        return reply;
    }
    let wants_body = wants_body(&incoming);
    incoming.set_header(CONTENT_RESPONSE, "true");
    let _writes = container.writes.lock().await;
    let mut reply = emulator.execute(&incoming).await;
    if reply.is_success() {
        let body = std::mem::take(&mut reply.body);
        if wants_body {
            reply.body.clone_from(&body);
        }
        let key = incoming.header(PARTITION_KEY).map(str::to_owned);
        append(container, &reply, [(key, body)]);
    }
    reply
}

/// Delete of one item.
pub(crate) async fn delete(emulator: &Emulator, container: &Container, incoming: Incoming) -> Reply {
    let _writes = container.writes.lock().await;
    let reply = emulator.execute(&incoming).await;
    if reply.is_success() {
        remove(container, incoming.header(PARTITION_KEY).unwrap_or_default(), &item_id(&incoming));
        remember_session(container, &reply);
    }
    reply
}

/// A transactional batch, all or nothing within one partition key value; or a bulk request, of which each operation
/// stands for itself.
pub(crate) async fn batch(emulator: &Emulator, container: &Container, mut incoming: Incoming) -> Reply {
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
    if incoming.header("x-ms-cosmos-batch-atomic").is_some_and(|atomic| atomic.eq_ignore_ascii_case("false")) {
        return bulk::execute(emulator, container, incoming).await;
    }
    incoming.set_header(CONTENT_RESPONSE, "true");
    let _writes = container.writes.lock().await;
    let reply = emulator.execute(&incoming).await;
    let operations: Vec<BatchOperation> = serde_json::from_slice(&incoming.body).unwrap_or_default();
    let results: Vec<BatchResult> = serde_json::from_slice(&reply.body).unwrap_or_default();
    let key = incoming.header(PARTITION_KEY).unwrap_or_default().to_owned();
    let mut written = Vec::new();
    for (operation, result) in operations.iter().zip(results).filter(|(_, result)| (200..300).contains(&result.status))
    {
        match (operation.kind.as_str(), result.body) {
            ("Read", _) => {}
            ("Delete", _) => remove(container, &key, operation.id.as_deref().unwrap_or_default()),
            (_, Some(body)) => written.push((Some(key.clone()), body.get().as_bytes().to_vec())),
            (kind, None) => log::error!("{kind} in a batch answered without its item; the change feed lacks it"),
        }
    }
    append(container, &reply, written);
    reply
}

/// Refuses an id that is too long; the emulator takes it.
fn check_id(incoming: &Incoming) -> Result<(), Reply> {
    #[derive(Deserialize)]
    struct WithId {
        #[serde(default)]
        id: Value,
    }
    let id = serde_json::from_slice::<WithId>(&incoming.body).ok().and_then(|item| Some(item.id.as_str()?.len()));
    match id {
        Some(length) if length > MAX_ID_BYTES => {
            Err(Reply::error(400, "BadRequest", format!("The id has {length} bytes; it can have {MAX_ID_BYTES}.")))
        }
        _ => Ok(()),
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
    /// What the log needs of a stored item.
    #[derive(Deserialize)]
    struct Stored {
        id: String,
        #[serde(rename = "_ts")]
        ts: i64,
        #[serde(rename = "_etag")]
        etag: String,
        #[serde(default)]
        ttl: Value,
    }
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
