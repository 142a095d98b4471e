//! Proxies one request to the handler and streams the response back.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use uuid::Uuid;

use super::headers;
use super::path::RequestPath;
use super::upload::{Upload, content_length};
use crate::error::with_causes;
use crate::handler::{HOST_VERSION, Handler};
use crate::wire::{StreamedRequest, StreamedResponse, WireError};

const ATTEMPTS: u32 = 10;
/// How often an attempt is made without a pause if the handler closes the connection. The HTTP client of the real host repeats
/// requests that have no body, not even an empty one.
const REPEATS_WITHOUT_BODY: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
pub(super) const SERVER: (&str, &str) = ("Server", "Kestrel");
/// More different reason phrases than that are not remembered.
const MOST_REASONS: usize = 1000;

pub(super) struct Forwarder {
    pub handler: Handler,
    /// The function timeout, which limits the time until the head of the response.
    pub timeout: Option<Duration>,
    pub body_limit_bytes: u64,
}

impl Forwarder {
    /// Responds 500 when the handler cannot be reached or disconnects before it responds, when the body is too large, and on a
    /// function timeout, which also kills the handler.
    pub(super) async fn forward(
        &self,
        function: &str,
        path: &RequestPath,
        request: &HttpRequest,
        payload: Payload,
    ) -> HttpResponse {
        let upload = Upload::from_request(request, payload, self.body_limit_bytes);
        let send = self.send(path, request, upload.as_ref());
        let result = match self.timeout {
            None => send.await,
            Some(timeout) => match tokio::time::timeout(timeout, send).await {
                Ok(result) => result,
                Err(_) => {
                    log::error!("function {function} exceeded the timeout of {timeout:?}; killing the handler");
                    self.handler.restart();
                    return failed();
                }
            },
        };
        match result {
            Ok(response) => streamed(response),
            Err(_) if upload.as_ref().is_some_and(Upload::exceeds_limit) => {
                log::error!("a request to function {function} has more than {} bytes", self.body_limit_bytes);
                failed()
            }
            Err(error) => {
                log::error!("cannot forward a request to function {function}: {}", with_causes(error.as_ref()));
                failed()
            }
        }
    }

    /// Retries until some of the body has been sent.
    async fn send(
        &self,
        path: &RequestPath,
        request: &HttpRequest,
        upload: Option<&Upload>,
    ) -> Result<StreamedResponse, Box<dyn std::error::Error>> {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let announced = content_length(request);
        let length = match upload {
            Some(_) if request.headers().contains_key("transfer-encoding") => Some(None),
            _ => announced.map(Some),
        };
        let (headers, content) = headers::to_handler(request, length, HOST_VERSION, &Uuid::new_v4().to_string());
        let repeats = if content.is_none() { REPEATS_WITHOUT_BODY } else { 1 };
        let request = StreamedRequest {
            method: request.method().as_str().to_owned(),
            target: format!("{}{query}", path.encoded()),
            headers,
            content,
        };
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            self.handler.ready().await?;
            let error = match self.attempt(&request, upload, repeats).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let body_is_consumed = upload.is_some_and(Upload::is_consumed);
            let is_final = matches!(error, WireError::Silent(_) | WireError::Malformed(_));
            if attempt == ATTEMPTS || body_is_consumed || is_final {
                return Err(error.into());
            }
            log::warn!("cannot reach the handler (attempt {attempt} of {ATTEMPTS}): {}", with_causes(&error));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err("no attempt was made".into())
    }

    async fn attempt(
        &self,
        request: &StreamedRequest,
        upload: Option<&Upload>,
        repeats: u32,
    ) -> Result<StreamedResponse, WireError> {
        for _ in 1..repeats {
            match self.handler.client().open(request, upload.map(Upload::chunks)).await {
                Err(WireError::Ended | WireError::Broken(_)) => {}
                other => return other,
            }
        }
        self.handler.client().open(request, upload.map(Upload::chunks)).await
    }
}

/// The answer to a request that failed in the host.
pub(super) fn failed() -> HttpResponse {
    HttpResponse::InternalServerError().insert_header(SERVER).finish()
}

fn streamed(response: StreamedResponse) -> HttpResponse {
    let StreamedResponse { status, reason, headers, body } = response;
    let mut builder = HttpResponseBuilder::new(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY));
    builder.reason(known_reason(&reason).unwrap_or_else(|| reason_of(status)));
    for (name, value) in headers.iter().filter(|(name, _)| headers::is_for_client(name)) {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(SERVER.0)) {
        builder.insert_header(SERVER);
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
    let length = length.and_then(|(_, value)| value.parse().ok());
    let body = Box::pin(futures::stream::unfold(body, |mut body| async move {
        let piece = body.next().await?;
        Some((piece, body))
    }));
    match (status, length) {
        // Neither has a body, and the server would add a content type and an empty chunk to one that it has to read.
        (204 | 304, _) => builder.finish(),
        (_, Some(length)) => builder.body(SizedStream::new(length, body)),
        (_, None) => builder.streaming(body),
    }
}

fn reason_of(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// The server takes only phrases that live as long as the process. `None` if there are too many.
pub(super) fn known_reason(reason: &str) -> Option<&'static str> {
    static REASONS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut reasons = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = reasons.get(reason) {
        return Some(known);
    }
    if reasons.len() >= MOST_REASONS {
        return None;
    }
    let known: &'static str = Box::leak(reason.to_owned().into_boxed_str());
    reasons.insert(known);
    Some(known)
}
