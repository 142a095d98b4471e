//! Writes: executed by the emulator, then added to the log; one at a time for each container.

use azure_core::http::Method;
use chrono::Utc;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::change_log::Write;
use crate::container::{Container, Definition};
use crate::emulator::Emulator;
use crate::entry::Entry;
use crate::incoming::Incoming;
use crate::item_rules::{check_id, check_item, check_patch, time_to_live};
use crate::operation::{ContainerName, item_id, item_url};
use crate::reply::{PARTITION_KEY_MISMATCH, Reply, header};
use crate::version_log::Removal;

/// Marks a batch.
pub(crate) const BATCH: &str = "x-ms-cosmos-is-batch-request";
const CONTENT_RESPONSE: &str = "x-ms-cosmos-populate-content-response-on-write";

/// The effect of an operation on an item, with its partition key header.
enum Effect {
    /// The item as it is stored now. The request may have had no partition key header.
    Stored(Option<String>, Vec<u8>),
    /// The id of a deleted item.
    Deleted(String, String),
    /// The id of an item whose time to live has expired.
    Expired(String, String),
}

/// Creates, upserts, replaces or patches one item.
pub(crate) async fn write(emulator: &Emulator, container: &Container, mut incoming: Incoming) -> Reply {
    let checked = match incoming.method {
        Method::Patch => check_patch(&incoming.body),
        _ => check_item(&incoming.body),
    };
    if let Err(message) = checked {
        return bad_request(message);
    }
    let wants_body = wants_body(&incoming);
    incoming.set_header(CONTENT_RESPONSE, "true");
    let _writes = container.writes.lock().await;
    let mut reply = container.execute(emulator, &incoming).await;
    if reply.is_success() {
        let body = std::mem::take(&mut reply.body);
        if wants_body {
            reply.body.clone_from(&body);
        }
        let key = incoming.header(header::PARTITION_KEY).map(str::to_owned);
        append(container, &reply, [Effect::Stored(key, body)]);
    } else if is_key_mismatch(&reply) {
        reply = reply.with(header::SUBSTATUS, PARTITION_KEY_MISMATCH);
    }
    reply
}

/// Whether the emulator found another partition key in the item than in the request; it gives that no sub-status.
fn is_key_mismatch(reply: &Reply) -> bool {
    let message = String::from_utf8_lossy(&reply.body);
    let messages = ["does not match the request header", "must use the batch partition key"];
    reply.status == 400 && messages.iter().any(|known| message.contains(known))
}

/// Deletes one item.
pub(crate) async fn delete(emulator: &Emulator, container: &Container, incoming: Incoming) -> Reply {
    let _writes = container.writes.lock().await;
    let reply = container.execute(emulator, &incoming).await;
    if reply.is_success() {
        let key = incoming.header(header::PARTITION_KEY).unwrap_or_default().to_owned();
        append(container, &reply, [Effect::Deleted(key, item_id(&incoming))]);
    }
    reply
}

/// Deletes the item of a log entry unless it has been written since. The caller holds `writes`.
pub(crate) async fn expire(emulator: &Emulator, container: &Container, name: &ContainerName, entry: &Entry) -> bool {
    let mut url = emulator.url().clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(["dbs", &name.database, "colls", &name.container, "docs"]);
    }
    let mut delete = match item_url(&url, &entry.id) {
        Some(url) => Incoming::new(Method::Delete, url),
        None => {
            let mut batch = Incoming::new(Method::Post, url);
            batch.set_header(BATCH, "true");
            let operation = json!({"operationType": "Delete", "id": entry.id, "ifMatch": entry.etag});
            batch.body = json!([operation]).to_string().into_bytes();
            batch
        }
    };
    delete.set_header(header::PARTITION_KEY, &entry.key);
    delete.set_header("if-match", &entry.etag);
    let reply = container.execute(emulator, &delete).await;
    let status = results(&reply).first().map_or(reply.status, |result| result.status);
    match status {
        200..300 => append(container, &reply, [Effect::Expired(entry.key.clone(), entry.id.clone())]),
        404 => drop(container.log().remove(&entry.epk, &entry.id)),
        _ => {}
    }
    (200..300).contains(&status)
}

#[derive(Deserialize)]
struct BatchOperation {
    #[serde(rename = "operationType")]
    kind: String,
    id: Option<String>,
    #[serde(rename = "resourceBody")]
    body: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct BatchResult {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(rename = "resourceBody")]
    body: Option<Box<RawValue>>,
}

