//! Reads the bodies of requests of the control interface.

use serde::de::DeserializeOwned;

use super::ControlError;

/// Reads a request's body.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(body).map_err(|error| ControlError::Invalid(format!("invalid body: {error}")))
}
