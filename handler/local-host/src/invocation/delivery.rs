//! Delivers a batch, with retries, and decides whether its lease is checkpointed.
//!
//! The real trigger checkpoints the lease in every case: success, failure without a retry policy, and failure after the
//! last retry. Only a host that stops leaves the lease unchanged: it lets a call in progress end, and makes no further one.

use std::sync::Arc;
use std::time::Duration;

use changefeed_processor::UndeliverableChange;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::body::{RetryContext, TriggerData, body};
use super::invocation_error::InvocationError;
use super::invoker::Invoker;
use super::response::InvocationResult;
use crate::app::RetryPolicy;

/// The result of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// The function succeeded.
    Succeeded,
    /// The function failed and has no retries left; the batch is skipped.
    Skipped(InvocationError),
    /// The trigger cannot read the batch, and threw an exception before it called the function. The batch is delivered again and again
    /// until the document is replaced or deleted.
    Undeliverable(Box<UndeliverableChange>),
    /// The host was stopped; the next owner of the lease delivers the batch again.
    Stopped,
}

/// Delivers the data of a trigger to one function.
#[derive(Clone)]
pub(crate) struct Deliverer {
    pub invoker: Arc<Invoker>,
    pub function: String,
    /// The name of the trigger's binding.
    pub binding: String,
    pub retry: Option<RetryPolicy>,
    pub stop: CancellationToken,
    /// How long a stopping host waits for a call in progress.
    pub shutdown_timeout: Duration,
}

impl Deliverer {
    /// Runs the function. Retries, if its policy asks for them, share one invocation id.
    pub(crate) async fn deliver(&self, data: &TriggerData) -> Delivery {
        let mut calls = std::pin::pin!(self.invoke_with_retries(data));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            delivery = &mut calls => return delivery,
        }
        if tokio::time::timeout(self.shutdown_timeout, calls).await.is_err() {
            log::warn!(
                "function {} is still running {:?} after the host stopped",
                self.function,
                self.shutdown_timeout
            );
        }
        Delivery::Stopped
    }

    async fn invoke_with_retries(&self, data: &TriggerData) -> Delivery {
        let id = Uuid::new_v4();
        let mut retry = self.retry.map(|policy| (RetryContext::first(policy), policy.delays()));
        loop {
            let context = retry.as_ref().map(|(context, _)| context);
            let body = body(&self.function, id, &self.binding, data, context);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Delivery::Stopped,
                () = self.invoker.until_ready() => {}
            }
            let Err(error) = self.invoker.invoke(&self.function, id, &body).await else {
                return Delivery::Succeeded;
            };
            log::error!("function {} failed (invocation {id}): {error}", self.function);
            let Some((context, delays)) = &mut retry else { return Delivery::Skipped(error) };
            if context.policy.max_retry_count.is_some_and(|limit| context.retry_count >= limit) {
                log::error!(
                    "function {} failed after {} retries and is not retried again",
                    self.function,
                    context.retry_count
                );
                return Delivery::Skipped(error);
            }
            context.retry_count = context.retry_count.saturating_add(1);
            context.exception = Some(error);
            let delay = delays.next();
            log::info!("retrying function {} in {delay:?} (retry {})", self.function, context.retry_count);
            tokio::select! {
                () = self.stop.cancelled() => return Delivery::Stopped,
                () = tokio::time::sleep(delay) => {}
            }
        }
    }
}

/// Runs a function once, and returns what it returns.
pub(crate) async fn invoke(
    invoker: &Invoker,
    function: &str,
    binding: &str,
    data: &TriggerData,
) -> Result<InvocationResult, InvocationError> {
    let id = Uuid::new_v4();
    let result = invoker.invoke(function, id, &body(function, id, binding, data, None)).await;
    if let Err(error) = &result {
        log::error!("function {function} failed (invocation {id}): {error}");
    }
    result
}
