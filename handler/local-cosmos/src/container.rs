//! A container's state beside the emulator's: its definition, the log of its writes and its partitions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use azure_data_cosmos_driver::models::{FeedRange, PartitionKey, PartitionKeyDefinition, PartitionKeyValue};
use serde::Deserialize;
use serde_json::Value;

use crate::budget::Budget;
use crate::change_log::ChangeLog;
use crate::emulator::Emulator;
use crate::entry::KeyRange;
use crate::incoming::Incoming;
use crate::index_policy::IndexPolicy;
use crate::key_path::value_at;
use crate::lsn::LogSequence;
use crate::operation::ContainerName;
use crate::partitions::{Lineage, PartitionKeyRange, get, read_partition_key_ranges, request_session_token};
use crate::reply::Reply;

#[derive(Debug)]
pub(crate) struct Container {
    definition: Mutex<Arc<Definition>>,
    log: Mutex<ChangeLog>,
    /// Held from before a write until it is logged, so that the log has the order of the commits.
    pub writes: tokio::sync::Mutex<()>,
    /// Held exclusively while a split or merge replaces partitions, and shared by every request that uses partitions and
    /// their numbers. Taken after `writes`.
    pub topology: tokio::sync::RwLock<()>,
    sequence: Mutex<LogSequence>,
    lineage: Mutex<Lineage>,
    /// The physical partitions, once they have been read; cleared when a split or merge replaces some.
    partitions: Mutex<Option<Arc<[PartitionKeyRange]>>>,
    /// Held during a split or merge, so that there is one at a time.
    pub transition: tokio::sync::Mutex<()>,
    /// The partitions that are being split or merged.
    transitions: Mutex<BTreeSet<String>>,
    budget: Mutex<Option<Budget>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Definition {
    #[serde(rename = "_rid")]
    pub rid: String,
    #[serde(rename = "partitionKey")]
    pub partition_key: PartitionKeyDefinition,
    #[serde(rename = "defaultTtl")]
    pub default_ttl: Option<i64>,
    #[serde(rename = "indexingPolicy", default)]
    pub index_policy: IndexPolicy,
}

impl Container {
    /// Reads the definition of a container; `None` if it does not exist.
    pub(crate) async fn load(emulator: &Emulator, name: &ContainerName) -> Option<Self> {
        Some(Self {
            definition: Mutex::new(Arc::new(read_definition(emulator, name).await?)),
            log: Mutex::default(),
            writes: tokio::sync::Mutex::default(),
            topology: tokio::sync::RwLock::default(),
            sequence: Mutex::default(),
            lineage: Mutex::default(),
            partitions: Mutex::default(),
            transition: tokio::sync::Mutex::default(),
            transitions: Mutex::default(),
            budget: Mutex::default(),
        })
    }

    /// Executes a request for the container's items in the emulator.
    pub(crate) async fn execute(&self, emulator: &Emulator, incoming: &Incoming) -> Reply {
        let _topology = self.topology.read().await;
        let changed = self.sequence().to_emulator(incoming);
        let reply = emulator.execute(changed.as_ref().unwrap_or(incoming)).await;
        self.sequence().to_client(reply)
    }

    /// Reads the definition again after it was replaced.
    pub(crate) async fn reload(&self, emulator: &Emulator, name: &ContainerName) {
        if let Some(definition) = read_definition(emulator, name).await {
            self.log().set_default_ttl(definition.default_ttl);
            *lock(&self.definition) = Arc::new(definition);
        }
    }

    pub(crate) fn definition(&self) -> Arc<Definition> {
        Arc::clone(&lock(&self.definition))
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, ChangeLog> {
        lock(&self.log)
    }

    pub(crate) fn sequence(&self) -> MutexGuard<'_, LogSequence> {
        lock(&self.sequence)
    }

    pub(crate) fn lineage(&self) -> MutexGuard<'_, Lineage> {
        lock(&self.lineage)
    }

    /// The physical partitions in the order of their keys. Called with `topology` held.
    pub(crate) async fn partitions(&self, emulator: &Emulator, name: &ContainerName) -> Arc<[PartitionKeyRange]> {
        if let Some(partitions) = lock(&self.partitions).as_ref() {
            return Arc::clone(partitions);
        }
        let mut partitions = read_partition_key_ranges(emulator, name).await;
        partitions.sort_by(|one, other| one.min.cmp(&other.min));
        let partitions = Arc::<[PartitionKeyRange]>::from(partitions);
        *lock(&self.partitions) = Some(Arc::clone(&partitions));
        partitions
    }

    /// Clears the list of partitions after a split or merge. Called with `topology` held exclusively.
    pub(crate) fn forget_partitions(&self) {
        *lock(&self.partitions) = None;
    }

    /// The newest session token of a partition. Called with `topology` held.
    pub(crate) async fn session_token(
        &self,
        emulator: &Emulator,
        name: &ContainerName,
        partition: &str,
    ) -> Option<String> {
        let known = self.sequence().session_token(partition);
        if known.is_some() {
            return known;
        }
        let reply = request_session_token(emulator, name, partition).await?;
        let mut sequence = self.sequence();
        let reply = sequence.to_client(reply);
        if sequence.session_token(partition).is_none() {
            sequence.record(&reply);
        }
        sequence.session_token(partition)
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

    pub(crate) fn transitions(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.transitions)
    }

    pub(crate) fn is_in_transition(&self, partition: &str) -> bool {
        self.transitions().contains(partition)
    }
}

impl Definition {
    /// The keys that a partition key header (a JSON array of values) addresses: one key, or all keys with this prefix.
    pub(crate) fn key_range(&self, header: &str) -> Result<KeyRange, String> {
        let components: Vec<Value> = serde_json::from_str(header).map_err(|error| error.to_string())?;
        let components = components.into_iter().map(component).collect::<Result<Vec<_>, _>>()?;
        let key = PartitionKey::try_from(components).map_err(|error| error.to_string())?;
        let range = FeedRange::for_partition(key, &self.partition_key);
        Ok(KeyRange { min: range.min_inclusive().to_hex(), max: range.max_exclusive().to_hex() })
    }

    /// Whether a partition key header has a value for each of the key's paths.
    pub(crate) fn is_full_key(&self, header: &str) -> bool {
        serde_json::from_str::<Vec<Value>>(header).is_ok_and(|values| values.len() == self.partition_key.paths().len())
    }

    /// The partition key header that belongs to a document.
    pub(crate) fn key_header(&self, document: &Value) -> String {
        let component =
            |path: &str| value_at(document, path).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Value::Array(self.partition_key.paths().iter().map(|path| component(path)).collect()).to_string()
    }
}

fn component(value: Value) -> Result<PartitionKeyValue, String> {
    Ok(match value {
        Value::String(text) => PartitionKeyValue::from(text),
        Value::Bool(flag) => PartitionKeyValue::from(flag),
        Value::Null => PartitionKeyValue::NULL,
        Value::Object(_) => PartitionKeyValue::UNDEFINED,
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            PartitionKeyValue::try_from(number).map_err(|error| error.to_string())?
        }
        Value::Array(_) => return Err("an array is not a partition key value".into()),
    })
}

async fn read_definition(emulator: &Emulator, name: &ContainerName) -> Option<Definition> {
    let reply = emulator.execute(&get(emulator, name, "")?).await;
    reply.is_success().then(|| serde_json::from_slice(&reply.body).ok()).flatten()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
