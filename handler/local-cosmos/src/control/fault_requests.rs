//! Adds, lists and removes faults.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, body};
use crate::faults::{Effect, Fault, ItemFault, RequestKind};
use crate::gateway::Gateway;
use crate::limits::{MAX_FAULT_DELAY, MAX_FAULT_TIMES};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    container: Option<String>,
    item: Option<String>,
    kind: RequestKind,
    #[serde(default = "once")]
    times: u32,
    status: Option<u16>,
    substatus: Option<u32>,
    delay_milliseconds: Option<u64>,
    lose_reply: Option<bool>,
    garble: Option<bool>,
}

fn once() -> u32 {
    1
}

pub(super) fn add(gateway: &Gateway, body: &[u8]) -> Result<Value, ControlError> {
    let body: Body = body::read(body)?;
    let effect = effect(&body)?;
    if !(1..=MAX_FAULT_TIMES).contains(&body.times) {
        return Err(invalid(format!("times is {}; it must be 1 to {MAX_FAULT_TIMES}", body.times)));
    }
    if let Some(container) = &body.container {
        let known = gateway.container_names();
        if known.iter().all(|name| name.container != *container) {
            let known = known.iter().map(ToString::to_string).collect();
            return Err(ControlError::NoContainer { name: container.clone(), known });
        }
    }
    let fault = Fault { container: body.container, kind: body.kind, times: body.times, effect };
    gateway.faults.add(ItemFault { fault, item: body.item });
    Ok(pending(gateway))
}

pub(super) fn pending(gateway: &Gateway) -> Value {
    json!({"faults": gateway.faults.list().iter().map(describe).collect::<Vec<_>>()})
}

pub(super) fn clear(gateway: &Gateway) -> Value {
    gateway.faults.clear();
    pending(gateway)
}

fn effect(body: &Body) -> Result<Effect, ControlError> {
    let substatus = body.substatus.unwrap_or_default();
    if body.substatus.is_some() && body.status.is_none() {
        return Err(invalid("substatus requires status".into()));
    }
    let effects = (body.status, body.delay_milliseconds, body.lose_reply, body.garble);
    match effects {
        (Some(status), None, None, None) if (400..=599).contains(&status) => Ok(Effect::Status { status, substatus }),
        (Some(status), None, None, None) => Err(invalid(format!("status is {status}; it must be 400 to 599"))),
        (None, Some(milliseconds), None, None) if Duration::from_millis(milliseconds) <= MAX_FAULT_DELAY => {
            Ok(Effect::Delay(Duration::from_millis(milliseconds)))
        }
        (None, Some(milliseconds), None, None) => {
            let most = MAX_FAULT_DELAY.as_millis();
            Err(invalid(format!("delayMilliseconds is {milliseconds}; it must be at most {most}")))
        }
        (None, None, Some(true), None) => Ok(Effect::LoseReply),
        (None, None, None, Some(true)) => Ok(Effect::Garble),
        _ => {
            let effects = "status, delayMilliseconds, loseReply: true and garble: true";
            Err(invalid(format!("give exactly one of {effects}")))
        }
    }
}

fn describe(ItemFault { fault, item }: &ItemFault) -> Value {
    let mut described = json!({"kind": fault.kind, "times": fault.times});
    if let Some(container) = &fault.container {
        described["container"] = json!(container);
    }
    if let Some(item) = item {
        described["item"] = json!(item);
    }
    match fault.effect {
        Effect::Status { status, substatus } => {
            described["status"] = json!(status);
            described["substatus"] = json!(substatus);
        }
        Effect::Delay(delay) => described["delayMilliseconds"] = json!(delay.as_millis() as u64),
        Effect::LoseReply => described["loseReply"] = json!(true),
        Effect::Garble => described["garble"] = json!(true),
    }
    described
}

fn invalid(message: String) -> ControlError {
    ControlError::Invalid(message)
}
