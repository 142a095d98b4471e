//! App settings, read once into checked values.

mod connection;
mod setting_value;
mod settings;
mod source;
mod storage;
mod table;

pub use connection::connect;
#[cfg(feature = "local")]
pub use setting_value::SettingValue;
pub use setting_value::invalid;
pub use settings::{LogFormat, Settings, time_zone};
pub use source::Source;
pub use storage::locations;
#[cfg(feature = "local")]
pub use table::{ACTOR_FIELDS, JOB_BUDGET, SETTINGS};
pub use table::{DATABASE, LOG_FORMAT, MODE, MONITORED, RUST_LOG, TRYOUT_FUNCTIONS};
