//! Lists the physical partitions of a container.

use std::sync::Arc;

use actix_web::web::Query;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ControlError;
use crate::gateway::{Found, Gateway};
use crate::operation::ContainerName;
use crate::store::Contents;

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

/// The physical partitions in the order of their keys.
pub(super) fn list_in(contents: &Contents) -> Vec<Partition> {
    let partitions = contents.partitions().iter();
    partitions
        .map(|partition| Partition {
            id: partition.id.clone(),
            min: partition.range.min.to_string(),
            max: partition.range.max.to_string(),
        })
        .collect()
}

/// The container's physical partitions, in the order of their keys.
pub(crate) fn list(gateway: &Gateway, name: &ContainerName) -> Result<Vec<Partition>, ControlError> {
    Ok(list_in(&find_container(gateway, name)?.data.store().read()))
}

pub(super) fn answer(gateway: &Gateway, query: &str) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        database: String,
        container: String,
    }
    let query = Query::<Parameters>::from_query(query)
        .map_err(|error| ControlError::Invalid(format!("invalid query string: {error}")))?
        .into_inner();
    let partitions = list(gateway, &ContainerName::new(query.database, query.container))?;
    Ok(json!({"partitions": partitions}))
}

/// The container of this name.
pub(super) fn find_container(gateway: &Gateway, name: &ContainerName) -> Result<Arc<Found>, ControlError> {
    gateway.container(name).ok_or_else(|| {
        let known = gateway.container_names().iter().map(ToString::to_string).collect();
        ControlError::NoContainer { name: name.to_string(), known }
    })
}

pub(super) fn find_partition(partitions: &[Partition], id: &str) -> Result<usize, ControlError> {
    partitions.iter().position(|partition| partition.id == id).ok_or_else(|| ControlError::NoPartition {
        partition: id.to_owned(),
        known: partitions.iter().map(|partition| partition.id.clone()).collect(),
    })
}
