//! Splits and merges physical partitions as the service does.
//!
//! During a transition, requests for the partitions are answered 410 with sub-status 1007, and afterwards with 1002. Positions
//! in the change feed remain valid, and log sequence numbers continue above the newest of the old partitions.
//!
//! The race to mind: no request may see the emulator's new partitions before their numbers are set, so both happen with the
//! container's locks held. A transition continues if the caller stops waiting for it.

use std::sync::Arc;
use std::time::Duration;

use azure_data_cosmos_driver::in_memory_emulator::{ManualControlPlaneOperation, ManualControlPlaneResult};
use serde::Deserialize;
use serde_json::{Value, json};

use super::partition_list::{Partition, find_container, find_partition};
use super::{ControlError, body};
use crate::container::Container;
use crate::emulator::Emulator;
use crate::gateway::Gateway;
use crate::limits::MAX_TRANSITION;
use crate::lsn::session_lsn;
use crate::operation::ContainerName;
use crate::partitions::request_session_token;

/// A transition of partitions.
enum Transition {
    Split(Option<String>),
    Merge(String, String),
}

/// Splits a partition in the middle of its key range; `None` selects the one with the most items. The split takes `duration`.
/// Returns the two new partitions.
pub(crate) async fn split(
    gateway: &Arc<Gateway>,
    name: &ContainerName,
    partition: Option<&str>,
    duration: Duration,
) -> Result<Vec<Partition>, ControlError> {
    run(gateway, name, Transition::Split(partition.map(str::to_owned)), duration).await
}

