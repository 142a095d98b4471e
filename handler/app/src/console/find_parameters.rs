//! The parameters of the page *Find*: a chart over one window, and the versions of another one within it.

use changefeed_history::{ChangeOrder, Filter, Operation, TimeExpression, VersionFilter, Window};
use chrono::Utc;
use serde::Deserialize;

use super::address::Address;
use super::viewer::{Viewer, utc};

/// What the page shows if no window is given.
const DEFAULT_FROM: &str = "1h";

/// The parameters as they are in the address. An empty one is the same as none, because forms send empty fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FindParameters {
    from: String,
    to: String,
    chart_from: String,
    chart_to: String,
    operation: Vec<String>,
    filter: Vec<String>,
    actor: String,
    order: String,
    continuation: String,
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct FindRequest {
    /// The window of the list.
    pub window: Window,
    /// The window of the chart: that of the list, or a longer one.
    pub chart: Window,
    /// The operations, filters and the actor to show.
    pub operations: Vec<Operation>,
    pub filters: Vec<String>,
    pub actor: Option<String>,
    /// The order of the list.
    pub order: ChangeOrder,
    pub continuation: Option<String>,
    /// How a time was understood, if not as it was written.
    pub warning: Option<String>,
    parsed: Vec<Filter>,
}

impl FindParameters {
    /// The text of the field for the filter.
    pub fn filter_text(&self) -> String {
        let given: Vec<&str> = self.filter.iter().map(|filter| filter.trim()).filter(|text| !text.is_empty()).collect();
        match given.as_slice() {
            [one] => (*one).to_owned(),
            several => several.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" and "),
        }
    }

    /// The text of the field for the actor.
    pub fn actor_text(&self) -> &str {
        self.actor.trim()
    }

    /// The window as it was written.
    pub fn window_texts(&self) -> (String, String) {
        (self.from.trim().to_owned(), self.to.trim().to_owned())
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// Names the parameter, its value, and what is allowed.
    pub fn read(&self, viewer: &Viewer) -> Result<FindRequest, String> {
        let (window, warning) = self.window(viewer)?;
        let time = |name: &str, text: &str| time(viewer, name, text);
        let chart = match (time("chartFrom", &self.chart_from)?, time("chartTo", &self.chart_to)?) {
            (None, None) => window,
            (from, to) => Window::new(from, to, Utc::now()).map_err(|message| format!("chart: {message}"))?.0,
        };
        let is_inside = chart.from() <= window.from() && window.to() <= chart.to();
        let filters: Vec<String> = given(&self.filter);
        let parsed = filters.iter().map(|text| Filter::parse(text).map_err(|message| format!("filter: {message}")));
        Ok(FindRequest {
            window,
            chart: if is_inside { chart } else { around(window) },
            operations: given(&self.operation).iter().map(|text| operation(text)).collect::<Result<_, _>>()?,
            parsed: parsed.collect::<Result<_, _>>()?,
            filters,
            actor: Some(self.actor.trim().to_owned()).filter(|actor| !actor.is_empty()),
            order: order(self.order.trim())?,
            continuation: Some(self.continuation.clone()).filter(|continuation| !continuation.is_empty()),
            warning,
        })
    }

    fn window(&self, viewer: &Viewer) -> Result<(Window, Option<String>), String> {
        let from = if self.from.trim().is_empty() { DEFAULT_FROM } else { &self.from };
        Window::new(time(viewer, "from", from)?, time(viewer, "to", &self.to)?, Utc::now())
    }
}

