//! Deletes items when their time to live expires, within a fraction of a second, and discards versions that are older than the
//! retention window.

use std::sync::Weak;
use std::time::Duration;

use crate::gateway::Gateway;

const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Runs until the gateway is dropped.
pub(crate) async fn sweep(gateway: Weak<Gateway>) {
    while let Some(gateway) = gateway.upgrade() {
        let now = gateway.clock().milliseconds();
        let retained_since = now.saturating_sub(gateway.retention_ms());
        for container in gateway.containers() {
            let store = container.data.store();
            let is_due = {
                let contents = store.read();
                contents.log().has_expired(now.div_euclid(1000)) || contents.log().versions().is_older(retained_since)
            };
            if is_due {
                let mut contents = store.write();
                contents.expire(now.div_euclid(1000), now, |_| true);
                contents.log_mut().discard_versions_before(retained_since);
            }
        }
        drop(gateway);
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}
