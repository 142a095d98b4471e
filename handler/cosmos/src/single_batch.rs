//! A transactional batch of one operation: reads, replaces and deletes an item whose id cannot be in a URL path.
//!
//! The request is posted to the container, and the id is in its body. The service executes one operation with the same result
//! as the request for the item: the errors here are of the same kinds.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_core::http::StatusCode;
use azure_data_cosmos::models::TransactionalBatchOperationResult;
use azure_data_cosmos::options::{BatchDeleteOptions, BatchOptions, BatchReplaceOptions};
use azure_data_cosmos::{CosmosError, CosmosStatus, TransactionalBatch};
use serde_json::{Map, Value};

use crate::container::{Container, Stored, Written, if_match};
use crate::deletion::may_be_executed;
use crate::error::{Error, ErrorKind};
use crate::key::Key;

/// The result of the operation of a batch.
struct BatchResult {
    operation: TransactionalBatchOperationResult,
    /// Request units.
    request_charge: f64,
    /// The newest sequence number of the partition.
    lsn: Option<i64>,
}

/// The failure of a batch, or of its operation.
struct BatchFailure {
    error: CosmosError,
    /// How long the service asks to wait, if it says so for the operation.
    retry_after: Option<Duration>,
    /// Whether the operation may have been executed.
    may_be_done: bool,
}

impl From<CosmosError> for BatchFailure {
    fn from(error: CosmosError) -> Self {
        Self { may_be_done: may_be_executed(error.diagnostics().as_deref()), error, retry_after: None }
    }
}

impl Container {
    /// Reads an item; `None` when it does not exist.
    pub(crate) async fn read_by_batch(&self, key: &Key, id: &str) -> Result<Option<Stored>, Error> {
        let batch = TransactionalBatch::new(key.to_sdk()?).read_item(id.to_owned(), None);
        let read = match self.execute_single(batch).await {
            Ok(read) => read,
            Err(failure) if failure.error.status().is_not_found() => {
                return self.absent_or("reading", id, failure.error);
            }
            Err(BatchFailure { error, retry_after, .. }) => {
                let error = self.failed("reading", id, error).with_retry_after(retry_after);
                return if is_refusal(&error) { self.read_by_query(key, id).await } else { Err(error) };
            }
        };
        let document = read.operation.into_model::<Value>().map_err(|error| self.failed("reading", id, error))?;
        // The service does not report the number of the write here. The partition's number orders the version in the same way:
        // no earlier version of the item has a higher number, and every later version has one.
        self.stored(id, document.unwrap_or_default(), read.lsn).map(Some)
    }

    /// Replaces an item that still has this etag.
    pub(crate) async fn replace_by_batch(
        &self,
        key: &Key,
        id: &str,
        item: &Value,
        etag: &str,
    ) -> Result<Written, Error> {
        let options = BatchReplaceOptions::default().with_precondition(if_match(etag));
        let batch = TransactionalBatch::new(key.to_sdk()?).replace_item(id.to_owned(), item, Some(options));
        let batch = batch.map_err(|error| self.write_failed("replacing", id, error))?;
        let replaced = self.execute_single(batch).await.map_err(|failure| self.refused("replacing", id, failure))?;
        let etag = replaced.operation.etag().map(str::to_owned);
        Ok(Written { request_charge: replaced.request_charge, created: false, etag })
    }

    /// Deletes an item, if it has this etag where one is given. The charge; `None` when the item does not exist.
    pub(crate) async fn delete_by_batch(
        &self,
        key: &Key,
        id: &str,
        etag: Option<&str>,
        may_be_done: &AtomicBool,
    ) -> Result<Option<f64>, Error> {
        let options = etag.map(|etag| BatchDeleteOptions::default().with_precondition(if_match(etag)));
        let batch = TransactionalBatch::new(key.to_sdk()?).delete_item(id.to_owned(), options);
        match self.execute_single(batch).await {
            Ok(deleted) => Ok(Some(deleted.request_charge)),
            Err(failure) => {
                may_be_done.fetch_or(failure.may_be_done, Ordering::Relaxed);
                if failure.error.status().is_not_found() {
                    self.absent_or("deleting", id, failure.error)
                } else {
                    Err(self.refused("deleting", id, failure))
                }
            }
        }
    }

    pub(crate) fn batch_options(&self) -> BatchOptions {
        BatchOptions::default().with_operation_options(self.meter.operation())
    }

