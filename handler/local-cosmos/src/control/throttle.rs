//! Limits a container's request units a second.

use super::ControlError;
use super::partitions::known;
use crate::gateway::Gateway;
use crate::operation::ContainerName;

/// Limits the container's request units a second; `None` or 0 lifts the limit.
pub(crate) async fn throttle(
    gateway: &Gateway,
    name: &ContainerName,
    request_units_per_second: Option<f64>,
) -> Result<(), ControlError> {
    let limit = request_units_per_second.unwrap_or_default();
    if !limit.is_finite() || limit < 0.0 {
        let message = format!("requestUnitsPerSecond is {limit}; it can be a positive number, or 0 or null for none");
        return Err(ControlError::Invalid(message));
    }
    known(gateway, name).await?.set_budget((limit > 0.0).then_some(limit));
    Ok(())
}
