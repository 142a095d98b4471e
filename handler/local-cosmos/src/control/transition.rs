//! Splits and merges physical partitions as the service does.
//!
//! During a transition, requests for the partitions wait, as the service's gateway retries them, and afterwards requests that name the
//! old partitions are answered 410 with sub-status 1002. Positions in the change feed remain valid, and log sequence numbers
//! continue above the newest of the old partitions. A transition continues if the caller stops waiting for it.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::partition_list::{Partition, find_container, find_partition, list_in};
use super::{ControlError, body};
use crate::container::Container;
use crate::gateway::Gateway;
use crate::limits::MAX_TRANSITION;
use crate::operation::ContainerName;

/// A transition of partitions.
enum Kind {
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
    run(gateway, name, Kind::Split(partition.map(str::to_owned)), duration).await
}

/// Merges two adjacent partitions. The merge takes `duration`. Returns the new partition.
pub(crate) async fn merge(
    gateway: &Arc<Gateway>,
    name: &ContainerName,
    partitions: [&str; 2],
    duration: Duration,
) -> Result<Partition, ControlError> {
    let [one, other] = partitions.map(str::to_owned);
    let merged = run(gateway, name, Kind::Merge(one, other), duration).await?;
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
    kind: Kind,
    duration: Duration,
) -> Result<Vec<Partition>, ControlError> {
    if duration > MAX_TRANSITION {
        let most = MAX_TRANSITION.as_millis();
        return Err(ControlError::Invalid(format!(
            "durationMilliseconds is {}; it must be at most {most}",
            duration.as_millis()
        )));
    }
    let container = find_container(gateway, name)?;
    let gateway = Arc::clone(gateway);
    let now = move || gateway.clock().seconds();
    let task = tokio::spawn(async move { execute(&container.data, &kind, duration, now).await });
    task.await.map_err(|error| ControlError::Failed(error.to_string()))?
}

async fn execute(
    container: &Container,
    kind: &Kind,
    duration: Duration,
    now: impl Fn() -> i64,
) -> Result<Vec<Partition>, ControlError> {
    let parents = parents(container, kind)?;
    let _transition = container.store().begin_transition(parents.clone()).ok_or(ControlError::Busy)?;
    tokio::time::sleep(duration).await;
    let mut contents = container.store().write();
    let children = match parents.as_slice() {
        [one, other] => contents.merge(one, other, now()),
        parents => contents.split(parents.first().map(String::as_str).unwrap_or_default(), now()),
    };
    let children = children.map_err(ControlError::Failed)?;
    Ok(list_in(&contents).into_iter().filter(|partition| children.contains(&partition.id)).collect())
}

fn parents(container: &Container, kind: &Kind) -> Result<Vec<String>, ControlError> {
    let contents = container.store().read();
    let partitions = list_in(&contents);
    match kind {
        Kind::Split(Some(partition)) => Ok(vec![partitions[find_partition(&partitions, partition)?].id.clone()]),
        Kind::Split(None) => {
            let fullest = contents.partitions().iter().max_by_key(|partition| partition.len());
            Ok(fullest.into_iter().map(|partition| partition.id.clone()).collect())
        }
        Kind::Merge(one, other) => {
            let (first, second) = (find_partition(&partitions, one)?, find_partition(&partitions, other)?);
            if first.abs_diff(second) != 1 {
                return Err(ControlError::NotAdjacent(one.clone(), other.clone()));
            }
            Ok(vec![one.clone(), other.clone()])
        }
    }
}
