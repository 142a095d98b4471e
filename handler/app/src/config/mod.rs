//! App settings, read once into checked values.

mod connection;
mod raw_settings;
mod setting_value;
mod settings;
mod source_settings;
mod storage;
mod table;

pub use connection::connect;
pub use raw_settings::RawSettings;
#[cfg(feature = "local")]
pub use setting_value::SettingValue;
pub use setting_value::invalid;
pub use settings::{LogFormat, Settings, time_zone};
pub use source_settings::{SourceSettings, setting_of, source_names};
pub use storage::locations;
#[cfg(feature = "local")]
pub use table::{ACTOR_FIELDS, JOB_BUDGET, SETTINGS};
pub use table::{DATABASE, LOG_FORMAT, MODE, MONITORED, RUST_LOG, SOURCES, TRYOUT_FUNCTIONS};
