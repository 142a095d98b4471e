//! The documents in the lease container: the leases of a processor, the marker that all of them were created, and the
//! lock under which they are created.
//!
//! Every update carries the etag of the document that it is based on. If the document has another etag, the update reads
//! it and decides again. No update overwrites a change that it has not seen.

use changefeed_cosmos::{
    Error, ErrorKind, Key, KeyPath, Written, display_key_paths, to_item, without_system_properties,
};
use chrono::{DateTime, Duration, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::container::Container;
use crate::coverage::gap;
use crate::lease::Lease;
use changefeed_cosmos::Clock;

const UPDATE_ATTEMPTS: usize = 6;
/// How often leases are read until they have no gap. A gap that is left is taken for a real one.
const READS: usize = 3;
/// A lock that is older was left behind by an instance that died.
const LOCK_SECONDS: i64 = 30;
/// Ids with these characters cannot be part of a URL path, and the processors of other SDKs address leases by their paths.
const FORBIDDEN_IN_ID: [char; 4] = ['/', '\\', '?', '#'];

/// The lock under which leases are created, as this instance acquired it.
#[derive(Debug)]
pub(crate) struct Lock {
    etag: Option<String>,
}

/// What is read, unless it has a gap that the next read does not have. Without any lease, there is no gap.
async fn without_passing_gap<'a>(
    read: impl Fn() -> BoxFuture<'a, Result<Vec<Lease>, Error>>,
) -> Result<Vec<Lease>, Error> {
    let mut leases = read().await?;
    for _ in 1..READS {
        if leases.is_empty() || gap(&leases).is_none() {
            break;
        }
        leases = read().await?;
    }
    Ok(leases)
}

/// The outcome of an attempt to store a continuation token in a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// The lease has the continuation token.
    Done,
    /// Another instance wrote the lease between the read and the write.
    Changed,
    /// The lease is not in the state in which it may be written.
    Refused,
    /// The lease does not exist, or has another continuation token than the one known.
    Outdated,
}

/// The leases of one processor on one monitored container.
#[derive(Clone, Debug)]
pub(crate) struct LeaseStore {
    container: Container,
    processor_name: String,
    prefix: String,
    clock: Clock,
    as_dotnet: bool,
}

impl LeaseStore {
    /// The leases of the processor `processor_name` on `monitored`, which the container `leases` stores.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the name has a character that an id must not have, and when the lease container is not
    /// partitioned by `/id` or `/partitionKey`.
    pub(crate) fn new(
        processor_name: &str,
        monitored: &Container,
        leases: Container,
        clock: Clock,
    ) -> Result<Self, Error> {
        if processor_name.contains(FORBIDDEN_IN_ID) || processor_name.contains(char::is_control) {
            let message = format!(
                "the processor name {processor_name:?} contains one of / \\ ? # or a control character; use another name"
            );
            return Err(Error::invalid(format!("opening lease container {}", leases.name()), message));
        }
        let key_paths = leases.items.key_paths();
        if !matches!(key_paths, [path] if path.is_property("id") || path.is_property("partitionKey")) {
            let message =
                format!("its partition key is {}; it must be /id or /partitionKey", display_key_paths(key_paths));
            return Err(Error::invalid(format!("opening lease container {}", leases.name()), message));
        }
        let prefix = format!("{processor_name}{}", monitored.lease_scope());
        Ok(Self { container: leases, processor_name: processor_name.to_owned(), prefix, clock, as_dotnet: false })
    }

    /// The leases of the same processor for containers that were deleted and created again.
    ///
    /// # Errors
    /// Like [`Self::new`].
    pub(crate) fn reopened(&self, monitored: &Container, leases: Container) -> Result<Self, Error> {
        Ok(Self::new(&self.processor_name, monitored, leases, self.clock.clone())?.writing_as_dotnet(self.as_dotnet))
    }

    /// The container that stores the leases.
    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// A store whose leases are written when a .NET processor would write them; see `ProcessorBuilder::as_dotnet`.
    pub(crate) fn writing_as_dotnet(self, as_dotnet: bool) -> Self {
        Self { as_dotnet, ..self }
    }

    pub(crate) fn writes_as_dotnet(&self) -> bool {
        self.as_dotnet
    }

