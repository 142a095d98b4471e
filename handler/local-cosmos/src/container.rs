//! A container: its definition, its items, and what requests for it have in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use query_engine::{ComputedProperty, DistanceFunction, VectorProperty};
use tokio::time::Instant;

use crate::budget::Budget;
use crate::incoming::Incoming;
use crate::index_policy::IndexPolicy;
use crate::key_path::KeyPath;
use crate::partition_key::{GivenKey, KeyDefinition, KeyRange};
use crate::reply::{PARTITION_KEY_MISMATCH, Reply, header};
use crate::resources::{
    ContainerData, ContainerDefinition, ContainerRid, ContainerUsage, NewContainer, Ranges, Refusal, VectorEmbedding,
};
use crate::session_token::SessionToken;
use crate::store::{Contents, Partition, Persistence, Store, UniqueKeys};

/// Sub-status of a 404: the items of the session are not there yet.
const SESSION_NOT_AVAILABLE: &str = "1002";

#[derive(Debug)]
pub(crate) struct Container {
    pub rid: ContainerRid,
    /// The name, which cannot change.
    id: String,
    key: KeyDefinition,
    index: Mutex<Arc<IndexPolicy>>,
    computed: Mutex<Arc<[ComputedProperty]>>,
    vectors: Mutex<Arc<[VectorProperty]>>,
    store: Store,
    /// Whether AllVersionsAndDeletes mode includes previous images without a change feed policy.
    has_previous_images_by_default: bool,
    has_change_feed_policy: AtomicBool,
    budget: Mutex<Option<Budget>>,
}

impl Container {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn key(&self) -> &KeyDefinition {
        &self.key
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn computed_properties(&self) -> Arc<[ComputedProperty]> {
        Arc::clone(&lock(&self.computed))
    }

    /// The properties with vectors.
    pub(crate) fn vectors(&self) -> Arc<[VectorProperty]> {
        Arc::clone(&lock(&self.vectors))
    }

    /// Limits request units a second; `None` lifts the limit.
    pub(crate) fn set_budget(&self, per_second: Option<f64>) {
        *lock(&self.budget) = per_second.map(|per_second| Budget::new(per_second, Instant::now()));
    }

    /// The time until request units are available; `None` if a request can be executed now.
    pub(crate) fn wait(&self) -> Option<Duration> {
        lock(&self.budget).as_mut()?.wait(Instant::now())
    }

    pub(crate) fn spend(&self, request_units: f64) {
        if let Some(budget) = lock(&self.budget).as_mut() {
            budget.spend(request_units);
        }
    }

    /// A reply with the headers that name the container.
    pub(crate) fn reply(&self, status: u16) -> Reply {
        self.named(Reply::new(status))
    }

    /// An error with the headers that name the container.
    pub(crate) fn error(&self, status: u16, code: &str, message: &str) -> Reply {
        self.named(Reply::error(status, code, message))
    }

    fn named(&self, reply: Reply) -> Reply {
        reply.with("x-ms-content-path", self.rid.to_string())
    }

    /// The refusal of a key that does not have the form of the container's.
    pub(crate) fn key_mismatch(&self, message: &str) -> Reply {
        self.error(400, "BadRequest", message).with(header::SUBSTATUS, PARTITION_KEY_MISMATCH)
    }

    /// The part of the key space that a partition key addresses: one key, or all keys with this prefix. The error is a message for the
    /// client.
    pub(crate) fn key_range(&self, key: &str) -> Result<KeyRange, String> {
        Ok(match GivenKey::parse(key, &self.key)? {
            GivenKey::None => KeyRange::all(),
            GivenKey::Prefix(values) | GivenKey::Complete(values) => KeyRange::of(&values, &self.key),
        })
    }

    /// The refusal of a read whose session has writes that the partition does not have.
    pub(crate) fn session_refusal(
        &self,
        contents: &Contents,
        partition: &Partition,
        incoming: &Incoming,
    ) -> Option<Reply> {
        let token = incoming.header(header::SESSION_TOKEN)?;
        let token = match SessionToken::parse(token) {
            Ok(token) => token,
            Err(message) => return Some(self.error(400, "BadRequest", &message)),
        };
        let is_reached = token.is_reached(&partition.id, &contents.ancestors(&partition.id), partition.lsn);
        (!is_reached).then(|| {
            let message = "The read session is not available for the input session token.";
            self.error(404, "NotFound", message).with(header::SUBSTATUS, SESSION_NOT_AVAILABLE)
        })
    }

    /// A container with a change feed policy has previous images. A definition that neither adds nor removes the policy leaves them as
    /// they are, because the control interface may have set them.
    fn apply_change_feed_policy(&self, definition: &ContainerDefinition) {
        let has_policy = definition.change_feed_retention.is_some();
        if self.has_change_feed_policy.swap(has_policy, Ordering::SeqCst) != has_policy {
            let enabled = has_policy || self.has_previous_images_by_default;
            self.store.write().log_mut().keep_previous_images(enabled);
        }
    }