fn given(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn time(viewer: &Viewer, name: &str, text: &str) -> Result<Option<TimeExpression>, String> {
    match text.trim() {
        "" => Ok(None),
        text => viewer.read(text).map(Some).map_err(|message| format!("{name}: {message}")),
    }
}

/// All operations, in the order in which they are shown.
pub const OPERATIONS: [Operation; 5] =
    [Operation::Write, Operation::Create, Operation::Replace, Operation::Delete, Operation::Expire];

fn operation(text: &str) -> Result<Operation, String> {
    OPERATIONS.into_iter().find(|operation| operation.name() == text).ok_or_else(|| {
        let allowed = OPERATIONS.map(Operation::name).join(", ");
        format!("operation: {text:?} is not allowed; use {allowed}")
    })
}

fn order(text: &str) -> Result<ChangeOrder, String> {
    match text {
        "" | "newest" => Ok(ChangeOrder::Newest),
        "oldest" => Ok(ChangeOrder::Oldest),
        other => Err(format!("order: {other:?} is not allowed; use newest or oldest")),
    }
}

/// A window three times as long around this one.
fn around(window: Window) -> Window {
    let length = window.to() - window.from() + 1;
    between(window.from() - length, window.to() + length).unwrap_or(window)
}

/// A window that ends now at the latest.
pub fn between(from: i64, to: i64) -> Option<Window> {
    let time = TimeExpression::from_second;
    Window::new(Some(time(from.max(1))), Some(time(to)), Utc::now()).ok().map(|(window, _)| window)
}

impl FindRequest {
    /// Every version of a window.
    pub fn of_window(window: Window) -> Self {
        Self {
            window,
            chart: window,
            operations: Vec::new(),
            filters: Vec::new(),
            actor: None,
            order: ChangeOrder::Newest,
            continuation: None,
            warning: None,
            parsed: Vec::new(),
        }
    }

    /// The versions of the list, or of the chart.
    pub fn select(&self, window: Window) -> VersionFilter {
        VersionFilter {
            window,
            operations: self.operations.clone(),
            filters: self.parsed.clone(),
            actor: self.actor.clone(),
        }
    }

    /// The address of what is shown, with absolute times.
    pub fn address(&self) -> Address {
        self.in_chart(self.chart, self.window)
    }

    /// The same versions of another window, in the same chart.
    pub fn at(&self, window: Window) -> Address {
        self.in_chart(self.chart, window)
    }

    /// The same of another window, and of another chart.
    pub fn in_chart(&self, chart: Window, window: Window) -> Address {
        self.conditions(&self.operations, self.actor.as_deref(), charted(chart, window))
    }

    /// The whole chart, without a window in it.
    pub fn whole_chart(&self) -> Address {
        self.at(self.chart)
    }

    /// The beginning of the addresses of windows in this chart: `from` and `to` are to be added.
    pub fn chosen_in_chart(&self) -> Address {
        let address =
            Address::of("find").with("chartFrom", utc(self.chart.from())).with("chartTo", utc(self.chart.to()));
        self.conditions(&self.operations, self.actor.as_deref(), address)
    }

    /// The same with or without an operation.
    pub fn toggled(&self, operation: Operation) -> Address {
        let mut operations = self.operations.clone();
        match operations.iter().position(|other| *other == operation) {
            Some(at) => _ = operations.remove(at),
            None => operations.push(operation),
        }
        self.conditions(&operations, self.actor.as_deref(), charted(self.chart, self.window))
    }

    /// The same of another actor, or of all.
    pub fn of_actor(&self, actor: Option<&str>) -> Address {
        self.conditions(&self.operations, actor, charted(self.chart, self.window))
    }

    /// The time before now: `15m`.
    pub fn since(&self, length: &str) -> Address {
        self.conditions(&self.operations, self.actor.as_deref(), Address::of("find").with("from", length))
    }

    /// The next page of the list.
    pub fn after(&self, continuation: &str) -> Address {
        self.address().with("continuation", continuation)
    }

    /// The list in the other order.
    pub fn reversed(&self) -> Address {
        let order = if self.order == ChangeOrder::Newest { ChangeOrder::Oldest } else { ChangeOrder::Newest };
        Self { order, ..self.clone() }.address()
    }

    fn conditions(&self, operations: &[Operation], actor: Option<&str>, address: Address) -> Address {
        let address = address.with_each("operation", operations.iter().map(|operation| operation.name()));
        let address = address.with_each("filter", &self.filters);
        let address = actor.into_iter().fold(address, |address, actor| address.with("actor", actor));
        match self.order {
            ChangeOrder::Newest => address,
            ChangeOrder::Oldest => address.with("order", "oldest"),
        }
    }
}

fn charted(chart: Window, window: Window) -> Address {
    let address = Address::of("find");
    let address = if chart == window {
        address
    } else {
        address.with("chartFrom", utc(chart.from())).with("chartTo", utc(chart.to()))
    };
    address.with("from", utc(window.from())).with("to", utc(window.to()))
}
