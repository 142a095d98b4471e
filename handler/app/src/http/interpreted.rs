//! An answer with the times of its request as they were understood.

use std::collections::BTreeMap;

use changefeed_history::{InterpretedTime, TimeExpression, TimeZone};
use serde::Serialize;

/// An answer, and `interpreted`: the times of the request by their names, `{"asOf": {"utc", "local", "zone"}}`. Without times it is the
/// answer alone.
#[derive(Serialize)]
pub struct Interpreted<T> {
    #[serde(flatten)]
    answer: T,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    interpreted: BTreeMap<&'static str, InterpretedTime>,
}

impl<T> Interpreted<T> {
    /// The answer to a request with these times.
    pub fn new(answer: T, times: impl IntoIterator<Item = (&'static str, TimeExpression)>, zone: &TimeZone) -> Self {
        let interpreted = times.into_iter().map(|(name, time)| (name, time.interpreted(zone))).collect();
        Self { answer, interpreted }
    }

    /// The answer to a request in which each of these times may be given.
    pub fn optional(answer: T, times: &[(&'static str, Option<TimeExpression>)], zone: &TimeZone) -> Self {
        Self::new(answer, times.iter().filter_map(|(name, time)| Some((*name, (*time)?))), zone)
    }
}
