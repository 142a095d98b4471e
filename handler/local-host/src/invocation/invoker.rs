//! One attempt to run a function in the handler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::Bytes;
use reqwest::header;
use uuid::Uuid;

use super::invocation_error::InvocationError;
use super::response::{Outcome, interpret};
use crate::error::with_causes;
use crate::handler::{HOST_VERSION, Handler};
use crate::options::Framing;

/// The size of the chunks of a chunked body.
const CHUNK_BYTES: usize = 8 * 1024;

pub(crate) struct Invoker {
    handler: Handler,
    client: reqwest::Client,
    framing: Framing,
    /// Whether the next body is chunked, if the framing alternates.
    next_chunked: AtomicBool,
    timeout: Option<Duration>,
}

impl Invoker {
    /// `client` follows redirects and has no timeout of its own.
    pub(crate) fn new(handler: Handler, client: reqwest::Client, framing: Framing, timeout: Option<Duration>) -> Self {
        Self { handler, client, framing, next_chunked: AtomicBool::new(true), timeout }
    }

    /// Posts `body` to the function once the handler is ready. On a timeout the handler is killed and restarted; a response
    /// that reads as null leads to a timeout.
    pub(crate) async fn invoke(&self, function: &str, id: Uuid, body: String) -> Result<(), InvocationError> {
        self.handler.ready().await?;
        let attempt = self.post(function, id, body);
        let Some(timeout) = self.timeout else { return attempt.await };
        match tokio::time::timeout(timeout, attempt).await {
            Ok(result) => result,
            Err(_) => {
                log::error!("function {function} exceeded the timeout of {timeout:?}; killing the handler");
                self.handler.restart();
                Err(InvocationError::Timeout(timeout))
            }
        }
    }

    async fn post(&self, function: &str, id: Uuid, body: String) -> Result<(), InvocationError> {
        let transport = |error: reqwest::Error| InvocationError::Transport(with_causes(&error));
        let response = self
            .client
            .post(format!("{}/{function}", self.handler.url()))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", id.to_string())
            .header(header::USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
            .body(self.framed(body))
            .send()
            .await
            .map_err(transport)?;
        let status = response.status();
        let content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
        let body = if status.is_success() { response.bytes().await.map_err(transport)? } else { Bytes::new() };
        match interpret(status, content_type, &body)? {
            Outcome::Succeeded { logs } => {
                for line in logs {
                    log::info!(target: "function", "{function}: {line}");
                }
                Ok(())
            }
            Outcome::Null => {
                log::warn!(
                    "function {function} responded {status} without a JSON object; the invocation hangs until the timeout"
                );
                std::future::pending().await
            }
        }
    }

    fn framed(&self, body: String) -> reqwest::Body {
        let chunked = match self.framing {
            Framing::Chunked => true,
            Framing::ContentLength => false,
            Framing::Alternate => self.next_chunked.fetch_not(Ordering::Relaxed),
        };
        if !chunked {
            return body.into();
        }
        let body = Bytes::from(body);
        let starts = (0..body.len()).step_by(CHUNK_BYTES);
        let chunks: Vec<_> = starts
            .map(|start| Ok::<_, std::io::Error>(body.slice(start..body.len().min(start + CHUNK_BYTES))))
            .collect();
        reqwest::Body::wrap_stream(futures::stream::iter(chunks))
    }
}
