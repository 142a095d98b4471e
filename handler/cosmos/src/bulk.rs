//! Writes many items with few requests: one request has up to 100 of a physical partition, and each is answered for itself.
//!
//! The SDK has no such request. The protocol is that of the official SDKs for .NET, Java and JavaScript: a batch that is not
//! atomic and continues after an error. What it does not settle (a refusal, a region that is away) is written by a request of
//! its own through the SDK, which knows more about retries, and whose errors name the item.
//!
//! The session tokens of these answers are not known to the SDK: with session consistency, a later read by it may not see the
//! items yet. [`Container::write_many`] makes them known to it; the other functions are for items that the caller does not read back.

use std::time::Duration;

use azure_data_cosmos::options::ItemReadOptions;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bulk_answer::{Settled, settled};
use crate::container::{Container, Written};
use crate::error::{Error, ErrorKind};
use crate::gateway::{Answer, Feed};
use crate::item_address::{ItemAddress, PathId};
use crate::key::Key;
use crate::large_values::Item;
use crate::retry::{pause_before_retry, retry};

/// Limits of the service: "Azure Cosmos DB service quotas" in Microsoft's documentation.
const MAX_OPERATIONS: usize = 100;
/// The service allows 2 MB. The rest is room for what surrounds the items.
const MAX_BYTES: usize = 1_900_000;
/// Of the text of an operation without its item and its key.
const OPERATION_BYTES: usize = 100;
/// Fewer items of a partition are not written in bulk if the SDK has to know the session token: that needs a request, too.
const MIN_WITH_TOKEN: usize = 3;
/// Requests in flight of one call.
const CONCURRENT_REQUESTS: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How long a read may take from which the SDK learns a session token. Other items wait for it.
const TOKEN_READ: Duration = Duration::from_secs(2);

/// The result of an item that was to be created: its charge, or `None` if an item of this id exists.
type Created = Result<Option<f64>, Error>;

/// What is done with the items of a call.
#[derive(Clone, Copy)]
enum Operations<'e> {
    CreateAll,
    UpsertAll,
    /// An item with an etag is replaced if it still has it, one without is created.
    Conditional(&'e [Option<String>]),
}

/// The outcome of an item that was to be written in bulk.
#[derive(Debug)]
pub enum WriteInBulk {
    /// It was written.
    Written(Written),
    /// It was not written, for this reason.
    Refused(Error),
    /// It was refused for a reason that is not known, or perhaps written.
    Unsettled,
    /// It was not sent.
    NotSent,
}

impl Container {
    /// Creates items, each for itself and in no order. The result of an item is its charge, or `None` if an item of its id exists.
    /// At most `concurrency` requests that are not in bulk are in flight.
    ///
    /// A result is an error when the item could not be created before the deadline.
    pub async fn create_many(&self, items: &[Item], concurrency: usize, deadline: Instant) -> Vec<Created> {
        let written = self.write_all(Operations::CreateAll, items, concurrency, deadline).await;
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
        self.write_all(Operations::UpsertAll, items, concurrency, deadline).await
    }

    /// Replaces the items that have these etags, and creates those without one, each for itself and in no order: every id must be there
    /// once. What is not written has to be written by a request of its own: an item with few others in its partition, too. Later reads of
    /// this program see what was written. At most `concurrency` requests are in flight.
    pub async fn write_many(
        &self,
        items: &[Item],
        etags: &[Option<String>],
        concurrency: usize,
        deadline: Instant,
    ) -> Vec<WriteInBulk> {
        let (operations, concurrency) = (Operations::Conditional(etags), concurrency.clamp(1, CONCURRENT_REQUESTS));
        self.write_in_bulk(operations, items, &self.keys_of(items), concurrency, deadline).await
    }

