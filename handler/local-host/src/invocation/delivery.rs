//! A batch, from its first attempt to the decision whether its lease moves on.
//!
//! The listener of the real trigger moves the lease on whatever the function did: success, failure without a retry
//! policy and an exhausted policy are the same to it. Only a host that is stopped leaves the lease where it was.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::body::{RetryContext, body, trigger_data};
use super::error::InvocationError;
use super::invoker::Invoker;
use crate::app::{Delays, RetryPolicy};

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// The function succeeded.
    Succeeded,
    /// The function failed as often as its retry policy allows; the batch is skipped.
    Skipped(InvocationError),
    /// The host was stopped; the batch is to be delivered again by whoever takes the lease.
    Stopped,
}

/// Delivers batches to one function.
#[derive(Clone)]
pub(crate) struct Deliverer {
    pub invoker: Arc<Invoker>,
    pub function: String,
    /// The name of the trigger's binding.
    pub binding: String,
    pub retry: Option<RetryPolicy>,
    pub stop: CancellationToken,
}

impl Deliverer {
    /// Runs the function on the batch, in as many attempts as its retry policy asks for, all under one invocation id.
    pub(crate) async fn deliver(&self, lease_token: &str, documents: &[Value]) -> Delivery {
        let delivery = self.fire(trigger_data(documents)).await;
        if let Delivery::Skipped(_) = &delivery {
            log::warn!("Lease {lease_token} encountered an unhandled user exception during processing.");
        }
        delivery
    }

    /// Runs the function with this value of its trigger, in as many attempts as its retry policy asks for.
    pub(crate) async fn fire(&self, data: Value) -> Delivery {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Delivery::Stopped,
            delivery = self.attempts(data) => delivery,
        }
    }

    async fn attempts(&self, data: Value) -> Delivery {
        let id = Uuid::new_v4();
        let mut retry = self.retry.map(|policy| (RetryContext::first(policy), policy.delays()));
        loop {
            let context = retry.as_ref().map(|(context, _)| context);
            let body = body(&self.function, &self.binding, &data, context);
            let Err(error) = self.invoker.invoke(&self.function, id, body).await else {
                return Delivery::Succeeded;
            };
            log::error!("function {} failed (invocation {id}): {error}", self.function);
            let Some((context, delays)) = &mut retry else { return Delivery::Skipped(error) };
            if context.policy.max_retry_count.is_some_and(|most| context.retry_count >= most) {
                log::error!("function {} failed after {} retries", self.function, context.retry_count);
                return Delivery::Skipped(error);
            }
            context.retry_count = context.retry_count.saturating_add(1);
            context.exception = Some(error);
            pause(&self.function, context.retry_count, delays).await;
        }
    }
}

async fn pause(function: &str, retry: u32, delays: &mut Delays) {
    let delay = delays.next();
    log::info!("function {function} is tried again in {delay:?} (retry {retry})");
    tokio::time::sleep(delay).await;
}
