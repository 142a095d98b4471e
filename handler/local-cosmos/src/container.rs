//! What the endpoint knows of a container beside what the emulator keeps: its definition and the log of its writes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use azure_core::http::Method;
use azure_data_cosmos_driver::models::{FeedRange, PartitionKey, PartitionKeyDefinition, PartitionKeyValue};
use serde::Deserialize;
use serde_json::Value;

use crate::change_log::{ChangeLog, KeyRange};
use crate::emulator::{Emulator, Incoming};
use crate::operation::ContainerName;

#[derive(Debug)]
pub(crate) struct Container {
    definition: Mutex<Definition>,
    log: Mutex<ChangeLog>,
    /// Held from before a write until it is in the log, so that the log has the order of the commits.
    pub writes: tokio::sync::Mutex<()>,
    /// The newest session token of each physical partition.
    session_tokens: Mutex<HashMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Definition {
    #[serde(rename = "_rid")]
    pub rid: String,
    #[serde(rename = "partitionKey")]
    pub partition_key: PartitionKeyDefinition,
    #[serde(rename = "defaultTtl")]
    pub default_ttl: Option<i64>,
}

/// A physical partition.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PartitionKeyRange {
    pub id: String,
    #[serde(rename = "minInclusive")]
    pub min: String,
    #[serde(rename = "maxExclusive")]
    pub max: String,
}

impl PartitionKeyRange {
    pub(crate) fn range(&self) -> KeyRange {
        KeyRange { min: self.min.clone(), max: self.max.clone() }
    }
}

impl Container {
    /// Reads the definition of a container; `None` if there is no such container.
    pub(crate) async fn load(emulator: &Emulator, name: &ContainerName) -> Option<Self> {
        Some(Self {
            definition: Mutex::new(read_definition(emulator, name).await?),
            log: Mutex::default(),
            writes: tokio::sync::Mutex::default(),
            session_tokens: Mutex::default(),
        })
    }

    /// Reads the definition again after it was replaced.
    pub(crate) async fn reload(&self, emulator: &Emulator, name: &ContainerName) {
        if let Some(definition) = read_definition(emulator, name).await {
            self.log().set_default_ttl(definition.default_ttl);
            *lock(&self.definition) = definition;
        }
    }

    pub(crate) fn definition(&self) -> Definition {
        lock(&self.definition).clone()
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, ChangeLog> {
        lock(&self.log)
    }

    pub(crate) fn remember_session(&self, partition: &str, token: &str) {
        lock(&self.session_tokens).insert(partition.to_owned(), token.to_owned());
    }

    pub(crate) fn session_token(&self, partition: &str) -> Option<String> {
        lock(&self.session_tokens).get(partition).cloned()
    }
}

impl Definition {
    /// The keys that a partition key header (a JSON array of components) stands for: one, or those with this prefix.
    pub(crate) fn key_range(&self, header: &str) -> Result<KeyRange, String> {
        let components: Vec<Value> = serde_json::from_str(header).map_err(|error| error.to_string())?;
        let components = components.into_iter().map(component).collect::<Result<Vec<_>, _>>()?;
        let key = PartitionKey::try_from(components).map_err(|error| error.to_string())?;
        let range = FeedRange::for_partition(key, &self.partition_key);
        Ok(KeyRange { min: range.min_inclusive().to_hex(), max: range.max_exclusive().to_hex() })
    }

    /// The partition key header that belongs to a document.
    pub(crate) fn key_header(&self, document: &Value) -> String {
        let component =
            |path: &str| document.pointer(path).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
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
        Value::Array(_) => return Err("an array is no partition key value".into()),
    })
}

async fn read_definition(emulator: &Emulator, name: &ContainerName) -> Option<Definition> {
    let reply = emulator.execute(&get(emulator, name, "")?).await;
    reply.is_success().then(|| serde_json::from_slice(&reply.body).ok()).flatten()
}

/// The container's physical partitions.
pub(crate) async fn read_partition_key_ranges(emulator: &Emulator, name: &ContainerName) -> Vec<PartitionKeyRange> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "PartitionKeyRanges")]
        ranges: Vec<PartitionKeyRange>,
    }
    let Some(request) = get(emulator, name, "/pkranges") else { return Vec::new() };
    let reply = emulator.execute(&request).await;
    serde_json::from_slice::<Body>(&reply.body).map(|body| body.ranges).unwrap_or_default()
}

fn get(emulator: &Emulator, name: &ContainerName, suffix: &str) -> Option<Incoming> {
    let mut url = emulator.url().clone();
    url.path_segments_mut().ok()?.clear().extend(["dbs", &name.database, "colls", &name.container]);
    url.set_path(&format!("{}{suffix}", url.path()));
    Some(Incoming::new(Method::Get, url))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
