//! Deletes items when their time to live expires, within a fraction of a second, and discards versions that are older than the
//! retention window.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::Utc;

use crate::container::Container;
use crate::emulator::Emulator;
use crate::entry::Entry;
use crate::gateway::Gateway;
use crate::operation::ContainerName;
use crate::writes;

const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Runs until the gateway is dropped.
pub(crate) async fn sweep(gateway: Weak<Gateway>) {
    while let Some(gateway) = gateway.upgrade() {
        let now = Utc::now();
        let retained_since = now.timestamp_millis().saturating_sub(gateway.retention_ms());
        for (name, container) in gateway.containers() {
            remove_expired(gateway.emulator(), &name, &container, now.timestamp(), |_| true).await;
            container.log().discard_versions_before(retained_since);
        }
        drop(gateway);
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}

/// Deletes the selected items whose time to live has expired at `now` (seconds since 1970) and returns their number.
pub(crate) async fn remove_expired(
    emulator: &Emulator,
    name: &ContainerName,
    container: &Arc<Container>,
    now: i64,
    is_selected: impl Fn(&Entry) -> bool,
) -> usize {
    if container.log().expired(now).is_empty() {
        return 0;
    }
    let _writes = container.writes.lock().await;
    let expired = container.log().expired(now);
    let mut removed = 0;
    for entry in expired.iter().filter(|entry| is_selected(entry)) {
        removed += usize::from(writes::expire(emulator, container, name, entry).await);
    }
    removed
}