    async fn execute_single(&self, batch: TransactionalBatch) -> Result<BatchResult, BatchFailure> {
        let response = Box::pin(self.client.execute_transactional_batch(batch, Some(self.batch_options()))).await?;
        let request_charge = self.charge(response.headers());
        let lsn = response.headers().lsn().and_then(|lsn| i64::try_from(lsn).ok());
        let diagnostics = response.diagnostics();
        let results = response.into_model()?;
        match results.results() {
            [operation] if operation.is_success() => {
                Ok(BatchResult { operation: operation.clone(), request_charge, lsn })
            }
            [operation] => Err(BatchFailure {
                error: operation_error(operation),
                retry_after: operation.retry_after(),
                may_be_done: may_be_executed(Some(&diagnostics)),
            }),
            results => {
                let message = format!("the service returned {} results for one operation", results.len());
                let status = CosmosStatus::new(StatusCode::InternalServerError);
                Err(CosmosError::builder().with_status(status).with_message(message).build().into())
            }
        }
    }

    /// The error of a write. Where the service refuses the request itself, no request can write the item.
    fn refused(&self, action: &str, id: &str, failure: BatchFailure) -> Error {
        let error = self.write_failed(action, id, failure.error).with_retry_after(failure.retry_after);
        if !is_refusal(&error) {
            return error;
        }
        let message = format!(
            "not supported by the service: the id cannot be part of a URL, and a batch with the id was refused: {}",
            error.message()
        );
        Error::unsupported(self.action_on(action, id), message)
    }

    /// Reads an item in a query, which every id can be in. The sequence number is not known.
    async fn read_by_query(&self, key: &Key, id: &str) -> Result<Option<Stored>, Error> {
        let parameters = Map::from_iter([("@id".to_owned(), Value::from(id))]);
        let (query, mut continuation) = ("SELECT * FROM c WHERE c.id = @id", None);
        loop {
            let page = self.query(query, &parameters, Some(key), NonZeroU32::MIN, continuation.as_deref()).await?;
            match page.items.into_iter().next() {
                Some(document) => return self.stored(id, document, None).map(Some),
                None if page.continuation.is_none() => return Ok(None),
                None => continuation = page.continuation,
            }
        }
    }
}

/// The error that the operation would have had as a request of its own.
fn operation_error(operation: &TransactionalBatchOperationResult) -> CosmosError {
    let mut status = CosmosStatus::new(StatusCode::from(operation.status_code()));
    if let Some(sub_status) = operation.substatus_code().and_then(|code| u16::try_from(code).ok()) {
        status = status.with_sub_status(sub_status);
    }
    let message = format!("the operation in the batch was answered with status {}", operation.status_code());
    CosmosError::builder().with_status(status).with_message(message).build()
}

