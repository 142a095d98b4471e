//! Sets the number of a container's physical partitions.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::partition_list::{Partition, list};
use super::transition::{merge, split};
use super::{ControlError, body};
use crate::gateway::Gateway;
use crate::limits::MAX_PARTITIONS;
use crate::operation::ContainerName;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    database: String,
    container: String,
    count: usize,
}

pub(super) async fn answer(gateway: &Arc<Gateway>, body: &[u8]) -> Result<Value, ControlError> {
    let body: Body = body::read(body)?;
    let name = ContainerName::new(body.database, body.container);
    Ok(json!({"partitions": set_partition_count(gateway, &name, body.count).await?}))
}

/// Splits or merges partitions, each of them in turn, until there are `count`. Returns them in the order of their keys.
pub(crate) async fn set_partition_count(
    gateway: &Arc<Gateway>,
    name: &ContainerName,
    count: usize,
) -> Result<Vec<Partition>, ControlError> {
    if !(1..=MAX_PARTITIONS).contains(&count) {
        return Err(ControlError::Invalid(format!("count is {count}; it must be 1 to {MAX_PARTITIONS}")));
    }
    loop {
        let partitions = list(gateway, name)?;
        if partitions.len() == count {
            return Ok(partitions);
        }
        if partitions.len() < count {
            for partition in partitions.iter().take(count - partitions.len()) {
                split(gateway, name, Some(&partition.id), Duration::ZERO).await?;
            }
        } else {
            for pair in partitions.chunks_exact(2).take(partitions.len() - count) {
                merge(gateway, name, [&pair[0].id, &pair[1].id], Duration::ZERO).await?;
            }
        }
    }
}
