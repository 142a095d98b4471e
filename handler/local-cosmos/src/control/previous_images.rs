//! Sets whether a container's AllVersionsAndDeletes mode includes the replaced or deleted item.

use serde::Deserialize;
use serde_json::{Value, json};

use super::partitions::find_container;
use super::{ControlError, body};
use crate::gateway::Gateway;
use crate::operation::ContainerName;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    database: String,
    container: String,
    enabled: bool,
}

pub(super) async fn answer(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: Body = body::read(body)?;
    keep_previous_images(gateway, &ContainerName::new(body.database, body.container), body.enabled).await?;
    Ok(json!({"enabled": body.enabled}))
}

/// Sets whether previous images of the next writes are kept.
pub(crate) async fn keep_previous_images(
    gateway: &Gateway,
    name: &ContainerName,
    enabled: bool,
) -> Result<(), ControlError> {
    find_container(gateway, name).await?.log().keep_previous_images(enabled);
    Ok(())
}
