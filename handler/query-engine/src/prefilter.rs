//! A cheap look at the text of a document, before it is parsed.

use serde_json::Value;

use crate::computed::ComputedProperty;
use crate::constraints::{Condition, Values, conditions};
use crate::print::quoted;
use crate::syntax::Select;

/// Texts that the JSON of each document in a result contains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prefilter {
    texts: Vec<String>,
}

impl Prefilter {
    pub(crate) fn new(select: &Select, computed: &[ComputedProperty]) -> Self {
        let conditions = conditions(select).into_iter();
        // A document does not have the properties that are computed.
        let stored = conditions.filter(|condition| computed.iter().all(|property| condition.path[0] != property.name));
        Self { texts: stored.filter_map(|condition| text(&condition)).collect() }
    }

    /// Whether a document can be in the result. `json` must be compact and escape only what it has to, as serde_json writes it.
    #[must_use]
    pub fn allows(&self, json: &str) -> bool {
        self.texts.iter().all(|text| json.contains(text.as_str()))
    }
}

/// The property, with its value if that can be written in one way only.
fn text(condition: &Condition) -> Option<String> {
    let name = quoted(condition.path.last()?);
    let value = match &condition.values {
        Values::Equal(values) => match values.as_slice() {
            [value @ (Value::String(_) | Value::Bool(_) | Value::Null)] => value.to_string(),
            _ => String::new(),
        },
        Values::Range(..) => String::new(),
    };
    Some(format!("{name}:{value}"))
}
