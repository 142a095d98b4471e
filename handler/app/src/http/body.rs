//! Request bodies.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::ApiError;

/// Maximum size of a body. A batch of the change feed has at most 4 MB and one transaction; the host encodes it three
/// times, which can make it ten times as large.
pub const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// A body that has not been parsed. 415 for a content type other than JSON, 413 when it is too large.
pub struct RawJson(pub Bytes);

/// A JSON body. The type refuses unknown properties; 400 for invalid JSON or another shape.
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
                _ => ApiError::bad_request(format!("invalid body: {error}")),
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
            // An empty body is the same as an empty object.
            let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
            let mut deserializer = serde_json::Deserializer::from_slice(&body);
            let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
                // Before the syntax error, the parser may have found a property that is unknown or has a wrong value.
                if let Err(error) = serde_json::from_slice::<IgnoredAny>(&body) {
                    return ApiError::bad_request(format!("the body is not JSON: {error}"));
                }
                let path = error.path().to_string();
                let location = if path == "." { "invalid body" } else { &path };
                ApiError::bad_request(format!("{location}: {}", error.inner()))
            })?;
            deserializer.end().map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))?;
            Ok(Self(value))
        })
    }
}

/// Accepts JSON under its own type, without a type, and under the type that `curl -d` always sends.
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
