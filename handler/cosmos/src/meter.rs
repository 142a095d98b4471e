//! What requests cost, and how important they are.

use std::sync::{Arc, Mutex, PoisonError};

use azure_data_cosmos::options::{
    OperationOptions, OperationOptionsBuilder, PriorityLevel, ThroughputControlOptionsBuilder,
};

/// Adds up the request units of all requests that are made through the containers that share it, and says how they are sent.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<State>);

#[derive(Debug, Default)]
struct State {
    total: Mutex<f64>,
    background: Option<Background>,
}

/// How the requests of work in the background are sent: with the priority level *Low*. An account with priority-based execution
/// throttles them before the requests of applications. Other accounts ignore the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// The id of the throughput bucket of the container that limits them, 1 to 5; `None`: no bucket.
    pub throughput_bucket: Option<u32>,
}

impl Meter {
    /// A meter for work in the background.
    pub fn of_background(background: Background) -> Self {
        Self(Arc::new(State { background: Some(background), ..State::default() }))
    }

    pub(crate) fn add(&self, request_units: f64) {
        *self.0.total.lock().unwrap_or_else(PoisonError::into_inner) += request_units;
    }

    /// Request units since the meter was made.
    pub fn total(&self) -> f64 {
        *self.0.total.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The options of a request of the SDK.
    pub(crate) fn operation(&self) -> OperationOptions {
        let Some(background) = self.0.background else { return OperationOptions::default() };
        let mut control = ThroughputControlOptionsBuilder::new().with_priority_level(PriorityLevel::Low);
        if let Some(bucket) = background.throughput_bucket {
            control = control.with_throughput_bucket(bucket);
        }
        OperationOptionsBuilder::new().with_throughput_control(control.build()).build()
    }

    /// The headers of a request of our own: the same.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let Some(background) = self.0.background else { return Vec::new() };
        let bucket = background.throughput_bucket.map(|bucket| ("x-ms-cosmos-throughput-bucket", bucket.to_string()));
        [("x-ms-cosmos-priority-level", PriorityLevel::Low.to_string())].into_iter().chain(bucket).collect()
    }
}
