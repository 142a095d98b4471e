//! Sets whether queries without an index are refused.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, body};
use crate::gateway::Gateway;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    refused: bool,
}

pub(super) fn answer(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: Body = body::read(body)?;
    gateway.refuse_unindexed_queries(body.refused);
    Ok(json!({"refused": body.refused}))
}
