//! Writes many items with few requests: one request has up to 100 of a physical partition, and each is answered for itself.
//!
//! The SDK has no such request. The protocol is that of the official SDKs for .NET, Java and JavaScript: a batch that is not
//! atomic and continues after an error. What it does not settle (a refusal, a region that is away) is written by a request of
//! its own through the SDK, which knows more about retries, and whose errors name the item.
//!
//! The session tokens of these answers are not known to the SDK: with session consistency, a later read by it may not see the
//! items yet. So this is for items that the caller does not read back.

use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::container::{Container, Written};
use crate::error::{Error, ErrorKind, NAME_CACHE_STALE};
use crate::gateway::{Answer, Feed};
use crate::key::Key;
use crate::large_values::Item;
use crate::retry::{pause_before_retry, retry};

/// Limits of the service: "Azure Cosmos DB service quotas" in Microsoft's documentation.
const MAX_OPERATIONS: usize = 100;
/// The service allows 2 MB. The rest is room for what surrounds the items.
const MAX_BYTES: usize = 1_900_000;
/// Of the text of an operation without its item and its key.
const OPERATION_BYTES: usize = 100;
/// Requests in flight of one call.
const CONCURRENT_REQUESTS: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The result of an item that was to be created: its charge, or `None` if an item of this id exists.
type Created = Result<Option<f64>, Error>;

/// What is done with items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Create,
    Upsert,
}

/// What a bulk request says about one of its items.
enum Settled {
    Written(Written),
    /// An item of this id exists, or one with the same unique values.
    Conflict,
    /// To be sent again after this time.
    Throttled(Option<Duration>),
    /// To be sent to another partition.
    Gone,
    /// To be written by a request of its own.
    Unsettled,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationResult {
    status_code: u16,
    #[serde(default)]
    request_charge: f64,
    retry_after_milliseconds: Option<u64>,
}

impl Container {
    /// Creates items, each for itself and in no order. The result of an item is its charge, or `None` if an item of its id exists.
    /// At most `concurrency` requests that are not in bulk are in flight.
    ///
    /// A result is an error when the item could not be created before the deadline.
    pub async fn create_many(&self, items: &[Item], concurrency: usize, deadline: Instant) -> Vec<Created> {
        let written = self.write_many(Operation::Create, items, concurrency, deadline).await;
        written.into_iter().map(none_if_exists).collect()
    }

    /// Creates or replaces items, each for itself and in no order: every id must be there once. After a lost reply, an item that was
    /// created is reported as replaced. Otherwise as [`Self::create_many`].
    pub async fn upsert_many(
        &self,
        items: &[Item],
        concurrency: usize,
        deadline: Instant,
    ) -> Vec<Result<Written, Error>> {
        self.write_many(Operation::Upsert, items, concurrency, deadline).await
    }

    async fn write_many(
        &self,
        operation: Operation,
        items: &[Item],
        concurrency: usize,
        deadline: Instant,
    ) -> Vec<Result<Written, Error>> {
        let keys: Vec<Result<Key, Error>> = items.iter().map(|item| item.key(self)).collect();
        let mut results: Vec<Option<Result<Written, Error>>> = items.iter().map(|_| None).collect();
        let sendable = (0..items.len()).filter(|index| keys[*index].is_ok()).collect();
        // A request in bulk sends the items as they are.
        if items.len() > 1 && self.scope.source().is_none() {
            let bulk = Bulk { container: self, operation, items, keys: &keys };
            Box::pin(bulk.run(sendable, deadline, &mut results)).await;
        }
        let left = results.iter().enumerate().filter(|(_, result)| result.is_none()).map(|(index, _)| index);
        let single = futures::stream::iter(left.collect::<Vec<_>>()).map(async |index| {
            let written = match &keys[index] {
                Ok(key) => self.write_one(operation, key, &items[index], deadline).await,
                Err(error) => Err(Error::new(error.kind(), "reading the key of an item", error.to_string())),
            };
            (index, written)
        });
        let single: Vec<_> = single.buffer_unordered(concurrency).collect().await;
        for (index, written) in single {
            results[index] = Some(written);
        }
        results.into_iter().flatten().collect()
    }

    /// Creates an item. Returns the charge, or `None` if an item of its id exists.
    ///
    /// # Errors
    /// When it could not be created before the deadline.
    pub async fn create_one(&self, key: &Key, item: &Item, deadline: Instant) -> Created {
        none_if_exists(self.write_one(Operation::Create, key, item, deadline).await)
    }