    async fn write_all(
        &self,
        operations: Operations<'_>,
        items: &[Item],
        concurrency: usize,
        deadline: Instant,
    ) -> Vec<Result<Written, Error>> {
        let keys = self.keys_of(items);
        let in_bulk = self.write_in_bulk(operations, items, &keys, CONCURRENT_REQUESTS, deadline).await;
        let mut results: Vec<Option<Result<Written, Error>>> = Vec::with_capacity(items.len());
        results.extend(in_bulk.into_iter().map(|written| match written {
            WriteInBulk::Written(written) => Some(Ok(written)),
            WriteInBulk::Refused(error) => Some(Err(error)),
            WriteInBulk::Unsettled | WriteInBulk::NotSent => None,
        }));
        let left = results.iter().enumerate().filter(|(_, result)| result.is_none()).map(|(index, _)| index);
        let is_upsert = matches!(operations, Operations::UpsertAll);
        let single = futures::stream::iter(left.collect::<Vec<_>>()).map(async |index| {
            let written = match &keys[index] {
                Ok(key) => self.write_one(is_upsert, key, &items[index], deadline).await,
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

    fn keys_of(&self, items: &[Item]) -> Vec<Result<Key, Error>> {
        items.iter().map(|item| item.key(self)).collect()
    }

    async fn write_in_bulk(
        &self,
        operations: Operations<'_>,
        items: &[Item],
        keys: &[Result<Key, Error>],
        concurrency: usize,
        deadline: Instant,
    ) -> Vec<WriteInBulk> {
        let mut results: Vec<WriteInBulk> = items.iter().map(|_| WriteInBulk::NotSent).collect();
        let is_sendable = |index: &usize| keys[*index].is_ok() && operations.may_send(&items[*index]);
        let sendable: Vec<usize> = (0..items.len()).filter(is_sendable).collect();
        // A request in bulk sends the items as they are.
        if sendable.len() >= operations.min_items().max(2) && self.scope.source().is_none() {
            let bulk = Bulk { container: self, operations, items, keys, concurrency, deadline };
            Box::pin(bulk.run(sendable, &mut results)).await;
        }
        results
    }

    /// Creates an item. Returns the charge, or `None` if an item of its id exists.
    ///
    /// # Errors
    /// When it could not be created before the deadline.
    pub async fn create_one(&self, key: &Key, item: &Item, deadline: Instant) -> Created {
        none_if_exists(self.write_one(false, key, item, deadline).await)
    }

    /// Creates an item, or creates or replaces it.
    async fn write_one(&self, is_upsert: bool, key: &Key, item: &Item, deadline: Instant) -> Result<Written, Error> {
        let body = item.value()?;
        if is_upsert {
            retry(deadline, || self.upsert(key, &item.id, &body)).await
        } else {
            retry(deadline, || self.create(key, &item.id, &body)).await
        }
    }

    /// Makes the SDK know the session token of a write that it has not sent: it learns tokens from answers. The item is one that was
    /// written.
    async fn learn_session_token(&self, key: &Key, id: PathId<'_>, token: &str, deadline: Instant) {
        let id = id.as_str();
        let learned = retry(deadline, || async move {
            let options = ItemReadOptions::default().with_operation_options(self.meter.operation());
            let options = options.with_session_token(token.to_owned());
            let read = Box::pin(self.client.read_item(key.to_sdk()?, id, Some(options))).await;
            read.map(|read| self.charge(read.headers())).map_err(|error| self.failed("reading", id, error))
        });
        if let Err(error) = learned.await {
            log::debug!("the session token of a write is not known: {error}");
        }
    }
}

impl Operations<'_> {
    /// The etag of the item that is replaced; `None` if none is asked for.
    fn etag(&self, index: usize) -> Option<&str> {
        match self {
            Self::CreateAll | Self::UpsertAll => None,
            Self::Conditional(etags) => etags.get(index)?.as_deref(),
        }
    }

    /// Whether an item may be in a request in bulk: not if it cannot be read by its path, where it has to be read after it.
    fn may_send(&self, item: &Item) -> bool {
        match self {
            Self::CreateAll | Self::UpsertAll => true,
            Self::Conditional(_) => matches!(ItemAddress::of(&item.id), ItemAddress::Path(_)),
        }
    }

    /// The fewest items of a partition that are written in bulk.
    fn min_items(&self) -> usize {
        match self {
            Self::CreateAll | Self::UpsertAll => 1,
            Self::Conditional(_) => MIN_WITH_TOKEN,
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

/// A call of a function that writes in bulk.
struct Bulk<'c> {
    container: &'c Container,
    operations: Operations<'c>,
    items: &'c [Item],
    keys: &'c [Result<Key, Error>],
    /// Requests in flight.
    concurrency: usize,
    deadline: Instant,
}

impl Bulk<'_> {
    /// Sends the items. Those that are throttled, and those of a partition that is being split, are sent again until the deadline.
    async fn run(&self, mut pending: Vec<usize>, results: &mut [WriteInBulk]) {
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
            let answers: Vec<_> = answers.buffer_unordered(self.concurrency).collect().await;
            let mut asked = None;
            for (index, settled) in answers.into_iter().flatten() {
                let refused = match settled {
                    Settled::Written(written) => {
                        results[index] = WriteInBulk::Written(written);
                        continue;
                    }
                    Settled::Conflict if matches!(self.operations, Operations::CreateAll) => {
                        results[index] = WriteInBulk::Refused(self.refused(ErrorKind::Conflict, index));
                        continue;
                    }
                    Settled::Conflict | Settled::Unsettled => {
                        results[index] = WriteInBulk::Unsettled;
                        continue;
                    }
                    Settled::Throttled(wait) => {
                        asked = asked.max(wait);
                        self.refused(ErrorKind::Throttled, index).with_retry_after(wait)
                    }
                    Settled::Gone => {
                        self.container.range_ids.forget();
                        self.refused(ErrorKind::Gone, index)
                    }
                };
                results[index] = WriteInBulk::Refused(refused);
                pending.push(index);
            }
            let pause = pause_before_retry(backoff, asked);
            if pending.is_empty() || Instant::now() + pause >= self.deadline {
                return;
            }
            // A partition that has been split may leave too few items for a request.
            for index in &pending {
                results[*index] = WriteInBulk::NotSent;
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
        requests.retain(|(_, indexes)| indexes.len() >= self.operations.min_items());
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
        let sent = self.container.gateway.send(self.container.target(Feed::Items), &headers, Some(body));
        let problem = match tokio::time::timeout_at(self.deadline, sent).await {
            Ok(Ok(answer)) => {
                self.container.meter.add(answer.charge);
                let settled = self.settled(&answer, indexes.len());
                self.learn_session_token(&answer, indexes, &settled).await;
                return settled;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer before the deadline".to_owned(),
        };
        log::debug!("{} items are written one by one: {problem}", indexes.len());
        indexes.iter().map(|_| Settled::Unsettled).collect()
    }

    /// What an answer says about each of the `count` items of its request. The etag of a conditional write is needed.
    fn settled(&self, answer: &Answer, count: usize) -> Vec<Settled> {
        let is_conditional = matches!(self.operations, Operations::Conditional(_));
        let complete = |settled| match settled {
            Settled::Written(Written { etag: None, .. }) if is_conditional => Settled::Unsettled,
            settled => settled,
        };
        settled(answer, count).into_iter().map(complete).collect()
    }

    async fn learn_session_token(&self, answer: &Answer, indexes: &[usize], settled: &[Settled]) {
        let is_written = |settled: &Settled| matches!(settled, Settled::Written(_));
        if let Operations::Conditional(_) = self.operations
            && let Some(written) = settled.iter().position(is_written).map(|position| indexes[position])
            && let (Ok(key), Some(token)) = (&self.keys[written], &answer.session_token)
            && let ItemAddress::Path(id) = ItemAddress::of(&self.items[written].id)
        {
            let deadline = self.deadline.min(Instant::now() + TOKEN_READ);
            self.container.learn_session_token(key, id, token, deadline).await;
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
            let operation = match (self.operations.etag(*index), self.operations) {
                (Some(etag), _) => {
                    let (id, etag) = (json!(self.items[*index].id), json!(etag));
                    format!(r#"{{"operationType":"Replace","id":{id},"ifMatch":{etag},"#)
                }
                (None, Operations::UpsertAll) => r#"{"operationType":"Upsert","#.to_owned(),
                (None, _) => r#"{"operationType":"Create","#.to_owned(),
            };
            let before = [&operation, r#""partitionKey":"#, &key, r#","resourceBody":"#].concat();
            body.extend_from_slice(before.as_bytes());
            body.extend_from_slice(self.items[*index].body.get().as_bytes());
            body.push(b'}');
        }
        body.push(b']');
        body
    }
}
