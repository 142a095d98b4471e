//! Request bodies.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures::{Stream, StreamExt};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::ApiError;
use super::request_zone::request_zone;

/// Maximum size of a body. A batch of the change feed has at most 4 MB and one transaction; the host encodes it three
/// times, which can make it ten times as large.
const MAX_BODY_BYTES: usize = 128 * 1024 * 1024;

/// How long a body may be interrupted.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that has not been parsed. 408 when it is interrupted for 30 seconds, 415 for a content type other than JSON, 413 when it is too large.
pub struct RawJson(pub Bytes);

/// A JSON body. The type refuses unknown properties; 400 for invalid JSON or another shape.
pub struct Json<T>(pub T);

impl FromRequest for RawJson {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content_type = check_content_type(request);
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let payload = payload.take();
        Box::pin(async move {
            content_type?;
            read_body(payload, announced, IDLE_TIMEOUT).await.map(Self)
        })
    }
}

/// Reads a body of at most [`MAX_BODY_BYTES`]. 408 when no byte arrives for the idle time.
async fn read_body<S, E>(mut payload: S, announced: Option<usize>, idle: Duration) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    let announced = announced.unwrap_or_default();
    if announced > MAX_BODY_BYTES {
        return Err(ApiError::too_large(MAX_BODY_BYTES));
    }
    let mut body = BytesMut::with_capacity(announced);
    loop {
        let chunk = tokio::time::timeout(idle, payload.next()).await.map_err(|_| ApiError::timed_out(idle))?;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        let chunk = chunk.map_err(|error| ApiError::bad_request(format!("invalid body: {error}")))?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(ApiError::too_large(MAX_BODY_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let raw = RawJson::from_request(request, payload);
        let zone = request_zone(request);
        Box::pin(async move {
            let RawJson(body) = raw.await?;
            zone.within(|| parsed(&body)).map(Self)
        })
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // An empty body is the same as an empty object.
    let body = if body.is_empty() { b"{}" } else { body };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| refused(body, &error))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn refused(body: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    // Before the syntax error, the parser may have found a property that is unknown or has a wrong value.
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return not_json(&error);
    }
    let path = error.path().to_string();
    let location = if path == "." { "invalid body" } else { &path };
    ApiError::bad_request(format!("{location}: {}", error.inner()))
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(format!("the body is not JSON: {error}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::ResponseError;
    use futures::stream;

    const IDLE: Duration = Duration::from_millis(20);

    fn chunks(texts: &'static [&'static str]) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        stream::iter(texts).map(|text| Ok(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_unless_it_stops_or_is_too_large() {
        let body = read_body(chunks(&["{\"a\"", ":1}"]), Some(7), IDLE).await.expect("a body");
        assert_eq!(body, "{\"a\":1}");
        let interrupted = chunks(&["{"]).chain(stream::pending());
        let error = read_body(interrupted, Some(7), IDLE).await.expect_err("interrupted");
        assert_eq!(error.status_code().as_u16(), 408);
        let error = read_body(chunks(&[]), Some(MAX_BODY_BYTES + 1), IDLE).await.expect_err("too large");
        assert_eq!(error.status_code().as_u16(), 413);
        let large = stream::repeat_with(|| Ok::<_, String>(Bytes::from(vec![b' '; 1 << 20])));
        let error = read_body(large, None, IDLE).await.expect_err("too large");
        assert_eq!(error.status_code().as_u16(), 413);
    }
}
