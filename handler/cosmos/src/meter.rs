//! What requests cost.

use std::sync::{Arc, Mutex, PoisonError};

/// Adds up the request units of all requests that are made through the containers that share it.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<f64>>);

impl Meter {
    pub(crate) fn add(&self, request_units: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += request_units;
    }

    /// Request units since the meter was made.
    pub fn total(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
