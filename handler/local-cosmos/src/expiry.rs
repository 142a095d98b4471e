//! Time to live: deletes what has expired, within a fraction of a second.

use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_core::http::Method;
use chrono::Utc;

use crate::container::Container;
use crate::emulator::{Emulator, Incoming};
use crate::gateway::Gateway;
use crate::operation::ContainerName;

const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Sweeps until the gateway is gone.
pub(crate) async fn sweep(gateway: Weak<Gateway>) {
    while let Some(gateway) = gateway.upgrade() {
        for (name, container) in gateway.containers() {
            remove_expired(gateway.emulator(), &name, &container).await;
        }
        drop(gateway);
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}

async fn remove_expired(emulator: &Emulator, name: &ContainerName, container: &Arc<Container>) {
    let now = Utc::now().timestamp();
    if container.log().expired(now).is_empty() {
        return;
    }
    let _writes = container.writes.lock().await;
    let expired = container.log().expired(now);
    for entry in expired {
        let mut url = emulator.url().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["dbs", &name.database, "colls", &name.container, "docs", &entry.id]);
        }
        let mut delete = Incoming::new(Method::Delete, url);
        delete.set_header("x-ms-documentdb-partitionkey", &entry.key);
        delete.set_header("if-match", &entry.etag);
        let reply = emulator.execute(&delete).await;
        if reply.is_success() || reply.status == 404 {
            container.log().remove(&entry.epk, &entry.id);
        }
    }
}
