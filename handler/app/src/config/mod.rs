//! App settings, read once into checked values.

mod connection;
mod settings;
mod source;
mod storage;
mod table;

pub use connection::connect;
pub use settings::Settings;
pub use source::Source;
pub use storage::locations;
#[cfg(feature = "local")]
pub use table::SETTINGS;
pub use table::{DATABASE, MODE};
