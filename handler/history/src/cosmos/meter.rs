//! What requests have cost.

use std::sync::{Arc, Mutex, PoisonError};

/// Adds up the request units of everything that is done through the containers that share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Mutex<f64>>);

impl Meter {
    pub(super) fn add(&self, request_units: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += request_units;
    }

    /// Request units since it was made.
    pub(crate) fn total(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