/// Merges two adjacent partitions. The merge takes `duration`. Returns the new partition.
pub(crate) async fn merge(
    gateway: &Arc<Gateway>,
    name: &ContainerName,
    partitions: [&str; 2],
    duration: Duration,
) -> Result<Partition, ControlError> {
    let [one, other] = partitions.map(str::to_owned);
    let merged = run(gateway, name, Transition::Merge(one, other), duration).await?;
    merged.into_iter().next().ok_or_else(|| ControlError::Failed("the merged partition is missing".into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SplitBody {
    database: String,
    container: String,
    partition: Option<String>,
    #[serde(default)]
    duration_milliseconds: u64,
}

pub(super) async fn answer_split(gateway: &Arc<Gateway>, body: &[u8]) -> Result<Value, ControlError> {
    let body: SplitBody = body::read(body)?;
    let duration = Duration::from_millis(body.duration_milliseconds);
    let name = ContainerName::new(body.database, body.container);
    let partitions = split(gateway, &name, body.partition.as_deref(), duration).await?;
    Ok(json!({"partitions": partitions}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MergeBody {
    database: String,
    container: String,
    partitions: [String; 2],
    #[serde(default)]
    duration_milliseconds: u64,
}

pub(super) async fn answer_merge(gateway: &Arc<Gateway>, body: &[u8]) -> Result<Value, ControlError> {
    let body: MergeBody = body::read(body)?;
    let duration = Duration::from_millis(body.duration_milliseconds);
    let name = ContainerName::new(body.database, body.container);
    let partition = merge(gateway, &name, body.partitions.each_ref().map(String::as_str), duration).await?;
    Ok(json!({"partitions": [partition]}))
}

async fn run(
    gateway: &Arc<Gateway>,
    name: &ContainerName,
    transition: Transition,
    duration: Duration,
) -> Result<Vec<Partition>, ControlError> {
    if duration > MAX_TRANSITION {
        let most = MAX_TRANSITION.as_millis();
        return Err(ControlError::Invalid(format!(
            "durationMilliseconds is {}; it must be at most {most}",
            duration.as_millis()
        )));
    }
    let container = find_container(gateway, name).await?;
    let (gateway, name) = (Arc::clone(gateway), name.clone());
    let task = tokio::spawn(async move { execute(&gateway, &name, &container, transition, duration).await });
    task.await.map_err(|error| ControlError::Failed(error.to_string()))?
}

async fn execute(
    gateway: &Gateway,
    name: &ContainerName,
    container: &Container,
    transition: Transition,
    duration: Duration,
) -> Result<Vec<Partition>, ControlError> {
    let emulator = gateway.emulator();
    let _only = container.transition.try_lock().map_err(|_| ControlError::Busy)?;
    let parents = parents(gateway, name, container, &transition).await?;
    {
        let _topology = container.topology.read().await;
        for parent in &parents {
            container.session_token(emulator, name, parent).await;
        }
    }
    let operation = match parents.as_slice() {
        [one, other] => emulator.begin_merge(name, one, other),
        parents => emulator.begin_split(name, parents.first().map(String::as_str).unwrap_or_default()),
    };
    let operation = operation.map_err(ControlError::Failed)?;
    let _mark = Mark::set(container, &parents);
    tokio::time::sleep(duration).await;

    let _writes = container.writes.lock().await;
    let _topology = container.topology.write().await;
    let children = complete(operation).await?;
    continue_numbers(emulator, name, container, &parents, &children).await;
    container.forget_partitions();
    let partitions = container.partitions(emulator, name).await;
    Ok(partitions.iter().filter(|partition| children.contains(&partition.id)).map(Partition::from).collect())
}

async fn parents(
    gateway: &Gateway,
    name: &ContainerName,
    container: &Container,
    transition: &Transition,
) -> Result<Vec<String>, ControlError> {
    let partitions = {
        let _topology = container.topology.read().await;
        container.partitions(gateway.emulator(), name).await
    };
    match transition {
        Transition::Split(Some(partition)) => Ok(vec![partitions[find_partition(&partitions, partition)?].id.clone()]),
        Transition::Split(None) => {
            let log = container.log();
            let fullest = partitions.iter().max_by_key(|partition| log.items_in(&partition.range()));
            Ok(fullest.into_iter().map(|partition| partition.id.clone()).collect())
        }
        Transition::Merge(one, other) => {
            let (first, second) = (find_partition(&partitions, one)?, find_partition(&partitions, other)?);
            if first.abs_diff(second) != 1 {
                return Err(ControlError::NotAdjacent(one.clone(), other.clone()));
            }
            Ok(vec![one.clone(), other.clone()])
        }
    }
}

async fn complete(operation: ManualControlPlaneOperation) -> Result<Vec<String>, ControlError> {
    match operation.complete().await {
        Ok(ManualControlPlaneResult::Split(children)) => Ok(children.iter().map(ToString::to_string).collect()),
        Ok(ManualControlPlaneResult::Merge(child)) => Ok(vec![child.to_string()]),
        Err(error) => Err(ControlError::Failed(error.to_string())),
    }
}

/// Sets the numbers of the new partitions above those of the old ones.
async fn continue_numbers(
    emulator: &Emulator,
    name: &ContainerName,
    container: &Container,
    parents: &[String],
    children: &[String],
) {
    let newest = parents.iter().filter_map(|parent| session_lsn(&container.sequence().session_token(parent)?)).max();
    for child in children {
        let Some(reply) = request_session_token(emulator, name, child).await else { continue };
        let number = reply.session_token().and_then(session_lsn).unwrap_or_default();
        let mut sequence = container.sequence();
        sequence.set_offset(child, (newest.unwrap_or_default() + 1).saturating_sub(number));
        let reply = sequence.to_client(reply);
        sequence.record(&reply);
    }
    container.lineage().replace(parents, children);
    let mut sequence = container.sequence();
    parents.iter().for_each(|parent| sequence.forget(parent));
}

/// Marks partitions as being split or merged until it is dropped.
struct Mark<'a> {
    container: &'a Container,
    partitions: &'a [String],
}

impl<'a> Mark<'a> {
    fn set(container: &'a Container, partitions: &'a [String]) -> Self {
        container.transitions().extend(partitions.iter().cloned());
        Self { container, partitions }
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.container.transitions().retain(|partition| !self.partitions.contains(partition));
    }
}
