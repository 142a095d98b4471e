//! Proxies one request to the handler and streams the response back.

use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use reqwest::Method;
use uuid::Uuid;

use super::headers;
use super::upload::Upload;
use crate::error::with_causes;
use crate::handler::Handler;

const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Forwarder {
    pub handler: Handler,
    /// Does not follow redirects.
    pub client: reqwest::Client,
    /// The function timeout, which limits the time until the head of the response.
    pub timeout: Option<Duration>,
    pub body_limit_bytes: u64,
}

impl Forwarder {
    /// Responds 502 when the handler cannot be reached or disconnects before it responds, and 500 on a function timeout,
    /// which also kills the handler.
    pub(super) async fn forward(&self, function: &str, request: &HttpRequest, payload: Payload) -> HttpResponse {
        let upload = Upload::from_request(request, payload, self.body_limit_bytes);
        let send = self.send(request, upload.as_ref());
        let result = match self.timeout {
            None => send.await,
            Some(timeout) => match tokio::time::timeout(timeout, send).await {
                Ok(result) => result,
                Err(_) => {
                    log::error!("function {function} exceeded the timeout of {timeout:?}; killing the handler");
                    self.handler.restart();
                    return HttpResponse::InternalServerError().finish();
                }
            },
        };
        match result {
            Ok(response) => streamed(response),
            Err(_) if upload.as_ref().is_some_and(Upload::exceeds_limit) => HttpResponse::PayloadTooLarge().finish(),
            Err(error) => {
                log::error!("cannot forward a request to function {function}: {}", with_causes(error.as_ref()));
                HttpResponse::BadGateway().finish()
            }
        }
    }

    /// Retries until some of the body has been sent.
    async fn send(
        &self,
        request: &HttpRequest,
        upload: Option<&Upload>,
    ) -> Result<reqwest::Response, Box<dyn std::error::Error>> {
        let method = Method::from_bytes(request.method().as_str().as_bytes())?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let url = format!("http://{}{path}", self.handler.address());
        let headers = headers::to_handler(request, &Uuid::new_v4().to_string());
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            self.handler.ready().await?;
            let mut outgoing = self.client.request(method.clone(), &url).headers(headers.clone());
            if let Some(upload) = upload {
                outgoing = outgoing.body(upload.body());
            }
            let error = match outgoing.send().await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let body_is_consumed = upload.is_some_and(Upload::is_consumed);
            if attempt == ATTEMPTS || body_is_consumed || error.is_timeout() || error.is_builder() {
                return Err(error.into());
            }
            log::warn!("cannot reach the handler (attempt {attempt} of {ATTEMPTS}): {}", with_causes(&error));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempt += 1;
        }
    }
}

fn streamed(response: reqwest::Response) -> HttpResponse {
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut builder = HttpResponseBuilder::new(status);
    headers::to_client(response.headers(), &mut builder);
    let length = response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes_stream();
    match length {
        Some(length) => builder.body(SizedStream::new(length, body)),
        None => builder.streaming(body),
    }
}
