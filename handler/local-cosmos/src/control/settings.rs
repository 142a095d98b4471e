//! Settings of a container, or of the endpoint, that can be changed while it runs.

use serde::Deserialize;
use serde_json::{Value, json};

use super::partition_list::find_container;
use super::{ControlError, body};
use crate::gateway::Gateway;
use crate::limits::MAX_CLOCK_OFFSET_SECONDS;
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

pub(super) fn answer_throttle(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: ThrottleBody = body::read(body)?;
    let limit = body.request_units_per_second;
    throttle(gateway, &ContainerName::new(body.database, body.container), limit)?;
    Ok(json!({"requestUnitsPerSecond": limit.filter(|limit| *limit > 0.0)}))
}

/// Limits the container's request units a second; `None` or 0 lifts the limit.
pub(crate) fn throttle(
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
    find_container(gateway, name)?.data.set_budget((limit > 0.0).then_some(limit));
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviousImagesBody {
    database: String,
    container: String,
    enabled: bool,
}

pub(super) fn answer_previous_images(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: PreviousImagesBody = body::read(body)?;
    keep_previous_images(gateway, &ContainerName::new(body.database, body.container), body.enabled)?;
    Ok(json!({"enabled": body.enabled}))
}

/// Sets whether the container's AllVersionsAndDeletes mode includes the items that the next writes replace or delete.
pub(crate) fn keep_previous_images(gateway: &Gateway, name: &ContainerName, enabled: bool) -> Result<(), ControlError> {
    find_container(gateway, name)?.data.store().write().log_mut().keep_previous_images(enabled);
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockBody {
    offset_seconds: i64,
}

pub(super) fn answer_clock(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: ClockBody = body::read(body)?;
    set_clock(gateway, body.offset_seconds)?;
    Ok(json!({"offsetSeconds": body.offset_seconds}))
}

/// Sets how many seconds the endpoint's clock is ahead of this machine's; a negative number is behind.
pub(crate) fn set_clock(gateway: &Gateway, offset_seconds: i64) -> Result<(), ControlError> {
    if offset_seconds.abs() > MAX_CLOCK_OFFSET_SECONDS {
        let message = format!(
            "offsetSeconds is {offset_seconds}; it must be from -{MAX_CLOCK_OFFSET_SECONDS} to {MAX_CLOCK_OFFSET_SECONDS}"
        );
        return Err(ControlError::Invalid(message));
    }
    gateway.clock().set_offset(offset_seconds * 1000);
    Ok(())
}
