//! Expires items before their time to live does.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::partition_list::find_container;
use super::{ControlError, ItemScope, body};
use crate::gateway::Gateway;
use crate::operation::ContainerName;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    database: String,
    container: String,
    id: Option<String>,
    /// Null is a valid key.
    #[serde(default, deserialize_with = "present")]
    partition_key: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub(super) fn answer(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: Body = body::read(body)?;
    let scope = ItemScope { id: body.id, partition_key: body.partition_key };
    let expired = expire_now(gateway, &ContainerName::new(body.database, body.container), scope)?;
    Ok(json!({"expired": expired}))
}

/// Expires the selected items that have a time to live, and returns their number.
pub(crate) fn expire_now(gateway: &Gateway, name: &ContainerName, scope: ItemScope) -> Result<usize, ControlError> {
    let container = find_container(gateway, name)?;
    let missing = scope.id.clone().map(ControlError::NoItem);
    let is_selected = scope.matcher(&container.data)?;
    let now = gateway.clock().milliseconds();
    match (container.data.store().write().expire(i64::MAX, now, is_selected), missing) {
        (0, Some(missing)) => Err(missing),
        (expired, _) => Ok(expired),
    }
}