    async fn write_one(
        &self,
        operation: Operation,
        key: &Key,
        item: &Item,
        deadline: Instant,
    ) -> Result<Written, Error> {
        let body = item.value()?;
        match operation {
            Operation::Create => retry(deadline, || self.create(key, &item.id, &body)).await,
            Operation::Upsert => retry(deadline, || self.upsert(key, &item.id, &body)).await,
        }
    }
}

fn none_if_exists(written: Result<Written, Error>) -> Created {
    match written {
        Ok(written) => Ok(Some(written.request_charge)),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// A call of [`Container::create_many`] or [`Container::upsert_many`].
struct Bulk<'c> {
    container: &'c Container,
    operation: Operation,
    items: &'c [Item],
    keys: &'c [Result<Key, Error>],
}

impl Bulk<'_> {
    /// Sends the items. Those that are throttled, and those of a partition that is being split, are sent again until the deadline.
    async fn run(&self, mut pending: Vec<usize>, deadline: Instant, results: &mut [Option<Result<Written, Error>>]) {
        let mut backoff = FIRST_PAUSE;
        while !pending.is_empty() {
            let requests = match self.requests(std::mem::take(&mut pending)).await {
                Ok(requests) => requests,
                Err(error) => {
                    log::debug!("items are written one by one: {error}");
                    return;
                }
            };
            let answers = futures::stream::iter(requests).map(async |(range, indexes)| {
                let settled = self.send(&range, &indexes).await;
                indexes.into_iter().zip(settled).collect::<Vec<_>>()
            });
            let answers: Vec<_> = answers.buffer_unordered(CONCURRENT_REQUESTS).collect().await;
            let mut asked = None;
            for (index, settled) in answers.into_iter().flatten() {
                let refused = match settled {
                    Settled::Written(written) => {
                        results[index] = Some(Ok(written));
                        continue;
                    }
                    Settled::Conflict if self.operation == Operation::Create => {
                        results[index] = Some(Err(self.refused(ErrorKind::Conflict, index)));
                        continue;
                    }
                    Settled::Conflict | Settled::Unsettled => continue,
                    Settled::Throttled(wait) => {
                        asked = asked.max(wait);
                        self.refused(ErrorKind::Throttled, index).with_retry_after(wait)
                    }
                    Settled::Gone => {
                        self.container.range_ids.forget();
                        self.refused(ErrorKind::Gone, index)
                    }
                };
                results[index] = Some(Err(refused));
                pending.push(index);
            }
            let pause = pause_before_retry(backoff, asked);
            if pending.is_empty() || Instant::now() + pause >= deadline {
                return;
            }
            for index in &pending {
                results[*index] = None;
            }
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(LAST_PAUSE);
        }
    }

    fn refused(&self, kind: ErrorKind, index: usize) -> Error {
        let message = match kind {
            ErrorKind::Throttled => "the container has not enough throughput (429)",
            ErrorKind::Conflict => "an item of this id exists (409)",
            _ => "its partition is being split or merged (410)",
        };
        Error::new(kind, self.container.action_on("writing", &self.items[index].id), message)
    }

    /// The items, divided into requests: each has the id of a partition and the indexes of its items. An item that is too large
    /// to share a request is in none.
    async fn requests(&self, indexes: Vec<usize>) -> Result<Vec<(String, Vec<usize>)>, Error> {
        let keys = indexes.into_iter().filter_map(|index| Some((index, self.keys[index].as_ref().ok()?)));
        let by_range = self.container.by_range_id(keys).await?;
        let mut requests = Vec::new();
        for (range, indexes) in by_range {
            let mut bytes = 0;
            let mut request = Vec::new();
            for index in indexes {
                let added = self.items[index].body.get().len() + OPERATION_BYTES;
                if added > MAX_BYTES {
                    continue;
                }
                if bytes + added > MAX_BYTES || request.len() == MAX_OPERATIONS {
                    requests.push((range.clone(), std::mem::take(&mut request)));
                    bytes = 0;
                }
                request.push(index);
                bytes += added;
            }
            requests.push((range, request));
        }
        requests.retain(|(_, indexes)| !indexes.is_empty());
        Ok(requests)
    }

    /// Sends one request, and returns what it settled, in the order of `indexes`.
    async fn send(&self, range: &str, indexes: &[usize]) -> Vec<Settled> {
        let headers = [
            ("x-ms-cosmos-is-batch-request", "True"),
            ("x-ms-cosmos-batch-atomic", "False"),
            ("x-ms-cosmos-batch-continue-on-error", "True"),
            ("x-ms-documentdb-partitionkeyrangeid", range),
            ("x-ms-cosmos-intended-collection-rid", &self.container.definition().resource_id),
            ("prefer", "return=minimal"),
        ];
        let background = self.container.meter.headers();
        let background = background.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<_> = headers.into_iter().chain(background).collect();
        let body = self.body(indexes);
        match self.container.gateway.send(self.container.target(Feed::Items), &headers, Some(body)).await {
            Ok(answer) => {
                self.container.meter.add(answer.charge);
                settled(&answer, indexes.len())
            }
            Err(error) => {
                log::debug!("{} items are written one by one: {error}", indexes.len());
                indexes.iter().map(|_| Settled::Unsettled).collect()
            }
        }
    }

    fn body(&self, indexes: &[usize]) -> Vec<u8> {
        let bytes: usize = indexes.iter().map(|index| self.items[*index].body.get().len() + OPERATION_BYTES).sum();
        let mut body = Vec::with_capacity(bytes);
        for index in indexes {
            let Ok(key) = &self.keys[*index] else { continue };
            body.extend_from_slice(if body.is_empty() { b"[" } else { b"," });
            // The key is JSON in a JSON string.
            let key = Value::from(key.to_string()).to_string();
            let operation = match self.operation {
                Operation::Create => r#"{"operationType":"Create","partitionKey":"#,
                Operation::Upsert => r#"{"operationType":"Upsert","partitionKey":"#,
            };
            let before = [operation, &key, r#","resourceBody":"#].concat();
            body.extend_from_slice(before.as_bytes());
            body.extend_from_slice(self.items[*index].body.get().as_bytes());
            body.push(b'}');
        }
        body.push(b']');
        body
    }
}

/// What an answer says about each of the `count` items of its request.
fn settled(answer: &Answer, count: usize) -> Vec<Settled> {
    let all = |settled: fn(&Answer) -> Settled| (0..count).map(|_| settled(answer)).collect();
    match answer.status {
        200..=299 => {
            // An answer that cannot be read says nothing about the items.
            let results: Vec<OperationResult> = serde_json::from_slice(&answer.body).unwrap_or_default();
            if results.len() == count { results.iter().map(settled_by).collect() } else { all(|_| Settled::Unsettled) }
        }
        429 => all(|answer| Settled::Throttled(answer.retry_after)),
        410 if answer.sub_status != u32::from(NAME_CACHE_STALE.value()) => all(|_| Settled::Gone),
        _ => all(|_| Settled::Unsettled),
    }
}

fn settled_by(result: &OperationResult) -> Settled {
    match result.status_code {
        status @ 200..=299 => {
            let (request_charge, created) = (result.request_charge, status == 201);
            Settled::Written(Written { request_charge, created, etag: None })
        }
        409 => Settled::Conflict,
        429 | 449 => Settled::Throttled(result.retry_after_milliseconds.map(Duration::from_millis)),
        410 => Settled::Gone,
        _ => Settled::Unsettled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let body = body.as_bytes().to_vec();
        Answer { status, sub_status: 0, charge: 0.0, retry_after: None, continuation: None, body }
    }

    #[test]
    fn each_item_of_a_request_is_answered_for_itself() {
        let name = |settled: &Settled| match settled {
            Settled::Written(Written { created: true, .. }) => "created",
            Settled::Written(_) => "replaced",
            Settled::Conflict => "conflict",
            Settled::Throttled(_) => "throttled",
            Settled::Gone => "gone",
            Settled::Unsettled => "unsettled",
        };
        let names = |answer: &Answer, count| settled(answer, count).iter().map(name).collect::<Vec<_>>();
        let statuses = [201, 200, 409, 429, 449, 410, 400, 413, 403, 500, 503];
        let results: Vec<_> = statuses.iter().map(|status| serde_json::json!({"statusCode": status})).collect();
        let found = names(&answer(207, &Value::from(results).to_string()), statuses.len());
        let rest = ["unsettled"; 5];
        assert_eq!(found, [&["created", "replaced", "conflict", "throttled", "throttled", "gone"][..], &rest].concat());
        assert_eq!(names(&answer(200, r#"[{"statusCode":201}]"#), 2), ["unsettled"; 2]);
        assert_eq!(names(&answer(200, "[{"), 1), ["unsettled"]);
        assert_eq!(names(&answer(429, ""), 2), ["throttled"; 2]);
        assert_eq!(names(&answer(410, ""), 2), ["gone"; 2]);
        let of_another = Answer { sub_status: 1000, ..answer(410, "") };
        assert_eq!(names(&of_another, 2), ["unsettled"; 2], "the container is another one by now");
        assert_eq!(names(&answer(503, ""), 2), ["unsettled"; 2]);
    }
}
