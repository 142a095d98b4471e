//! Looks at the leases without the timer of the Functions host, for `/ready`, the metrics and the log. It frees no lease: this
//! instance acquires a lease that the trigger has released, and can deliver its document. It notes the size of the history too.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::health::Health;
use crate::sources::Sources;
use crate::stalled::look;
use crate::telemetry;

/// The longest time between two looks; the shortest.
const INTERVAL: Duration = Duration::from_secs(60);
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// A stall is seen several times before it counts.
const LOOKS: u32 = 10;

/// Looks at the leases until it is dropped.
pub struct Watching(JoinHandle<()>);

impl Watching {
    pub fn start(sources: Sources, health: Health) -> Self {
        Self(tokio::spawn(async move {
            let interval = (sources.first().settings().stalled_after / LOOKS).clamp(MIN_INTERVAL, INTERVAL);
            loop {
                tokio::time::sleep(interval).await;
                for service in sources.all() {
                    let look = telemetry::in_span("WatchLeases", look(service, false)).await;
                    let problems = look.problems();
                    problems.iter().for_each(|problem| log::warn!("{problem}"));
                    health.set_looked(service, look.observations, problems);
                    service.note_size().await;
                    service.wake_jobs().await;
                }
            }
        }))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}
