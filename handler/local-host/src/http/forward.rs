//! One request, passed on to the handler, and the answer, streamed back.

use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use reqwest::Method;
use uuid::Uuid;

use super::headers;
use super::upload::Upload;
use crate::handler::Handler;

const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Forwarder {
    pub handler: Handler,
    /// Follows no redirects.
    pub client: reqwest::Client,
    /// The function timeout: how long the head of an answer may take.
    pub timeout: Option<Duration>,
    /// The longest body, in bytes.
    pub body_limit: u64,
}

impl Forwarder {
    /// Answers 502 when the handler cannot be reached or breaks off before it answers, and 500 when it takes longer than
    /// the function timeout, upon which it is killed.
    pub(super) async fn forward(&self, function: &str, request: &HttpRequest, payload: Payload) -> HttpResponse {
        let upload = Upload::of(request, payload, self.body_limit);
        let answer = self.answer(request, upload.as_ref());
        let answered = match self.timeout {
            None => answer.await,
            Some(timeout) => match tokio::time::timeout(timeout, answer).await {
                Ok(answered) => answered,
                Err(_) => {
                    log::error!("function {function} took longer than {timeout:?}; the handler is killed");
                    self.handler.restart();
                    return HttpResponse::InternalServerError().finish();
                }
            },
        };
        match answered {
            Ok(answer) => streamed(answer),
            Err(_) if upload.as_ref().is_some_and(Upload::is_too_long) => HttpResponse::PayloadTooLarge().finish(),
            Err(error) => {
                log::error!("a request of function {function} could not be passed on: {error}");
                HttpResponse::BadGateway().finish()
            }
        }
    }

    async fn answer(
        &self,
        request: &HttpRequest,
        upload: Option<&Upload>,
    ) -> Result<reqwest::Response, Box<dyn std::error::Error>> {
        let method = Method::from_bytes(request.method().as_str().as_bytes())?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{path}", self.handler.url());
        let headers = headers::to_handler(request, &Uuid::new_v4().to_string());
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            self.handler.ready().await?;
            let mut outgoing = self.client.request(method.clone(), &url).headers(headers.clone());
            if let Some(upload) = upload {
                outgoing = outgoing.body(upload.body());
            }
            let error = match outgoing.send().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_lost = upload.is_some_and(Upload::is_taken);
            if attempt == ATTEMPTS || is_lost || error.is_timeout() || error.is_builder() {
                return Err(error.into());
            }
            log::warn!("the handler could not be reached (attempt {attempt} of {ATTEMPTS}): {error}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err("no attempt was made".into())
    }
}

fn streamed(answer: reqwest::Response) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponseBuilder::new(status);
    headers::to_client(answer.headers(), &mut response);
    let length = answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let body = answer.bytes_stream();
    match length {
        Some(length) => response.body(SizedStream::new(length, body)),
        None => response.streaming(body),
    }
}
