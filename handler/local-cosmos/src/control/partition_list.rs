//! Lists the physical partitions of a container.

use std::sync::Arc;

use actix_web::web::Query;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ControlError;
use crate::container::Container;
use crate::gateway::Gateway;
use crate::operation::ContainerName;
use crate::partitions::PartitionKeyRange;

/// A physical partition of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// The partition key range id.
    pub id: String,
    /// The inclusive lower bound of the effective partition keys, in hexadecimal digits; empty if there is none.
    pub min: String,
    /// The exclusive upper bound of the effective partition keys, in hexadecimal digits; `FF` if there is none.
    pub max: String,
}

impl From<&PartitionKeyRange> for Partition {
    fn from(range: &PartitionKeyRange) -> Self {
        Self { id: range.id.clone(), min: range.min.clone(), max: range.max.clone() }
    }
}

/// The container's physical partitions, in the order of their keys.
pub(crate) async fn list(gateway: &Gateway, name: &ContainerName) -> Result<Vec<Partition>, ControlError> {
    let container = find_container(gateway, name).await?;
    let _topology = container.topology.read().await;
    Ok(container.partitions(gateway.emulator(), name).await.iter().map(Partition::from).collect())
}

pub(super) async fn answer(gateway: &Gateway, query: &str) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        database: String,
        container: String,
    }
    let query = Query::<Parameters>::from_query(query)
        .map_err(|error| ControlError::Invalid(format!("invalid query string: {error}")))?
        .into_inner();
    let partitions = list(gateway, &ContainerName::new(query.database, query.container)).await?;
    Ok(json!({"partitions": partitions}))
}

/// The container of this name.
pub(super) async fn find_container(gateway: &Gateway, name: &ContainerName) -> Result<Arc<Container>, ControlError> {
    if let Some(container) = gateway.container(name).await {
        return Ok(container);
    }
    let known = gateway.emulator().container_names().await.iter().map(ToString::to_string).collect();
    Err(ControlError::NoContainer { name: name.to_string(), known })
}

pub(super) fn find_partition(partitions: &[PartitionKeyRange], id: &str) -> Result<usize, ControlError> {
    partitions.iter().position(|partition| partition.id == id).ok_or_else(|| ControlError::NoPartition {
        partition: id.to_owned(),
        known: partitions.iter().map(|partition| partition.id.clone()).collect(),
    })
}
