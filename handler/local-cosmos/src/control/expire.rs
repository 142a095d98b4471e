//! Lets items expire whose time to live has not run out yet.

use super::partitions::known;
use super::{ControlError, ItemScope};
use crate::expiry::remove_expired;
use crate::gateway::Gateway;
use crate::operation::ContainerName;

/// Expires the items that are meant and have a time to live, whenever it would run out. Gives their number.
pub(crate) async fn expire_now(
    gateway: &Gateway,
    name: &ContainerName,
    scope: ItemScope,
) -> Result<usize, ControlError> {
    let container = known(gateway, name).await?;
    let missing = scope.id.clone().map(ControlError::NoItem);
    let is_meant = scope.matcher(&container.definition())?;
    let _settled = container.transition.try_lock().map_err(|_| ControlError::Busy)?;
    match (remove_expired(gateway.emulator(), name, &container, i64::MAX, is_meant).await, missing) {
        (0, Some(missing)) => Err(missing),
        (expired, _) => Ok(expired),
    }
}