    /// Which paths have an index.
    pub(crate) fn index_policy(&self) -> Arc<IndexPolicy> {
        Arc::clone(&lock(&self.index))
    }
}

/// What new containers need.
#[derive(Debug, Default)]
pub(crate) struct ContainerContext {
    /// Whether the change feed's AllVersionsAndDeletes mode includes previous images.
    pub previous_images: bool,
    /// Where containers are stored; `None` for in memory only.
    pub persistence: Option<Arc<Persistence>>,
    /// Why the items of stored containers could not be read.
    pub failures: Arc<Mutex<Vec<String>>>,
}

impl ContainerData for Container {
    type Context = ContainerContext;

    fn check(definition: &ContainerDefinition) -> Result<(), Refusal> {
        for property in &definition.computed_properties {
            ComputedProperty::new(&property.name, &property.query)
                .map_err(|error| Refusal::bad_request(error.message))?;
            // A filter on it would be taken for one on the stored key.
            let is_of_key = |path: &String| KeyPath::new(path).segments().first() == Some(&property.name);
            if definition.partition_key.paths.iter().any(is_of_key) {
                let message = format!(
                    "The computed property \"{}\" has the name of a property that the partition key is in; use another name.",
                    property.name
                );
                return Err(Refusal::bad_request(message));
            }
        }
        Ok(())
    }

    fn create(context: &ContainerContext, new: NewContainer) -> Self {
        let NewContainer { rid, definition, ranges, .. } = new;
        let paths = |paths: &[String]| paths.iter().map(KeyPath::new).collect();
        let unique_keys = UniqueKeys::new(definition.unique_keys.iter().map(|key| paths(&key.paths)).collect());
        let ttl = definition.default_ttl;
        let files = context.persistence.as_ref().map(|persistence| persistence.container(rid));
        let stored = files.as_ref().and_then(|files| {
            files.load().unwrap_or_else(|error| {
                lock(&context.failures)
                    .push(format!("the items of container {} cannot be read: {error}", definition.id));
                None
            })
        });
        let store = match (files, stored) {
            (Some(files), Some(stored)) => Store::restored(rid, stored, unique_keys, ttl, files),
            (files, _) => Store::new(rid, ranges, unique_keys, ttl, files),
        };
        let container = Self {
            rid,
            id: definition.id.clone(),
            key: KeyDefinition::from_json(&definition.partition_key.to_json()),
            index: Mutex::new(Arc::new(IndexPolicy::from(&definition.indexing_policy))),
            computed: Mutex::new(computed_properties(&definition)),
            vectors: Mutex::new(vectors(&definition)),
            store,
            has_previous_images_by_default: context.previous_images,
            has_change_feed_policy: AtomicBool::new(false),
            budget: Mutex::default(),
        };
        container.store.write().log_mut().keep_previous_images(context.previous_images);
        container.apply_change_feed_policy(&definition);
        container
    }

    fn replace_definition(&self, definition: Arc<ContainerDefinition>) {
        self.store.write().set_default_ttl(definition.default_ttl);
        self.apply_change_feed_policy(&definition);
        *lock(&self.index) = Arc::new(IndexPolicy::from(&definition.indexing_policy));
        *lock(&self.computed) = computed_properties(&definition);
        *lock(&self.vectors) = vectors(&definition);
    }

    fn delete(&self) {
        self.store.write().remove_files();
    }

    fn ranges(&self) -> Ranges {
        self.store.read().ranges().clone()
    }

    fn last_commit(&self, range: u32) -> u64 {
        let id = range.to_string();
        let contents = self.store.read();
        contents.partitions().iter().find(|partition| partition.id == id).map_or(0, |partition| partition.lsn)
    }

    fn usage(&self) -> ContainerUsage {
        let contents = self.store.read();
        ContainerUsage { documents: contents.len() as u64, bytes: contents.bytes() }
    }
}

/// The computed properties, which were checked when the definition was.
fn computed_properties(definition: &ContainerDefinition) -> Arc<[ComputedProperty]> {
    let properties = definition.computed_properties.iter();
    properties.filter_map(|property| ComputedProperty::new(&property.name, &property.query).ok()).collect()
}

/// The vector policy, as queries need it.
fn vectors(definition: &ContainerDefinition) -> Arc<[VectorProperty]> {
    let property = |vector: &VectorEmbedding| VectorProperty {
        path: KeyPath::new(&vector.path).segments().to_vec(),
        distance: DistanceFunction::parse(&vector.distance_function).unwrap_or_default(),
    };
    definition.search.vectors.iter().map(property).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