/// Whether the service does not execute the request because of what it contains.
fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::Invalid && !error.definition_is_stale()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::client::connect;
    use crate::connection::{Connection, ConnectionString};
    use crate::deletion::Deletion;
    use crate::key_path::KeyPath;
    use crate::lazy_container::LazyContainer;
    use crate::management::{ContainerSpec, IndexPolicy, create_container, create_database};
    use local_cosmos::{Effect, Endpoint, Fault, Options, RequestKind};
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use serde_json::json;
    use tokio::time::Instant;

    struct Scene {
        endpoint: Endpoint,
        container: Container,
        meter: crate::meter::Meter,
    }

    async fn start() -> Scene {
        // The signature of a batch is that of a request to the container.
        let options = Options { require_key: true, ..Options::default() };
        let endpoint = Endpoint::start(options).await.expect("endpoint");
        let connection = ConnectionString::parse(&endpoint.connection_string()).expect("connection string");
        let account = Account::connected(connect(&Connection::Key(connection), &[]).await.expect("client"));
        create_database(&account, "db").await.expect("database");
        let (name, key_paths, index) = ("c".to_owned(), vec![KeyPath::property("pk")], IndexPolicy::default());
        create_container(&account, "db", &ContainerSpec { name, key_paths, index }).await.expect("container");
        let meter = crate::meter::Meter::default();
        let container = LazyContainer::new(account, "db", "c").metered(&meter).open().await.expect("container");
        Scene { endpoint, container, meter }
    }

    fn item(id: &str, n: u32) -> Value {
        json!({"id": id, "pk": "a", "n": n})
    }

    #[tokio::test]
    async fn an_item_with_another_id_than_the_one_that_was_asked_for_is_never_returned() {
        let Scene { container, .. } = start().await;
        assert!(container.stored("a", item("a", 1), None).is_ok());
        for other in [item("A", 1), item("a ", 1), json!({"pk": "a"}), json!(null), json!([item("a", 1)])] {
            let error = container.stored("a", other, None).expect_err("another item");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }

    impl Scene {
        /// Creates, reads, replaces and deletes an item, with right and wrong etags.
        async fn live_through(&self, id: &str, pk: &str) -> Result<(), Error> {
            let (container, key) = (&self.container, Key::text(pk));
            let item = |id: &str, n: u32| json!({"id": id, "pk": pk, "n": n});
            let kind = |error: Error| error.kind();
            assert!(container.read(&key, id).await?.is_none(), "{id:?}");
            assert_eq!(container.delete(&key, id, None).await?, Deletion::Absent, "{id:?}");
            let absent = container.replace(&key, id, &item(id, 0), "\"e\"").await.map_err(kind);
            assert_eq!(absent.err(), Some(ErrorKind::NotFound), "{id:?}");
            let created = container.create(&key, id, &item(id, 1)).await?;
            assert_eq!(container.create(&key, id, &item(id, 1)).await.map_err(kind).err(), Some(ErrorKind::Conflict));
            let stored = container.read_stored(&key, id).await?.expect("stored");
            assert_eq!((&stored.document["id"], &stored.document["n"]), (&json!(id), &json!(1)));
            assert_eq!(stored.document["_etag"].as_str(), created.etag.as_deref());
            let etag = created.etag.unwrap_or_default();
            let replaced = container.replace(&key, id, &item(id, 2), &etag).await?;
            assert!(!replaced.created && replaced.request_charge > 0.0 && replaced.etag.as_ref() != Some(&etag));
            let changed = container.replace(&key, id, &item(id, 3), &etag).await.map_err(kind);
            assert_eq!(changed.err(), Some(ErrorKind::PreconditionFailed), "{id:?}");
            let again = container.read_stored(&key, id).await?.expect("stored");
            assert_eq!((&again.document["n"], again.document["_etag"].as_str()), (&json!(2), replaced.etag.as_deref()));
            assert!(again.lsn > stored.lsn && stored.lsn.is_some(), "{id:?}: {:?} then {:?}", stored.lsn, again.lsn);
            let upserted = container.upsert(&key, id, &item(id, 4)).await?;
            assert!(!upserted.created, "{id:?}");
            let changed = container.delete(&key, id, Some(&etag)).await.map_err(kind);
            assert_eq!(changed.err(), Some(ErrorKind::PreconditionFailed), "{id:?}");
            assert!(container.delete(&key, id, upserted.etag.as_deref()).await?.request_charge() > 0.0);
            assert!(container.read(&key, id).await?.is_none(), "{id:?}");
            Ok(())
        }

        /// The paths of the requests since the last call, without those for metadata.
        fn paths(&self) -> Vec<String> {
            self.endpoint.take_requests().into_iter().map(|request| request.path).collect()
        }
    }

    fn ids() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z0-9 ]{1,2}",
            prop::sample::select(vec![
                ".", "..", "/", "\\", "?", "#", "%", "%2e", "\t", "\r", "\n", "\0", "\u{7f}", "\u{85}", "ü", "+", "\""
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
    }

    /// The last segment of a path, decoded, if the path is that of an item.
    fn item_in(path: &str) -> Option<String> {
        let segment = path.strip_prefix("/dbs/db/colls/c/docs/")?;
        let url = azure_core::http::Url::parse(&format!("http://h/?{}", segment.replace('+', "%2B"))).ok()?;
        url.query_pairs().next().map(|(decoded, _)| decoded.into_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_id_is_stored_read_and_removed_and_no_request_has_the_path_of_another_resource() {
        let scene = start().await;
        scene.container.create(&Key::text("a"), "precious", &item("precious", 0)).await.expect("create");
        scene.paths();
        let named = [
            ".",
            "..",
            "a/b",
            "a\\b",
            "pre\tcious",
            "../docs/precious",
            "../../c",
            "q?x",
            "h#x",
            "%2e%2e",
            "50%",
            "x ",
        ];
        let live_through = |id: &str, pk: &str| {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(scene.live_through(id, pk)))
        };
        let tried = |id: &str| {
            // The id is the partition key value of containers that are partitioned by it.
            for pk in ["a", id] {
                live_through(id, pk).unwrap_or_else(|error| panic!("{id:?}: {error}"));
            }
            for path in scene.paths() {
                let is_own = path == "/dbs/db/colls/c/docs" || item_in(&path).as_deref() == Some(id);
                assert!(is_own, "a request for {id:?} had the path {path}");
            }
        };
        named.into_iter().for_each(tried);
        let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
        runner
            .run(&ids().prop_filter("in use", |id| id != "precious"), |id| {
                tried(&id);
                Ok(())
            })
            .expect("every id");
        let precious = scene.container.read(&Key::text("a"), "precious").await.expect("read");
        assert_eq!(precious.expect("it was never addressed")["n"], 0);
    }

    #[tokio::test]
    async fn a_delete_that_finds_nothing_says_whether_a_request_of_its_own_was_lost() {
        let scene = start().await;
        let (container, key) = (&scene.container, Key::text("a"));
        let lose = |times| Fault { container: None, kind: RequestKind::Write, times, effect: Effect::LoseReply };
        // The second one has its id in the body. The SDK repeats a request less often than six times.
        for id in ["a", ".."] {
            for times in [0, 1, 6] {
                container.create(&key, id, &item(id, 1)).await.expect("create");
                scene.endpoint.inject(lose(times));
                let deadline = Instant::now() + Duration::from_secs(60);
                let deleted = container.delete_until(deadline, &key, id, None).await.expect("deleted");
                assert_eq!(matches!(deleted, Deletion::Done(_)), times == 0, "{id} {times} {deleted:?}");
                assert_eq!(deleted == Deletion::Unclear, times > 0, "{id} {times} {deleted:?}");
                let again = container.delete_until(deadline, &key, id, None).await.expect("nothing to do");
                assert_eq!(again, Deletion::Absent, "{id} {times}");
            }
        }
    }

    #[tokio::test]
    async fn what_the_service_cannot_do_is_not_supported_and_an_item_is_read_by_a_query() {
        let scene = start().await;
        let (container, key, id) = (&scene.container, Key::text("a"), "a/b");
        let written = container.create(&key, id, &item(id, 1)).await.expect("create");
        let etag = written.etag.expect("etag");
        let refuse = Fault {
            container: None,
            kind: RequestKind::Write,
            times: 3,
            effect: Effect::Status { status: 400, substatus: 0 },
        };
        scene.endpoint.inject(refuse.on_item(id));
        assert_eq!(container.read(&key, id).await.expect("read").expect("item")["n"], 1);
        for error in [
            container.replace(&key, id, &item(id, 2), &etag).await.map(drop).expect_err("refused"),
            container.delete(&key, id, Some(&etag)).await.map(drop).expect_err("refused"),
        ] {
            assert!(error.kind() == ErrorKind::Invalid && error.is_unsupported());
            assert!(error.to_string().contains("item a/b") && error.to_string().contains("not supported"), "{error}");
        }
    }

    #[tokio::test]
    async fn throttling_and_lost_containers_have_the_kinds_of_other_requests_and_charges_are_metered() {
        let scene = start().await;
        let (container, key, id) = (&scene.container, Key::text("a"), "..");
        container.create(&key, id, &item(id, 1)).await.expect("create");
        let before = scene.meter.total();
        container.read(&key, id).await.expect("read");
        assert!(scene.meter.total() > before);
        for (status, kind) in [(503, ErrorKind::Unavailable), (413, ErrorKind::TooLarge), (403, ErrorKind::Forbidden)] {
            scene.endpoint.inject(Fault {
                container: None,
                kind: RequestKind::Write,
                times: 100,
                effect: Effect::Status { status, substatus: 0 },
            });
            assert_eq!(container.read(&key, id).await.map_err(|error| error.kind()).err(), Some(kind));
            assert_eq!(container.delete(&key, id, None).await.map_err(|error| error.kind()).err(), Some(kind));
            scene.endpoint.clear_faults();
        }
        let status = |status| TransactionalBatchOperationResultOf(status).error().kind();
        assert_eq!(status(429), ErrorKind::Throttled);
        assert_eq!(status(449), ErrorKind::Unavailable);
        assert_eq!(status(410), ErrorKind::Gone);
    }

    /// The result of an operation with this status, as the service sends it.
    struct TransactionalBatchOperationResultOf(u16);

    impl TransactionalBatchOperationResultOf {
        fn error(&self) -> Error {
            let result = json!({"statusCode": self.0, "requestCharge": 1.0});
            Error::from_sdk("x", operation_error(&serde_json::from_value(result).expect("result")))
        }
    }
}