    /// The clock that leases are written by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn lease_id(&self, lease_token: &str) -> String {
        format!("{}..{lease_token}", self.prefix)
    }

    /// Every lease of this processor. A document that is not a valid lease is logged and skipped.
    ///
    /// A query is not a snapshot: it can miss a lease that was deleted during it and the one that was created in its place before. Who
    /// takes such leases for all of them believes that a range has no changes. So leases with a gap are read again.
    pub(crate) async fn all(&self) -> Result<Vec<Lease>, Error> {
        without_passing_gap(|| self.read_all().boxed()).await
    }

    async fn read_all(&self) -> Result<Vec<Lease>, Error> {
        let parameters = Map::from_iter([("@prefix".to_owned(), Value::from(self.lease_id("")))]);
        let query = "SELECT * FROM c WHERE STARTSWITH(c.id, @prefix)";
        let documents = self.container.items.select::<Value>(query, &parameters, None).await?;
        let documents: Vec<Value> = documents.try_collect().await?;
        Ok(documents.into_iter().filter_map(|document| self.parse_or_skip(document)).collect())
    }

    /// Creates a lease. Returns false when a document with its id exists.
    pub(crate) async fn create(&self, lease: &Lease) -> Result<bool, Error> {
        Ok(self.create_document(&lease.id, lease).await?.is_some())
    }

    /// Applies `change` to the lease as it is stored now. `None` when the lease does not exist or `change` returns `None`.
    pub(crate) async fn update(
        &self,
        lease: &Lease,
        change: impl Fn(&Lease) -> Option<Lease>,
    ) -> Result<Option<Lease>, Error> {
        let mut current = lease.clone();
        for _ in 0..UPDATE_ATTEMPTS {
            let Some(mut next) = change(&current) else { return Ok(None) };
            next.timestamp = Some(self.clock.now());
            next.ts = None;
            match self.replace(&next, current.etag.as_deref()).await {
                Ok(written) => return Ok(Some(Lease { etag: written.etag, ..next })),
                Err(error) => match error.kind() {
                    ErrorKind::PreconditionFailed => {}
                    ErrorKind::NotFound => return Ok(None),
                    _ => return Err(error),
                },
            }
            match self.read(current.key(), &current.id).await? {
                Some(document) => current = parse(document)?,
                None => return Ok(None),
            }
        }
        Err(Error::new(
            ErrorKind::PreconditionFailed,
            format!("updating lease {}", current.id),
            "another instance changed it during every attempt",
        ))
    }

    /// Stores a continuation token in a lease that still has that of `known`, if its state is allowed. All other fields stay
    /// exactly as they are, also those that another processor has written.
    pub(crate) async fn replace_token(
        &self,
        known: &Lease,
        continuation_token: &str,
        is_allowed: impl Fn(&Lease) -> bool,
    ) -> Result<Replaced, Error> {
        let Some(mut document) = self.read(known.key(), &known.id).await? else { return Ok(Replaced::Outdated) };
        let current = parse(document.clone())?;
        if current.continuation_token.as_deref() == Some(continuation_token) {
            return Ok(Replaced::Done);
        }
        if current.continuation_token != known.continuation_token {
            return Ok(Replaced::Outdated);
        }
        let Some(etag) = current.etag.as_deref().filter(|_| is_allowed(&current)) else {
            return Ok(Replaced::Refused);
        };
        document["ContinuationToken"] = Value::from(continuation_token);
        let document = without_system_properties(document);
        match self.container.items.replace(&Key::text(known.key()), &known.id, &document, etag).await {
            Ok(_) => Ok(Replaced::Done),
            Err(error) => match error.kind() {
                ErrorKind::PreconditionFailed => Ok(Replaced::Changed),
                ErrorKind::NotFound => Ok(Replaced::Outdated),
                _ => Err(error),
            },
        }
    }

    /// Deletes a lease that still has its etag. Succeeds if it does not exist.
    pub(crate) async fn delete(&self, lease: &Lease) -> Result<(), Error> {
        self.delete_document(lease.key(), &lease.id, lease.etag.as_deref()).await
    }

    async fn delete_document(&self, key: &str, id: &str, etag: Option<&str>) -> Result<(), Error> {
        match self.container.items.delete(&Key::text(key), id, etag).await {
            // The container was deleted, and the document with it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map(drop),
        }
    }

    /// Whether an instance has created all leases.
    pub(crate) async fn is_initialized(&self) -> Result<bool, Error> {
        let id = self.marker_id();
        Ok(self.read(&id, &id).await?.is_some())
    }

    pub(crate) async fn mark_initialized(&self) -> Result<(), Error> {
        let id = self.marker_id();
        self.create_document(&id, &json!({"id": id})).await.map(drop)
    }

    /// Removes the marker, so that the next instance that starts creates missing leases.
    pub(crate) async fn forget_initialized(&self) -> Result<(), Error> {
        let id = self.marker_id();
        self.delete_document(&id, &id, None).await
    }

    /// Acquires the lock under which leases are created; `None` when another instance has it.
    pub(crate) async fn lock(&self, now: DateTime<Utc>) -> Result<Option<Lock>, Error> {
        let id = self.lock_id();
        if let Some(created) = self.create_document(&id, &json!({"id": id, "ttl": LOCK_SECONDS})).await? {
            return Ok(Some(Lock { etag: created.etag }));
        }
        // A container without time to live does not delete the lock of an instance that died.
        if let Some(lock) = self.read(&id, &id).await?
            && lock["_ts"]
                .as_i64()
                .is_some_and(|written| now - Duration::seconds(LOCK_SECONDS) > from_timestamp(written))
        {
            self.unlock(&Lock { etag: lock["_etag"].as_str().map(str::to_owned) }).await?;
        }
        Ok(None)
    }

    /// Releases a lock. If it has expired and another instance has acquired it, that instance keeps it.
    pub(crate) async fn unlock(&self, lock: &Lock) -> Result<(), Error> {
        let Some(etag) = &lock.etag else { return Ok(()) };
        let id = self.lock_id();
        match self.delete_document(&id, &id, Some(etag)).await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(()),
            result => result,
        }
    }

    fn marker_id(&self) -> String {
        format!("{}.info", self.prefix)
    }

    fn lock_id(&self) -> String {
        format!("{}.lock", self.prefix)
    }

    /// Creates a document; `None` when a document with this id exists.
    async fn create_document(&self, id: &str, document: &impl Serialize) -> Result<Option<Written>, Error> {
        let mut document =
            serde_json::to_value(document).map_err(|error| Error::internal(format!("creating {id}"), error))?;
        if self.container.items.key_paths() == [KeyPath::property("partitionKey")] {
            document["partitionKey"] = Value::from(id);
        }
        match self.container.items.create(&Key::text(id), id, &document).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
            result => result.map(Some),
        }
    }

    /// Replaces a lease that still has this etag. A lease whose etag is unknown is not replaced: it has to be read first.
    async fn replace(&self, lease: &Lease, etag: Option<&str>) -> Result<Written, Error> {
        let etag = etag.ok_or_else(|| {
            Error::new(ErrorKind::PreconditionFailed, format!("replacing lease {}", lease.id), "its etag is unknown")
        })?;
        self.container.items.replace(&Key::text(lease.key()), &lease.id, &to_item(lease)?, etag).await
    }

    async fn read(&self, key: &str, id: &str) -> Result<Option<Value>, Error> {
        self.container.items.read(&Key::text(key), id).await
    }

    fn parse_or_skip(&self, document: Value) -> Option<Lease> {
        let skip = |error| log::error!("skipping a document of {}: {error}", self.container.name());
        parse(document).map_err(skip).ok()
    }
}

