//! One attempt to run a function in the handler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::invocation_error::InvocationError;
use super::response::{InvocationResult, Outcome, interpret};
use crate::handler::{HOST_VERSION, Handler};
use crate::options::Framing;
use crate::wire::{WireBody, WireError, WireRequest};

pub(crate) struct Invoker {
    handler: Handler,
    framing: Framing,
    /// Whether the next body is chunked, if the framing alternates.
    next_chunked: AtomicBool,
    timeout: Option<Duration>,
}

impl Invoker {
    pub(crate) fn new(handler: Handler, framing: Framing, timeout: Option<Duration>) -> Self {
        Self { handler, framing, next_chunked: AtomicBool::new(true), timeout }
    }

    /// Waits until the handler is ready, or has failed, which the next attempt reports.
    pub(crate) async fn until_ready(&self) {
        drop(self.handler.ready().await);
    }

    /// Posts `body` to the function once the handler is ready. On a timeout the handler is killed and restarted; a response
    /// that reads as null leads to a timeout.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        id: Uuid,
        body: &str,
    ) -> Result<InvocationResult, InvocationError> {
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

    async fn post(&self, function: &str, id: Uuid, body: &str) -> Result<InvocationResult, InvocationError> {
        let headers = vec![
            ("X-Azure-Functions-HostVersion", HOST_VERSION.to_owned()),
            ("X-Azure-Functions-InvocationId", id.to_string()),
            ("User-Agent", format!("Azure-Functions-Host/{HOST_VERSION}")),
        ];
        let body = WireBody {
            content_type: "application/json; charset=utf-8",
            bytes: body.as_bytes(),
            chunked: match self.framing {
                Framing::Chunked => true,
                Framing::ContentLength => false,
                Framing::Alternate => self.next_chunked.fetch_not(Ordering::Relaxed),
            },
        };
        let request = WireRequest::post(format!("/{function}"), headers, body);
        let response = self.handler.send(request).await.map_err(|error| self.invocation_error(&error))?;
        match interpret(&response)? {
            Outcome::Succeeded(result) => {
                for line in &result.logs {
                    log::info!(target: "function", "{function}: {line}");
                }
                Ok(result)
            }
            Outcome::Null => {
                let status = response.status;
                log::warn!(
                    "function {function} responded {status} without a JSON object; the invocation hangs until the timeout"
                );
                std::future::pending().await
            }
        }
    }

    fn invocation_error(&self, error: &WireError) -> InvocationError {
        match error {
            WireError::Connect(_) => InvocationError::Refused { address: self.handler.address() },
            other => InvocationError::Transport(other.to_string()),
        }
    }
}
