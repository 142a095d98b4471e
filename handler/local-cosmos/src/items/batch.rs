//! Batches: transactional, with one partition key and all or nothing; and bulk, whose operations are independent.

use super::batch_body::{BatchOperation, BatchResult, Form};
use super::operation::{Refused, RequestKey, Rules, execute as execute_operation};
use super::reply::{Position, charge, refused};
use super::request_key;
use crate::container::Container;
use crate::incoming::Incoming;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS};
use crate::reply::{Reply, header};
use crate::requested_range::gone;
use crate::scripted_status::ScriptedStatus;

/// The scripted status of an operation, by the id of its item.
pub(crate) type Scripted<'s> = &'s dyn Fn(&str) -> Option<ScriptedStatus>;

/// Executes a batch. `now` is in milliseconds since 1970. `scripted` concerns the operations of a bulk request.
pub(crate) fn execute(container: &Container, incoming: &Incoming, now: i64, scripted: Scripted<'_>) -> Reply {
    let form = Form::of(&incoming.body);
    let operations = match form.read(&incoming.body, incoming.wants_item()) {
        Ok(operations) => operations,
        Err(message) => return container.error(400, "BadRequest", &message),
    };
    if operations.len() > MAX_BATCH_OPERATIONS {
        let message = format!("The batch has {} operations; the maximum is {MAX_BATCH_OPERATIONS}.", operations.len());
        return container.error(400, "BadRequest", &message);
    }
    if incoming.body.len() > MAX_BATCH_BYTES {
        return container.error(413, "RequestEntityTooLarge", "Request size is too large");
    }
    let executed = if is_bulk(incoming) {
        bulk(container, operations, incoming, now, scripted)
    } else {
        transactional(container, operations, incoming, now)
    };
    let (results, position) = match executed {
        Ok(executed) => executed,
        Err(reply) => return reply,
    };
    if results.is_empty() {
        return container.error(400, "BadRequest", "The batch has no operations; it needs at least one.");
    }
    let has_failures = results.iter().any(|result| !result.is_success());
    let units: f64 = results.iter().map(|result| result.charge).sum();
    let reply = position.add_to(container.reply(if has_failures { 207 } else { 200 }));
    let mut reply =
        reply.with(header::REQUEST_CHARGE, charge(units)).with(header::ITEM_COUNT, results.len().to_string());
    if form == Form::HybridRow {
        reply = reply.with("content-type", "application/octet-stream");
    }
    reply.body = form.write(&results);
    reply
}

/// Whether the operations of a batch are independent.
pub(crate) fn is_bulk(incoming: &Incoming) -> bool {
    incoming.header("x-ms-cosmos-batch-atomic").is_some_and(|atomic| atomic.eq_ignore_ascii_case("false"))
}

type Executed = Result<(Vec<BatchResult>, Position), Reply>;

fn transactional(container: &Container, operations: Vec<BatchOperation>, incoming: &Incoming, now: i64) -> Executed {
    for (number, operation) in operations.iter().enumerate() {
        if let Err(error) = &operation.operation {
            let message = format!("Operation {number} of the batch: {}", error.message);
            return Err(container.error(error.status, error.code, &message));
        }
    }
    let key = match request_key::of_header(container, incoming) {
        Ok(Some(key)) => key,
        Ok(None) => return Err(container.error(400, "BadRequest", "A transactional batch needs a partition key.")),
        Err(message) => return Err(container.key_mismatch(&message)),
    };
    let index = container.index_policy();
    let rules = Rules { key: container.key(), index: &index };
    let mut contents = container.store().write();
    if let Some(refusal) = container.session_refusal(&contents, contents.partition_of(&key.epk), incoming) {
        return Err(refusal);
    }
    let count = operations.len();
    let mut transaction = contents.begin(&key.epk, now);
    let mut results = Vec::with_capacity(count);
    for operation in operations {
        let result = operation
            .operation
            .and_then(|single| execute_operation(&mut transaction, &rules, &key, single, &operation.conditions));
        results.push(BatchResult::of(&result, operation.wants_item));
        if result.is_err() {
            break;
        }
    }
    if results.iter().all(BatchResult::is_success) {
        transaction.end::<_, Refused>(Ok(())).map_err(|error| refused(container, &error, None))?;
    } else {
        drop(transaction);
        let failed = results.pop();
        results.iter_mut().for_each(|result| *result = BatchResult::failed_dependency());
        results.extend(failed);
        results.resize_with(count, BatchResult::failed_dependency);
    }
    let partition = contents.partition_of(&key.epk);
    Ok((results, Position::of(partition)))
}

fn bulk(
    container: &Container,
    operations: Vec<BatchOperation>,
    incoming: &Incoming,
    now: i64,
    scripted: Scripted<'_>,
) -> Executed {
    let index = container.index_policy();
    let rules = Rules { key: container.key(), index: &index };
    let asked = incoming.header(header::PARTITION_KEY_RANGE_ID);
    if let Some(asked) = asked
        && container.store().read().partitions().iter().all(|partition| partition.id != asked)
    {
        return Err(gone(asked));
    }
    let mut partition = asked.map(str::to_owned);
    let mut results = Vec::with_capacity(operations.len());
    for operation in operations {
        let id = operation.operation.as_ref().ok().and_then(|operation| operation.id());
        if let Some(scripted) = id.and_then(scripted) {
            results.push(BatchResult::scripted(scripted));
            continue;
        }
        let key = match operation_key(container, &operation, incoming) {
            Ok(key) => key,
            Err(message) => {
                results.push(BatchResult { status: 400, message: Some(message), ..BatchResult::default() });
                continue;
            }
        };
        // Other requests do not wait for the whole bulk. Its partition can be split in between.
        let mut contents = container.store().write();
        let actual = &contents.partition_of(&key.epk).id;
        if asked.is_some_and(|asked| asked != actual) {
            results.push(BatchResult { status: 410, substatus: Some("1002".into()), ..BatchResult::default() });
            continue;
        }
        partition.get_or_insert_with(|| actual.clone());
        let mut transaction = contents.begin(&key.epk, now);
        let result = operation
            .operation
            .and_then(|single| execute_operation(&mut transaction, &rules, &key, single, &operation.conditions));
        let result = transaction.end(result);
        results.push(BatchResult::of(&result, operation.wants_item));
    }
    let contents = container.store().read();
    let partition = contents
        .partitions()
        .iter()
        .find(|known| Some(&known.id) == partition.as_ref())
        .unwrap_or_else(|| &contents.partitions()[0]);
    let position = Position::of(partition);
    Ok((results, position))
}

fn operation_key(container: &Container, operation: &BatchOperation, incoming: &Incoming) -> Result<RequestKey, String> {
    match &operation.key {
        Some(key) => request_key::parse(container, key),
        None => {
            request_key::of_header(container, incoming)?.ok_or_else(|| "The operation has no partition key.".to_owned())
        }
    }
}
