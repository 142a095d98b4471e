//! Refuses queries that nest too deeply, before the emulator gets them.

use serde_json::Value;

use crate::incoming::Incoming;
use crate::query_literals::for_emulator;

/// Checks the query in a request, if it has one, as it is and as [`for_emulator`] writes it. The error is a message for the client.
pub(crate) fn check_query(incoming: &Incoming) -> Result<(), String> {
    if !incoming.has_query() {
        return Ok(());
    }
    // The emulator refuses a body that is not JSON.
    let body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
    let Some(query) = body["query"].as_str() else { return Ok(()) };
    let check = |query: &str| query_depth::check(query).map_err(|error| error.to_string());
    check(query)?;
    for_emulator(query).map_or(Ok(()), |query| check(&query))
}
