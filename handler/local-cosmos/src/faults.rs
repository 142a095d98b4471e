//! Scripted failures: what can happen between a client and the service, on demand.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// A failure of the next requests that match.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The container that the request must be for; any without.
    pub container: Option<String>,
    /// The kind that the request must be of.
    pub kind: RequestKind,
    /// How many requests it happens to.
    pub times: u32,
    /// What happens.
    pub effect: Effect,
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
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It is answered with this status and sub-status, and nothing is done.
    Status {
        /// The HTTP status.
        status: u16,
        /// `x-ms-substatus`; 0 for none.
        substatus: u32,
    },
    /// It is done after this time.
    Delay(Duration),
    /// It is done, but the answer never arrives whole.
    LoseReply,
}

/// The failures that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.lock().push_back(fault);
    }

    /// How many are still to come.
    pub(crate) fn pending(&self) -> u32 {
        self.lock().iter().map(|fault| fault.times).sum()
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().iter().filter(|fault| fault.times > 0).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Takes the effect that is due for this request.
    pub(crate) fn next(&self, operation: &Operation) -> Option<Effect> {
        let mut faults = self.lock();
        let index = faults.iter().position(|fault| fault.times > 0 && matches(fault, operation))?;
        let fault = faults.get_mut(index)?;
        fault.times -= 1;
        let effect = fault.effect.clone();
        if fault.times == 0 {
            faults.remove(index);
        }
        Some(effect)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn matches(fault: &Fault, operation: &Operation) -> bool {
    let kind = match operation {
        Operation::Write(_) | Operation::Delete(_) | Operation::Batch(_) => RequestKind::Write,
        Operation::Read(_) => RequestKind::Read,
        Operation::Page(_) => RequestKind::Query,
        Operation::ChangeFeed(_) => RequestKind::ChangeFeed,
        _ => return false,
    };
    let name = operation.items_of().map(|name| &name.container);
    (fault.kind == RequestKind::Any || fault.kind == kind)
        && (fault.container.is_none() || fault.container.as_ref() == name)
}
