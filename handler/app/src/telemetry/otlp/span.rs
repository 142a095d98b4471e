//! Spans, and what is added to the current one.

use opentelemetry::context::FutureExt;
use opentelemetry::trace::{Status, TraceContextExt, Tracer, get_active_span};
use opentelemetry::{Context, KeyValue, global};

/// Does the work within a span, whose parent is the current one.
pub async fn in_span<F: Future>(name: &'static str, work: F) -> F::Output {
    let span = global::tracer(env!("CARGO_PKG_NAME")).start(name);
    let context = Context::current_with_span(span);
    // The span ends when it is dropped.
    work.with_context(context).await
}

/// Adds a text.
pub fn note(name: &'static str, text: &str) {
    get_active_span(|span| span.set_attribute(KeyValue::new(name, text.to_owned())));
}

/// Adds a number.
pub fn count(name: &'static str, number: u64) {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    get_active_span(|span| span.set_attribute(KeyValue::new(name, number)));
}

/// Adds the request units that were used.
pub fn request_charge(units: f64) {
    get_active_span(|span| span.set_attribute(KeyValue::new("changefeed.request_charge", units)));
}

/// Marks it as failed. The log has the reason.
pub fn failed() {
    get_active_span(|span| span.set_status(Status::error("")));
}
