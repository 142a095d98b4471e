//! What needs action, and the action.

use super::address::Address;

/// Something that needs action, and the action.
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub action: String,
    /// The page that shows it, if another page than the overview does.
    pub page: Option<Address>,
}

impl Problem {
    /// A problem that the overview shows.
    pub fn new(what: impl Into<String>, action: impl Into<String>) -> Self {
        Self { what: what.into(), action: action.into(), page: None }
    }

    /// The same problem with the page that shows it.
    pub fn on(self, page: Address) -> Self {
        Self { page: Some(page), ..self }
    }
}
