//! Capture without the Functions host: the change feed processor in this process, as one of any number of instances.

mod capturing;
mod health;
mod metrics;
mod sweeping;
mod working;

pub use capturing::{ProcessOptions, Processing};
pub use health::{Health, HealthPort};