fn parse(document: Value) -> Result<Lease, Error> {
    let id = document["id"].as_str().unwrap_or_default().to_owned();
    Lease::read(document).map_err(|error| Error::corrupt(format!("reading lease {id}"), error))
}

fn from_timestamp(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::connect;
    use changefeed_cosmos::{Account, ContainerSpec, IndexPolicy, create_container, create_database};
    use local_cosmos::{Endpoint, Options};

    async fn open() -> (Endpoint, LeaseStore) {
        let endpoint = Endpoint::start(Options { partitions: Some(4), ..Options::default() }).await.expect("endpoint");
        let client = connect(&endpoint.connection_string()).await.expect("client");
        let account = Account::connected(client.clone());
        create_database(&account, "db").await.expect("database");
        let spec = ContainerSpec {
            name: "lease".into(),
            key_paths: vec![KeyPath::property("id")],
            index: IndexPolicy::default(),
        };
        create_container(&account, "db", &spec).await.expect("container");
        let container = Container::open(&client, "db", "lease").await.expect("open");
        let store = LeaseStore::new("p", &container, container.clone(), Clock::default()).expect("store");
        (endpoint, store)
    }

    fn lease(store: &LeaseStore, token: &str, other: Value) -> Value {
        let mut document = json!({"id": store.lease_id(token), "LeaseToken": token});
        document.as_object_mut().expect("object").extend(other.as_object().expect("object").clone());
        document
    }

    async fn create(store: &LeaseStore, document: &Value) {
        let id = document["id"].as_str().expect("id");
        store.create_document(id, document).await.expect("create").expect("new");
    }

    #[tokio::test]
    async fn a_lock_is_released_by_the_instance_that_acquired_it_and_by_no_other() {
        let (_endpoint, store) = open().await;
        let id = store.lock_id();
        let first = store.lock(Utc::now()).await.expect("lock").expect("free");
        assert!(store.lock(Utc::now()).await.expect("lock").is_none());
        let later = Utc::now() + Duration::seconds(LOCK_SECONDS + 2);
        assert!(store.lock(later).await.expect("lock").is_none(), "the expired lock is removed first");
        let second = store.lock(later).await.expect("lock").expect("free");

        store.unlock(&first).await.expect("unlock");
        assert!(store.read(&id, &id).await.expect("read").is_some(), "the second instance still has it");
        store.unlock(&second).await.expect("unlock");
        assert!(store.read(&id, &id).await.expect("read").is_none());
    }

    #[tokio::test]
    async fn a_document_that_is_not_a_valid_lease_does_not_hide_the_others() {
        let (_endpoint, store) = open().await;
        for document in [
            lease(&store, "0", json!({})),
            lease(&store, "1", json!({"timestamp": "yesterday"})),
            lease(&store, "2", json!({"PartitionId": "2"})),
            json!({"id": store.lease_id("3")}),
        ] {
            create(&store, &document).await;
        }
        let mut tokens: Vec<_> =
            store.all().await.expect("leases").into_iter().map(|lease| lease.lease_token).collect();
        tokens.sort();
        assert_eq!(tokens, ["0", "2"]);
    }

    #[tokio::test]
    async fn an_update_of_an_outdated_or_unread_lease_sees_the_stored_one_before_it_writes() {
        let (_endpoint, store) = open().await;
        create(&store, &lease(&store, "0", json!({}))).await;
        let read = store.all().await.expect("leases").remove(0);
        let owned_by = |owner: &str| {
            let owner = owner.to_owned();
            // Acquires the lease only if it is free.
            move |current: &Lease| {
                current.owner.is_none().then(|| Lease { owner: Some(owner.clone()), ..current.clone() })
            }
        };
        let first = store.update(&read, owned_by("a")).await.expect("update").expect("free");
        assert_eq!(first.owner.as_deref(), Some("a"));
        for unaware in [read.clone(), Lease { etag: None, ..read }] {
            assert!(store.update(&unaware, owned_by("b")).await.expect("update").is_none(), "{:?}", unaware.etag);
        }
        let released = store.update(&first, |current| Some(Lease { owner: None, ..current.clone() })).await;
        let released = released.expect("update").expect("released");
        assert!(released.etag.is_some() && released.etag != first.etag);
        let stored = store.all().await.expect("leases").remove(0);
        assert_eq!((&stored.owner, &stored.etag), (&None, &released.etag));
    }

    fn covering(ranges: &[(&str, &str)]) -> Vec<Lease> {
        let lease = |(min, max): &(&str, &str)| {
            Lease::read(json!({"id": "x", "LeaseToken": min, "FeedRange": {"Range": {"min": min, "max": max}}}))
        };
        ranges.iter().map(|range| lease(range).expect("a lease")).collect()
    }

    #[tokio::test]
    async fn leases_with_a_gap_are_read_again_because_a_query_can_miss_a_lease_and_its_successor() {
        // What the reads show, and how many of them there are.
        let cases = [
            (vec![covering(&[("", "FF")])], 1),
            (vec![covering(&[])], 1),
            (vec![covering(&[("", "80")]), covering(&[("", "80"), ("80", "FF")])], 2),
            (vec![covering(&[("", "80")]), covering(&[("80", "FF")]), covering(&[("", "80")])], 3),
        ];
        for (reads, expected) in cases {
            let count = std::cell::Cell::new(0);
            let read = || {
                count.set(count.get() + 1);
                futures::future::ready(Ok(reads[count.get() - 1].clone())).boxed()
            };
            let found = without_passing_gap(read).await.expect("leases");
            assert_eq!(count.get(), expected);
            let tokens = |leases: &[Lease]| leases.iter().map(|lease| lease.lease_token.clone()).collect::<Vec<_>>();
            assert_eq!(tokens(&found), tokens(&reads[expected - 1]));
        }
    }
}
