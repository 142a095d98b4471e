//! A cheap look at the text of a document, before it is parsed.

use serde_json::Value;

use crate::children::{Child, visit};
use crate::computed::ComputedProperty;
use crate::constraints::{Condition, Values, conditions};
use crate::print::quoted;
use crate::syntax::{Base, Expr, Origin, Projection, Select, Source};

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

/// Whether the rows depend on what is in the documents.
pub(crate) fn reads_values(select: &Select) -> bool {
    let [Source { iterates: false, origin: Origin::Path { steps, .. }, .. }] = select.sources.as_slice() else {
        return !select.sources.is_empty();
    };
    let mut exprs: Vec<&Expr> = select.filter.iter().chain(&select.group_by).collect();
    exprs.extend(select.order_by.iter().map(|item| &item.expr));
    match &select.projection {
        Projection::Star => return true,
        Projection::Value(expr) => exprs.push(expr),
        Projection::Items(items) => exprs.extend(items.iter().map(|item| &item.expr)),
    }
    !steps.is_empty() || exprs.into_iter().any(refers)
}

/// Whether an expression refers to a source, or can do so in a subquery.
fn refers(expr: &Expr) -> bool {
    if matches!(expr, Expr::Path(base, _) if matches!(**base, Base::Alias(_))) {
        return true;
    }
    let mut found = false;
    visit(expr, &mut |child| {
        found = found
            || match child {
                Child::Expr(child) => refers(child),
                Child::Query(_) => true,
            };
    });
    found
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
