//! Capture without the Functions host: the change feed processor in this process, as one of any number of instances.

mod backup_policy;
mod capture;
mod containers;
mod health;
mod instance;
mod jobs;
mod options;
mod retention;
mod start;
mod watch;

pub use health::{Health, HealthPort};
pub use instance::Processing;
pub use options::{ProcessOptions, default_start};
