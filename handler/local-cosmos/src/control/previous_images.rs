//! Whether a container's AllVersionsAndDeletes mode has what was replaced or deleted.

use super::ControlError;
use super::partitions::known;
use crate::gateway::Gateway;
use crate::operation::ContainerName;

/// Keeps previous images of the writes to come, or does not any more.
pub(crate) async fn keep_previous_images(
    gateway: &Gateway,
    name: &ContainerName,
    enabled: bool,
) -> Result<(), ControlError> {
    known(gateway, name).await?.log().keep_previous_images(enabled);
    Ok(())
}
