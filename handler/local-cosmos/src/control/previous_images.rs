//! Whether a container's AllVersionsAndDeletes mode has what was replaced or deleted.

use serde::Deserialize;
use serde_json::{Value, json};

use super::partitions::known;
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

/// Keeps previous images of the writes to come, or does not any more.
pub(crate) async fn keep_previous_images(
    gateway: &Gateway,
    name: &ContainerName,
    enabled: bool,
) -> Result<(), ControlError> {
    known(gateway, name).await?.log().keep_previous_images(enabled);
    Ok(())
}
