//! Request bodies.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The most bytes of a body. A batch of the change feed has at most 4 MB and a transaction; encoded three times it can
/// be some ten times that.
pub const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// Reads a JSON body. Unknown properties are the type's to refuse.
///
/// # Errors
/// 415 for another content type, 400 for what is not JSON or has another shape.
pub fn json<T: DeserializeOwned>(request: &HttpRequest, body: &Bytes) -> Result<T, ApiError> {
    check_content_type(request)?;
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("the body: {error}")))
}

/// Accepts JSON under its own name, without a name, and under the one that `curl -d` gives to everything.
pub fn check_content_type(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return Ok(()) };
    let value = String::from_utf8_lossy(value.as_bytes());
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let accepted = ["", "application/json", "text/json", "text/plain", "application/x-www-form-urlencoded"];
    if accepted.contains(&media_type.as_str())
        || media_type.starts_with("application/") && media_type.ends_with("+json")
    {
        Ok(())
    } else {
        Err(ApiError::wrong_content_type(&value))
    }
}
