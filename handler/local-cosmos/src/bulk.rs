//! Bulk requests: batches that are not atomic, which SDKs send to one physical partition. The emulator supports only atomic
//! batches, so each operation is executed as a request of its own.

use azure_core::http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::container::Container;
use crate::emulator::Emulator;
use crate::incoming::Incoming;
use crate::operation::{ContainerName, item_url};
use crate::partitions::{gone, in_transition};
use crate::reply::{Reply, header};
use crate::writes;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkOperation {
    operation_type: String,
    id: Option<String>,
    /// The JSON array of the components, as text.
    partition_key: Option<String>,
    resource_body: Option<Box<RawValue>>,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

/// Whether a batch is a bulk request, whose operations are independent.
pub(crate) fn is_bulk(batch: &Incoming) -> bool {
    batch.header("x-ms-cosmos-batch-atomic").is_some_and(|atomic| atomic.eq_ignore_ascii_case("false"))
}

/// Executes every operation. The reply has a result for each; its status is 207 if any failed.
pub(crate) async fn execute(
    emulator: &Emulator,
    name: &ContainerName,
    container: &Container,
    incoming: Incoming,
) -> Reply {
    if let Some(partition) = incoming.header(header::PARTITION_KEY_RANGE_ID) {
        let partitions = {
            let _topology = container.topology.read().await;
            container.partitions(emulator, name).await
        };
        if partitions.iter().all(|known| known.id != partition) {
            return gone(partition);
        }
        if container.is_in_transition(partition) {
            return in_transition();
        }
    }
    let operations: Vec<BulkOperation> = match serde_json::from_slice(&incoming.body) {
        Ok(operations) => operations,
        Err(error) => return Reply::error(400, "BadRequest", format!("The bulk request is not valid: {error}")),
    };
    let mut answers = Vec::with_capacity(operations.len());
    let mut session_tokens = None;
    for operation in operations {
        if let Some(batch) = batch_of(&incoming, &operation) {
            let reply = writes::batch(emulator, container, batch).await;
            session_tokens = reply.header(header::SESSION_TOKEN).map(str::to_owned).or(session_tokens);
            let results: Vec<Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
            answers.push(results.into_iter().next().unwrap_or_else(|| result(&reply)));
            continue;
        }
        let reply = match request(&incoming, &operation) {
            Some(request) if request.method == Method::Delete => writes::delete(emulator, container, request).await,
            Some(request) if request.method == Method::Get => container.execute(emulator, &request).await,
            Some(request) => writes::write(emulator, container, request).await,
            None => Reply::error(
                400,
                "BadRequest",
                format!("Unknown operation {} in a bulk request.", operation.operation_type),
            ),
        };
        session_tokens = reply.header(header::SESSION_TOKEN).map(str::to_owned).or(session_tokens);
        answers.push(result(&reply));
    }
    let failed = answers.iter().any(|result| result["statusCode"].as_u64().is_none_or(|status| status >= 300));
    let charge: f64 = answers.iter().filter_map(|result| result["requestCharge"].as_f64()).sum();
    let mut reply = Reply::new(if failed { 207 } else { 200 })
        .with(header::REQUEST_CHARGE, charge.to_string())
        .with(header::ITEM_COUNT, answers.len().to_string());
    if let Some(token) = session_tokens {
        reply = reply.with(header::SESSION_TOKEN, token);
    }
    reply.body = Value::Array(answers).to_string().into_bytes();
    reply
}

/// The operation as a transactional batch, if its id cannot be the last segment of a path.
fn batch_of(incoming: &Incoming, operation: &BulkOperation) -> Option<Incoming> {
    let id = operation.id.as_deref()?;
    if !matches!(operation.operation_type.as_str(), "Replace" | "Delete" | "Read") {
        return None;
    }
    if item_url(&incoming.url, id).is_some() {
        return None;
    }
    let mut batch = Incoming::new(Method::Post, incoming.url.clone());
    batch.set_header(writes::BATCH, "true");
    batch.set_header(header::PARTITION_KEY, operation.partition_key.as_deref()?);
    let mut single = json!({"operationType": operation.operation_type, "id": id});
    if let Some(body) = &operation.resource_body {
        single["resourceBody"] = serde_json::from_str(body.get()).ok()?;
    }
    for (name, etag) in [("ifMatch", &operation.if_match), ("ifNoneMatch", &operation.if_none_match)] {
        if let Some(etag) = etag {
            single[name] = json!(etag);
        }
    }
    batch.body = json!([single]).to_string().into_bytes();
    Some(batch)
}

fn request(incoming: &Incoming, operation: &BulkOperation) -> Option<Incoming> {
    let method = match operation.operation_type.as_str() {
        "Create" | "Upsert" => Method::Post,
        "Replace" => Method::Put,
        "Patch" => Method::Patch,
        "Delete" => Method::Delete,
        "Read" => Method::Get,
        _ => return None,
    };
    let url = match method {
        Method::Post => incoming.url.clone(),
        _ => item_url(&incoming.url, operation.id.as_deref()?)?,
    };
    let mut request = Incoming::new(method, url);
    request.body = operation.resource_body.as_ref().map(|body| body.get().as_bytes().to_vec()).unwrap_or_default();
    let headers = [
        (header::PARTITION_KEY, operation.partition_key.as_deref()),
        ("x-ms-documentdb-is-upsert", (operation.operation_type == "Upsert").then_some("true")),
        ("if-match", operation.if_match.as_deref()),
        ("if-none-match", operation.if_none_match.as_deref()),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            request.set_header(name, value);
        }
    }
    Some(request)
}

fn result(reply: &Reply) -> Value {
    let mut result = json!({"statusCode": reply.status, "requestCharge": reply.request_charge()});
    if let Some(substatus) = reply.header(header::SUBSTATUS).and_then(|substatus| substatus.parse::<u32>().ok()) {
        result["subStatusCode"] = json!(substatus);
    }
    if let Some(etag) = reply.header(header::ETAG) {
        result["eTag"] = json!(etag);
    }
    if reply.is_success()
        && let Ok(body) = serde_json::from_slice::<Value>(&reply.body)
    {
        result["resourceBody"] = body;
    }
    result
}
