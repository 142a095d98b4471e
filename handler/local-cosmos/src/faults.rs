//! Scripted faults: what can go wrong between a client and the service, on demand.
//!
//! Most faults are decided before a request is executed. A fault that garbles a body, and one that is limited to an item on
//! a page, need the reply: they are decided after the execution, and only if no other fault matched before it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::incoming::Incoming;
use crate::items::{id_of_body, ids_of_batch, is_bulk};
use crate::operation::{Action, Operation};
use crate::reply::{Reply, header};
use crate::scripted_status::ScriptedStatus;

/// A fault of the next requests that match.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The name of the container that the request addresses; `None` for any.
    pub container: Option<String>,
    /// The kind of request.
    pub kind: RequestKind,
    /// The number of requests that are affected.
    pub times: u32,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// Limits the fault to requests that write, read or return the item with this id. Of a bulk request, a status concerns the
    /// operation for this item alone. A page of a query matches if it has the
    /// item whole or with its `id`.
    pub fn on_item(self, id: impl Into<String>) -> ItemFault {
        ItemFault { fault: self, item: Some(id.into()) }
    }
}

/// A fault, limited to one item or not; see [`Fault::on_item`].
#[derive(Clone, Debug, PartialEq)]
pub struct ItemFault {
    /// The fault.
    pub fault: Fault,
    /// The id of the item; `None` for no such limit.
    pub item: Option<String>,
}

