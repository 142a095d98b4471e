//! The parameters of the page of a restore.

use changefeed_operations::{Action, Counts};
use serde::Deserialize;

use super::address::Address;
use crate::http::ApiError;

/// The parameters as they are in the address. An empty one is the same as none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RestoreParameters {
    /// The id of the restore.
    pub id: String,
    /// Whether the page shows what the undo of the restore would do.
    pub undo: bool,
    action: String,
    continuation: String,
}

/// The documents of a restore that are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Those with this action.
    pub action: Option<Action>,
    /// Those after the page with this continuation; `None` for the first page.
    pub continuation: Option<String>,
}

/// The actions in the order in which a person should look at them: first what needs a decision.
pub const ACTIONS: [(Action, &str); 9] = [
    (Action::Conflict, "conflict"),
    (Action::Failed, "failed"),
    (Action::Unknown, "unknown"),
    (Action::Merge, "merge"),
    (Action::Kept, "kept"),
    (Action::Delete, "delete"),
    (Action::Create, "create"),
    (Action::Replace, "replace"),
    (Action::Unchanged, "unchanged"),
];

/// The actions in the order in which the numbers of a restore are shown: first what is written.
pub const COUNTED: [(Action, &str); 9] = [
    (Action::Replace, "replace"),
    (Action::Merge, "merge"),
    (Action::Create, "create"),
    (Action::Delete, "delete"),
    (Action::Kept, "kept"),
    (Action::Unchanged, "unchanged"),
    (Action::Failed, "failed"),
    (Action::Conflict, "conflict"),
    (Action::Unknown, "unknown"),
];

/// The number of documents with an action.
pub fn count_of(counts: &Counts, action: Action) -> u64 {
    match action {
        Action::Create => counts.create,
        Action::Replace => counts.replace,
        Action::Merge => counts.merge,
        Action::Delete => counts.delete,
        Action::Unchanged => counts.unchanged,
        Action::Kept => counts.kept,
        Action::Unknown => counts.unknown,
        Action::Conflict => counts.conflict,
        Action::Failed => counts.failed,
    }
}

impl RestoreParameters {
    /// Checks the parameters.
    ///
    /// # Errors
    /// Names the parameter, its value, and what is allowed.
    pub fn read(&self) -> Result<Shown, ApiError> {
        if self.id.is_empty() {
            return Err(ApiError::bad_request("id is missing; give the id of a restore"));
        }
        let action = match self.action.as_str() {
            "" => None,
            text => match ACTIONS.iter().find(|(_, name)| *name == text) {
                Some((action, _)) => Some(*action),
                None => {
                    let allowed = ACTIONS.map(|(_, name)| name).join(", ");
                    return Err(ApiError::bad_request(format!("action: {text:?} is not allowed; use {allowed}")));
                }
            },
        };
        let continuation = Some(self.continuation.clone()).filter(|continuation| !continuation.is_empty());
        Ok(Shown { action, continuation })
    }
}

/// The address of a restore.
pub fn restore(id: &str) -> Address {
    Address::of("restore").with("id", id)
}
