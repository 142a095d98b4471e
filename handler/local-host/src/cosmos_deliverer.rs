//! Delivers the batches of a Cosmos DB trigger to its function.

use changefeed_processor::{Change, ChangeFeedMode};
use tokio_util::sync::CancellationToken;

use crate::invocation::{Deliverer, Delivery, TriggerData, batch};
use crate::newtonsoft::TimeZone;

#[derive(Clone)]
pub(crate) struct CosmosDeliverer {
    pub deliverer: Deliverer,
    pub mode: ChangeFeedMode,
    pub zone: TimeZone,
}

impl CosmosDeliverer {
    pub(crate) fn function(&self) -> &str {
        &self.deliverer.function
    }

    /// Cancelled when the host stops.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.deliverer.stop
    }

    pub(crate) async fn deliver(&self, lease_token: &str, changes: &[Change]) -> Delivery {
        let delivery = match batch(changes, self.mode, self.zone) {
            Ok(batch) => self.deliverer.deliver(&TriggerData::from_text(&batch)).await,
            Err(change) => Delivery::Undeliverable(change),
        };
        if let Delivery::Skipped(_) | Delivery::Undeliverable(_) = &delivery {
            log::warn!("Lease {lease_token} encountered an unhandled user exception during processing.");
        }
        delivery
    }
}