impl From<Fault> for ItemFault {
    fn from(fault: Fault) -> Self {
        Self { fault, item: None }
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RequestKind {
    /// Any request for a container's items.
    Any,
    /// Create, upsert, replace, patch, delete and batch.
    Write,
    /// Read of one item.
    Read,
    /// Query, and read of all items.
    Query,
    /// A page of the change feed.
    ChangeFeed,
    /// Read of the account, a database, a container or its partition key ranges. With a container: read of that container or
    /// its partition key ranges.
    Metadata,
    /// Replace and delete of a database or a container, and create of a container, which has no name yet.
    Definition,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It is not executed and answered with this status and sub-status. 429 with 3200 is what throttling looks like.
    Status {
        /// The HTTP status.
        status: u16,
        /// `x-ms-substatus`; 0 for none.
        substatus: u32,
    },
    /// It is executed after this time.
    Delay(Duration),
    /// It is executed, but the connection breaks before the reply has arrived.
    LoseReply,
    /// It is executed, and the reply has its status and headers but half of its body, which is not valid JSON. A reply without
    /// a body is not affected and leaves the fault in place.
    Garble,
}

/// The faults that have not happened yet.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<VecDeque<ItemFault>>);

impl Faults {
    pub(crate) fn add(&self, fault: ItemFault) {
        self.lock().push_back(fault);
    }

    /// The number of requests that are still to be affected.
    pub(crate) fn pending(&self) -> u32 {
        self.lock().iter().map(|scoped| scoped.fault.times).sum()
    }

    pub(crate) fn list(&self) -> Vec<ItemFault> {
        self.lock().iter().filter(|scoped| scoped.fault.times > 0).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes the effect that is due before a request is executed.
    pub(crate) fn before(&self, operation: &Operation, incoming: &Incoming) -> Option<Effect> {
        let mut ids = None;
        self.take(|scoped| {
            if scoped.fault.effect == Effect::Garble || !matches(&scoped.fault, operation) {
                return false;
            }
            let Some(item) = &scoped.item else { return true };
            if is_of_bulk_operation(scoped, operation, incoming) {
                return false;
            }
            ids.get_or_insert_with(|| requested_ids(operation, incoming)).contains(item)
        })
    }

    /// Takes the effect that is due now that a request was executed.
    pub(crate) fn after(&self, operation: &Operation, incoming: &Incoming, reply: &Reply) -> Option<Effect> {
        let mut ids = None;
        self.take(|scoped| {
            if !matches(&scoped.fault, operation) || scoped.fault.effect == Effect::Garble && reply.body.is_empty() {
                return false;
            }
            let Some(item) = &scoped.item else { return scoped.fault.effect == Effect::Garble };
            if is_of_bulk_operation(scoped, operation, incoming) {
                return false;
            }
            let ids = ids.get_or_insert_with(|| match operation.action {
                Action::Query | Action::ChangeFeed => returned_ids(reply),
                _ => requested_ids(operation, incoming),
            });
            ids.contains(item)
        })
    }

    /// Takes the status of a fault that is limited to the item of an operation of a bulk request.
    pub(crate) fn of_bulk_operation(&self, operation: &Operation, id: &str) -> Option<ScriptedStatus> {
        let effect = self.take(|scoped| {
            let is_status = matches!(scoped.fault.effect, Effect::Status { .. });
            is_status && scoped.item.as_deref() == Some(id) && matches(&scoped.fault, operation)
        });
        effect.and_then(|effect| match effect {
            Effect::Status { status, substatus } => Some(ScriptedStatus::new(status, substatus)),
            _ => None,
        })
    }

    fn take(&self, mut is_due: impl FnMut(&ItemFault) -> bool) -> Option<Effect> {
        let mut faults = self.lock();
        let index = faults.iter().position(|scoped| scoped.fault.times > 0 && is_due(scoped))?;
        let fault = &mut faults.get_mut(index)?.fault;
        fault.times -= 1;
        let effect = fault.effect.clone();
        if fault.times == 0 {
            faults.remove(index);
        }
        Some(effect)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<ItemFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Effect {
    /// The reply in place of the one that the request would have had.
    pub(crate) fn refusal(status: u16, substatus: u32) -> Reply {
        let scripted = ScriptedStatus::new(status, substatus);
        let mut reply = Reply::error(status, "Fault", "A scripted fault caused this failure.");
        if let Some(substatus) = scripted.substatus() {
            reply = reply.with(header::SUBSTATUS, substatus);
        }
        if let Some(wait) = scripted.retry_after_milliseconds() {
            reply = reply.with("x-ms-retry-after-ms", wait.to_string());
        }
        reply
    }
}

/// Whether a fault concerns one operation of a bulk request, and not the request.
fn is_of_bulk_operation(scoped: &ItemFault, operation: &Operation, incoming: &Incoming) -> bool {
    operation.action == Action::Batch && matches!(scoped.fault.effect, Effect::Status { .. }) && is_bulk(incoming)
}

fn matches(fault: &Fault, operation: &Operation) -> bool {
    let kind = match operation.action {
        Action::Read => RequestKind::Read,
        Action::Query => RequestKind::Query,
        Action::ChangeFeed => RequestKind::ChangeFeed,
        _ if operation.is_write() => RequestKind::Write,
        _ if operation.is_metadata_read() => RequestKind::Metadata,
        _ if operation.is_definition_write() => RequestKind::Definition,
        _ => return false,
    };
    let is_of_items = !matches!(kind, RequestKind::Metadata | RequestKind::Definition);
    let is_kind = fault.kind == kind || fault.kind == RequestKind::Any && is_of_items;
    let name = operation.container.as_ref().map(|name| &name.container);
    is_kind && (fault.container.is_none() || fault.container.as_ref() == name)
}

/// The ids of the items that a request names.
fn requested_ids(operation: &Operation, incoming: &Incoming) -> Vec<String> {
    match operation.action {
        Action::Read | Action::Replace | Action::Patch | Action::Delete => {
            operation.item_id().map(str::to_owned).into_iter().collect()
        }
        Action::Create | Action::Upsert => id_of_body(&incoming.body).into_iter().collect(),
        Action::Batch => ids_of_batch(&incoming.body),
        _ => Vec::new(),
    }
}

/// The ids of the items on a page.
fn returned_ids(reply: &Reply) -> Vec<String> {
    let page: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let documents = page["Documents"].as_array().into_iter().flatten();
    // An item stands alone, in the change feed's envelope, or in that of an ordered query.
    let ids = documents.flat_map(|document| {
        let places =
            [&document["id"], &document["current"]["id"], &document["metadata"]["id"], &document["payload"]["id"]];
        places.map(|id| id.as_str().map(str::to_owned))
    });
    ids.flatten().collect()
}
