//! Settings of a container, or of the endpoint, that can be changed while it runs.

use serde::Deserialize;
use serde_json::{Value, json};

use super::partition_list::find_container;
use super::{ControlError, body};
use crate::gateway::Gateway;
use crate::operation::ContainerName;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThrottleBody {
    database: String,
    container: String,
    /// Required; may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    request_units_per_second: Option<f64>,
}

pub(super) async fn answer_throttle(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: ThrottleBody = body::read(body)?;
    let limit = body.request_units_per_second;
    throttle(gateway, &ContainerName::new(body.database, body.container), limit).await?;
    Ok(json!({"requestUnitsPerSecond": limit.filter(|limit| *limit > 0.0)}))
}

/// Limits the container's request units a second; `None` or 0 lifts the limit.
pub(crate) async fn throttle(
    gateway: &Gateway,
    name: &ContainerName,
    request_units_per_second: Option<f64>,
) -> Result<(), ControlError> {
    let limit = request_units_per_second.unwrap_or_default();
    if !limit.is_finite() || limit < 0.0 {
        let message =
            format!("requestUnitsPerSecond is {limit}; it must be a positive number, or 0 or null for no limit");
        return Err(ControlError::Invalid(message));
    }
    find_container(gateway, name).await?.set_budget((limit > 0.0).then_some(limit));
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviousImagesBody {
    database: String,
    container: String,
    enabled: bool,
}

pub(super) async fn answer_previous_images(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: PreviousImagesBody = body::read(body)?;
    keep_previous_images(gateway, &ContainerName::new(body.database, body.container), body.enabled).await?;
    Ok(json!({"enabled": body.enabled}))
}

/// Sets whether the container's AllVersionsAndDeletes mode includes the items that the next writes replace or delete.
pub(crate) async fn keep_previous_images(
    gateway: &Gateway,
    name: &ContainerName,
    enabled: bool,
) -> Result<(), ControlError> {
    find_container(gateway, name).await?.log().keep_previous_images(enabled);
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnindexedQueriesBody {
    refused: bool,
}

pub(super) fn answer_unindexed_queries(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: UnindexedQueriesBody = body::read(body)?;
    gateway.refuse_unindexed_queries(body.refused);
    Ok(json!({"refused": body.refused}))
}
