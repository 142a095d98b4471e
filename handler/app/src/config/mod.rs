//! App settings, read once into typed values.

mod connection;
mod settings;
mod source;
mod storage;

pub use connection::connect;
#[cfg(any(test, feature = "local"))]
pub use settings::SETTINGS;
pub use settings::Settings;
pub use source::Source;
pub use storage::places;