/// The results in the reply to a batch; none if the batch was refused.
fn results(reply: &Reply) -> Vec<BatchResult> {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// Executes a transactional batch, which is atomic within one partition key value.
pub(crate) async fn batch(emulator: &Emulator, container: &Container, mut incoming: Incoming) -> Reply {
    let operations = match operations(&incoming.body) {
        Ok(operations) => operations,
        Err(message) => return bad_request(message),
    };
    incoming.set_header(CONTENT_RESPONSE, "true");
    let _writes = container.writes.lock().await;
    let reply = container.execute(emulator, &incoming).await;
    let key = incoming.header(header::PARTITION_KEY).unwrap_or_default().to_owned();
    let mut effects = Vec::new();
    for (operation, result) in
        operations.into_iter().zip(results(&reply)).filter(|(_, result)| (200..300).contains(&result.status))
    {
        match (operation.kind.as_str(), result.body) {
            ("Read", _) => {}
            ("Delete", _) => effects.push(Effect::Deleted(key.clone(), operation.id.unwrap_or_default())),
            (_, Some(body)) => effects.push(Effect::Stored(Some(key.clone()), body.get().as_bytes().to_vec())),
            (kind, None) => {
                log::error!("the reply to a {kind} in a batch has no item; the change feed will not include it")
            }
        }
    }
    append(container, &reply, effects);
    if is_key_mismatch(&reply) { reply.with(header::SUBSTATUS, PARTITION_KEY_MISMATCH) } else { reply }
}

/// The operations of a transactional batch, if all their items can be stored.
fn operations(body: &[u8]) -> Result<Vec<BatchOperation>, String> {
    let operations: Vec<BatchOperation> =
        serde_json::from_slice(body).map_err(|error| format!("The batch is not valid: {error}"))?;
    for (index, operation) in operations.iter().enumerate() {
        let Some(item) = &operation.body else { continue };
        check_item(item.get().as_bytes())
            .and_then(|()| operation.id.as_deref().map_or(Ok(()), check_id))
            .map_err(|message| format!("Operation {index} of the batch: {message}"))?;
    }
    Ok(operations)
}

fn bad_request(message: String) -> Reply {
    Reply::error(400, "BadRequest", message)
}

/// Whether the client requests the written item in the reply.
fn wants_body(incoming: &Incoming) -> bool {
    match incoming.header(CONTENT_RESPONSE) {
        Some(value) => value.eq_ignore_ascii_case("true"),
        None => !incoming.header("prefer").is_some_and(|prefer| prefer.contains("return=minimal")),
    }
}

/// Logs the effects of one request, in the order in which they were applied.
fn append(container: &Container, reply: &Reply, effects: impl IntoIterator<Item = Effect>) {
    let definition = container.definition();
    let lsn = reply.header(header::LSN).and_then(|lsn| lsn.parse().ok()).unwrap_or_default();
    let now = Utc::now();
    let removal = |key: String, id, is_expired| {
        let epk = definition.key_range(&key)?.min;
        Ok(Write::Delete(Removal { epk, id, key, ts: now.timestamp(), lsn, is_expired }))
    };
    let write = |effect| match effect {
        Effect::Stored(key, body) => entry(&definition, lsn, key, body).map(Write::Put),
        Effect::Deleted(key, id) => removal(key, id, false),
        Effect::Expired(key, id) => removal(key, id, true),
    };
    match effects.into_iter().map(write).collect::<Result<Vec<_>, String>>() {
        Ok(writes) => container.log().append(writes, definition.default_ttl, now.timestamp_millis()),
        Err(error) => log::error!("the change feed will not include a write: {error}"),
    }
    container.sequence().record(reply);
}

/// The entry of a stored item. If the request had no partition key header, the item has the key.
fn entry(definition: &Definition, lsn: u64, key: Option<String>, body: Vec<u8>) -> Result<Entry, String> {
    /// The properties of a stored item that the log needs.
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
    let stored: Stored = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let key = match key {
        Some(key) => key,
        None => definition.key_header(&serde_json::from_slice(&body).map_err(|error| error.to_string())?),
    };
    let epk = definition.key_range(&key)?.min;
    let ttl = time_to_live(&stored.ttl).ok().flatten();
    Ok(Entry { epk, id: stored.id, key, etag: stored.etag, ts: stored.ts, ttl, lsn, body })
}
