//! One attempt to have the handler run a function.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::Bytes;
use reqwest::header;
use uuid::Uuid;

use super::error::InvocationError;
use super::response::{Verdict, judge};
use crate::handler::Handler;
use crate::options::Framing;
use crate::version::HOST_VERSION;

/// The size of the chunks that a chunked body is sent in.
const CHUNK_BYTES: usize = 8 * 1024;

pub(crate) struct Invoker {
    handler: Handler,
    client: reqwest::Client,
    framing: Framing,
    /// With alternating framing, whether the next body is chunked.
    next_chunked: AtomicBool,
    timeout: Option<Duration>,
}

impl Invoker {
    /// `client` follows redirects and has no timeout of its own.
    pub(crate) fn new(handler: Handler, client: reqwest::Client, framing: Framing, timeout: Option<Duration>) -> Self {
        Self { handler, client, framing, next_chunked: AtomicBool::new(true), timeout }
    }

    /// Posts `body` to the function, once the handler is ready. When the answer takes longer than the function timeout,
    /// or means nothing, the handler is killed and started again.
    pub(crate) async fn invoke(&self, function: &str, id: Uuid, body: String) -> Result<(), InvocationError> {
        self.handler.ready().await?;
        let answer = self.post(function, id, body);
        let Some(timeout) = self.timeout else { return answer.await };
        match tokio::time::timeout(timeout, answer).await {
            Ok(result) => result,
            Err(_) => {
                log::error!("function {function} took longer than {timeout:?}; the handler is killed");
                self.handler.restart();
                Err(InvocationError::Timeout(timeout))
            }
        }
    }

    async fn post(&self, function: &str, id: Uuid, body: String) -> Result<(), InvocationError> {
        let transport = |error: reqwest::Error| InvocationError::Transport(chain(&error));
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
        match judge(status, content_type, &body)? {
            Verdict::Succeeded { logs } => {
                for line in logs {
                    log::info!(target: "function", "{function}: {line}");
                }
                Ok(())
            }
            Verdict::Nothing => {
                log::warn!(
                    "function {function} answered {status} without a JSON object, which the host takes for no answer"
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

/// The error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
