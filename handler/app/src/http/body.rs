//! Request bodies.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The most bytes of a body. A batch of the change feed has at most 4 MB and a transaction; encoded three times it can
/// be some ten times that.
pub const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// A body that claims to be JSON, not read yet. 415 for another content type, 413 when it is too large.
pub struct RawJson(pub Bytes);

/// A JSON body. Unknown properties are the type's to refuse; 400 for what is not JSON or has another shape.
pub struct Json<T>(pub T);

impl FromRequest for RawJson {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = check_content_type(request);
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            content_type?;
            body.await.map(Self).map_err(|error| match error.as_response_error().status_code().as_u16() {
                413 => ApiError::too_large(MAX_BODY_BYTES),
                _ => ApiError::bad_request(format!("the body: {error}")),
            })
        })
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let raw = RawJson::from_request(request, payload);
        Box::pin(async move {
            let RawJson(body) = raw.await?;
            // No body says as much as an empty object.
            let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
            let mut deserializer = serde_json::Deserializer::from_slice(&body);
            let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
                let path = error.path().to_string();
                let place = if path == "." { "the body" } else { &path };
                ApiError::bad_request(format!("{place}: {}", error.inner()))
            })?;
            deserializer.end().map_err(|error| ApiError::bad_request(format!("the body: {error}")))?;
            Ok(Self(value))
        })
    }
}

/// Accepts JSON under its own name, without a name, and under the one that `curl -d` gives to everything.
fn check_content_type(request: &HttpRequest) -> Result<(), ApiError> {
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
