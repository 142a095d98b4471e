//! One function of the app a file: what the host calls.

pub mod capture;
pub mod populate;
pub mod query;
pub mod status;
pub mod truncate;
